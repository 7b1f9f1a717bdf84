/* api/server.c - one request from its head to its answer.
 *
 *     begin   who asks (signature over the head), which service, for S3 which operation
 *       |  \-- a streamed operation: `open` on a worker thread, before the body
 *     chunk   the body: proven along the way, gathered or streamed
 *       |
 *     end     was it the body that was signed?
 *       |
 *     work    on a worker thread: the world, the operation, its answer or its fault in words
 *       |
 *     over    one journal line, one count */
#include "api/access.h"
#include "api/answer.h"
#include "api/api.h"
#include "api/authenticate.h"
#include "api/error.h"
#include "api/pace.h"
#include "api/query.h"
#include "api/request.h"
#include "api/router.h"
#include "base/percent.h"
#include "base/random_id.h"
#include "services/account.h"
#include "services/iam/user.h"

#include <assert.h>

struct api_server {
    struct api *api;
    own_page_fn *own_pages;
    void *own_context;
    struct http_server *http;
    struct sigv4_keys keys; /* the HTTP thread's */
};

enum { OWN_TEXT_MAX = 64 * 1024 };

/* ---- the head ---- */

static void split_target(str target, struct route_ask *ask)
{
    bool asked = str_cut(target, '?', &ask->raw_path, &ask->raw_query);

    if (!asked)
        ask->raw_query = STR("");
}

static const struct fault *copy_fields(const struct http_exchange *x, struct sigv4_request *to)
{
    struct sigv4_field *fields = ARENA_ARRAY(x->arena, struct sigv4_field, x->header_count + 1);

    if (!fields)
        return &fault_no_memory;
    for (size_t i = 0; i < x->header_count; i++)
        fields[i] = (struct sigv4_field) { x->headers[i].name, x->headers[i].value };
    to->fields = fields;
    to->field_count = x->header_count;
    return NULL;
}

/* By its path alone, except for the reset that moto has: a bucket may have the name. */
static bool is_own_page(str method, str path)
{
    return str_starts(path, STR("/_sesame/")) ||
           str_starts(path, STR("/SimpleNotificationService-")) || /* no bucket's name */
           (str_eq(method, STR("POST")) && str_eq(path, STR("/moto-api/reset")));
}

static struct api_request *request_new(struct api_server *server, struct http_exchange *x)
{
    struct api_request *r = ARENA_NEW(x->arena, struct api_request);
    char id[REQUEST_ID_LEN + 1];

    if (!r)
        return NULL;
    r->server = server;
    r->api = server->api;
    r->x = x;
    r->started_ms = server->api->outside->clock->steady_ms(server->api->outside->clock);
    r->ask = (struct route_ask) { .method = x->method,
                                  .headers = x->headers,
                                  .header_count = x->header_count,
                                  .scope_service = STR_NONE };
    split_target(x->target, &r->ask);
    r->call.request_id = arena_str(x->arena, random_request_id(server->api->outside->entropy, id));
    r->call.method = x->method;
    r->call.raw_target = x->target;
    r->call.headers = x->headers;
    r->call.header_count = x->header_count;
    r->call.call.arena = x->arena;
    r->call.call.now_ms = server->api->outside->clock->wall_ms(server->api->outside->clock);
    r->signed_request = (struct sigv4_request) { .method = x->method,
                                                 .raw_path = r->ask.raw_path,
                                                 .raw_query = r->ask.raw_query };
    r->own_page = is_own_page(x->method, r->ask.raw_path);
    r->text = buf_new(r->own_page ? OWN_TEXT_MAX : OPERATION_TEXT_MAX);
    r->answer.text = buf_new(OPERATION_ANSWER_MAX);
    x->own = r;
    return str_is_none(r->call.request_id) || !arena_on_reset(x->arena, request_release, r) ? NULL
                                                                                            : r;
}

static const struct fault *identify(struct api_request *r)
{
    struct api *api = r->server->api;
    struct arena *arena = r->x->arena;

    TRY(copy_fields(r->x, &r->signed_request));
    r->signed_request.asks_s3 =
        !r->own_page && route_service(&r->ask)->dialect == DIALECT_REST_XML;
    const struct fault *why = authenticate(api, &r->signed_request, r->call.call.now_ms,
                                           &r->server->keys, arena, &r->who);
    const struct sigv4_claim *claim = &r->who.claim;
    if (claim->form != SIGV4_ANONYMOUS && claim->service.len > 0)
        r->ask.scope_service = claim->service;
    r->service = r->own_page ? &own_service : route_service(&r->ask);
    if (why)
        return why;
    r->who.caller.source_ip = r->x->peer;
    r->who.caller.secure_transport = false; /* plain HTTP; a proxy's word for it is not asked for */
    r->call.call.caller = &r->who.caller;
    r->call.call.mishaps = api->mishaps;
    r->call.call.region = claim->form == SIGV4_ANONYMOUS ? api->default_region : claim->region;
    r->call.account = r->who.caller.kind == CALLER_ANONYMOUS ? STR_NONE : r->who.caller.account;
    /* S3 lets its policies judge strangers; the others do not talk to them. */
    if (claim->form == SIGV4_ANONYMOUS && !r->own_page && r->service->dialect != DIALECT_REST_XML &&
        !route_open(&r->ask))
        return sigv4_unsigned(false, arena);
    return NULL;
}

/* A presigned URL carries in its query what would be a header otherwise: SDKs move x-amz-* there,
 * so that the URL alone makes the request. S3 reads both alike, and so do routing and operations
 * here; the header comes first where both are given. */
static const struct fault *take_hoisted(struct api_request *r)
{
    struct arena *arena = r->x->arena;
    size_t count = r->ask.header_count;
    struct header *fields = ARENA_ARRAY(arena, struct header, count + r->call.param_count + 1);

    if (!fields)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++)
        fields[i] = r->ask.headers[i];
    for (size_t i = 0; i < r->call.param_count; i++) {
        const struct header *pair = &r->call.params[i];
        if (!str_starts_nocase(pair->name, STR("x-amz-")) || str_is_none(pair->value))
            continue;
        fields[count++] = (struct header) { pair->name, str_trim(pair->value) };
    }
    r->ask.headers = r->call.headers = fields;
    r->ask.header_count = r->call.header_count = count;
    return NULL;
}

static const struct fault *find_s3_operation(struct api_request *r)
{
    struct arena *arena = r->x->arena;
    struct s3_place place;

    TRY(route_s3_place(&r->ask, arena, &place));
    r->call.bucket = place.bucket;
    r->call.key = place.key;
    if (pairs_read(r->ask.raw_query, arena, &r->call.params, &r->call.param_count))
        return fault_coded(arena, FAULT_SYNTAX, "InvalidURI", "Couldn't parse the specified URI.");
    TRY(take_hoisted(r));
    TRY(route_s3(&r->ask, &place, r->call.params, r->call.param_count, arena, &r->operation));
    if (r->operation->text_max)
        r->text.max = r->operation->text_max;
    return NULL;
}

/* None found is said on a worker, as for every other dialect. */
static const struct fault *find_rest_operation(struct api_request *r)
{
    TRY(pairs_read(r->ask.raw_query, r->x->arena, &r->call.params, &r->call.param_count));
    r->operation = route_rest_json(r->service, &r->ask, r->x->arena, r->call.place);
    if (r->operation && r->operation->text_max)
        r->text.max = r->operation->text_max;
    return NULL;
}

static const struct fault *too_large(struct api_request *r)
{
    bool s3 = r->service->dialect == DIALECT_REST_XML;
    return fault_coded(r->x->arena, FAULT_LIMIT, s3 ? "EntityTooLarge" : "RequestEntityTooLarge",
                       "The request's body is larger than the %zu bytes that are taken here",
                       r->text.max);
}

/* A stream without a length would be taken for an empty one: S3 wants to hear that it is empty. */
static const struct fault *need_length(const struct api_request *r)
{
    if (!request_streams(r) || r->x->body_size == UINT64_MAX ||
        !str_is_none(http_header(r->x, STR("Content-Length"))))
        return NULL;
    return fault_coded(r->x->arena, FAULT_SYNTAX, "MissingContentLength",
                       "You must provide the Content-Length HTTP header.");
}

static const struct fault *prepare(struct api_request *r)
{
    TRY(identify(r));
    if (r->service->text_max)
        r->text.max = r->service->text_max;
    if (r->service->dialect == DIALECT_REST_XML)
        TRY(find_s3_operation(r));
    if (r->service->dialect == DIALECT_REST_JSON && !r->own_page)
        TRY(find_rest_operation(r));
    TRY(need_length(r));
    TRY(intake_begin(&r->who, &r->signed_request, &r->server->keys, r->x->body_size, r->x->arena,
                     &r->intake));
    r->call.body_size = r->intake.body_size;
    if (!request_streams(r) && r->call.body_size != UINT64_MAX && r->call.body_size > r->text.max)
        return too_large(r);
    return NULL;
}

static enum http_next on_begin(void *context, struct http_exchange *x)
{
    struct api_request *r = request_new(context, x);

    if (!r) {
        x->own = NULL;
        return HTTP_CLOSE;
    }
    const struct fault *why = prepare(r);
    if (why)
        return answer_fault(r, why);
    r->phase = request_streams(r) ? PHASE_OPEN : PHASE_RUN;
    return r->phase == PHASE_OPEN ? HTTP_WORK : HTTP_READ;
}

/* Nothing is asked of a server that goes away but which dialect the caller speaks: SDKs try again
 * when they hear a 503 they can read. */
static enum http_next on_leaving(void *context, struct http_exchange *x)
{
    struct api_request *r = request_new(context, x);

    if (!r) {
        x->own = NULL;
        return HTTP_CLOSE;
    }
    if (!copy_fields(x, &r->signed_request)) {
        (void)sigv4_read(&r->signed_request, r->call.call.now_ms, x->arena, &r->who.claim);
        r->ask.scope_service =
            r->who.claim.service.len > 0 ? r->who.claim.service : r->ask.scope_service;
    }
    r->service = r->own_page ? &own_service : route_service(&r->ask);
    return answer_fault(r, fault(x->arena, FAULT_UNAVAILABLE, NULL,
                                 "this server is stopping, or about to start over"));
}

/* ---- the body ---- */

static const struct fault *take_piece(void *self, str piece)
{
    struct api_request *r = self;

    if (r->stream_open)
        return r->operation->stream->write(r->stream, piece);
    buf_add(&r->text, piece);
    return r->text.failed ? too_large(r) : NULL;
}

static enum http_next on_chunk(struct http_exchange *x, str chunk)
{
    struct api_request *r = x->own;
    const struct fault *why = intake_feed(&r->intake, chunk, take_piece, r);

    return why ? answer_fault(r, why) : HTTP_READ;
}

static enum http_next on_end(struct http_exchange *x)
{
    struct api_request *r = x->own;
    const struct fault *why = intake_end(&r->intake);

    if (why)
        r->call.account =
            STR_NONE; /* claimed, and now shown not to be theirs: not for the journal */
    else
        why = intake_trailers(&r->intake, &r->call.trailers, &r->call.trailer_count);
    if (why)
        return answer_fault(r, why);
    r->call.body_size = r->intake.taken;
    r->call.text = buf_str(&r->text);
    return HTTP_WORK;
}

/* ---- the operation, on a worker thread ---- */

static const struct fault *find_action(struct api_request *r)
{
    struct arena *arena = r->x->arena;
    str form =
        str_eq(r->x->method, STR("POST")) && r->call.text.len > 0 ? r->call.text : r->ask.raw_query;

    TRY(pairs_read(form, arena, &r->call.params, &r->call.param_count));
    str action = api_param(&r->call, "Action"), version = api_param(&r->call, "Version");
    if (action.len == 0)
        return fault_coded(arena, FAULT_SYNTAX, "MissingAction",
                           "The request must contain the parameter Action");
    r->action = action;
    if (str_is_none(version) || str_eq(version, r->service->version))
        r->operation = route_action(r->service, action);
    if (r->operation)
        return NULL;
    return fault_coded(
        arena, FAULT_SYNTAX, "InvalidAction",
        "Could not find operation " STR_FMT " for version " STR_FMT "%s" STR_FMT,
        STR_ARG(str_head(action, 128)),
        STR_ARG(str_is_none(version) ? STR("NO_VERSION_SPECIFIED") : str_head(version, 32)),
        r->service->why_not.len ? ". " : "", STR_ARG(r->service->why_not));
}

static const struct fault *find_operation(struct api_request *r)
{
    struct arena *arena = r->x->arena;

    switch (r->service->dialect) {
    case DIALECT_QUERY_XML:
        return find_action(r);
    case DIALECT_REST_XML:
        assert(r->operation && "an S3 operation is found from the head");
        return NULL;
    case DIALECT_JSON: {
        str target = api_header(&r->call, "X-Amz-Target");
        r->action = str_starts(target, r->service->target)
                        ? str_from(target, r->service->target.len)
                        : target;
        r->operation = route_action(r->service, r->action);
        break;
    }
    case DIALECT_REST_JSON: /* found from the head, or not at all */
        break;
    }
    if (r->operation)
        return NULL;
    return fault_coded(arena, FAULT_UNBUILT, "UnknownOperationException",
                       "The operation is not known here%s" STR_FMT,
                       r->service->why_not.len ? ". " : "", STR_ARG(r->service->why_not));
}

/* An account begins with its first use; what its first request sees includes it. */
static const struct fault *enter_world(struct api_request *r)
{
    struct api *api = r->server->api;

    if (r->call.call.world)
        return NULL;
    r->call.call.world = worlds_now(api->worlds);
    if (r->call.call.caller->kind == CALLER_USER && !r->call.call.caller->session)
        /* What cannot be noted is no reason to refuse. */
        (void)access_key_used(api->state, &r->call.call, r->who.claim.access_key_id,
                              r->service->name);
    if (str_is_none(r->call.account) || account_find(r->call.call.world, r->call.account))
        return NULL;
    TRY(account_begin(api->state, &r->call.call));
    world_unref(r->call.call.world);
    r->call.call.world = worlds_now(api->worlds);
    return NULL;
}

static const struct fault *keep_pace(const struct api_request *r)
{
    struct api *api = r->server->api;
    struct clock *clock = api->outside->clock;

    if (!api->pace || !r->operation->paced ||
        pace_take(api->pace, r->call.account, r->call.call.region, r->operation->name,
                  clock->steady_ms(clock)))
        return NULL;
    return fault_coded(r->x->arena, FAULT_LIMIT, "Throttling", "Rate exceeded");
}

static enum http_next open_stream(struct api_request *r)
{
    const struct fault *why = enter_world(r);

    if (!why)
        why = r->operation->stream->open(r->server->api, &r->call, &r->stream);
    if (why)
        return answer_fault(r, why);
    r->stream_open = true;
    r->phase = PHASE_RUN;
    return HTTP_READ;
}

static enum http_next run_operation(struct api_request *r)
{
    struct api *api = r->server->api;
    const struct fault *why = find_operation(r);

    if (!why)
        why = keep_pace(r);
    if (!why)
        why = enter_world(r);
    if (!why && r->stream_open) {
        r->stream_open = false;
        why = r->operation->stream->finish(r->stream, &r->call, &r->answer);
    } else if (!why)
        why = r->operation->run(api, &r->call, &r->answer);
    return why ? answer_fault(r, why) : answer_success(r);
}

static enum http_next run_own_page(struct api_request *r)
{
    struct own_answer own = { .status = 200 };
    struct own_page page = { .method = r->x->method,
                             .query = r->ask.raw_query,
                             .body = r->call.text,
                             .local = request_is_local(r->x),
                             .root = r->who.root,
                             .asked_ms = r->started_ms,
                             .kept = &r->kept };
    bool below = str_starts(r->ask.raw_path, STR("/_sesame/"));
    str path = str_from(r->ask.raw_path, below ? sizeof "/_sesame/" - 1 : 0);

    if (!percent_decode(path, false, r->x->arena, &page.path))
        return answer_fault(r, fault(r->x->arena, FAULT_SYNTAX, NULL, "the path is malformed"));
    own.text = r->answer.text;
    r->server->own_pages(r->server->own_context, &page, r->x->arena, &own);
    r->answer.text = own.text; /* the request frees it */
    if (own.kept)
        return HTTP_KEEP;
    if (own.later_ms) {
        r->x->later_ms = own.later_ms;
        return HTTP_LATER;
    }
    return answer_own_page(r, &own);
}

static enum http_next on_work(struct http_exchange *x)
{
    struct api_request *r = x->own;

    if (r->phase == PHASE_OPEN)
        return open_stream(r);
    return r->own_page ? run_own_page(r) : run_operation(r);
}

static void on_over(struct http_exchange *x)
{
    struct api_request *r = x->own;

    if (!r)
        return;
    if (r->stream_open)
        r->operation->stream->cancel(r->stream);
    r->stream_open = false;
    access_note(r);
}

static void on_refused(void *context, str peer, int status, const char *why)
{
    struct api_server *server = context;
    access_note_refusal(server->api, peer, status, why);
}

/* ---- the server ---- */

const struct fault *api_server_start(const struct api_server_settings *settings,
                                     struct arena *arena, struct api_server **ret_server)
{
    static const struct http_service service = { on_begin, on_chunk,   on_end,    on_work,
                                                 on_over,  on_refused, on_leaving };
    struct api_server *server = ARENA_NEW(arena, struct api_server);

    if (!server)
        return &fault_no_memory;
    server->api = settings->api;
    server->own_pages = settings->own_pages;
    server->own_context = settings->own_context;
    struct http_settings http = { .address = settings->address,
                                  .listening = settings->listening,
                                  .service = &service,
                                  .context = server,
                                  .connections = settings->connections,
                                  .workers = settings->workers };
    TRY(http_server_start(&http, arena, &server->http));
    *ret_server = server;
    return NULL;
}

str api_server_address(const struct api_server *server)
{
    return http_server_address(server->http);
}

void api_server_stop(struct api_server *server)
{
    if (!server)
        return;
    http_server_stop(server->http);
    bytes_forget(&server->keys, sizeof server->keys);
}

void api_server_hold(struct api_server *server, int64_t grace_ms)
{
    http_server_hold(server->http, grace_ms);
}

int api_server_listening(const struct api_server *server)
{
    return http_server_listening(server->http);
}

size_t api_server_kept(const struct api_server *server, int *ret_fds, size_t room)
{
    return http_server_kept(server->http, ret_fds, room);
}
