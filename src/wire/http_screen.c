#include "wire/http_screen.h"

#define REFUSE(code, text) ((struct http_refusal) { .status = (code), .why = (text) })
#define FINE               ((struct http_refusal) { .status = 0 })

static bool is_token(str s) /* RFC 9110 5.6.2 */
{
    for (size_t i = 0; i < s.len; i++)
        if (!ascii_is_alpha(s.ptr[i]) && !ascii_is_digit(s.ptr[i]) &&
            !str_has(STR("!#$%&'*+-.^_`|~"), s.ptr[i]))
            return false;
    return s.len > 0;
}

static bool has_control(str s, bool tab_is_fine)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if ((c < 0x20 && !(c == '\t' && tab_is_fine)) || c == 0x7f)
            return true;
    }
    return false;
}

static struct http_refusal screen_line(const struct http_head *head)
{
    if (!is_token(head->method) || head->method.len > 20)
        return REFUSE(400, "the method is not a word");
    if (head->target.len > HTTP_TARGET_MAX)
        return REFUSE(414, "the request target is too long");
    if (head->target.len == 0 || head->target.ptr[0] != '/')
        return REFUSE(400, "the request target is not a path");
    if (has_control(head->target, false) || str_has(head->target, ' '))
        return REFUSE(400, "the request target holds a blank or a control character");
    if (str_has(head->target, '#'))
        return REFUSE(400, "the request target holds a fragment");
    if (!str_eq(head->version, STR("HTTP/1.1")) && !str_eq(head->version, STR("HTTP/1.0")))
        return REFUSE(505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    return FINE;
}

static struct http_refusal screen_form(const struct http_head *head)
{
    size_t bytes = 0;

    if (head->header_count > HTTP_HEADERS_MAX)
        return REFUSE(431, "too many header fields");
    for (size_t i = 0; i < head->header_count; i++) {
        const struct header *h = &head->headers[i];
        bytes += h->name.len + h->value.len;
        if (!is_token(h->name)) /* RFC 9112 5.1: no blank before the colon */
            return REFUSE(400, "a header field's name is not a word");
        if (has_control(h->value, true)) /* RFC 9110 5.5 */
            return REFUSE(400, "a header field holds a control character");
    }
    if (bytes > HTTP_HEADER_BYTES_MAX)
        return REFUSE(431, "the header fields are too large");
    return FINE;
}

/* How often a field is there; its last value. */
static unsigned count_of(const struct http_head *head, str name, str *ret_value)
{
    unsigned count = 0;

    for (size_t i = 0; i < head->header_count; i++)
        if (str_eq_nocase(head->headers[i].name, name)) {
            count++;
            *ret_value = head->headers[i].value;
        }
    return count;
}

static struct http_refusal screen_framing(const struct http_head *head,
                                          struct http_framing *framing)
{
    str length, encoding, expect, host;
    unsigned lengths = count_of(head, STR("Content-Length"), &length);
    unsigned encodings = count_of(head, STR("Transfer-Encoding"), &encoding);
    unsigned expects = count_of(head, STR("Expect"), &expect);
    bool http_1_0 = str_eq(head->version, STR("HTTP/1.0"));

    if (lengths && encodings) /* RFC 9112 6.1 */
        return REFUSE(400, "Content-Length and Transfer-Encoding exclude each other");
    if (lengths > 1 || encodings > 1)
        return REFUSE(400, "the length of the body is given twice");
    if (lengths && (!str_u64(length, &framing->body_size) || framing->body_size > INT64_MAX))
        return REFUSE(400, "Content-Length is not a number");
    if (encodings && (http_1_0 || !str_eq_nocase(encoding, STR("chunked"))))
        return REFUSE(http_1_0 ? 400 : 501, "Transfer-Encoding can only be chunked");
    if (encodings)
        framing->body_size = UINT64_MAX;
    if (expects > 1 || (expects && !str_eq_nocase(expect, STR("100-continue"))))
        return REFUSE(417, "only 100-continue can be expected");
    framing->expects_continue = expects && !http_1_0 && framing->body_size > 0;
    if (count_of(head, STR("Host"), &host) != 1 && !http_1_0) /* RFC 9112 3.2 */
        return REFUSE(400, "one Host is wanted");
    return FINE;
}

struct http_refusal http_screen(const struct http_head *head, struct http_framing *ret_framing)
{
    struct http_framing framing = { .body_size = 0 };
    struct http_refusal refusal = screen_line(head);

    if (!refusal.status)
        refusal = screen_form(head);
    if (!refusal.status)
        refusal = screen_framing(head, &framing);
    if (!refusal.status)
        *ret_framing = framing;
    return refusal;
}
