#include "api/request.h"

#include "api/query.h"
#include "base/digest.h"

#include <arpa/inet.h>
#include <assert.h>

/* Either may hold a data key or a secret. */
static void forget(struct buf *buf)
{
    if (buf->len)
        bytes_forget(buf->ptr, buf->len);
    buf_free(buf);
}

void request_release(void *request)
{
    struct api_request *r = request;

    assert(!r->stream_open && "a stream is finished or cancelled before its memory goes");
    forget(&r->text);
    forget(&r->answer.text);
    if (r->call.call.world)
        world_unref(r->call.call.world);
}

bool request_streams(const struct api_request *r)
{
    return r->operation && r->operation->stream;
}

static bool is_address_or_localhost(str host)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char address[16];
    size_t colon = host.len;

    while (colon > 0 && ascii_is_digit(host.ptr[colon - 1]))
        colon--;
    if (colon > 0 && host.ptr[colon - 1] == ':')
        host = str_head(host, colon - 1);
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = str_head(str_from(host, 1), host.len - 2);
    if (str_eq_nocase(host, STR("localhost")) || str_ends_nocase(host, STR(".localhost")))
        return true;
    if (host.len >= sizeof text)
        return false;
    memcpy(text, host.ptr ? host.ptr : "", host.len);
    text[host.len] = '\0';
    return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

bool request_is_local(const struct http_exchange *x)
{
    /* A browser says Origin with whatever a page lets it change, wherever that page is from. */
    static const str foreign[] = { STR_INIT("Forwarded"), STR_INIT("X-Forwarded-For"),
                                   STR_INIT("X-Real-IP"), STR_INIT("Via"), STR_INIT("Origin") };

    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        if (fields_find(x->headers, x->header_count, foreign[i]))
            return false;
    return x->peer_local && is_address_or_localhost(http_header(x, STR("Host")));
}

str api_param(const struct api_call *call, const char *name)
{
    const struct header *pair = pair_find(call->params, call->param_count, str_of(name));
    return pair ? pair->value : STR_NONE;
}

bool api_has_param(const struct api_call *call, const char *name)
{
    return pair_find(call->params, call->param_count, str_of(name)) != NULL;
}

str api_header(const struct api_call *call, const char *name)
{
    const struct header *field = fields_find(call->headers, call->header_count, str_of(name));
    return field ? field->value : STR_NONE;
}

void api_add_header(struct api_answer *answer, const char *name, str value)
{
    assert(answer->header_count < sizeof answer->headers / sizeof answer->headers[0] &&
           "an answer has few fields");
    answer->headers[answer->header_count++] = (struct header) { str_of(name), value };
}
