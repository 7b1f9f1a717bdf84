#include "api/answer.h"

#include "api/error.h"
#include "base/base64.h"

const struct service own_service = { .name = STR_INIT("sesame"), .dialect = DIALECT_REST_JSON };

/* S3's second id, for those who quote it in tickets: the first one again, made long. */
static str host_id(const struct api_request *r)
{
    char text[BASE64_LEN(64)];
    size_t len = base64_encode_to(text, str_head(r->call.request_id, 36));
    str id = arena_str(r->x->arena, (str) { text, len });
    return str_is_none(id) ? STR("") : id;
}

static void add_ids(struct api_request *r)
{
    struct http_answer *answer = &r->x->answer;

    if (r->service && r->service->dialect == DIALECT_REST_XML) {
        http_add(answer, STR("x-amz-request-id"), r->call.request_id);
        http_add(answer, STR("x-amz-id-2"), host_id(r));
    } else
        http_add(answer, STR("x-amzn-RequestId"), r->call.request_id);
}

/* The operation's fields. MHD writes the length itself; a HEAD without a body says it by field. */
static bool add_headers(struct api_request *r)
{
    struct http_answer *answer = &r->x->answer;
    bool typed = false;

    for (size_t i = 0; i < r->answer.header_count; i++) {
        const struct header *h = &r->answer.headers[i];
        if (str_eq_nocase(h->name, STR("Content-Length"))) {
            str_u64(h->value, &answer->size);
            continue;
        }
        typed = typed || str_eq_nocase(h->name, STR("Content-Type"));
        http_add(answer, h->name, h->value);
    }
    return typed;
}

static const struct fault *read_body(void *body, str *ret_piece)
{
    return ((struct body *)body)->read(body, ret_piece);
}

static const struct fault *wrap(struct api_request *r)
{
    struct http_answer *answer = &r->x->answer;
    str inside = buf_str(&r->answer.text);

    if (r->answer.text.failed)
        return fault(r->x->arena, FAULT_DEFECT, NULL, "the answer is larger than it may be");
    answer->text = inside; /* lives as long as the request */
    if (r->service->dialect != DIALECT_QUERY_XML)
        return NULL;
    AUTO_BUF out = buf_new(OPERATION_ANSWER_MAX + 4096u);
    query_wrap(r->service, r->operation, inside, r->call.request_id, &out);
    answer->text = arena_str(r->x->arena, buf_str(&out));
    return out.failed || str_is_none(answer->text) ? &fault_no_memory : NULL;
}

static str default_type(enum dialect dialect)
{
    switch (dialect) {
    case DIALECT_QUERY_XML:
        return STR("text/xml");
    case DIALECT_REST_XML:
        return STR("application/xml");
    case DIALECT_JSON:
        return STR("application/x-amz-json-1.1");
    case DIALECT_REST_JSON:
        break;
    }
    return STR("application/json");
}

enum http_next answer_success(struct api_request *r)
{
    struct http_answer *answer = &r->x->answer;
    const struct fault *why = wrap(r);

    if (why)
        return answer_fault(r, why);
    answer->status = r->answer.status ? r->answer.status : 200;
    add_ids(r);
    bool typed = add_headers(r);
    if (r->answer.body) {
        answer->read = read_body;
        answer->from = r->answer.body;
        answer->size = r->answer.body->size;
    } else if (!typed && answer->text.len > 0)
        http_add(answer, STR("Content-Type"), default_type(r->service->dialect));
    return HTTP_ANSWER;
}

enum http_next answer_fault(struct api_request *r, const struct fault *why)
{
    const struct service *service = r->service ? r->service : route_service(&r->ask);
    struct error_words words = error_words(service, why, r->x->arena);
    struct error_place place = { .request_id = r->call.request_id,
                                 .host_id = host_id(r),
                                 .resource = r->ask.raw_path,
                                 .bucket = r->call.bucket,
                                 .key = r->call.key };

    r->service = service;
    r->fault = why;
    r->code = words.code;
    r->x->answer = (struct http_answer) { .status = 0 };
    error_answer(service, &words, &place, r->x->arena, &r->x->answer);
    add_ids(r);
    if (str_is_none(r->x->answer.text)) { /* no memory left to say more */
        r->x->answer.text = STR("");
        r->x->answer.close = true;
    }
    return HTTP_ANSWER;
}

enum http_next answer_own_page(struct api_request *r, const struct own_answer *own)
{
    struct http_answer *answer = &r->x->answer;

    if (own->text.failed)
        return answer_fault(
            r, fault(r->x->arena, FAULT_DEFECT, NULL, "the page is larger than it may be"));
    answer->status = own->status ? own->status : 200;
    answer->text = buf_str(&own->text);
    add_ids(r);
    http_add(answer, STR("Content-Type"),
             own->content_type.len ? own->content_type : STR("application/json"));
    http_add(answer, STR("Cache-Control"), STR("no-store"));
    return HTTP_ANSWER;
}
