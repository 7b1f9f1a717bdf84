/* wire/http_client.c - curl's easy interface, one handle a thread and kind of question.
 *
 * A handle keeps its connections when it is reset, so a worker that asks the same host again pays for
 * no handshake. Those of questions that may go anywhere and of those that may not are kept apart: a
 * connection is judged when it is made, and one made without judgement must not be found again. */
#include "wire/http_client.h"

#include "wire/address.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>

enum { DEADLINE_MS = 30000, BODY_MAX = 16 * 1024 * 1024, HEADERS = 64, HEAD_MAX = 64 * 1024 };

struct handles {
    CURL *anywhere, *public_only;
};

static pthread_key_t handles_key;
static bool handles_kept;

static void close_handles(void *owned)
{
    struct handles *handles = owned;
    curl_easy_cleanup(handles->anywhere);
    curl_easy_cleanup(handles->public_only);
    free(handles);
}

static void initialise(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    handles_kept = pthread_key_create(&handles_key, close_handles) == 0;
}

/* The thread's own handle, as new but for its connections; NULL: no memory. */
static CURL *take_handle(bool public_only)
{
    struct handles *handles = handles_kept ? pthread_getspecific(handles_key) : NULL;
    if (!handles) {
        handles = calloc(1, sizeof *handles);
        if (!handles || !handles_kept || pthread_setspecific(handles_key, handles) != 0) {
            free(handles);
            return NULL;
        }
    }
    CURL **handle = public_only ? &handles->public_only : &handles->anywhere;
    if (!*handle)
        *handle = curl_easy_init();
    return *handle;
}

/* What the signature is about: the pieces of http[s]://host/path?query. */
struct pieces {
    str host, path, query;
};

static bool split_url(str url, struct pieces *ret)
{
    size_t scheme = str_starts(url, STR("https://")) ? 8 : str_starts(url, STR("http://")) ? 7 : 0;
    str rest = str_from(url, scheme);
    size_t slash = str_find(rest, '/');

    for (size_t i = 0; i < url.len; i++)
        if ((unsigned char)url.ptr[i] <= ' ' || url.ptr[i] == 0x7f || url.ptr[i] == '#')
            return false;
    ret->host = str_head(rest, slash);
    str_cut(str_from(rest, slash), '?', &ret->path, &ret->query);
    if (ret->path.len == 0)
        ret->path = STR("/");
    /* Names and passwords in URLs have no place in what is signed and logged. */
    return scheme && ret->host.len > 0 && !str_has(ret->host, '@') && !str_has(ret->host, '?');
}

static size_t on_body(char *bytes, size_t size, size_t count, void *self)
{
    struct buf *body = self;

    buf_add(body, (str) { bytes, size * count });
    return body->failed ? 0 : size * count;
}

static size_t drop_body(char *bytes, size_t size, size_t count, void *self)
{
    (void)bytes, (void)self;
    return size * count;
}

/* Asked for each address that a name leads to, before a byte is sent to it. */
static curl_socket_t open_public(void *self, curlsocktype purpose, struct curl_sockaddr *to)
{
    bool *refused = self;
    (void)purpose;
    if (!address_is_public(&to->addr)) {
        *refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

/* One line a call; a status line begins the header section that counts. */
static size_t on_header(char *bytes, size_t size, size_t count, void *self)
{
    struct buf *head = self;
    const str line = { bytes, size * count };

    if (str_starts(line, STR("HTTP/")))
        buf_clear(head);
    else
        buf_add(head, line);
    return head->failed ? 0 : line.len;
}

static const struct fault *split_headers(str head, struct arena *arena, struct http_reply *reply)
{
    size_t room = 1, count = 0;
    for (size_t i = 0; i < head.len; i++)
        room += head.ptr[i] == '\n';
    struct header *headers = ARENA_ARRAY(arena, struct header, room);
    head = arena_str(arena, head);
    if (!headers || str_is_none(head))
        return &fault_no_memory;
    for (str line, name, value; head.len;) {
        str_cut(head, '\n', &line, &head);
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (str_cut(line, ':', &name, &value))
            headers[count++] = (struct header) { name, str_trim(value) };
    }
    reply->headers = headers;
    reply->header_count = count;
    return NULL;
}

/* What one answer is gathered in. */
struct taking {
    struct buf head, body;
    bool refused; /* it is not at a public address */
};

struct headers_out {
    struct curl_slist *list;
    bool failed;
};

static void add_header(struct headers_out *out, struct arena *arena, str name, str value)
{
    /* curl leaves a header without value out unless it is written with a semicolon */
    str line = value.len ? arena_strf(arena, STR_FMT ": " STR_FMT, STR_ARG(name), STR_ARG(value))
                         : arena_strf(arena, STR_FMT ";", STR_ARG(name));
    struct curl_slist *longer =
        line.ptr && strlen(line.ptr) == line.len ? curl_slist_append(out->list, line.ptr) : NULL;

    if (!longer)
        out->failed = true;
    else
        out->list = longer;
    for (size_t i = 0; i < line.len; i++)
        if (line.ptr[i] == '\r' || line.ptr[i] == '\n')
            out->failed = true;
}

/* Adds the question's own headers and, where asked, those of the signature. */
static const struct fault *collect_headers(const struct http_question *q,
                                           const struct pieces *pieces, struct arena *arena,
                                           struct headers_out *out)
{
    struct sigv4_field fields[HEADERS + 1], added[SIGV4_FIELDS];
    size_t count = 0, added_count = 0;
    char hash[2 * SHA256_SIZE];

    if (q->header_count > HEADERS)
        return fault(arena, FAULT_LIMIT, NULL, "too many header fields in a request");
    fields[count++] = (struct sigv4_field) { STR("Host"), pieces->host };
    for (size_t i = 0; i < q->header_count; i++) {
        fields[count++] = (struct sigv4_field) { q->headers[i].name, q->headers[i].value };
        add_header(out, arena, q->headers[i].name, q->headers[i].value);
    }
    if (q->signer) {
        struct sigv4_request request = { .method = q->method,
                                         .raw_path = pieces->path,
                                         .raw_query = pieces->query,
                                         .fields = fields,
                                         .field_count = count };
        sha256_hex(q->body, hash);
        TRY(sigv4_sign(&request, q->signer, (str) { hash, sizeof hash }, NULL, arena, added,
                       &added_count));
    }
    for (size_t i = 0; i < added_count; i++)
        add_header(out, arena, added[i].name, added[i].value);
    add_header(out, arena, STR("Host"), pieces->host);
    /* curl adds three of its own unless they are named without a value. */
    struct curl_slist *last = out->failed ? NULL : curl_slist_append(out->list, "Expect:");
    static const struct {
        const char *name, *off;
    } own[] = { { "Content-Type", "Content-Type:" }, { "Accept", "Accept:" } };
    for (size_t o = 0; last && o < sizeof own / sizeof own[0]; o++) {
        bool given = false;
        for (size_t i = 0; i < q->header_count; i++)
            given = given || str_eq_nocase(q->headers[i].name, str_of(own[o].name));
        if (!given)
            last = curl_slist_append(out->list, own[o].off);
    }
    if (!last)
        return out->failed ? fault(arena, FAULT_SYNTAX, NULL,
                                   "a header field of a request holds a line break")
                           : &fault_no_memory;
    return NULL;
}

static void set_options(CURL *curl, const struct http_question *q, struct arena *arena,
                        struct headers_out *headers, struct taking *taking)
{
    curl_easy_setopt(curl, CURLOPT_URL, arena_cstr(arena, q->url));
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                     (long)(q->deadline_ms ? q->deadline_ms : DEADLINE_MS));
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers->list);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &taking->head);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, q->drop_body ? drop_body : on_body);
    if (q->public_only) {
        curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_public);
        curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, &taking->refused);
    }
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &taking->body);
    if (str_eq(q->method, STR("HEAD")))
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    else if (q->body.len || str_eq(q->method, STR("POST")) || str_eq(q->method, STR("PUT"))) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.len);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, q->body.ptr ? q->body.ptr : "");
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, arena_cstr(arena, q->method));
}

static const struct fault *perform(CURL *curl, const struct http_question *q,
                                   const struct taking *taking, struct arena *arena,
                                   struct http_reply *ret_reply)
{
    char why[CURL_ERROR_SIZE] = "";
    char *type = NULL;
    long status = 0;

    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    CURLcode code = curl_easy_perform(curl);
    if (taking->head.failed || taking->body.failed)
        return fault(arena, FAULT_LIMIT, NULL, "the answer of " STR_FMT " is too large",
                     STR_ARG(q->url));
    if (code != CURLE_OK && taking->refused)
        return fault(arena, FAULT_DENIED, NULL,
                     STR_FMT " has a private, loopback or link-local address, which is not allowed",
                     STR_ARG(q->url));
    if (code != CURLE_OK) {
        bool malformed = code == CURLE_URL_MALFORMAT || code == CURLE_WEIRD_SERVER_REPLY ||
                         code == CURLE_UNSUPPORTED_PROTOCOL;
        return fault(arena, malformed ? FAULT_SYNTAX : FAULT_UNAVAILABLE, NULL,
                     "no answer from " STR_FMT ": %s", STR_ARG(q->url),
                     why[0] ? why : curl_easy_strerror(code));
    }
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    struct http_reply reply = { .status = (int)status,
                                .content_type = arena_str(arena, str_of(type)),
                                .body = arena_str(arena, buf_str(&taking->body)) };
    if (str_is_none(reply.body))
        return &fault_no_memory;
    TRY(split_headers(buf_str(&taking->head), arena, &reply));
    *ret_reply = reply;
    return NULL;
}

const struct fault *http_ask(const struct http_question *q, struct arena *arena,
                             struct http_reply *ret_reply)
{
    static pthread_once_t once =
        PTHREAD_ONCE_INIT; /* curl's global state is made once, before any thread's own */
    struct taking taking = { .head = buf_new(HEAD_MAX),
                             .body = buf_new(q->body_max ? q->body_max : BODY_MAX) };
    struct headers_out headers = { .list = NULL };
    struct pieces pieces;

    pthread_once(&once, initialise);
    if (!split_url(q->url, &pieces))
        return fault(arena, FAULT_SYNTAX, NULL, "\"" STR_FMT "\" is not an http URL",
                     STR_ARG(q->url));
    const struct fault *failed = collect_headers(q, &pieces, arena, &headers);
    CURL *curl = failed ? NULL : take_handle(q->public_only);
    if (curl) {
        set_options(curl, q, arena, &headers, &taking);
        failed = perform(curl, q, &taking, arena, ret_reply);
        curl_easy_reset(curl); /* it points into this call */
    } else if (!failed)
        failed = &fault_no_memory;
    curl_slist_free_all(headers.list);
    buf_free(&taking.head);
    buf_free(&taking.body);
    return failed;
}
