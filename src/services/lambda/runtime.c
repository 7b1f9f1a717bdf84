#include "services/lambda/runtime.h"

#define ROOT STR("/2018-06-01/runtime/")

struct head {
    uint64_t length;
    bool chunked, closes, expects;
    str error_type;
};

static bool read_field(str line, struct head *h, bool *has_length)
{
    str name, value;
    if (!str_cut(line, ':', &name, &value) || !name.len || str_has(name, ' '))
        return false;
    value = str_trim(value);
    if (str_eq_nocase(name, STR("Content-Length"))) {
        bool again = *has_length;
        *has_length = true;
        return !again && str_u64(value, &h->length);
    }
    if (str_eq_nocase(name, STR("Transfer-Encoding"))) {
        h->chunked = true;
        return str_eq_nocase(value, STR("chunked"));
    }
    if (str_eq_nocase(name, STR("Connection")))
        h->closes = str_eq_nocase(value, STR("close"));
    if (str_eq_nocase(name, STR("Expect")))
        h->expects = str_eq_nocase(value, STR("100-continue"));
    if (str_eq_nocase(name, STR("Lambda-Runtime-Function-Error-Type")))
        h->error_type = value;
    return true;
}

static bool cut_line(str *rest, str *ret_line)
{
    size_t end = str_find_str(*rest, STR("\r\n"));
    if (end == rest->len)
        return false;
    *ret_line = str_head(*rest, end);
    *rest = str_from(*rest, end + 2);
    return true;
}

static enum runtime_word word_of(str method, str target, str *ret_id)
{
    bool post = str_eq(method, STR("POST"));
    *ret_id = STR("");
    if (!str_starts(target, ROOT))
        return RUNTIME_OTHER;
    str rest = str_from(target, ROOT.len), head, tail;
    if (str_eq(rest, STR("invocation/next")) && str_eq(method, STR("GET")))
        return RUNTIME_NEXT;
    if (!post)
        return RUNTIME_OTHER;
    if (str_eq(rest, STR("init/error")))
        return RUNTIME_INIT_ERROR;
    if (!str_cut(rest, '/', &head, &tail) || !str_eq(head, STR("invocation")) ||
        !str_cut(tail, '/', ret_id, &tail))
        return RUNTIME_OTHER;
    return str_eq(tail, STR("response")) ? RUNTIME_RESPONSE
           : str_eq(tail, STR("error"))  ? RUNTIME_ERROR
                                         : RUNTIME_OTHER;
}

static enum parse read_head(str all, struct runtime_request *r, struct head *h)
{
    str rest = all, line, method, target, version;
    bool has_length = false;
    if (!cut_line(&rest, &line) || !str_cut(line, ' ', &method, &target) ||
        !str_cut(target, ' ', &target, &version) || !str_starts(version, STR("HTTP/1.")))
        return PARSE_BAD;
    h->closes = str_eq(version, STR("HTTP/1.0"));
    r->word = word_of(method, target, &r->id);
    while (cut_line(&rest, &line) && line.len) {
        if (!read_field(line, h, &has_length))
            return PARSE_BAD;
    }
    r->error_type = h->error_type;
    r->closes = h->closes;
    return has_length && h->chunked ? PARSE_BAD : PARSE_DONE; /* RFC 9112 6.3: two lengths */
}

/* One chunk-size line; false: not one. */
static bool chunk_size(str line, uint64_t *ret_size)
{
    uint64_t size = 0;
    size_t i = 0;
    for (; i < line.len && i < 8; i++) {
        char c = ascii_lower(line.ptr[i]);
        if (ascii_is_digit(c))
            size = size * 16 + (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            size = size * 16 + (uint64_t)(c - 'a' + 10);
        else
            break;
    }
    *ret_size = size;
    return i > 0 && (i == line.len || line.ptr[i] == ';' || line.ptr[i] == ' ');
}

/* Walks over the chunks; where `to` is given, puts their octets there. */
static enum parse walk_chunks(str in, char *to, size_t *ret_size, size_t *ret_used)
{
    str rest = in, line;
    size_t total = 0;
    for (;;) {
        uint64_t size;
        if (!cut_line(&rest, &line))
            return rest.len > 256 ? PARSE_BAD : PARSE_MORE;
        if (!chunk_size(line, &size) || size > RUNTIME_BODY_MAX - total)
            return PARSE_BAD;
        if (size == 0)
            break;
        if (rest.len < size + 2)
            return PARSE_MORE;
        if (!str_starts(str_from(rest, size), STR("\r\n")))
            return PARSE_BAD;
        if (to)
            memmove(to + total, rest.ptr, size);
        total += size;
        rest = str_from(rest, size + 2);
    }
    do { /* trailers, which nothing here asks for */
        if (!cut_line(&rest, &line))
            return rest.len > RUNTIME_HEAD_MAX ? PARSE_BAD : PARSE_MORE;
    } while (line.len);
    *ret_size = total;
    *ret_used = in.len - rest.len;
    return PARSE_DONE;
}

enum parse runtime_parse(char *bytes, size_t len, struct runtime_request *r, size_t *ret_used,
                         bool *ret_expects)
{
    str all = { bytes, len };
    size_t end = str_find_str(str_head(all, RUNTIME_HEAD_MAX), STR("\r\n\r\n"));
    struct head h = { .error_type = STR_NONE };
    *ret_expects = false;
    if (end == str_head(all, RUNTIME_HEAD_MAX).len)
        return len >= RUNTIME_HEAD_MAX ? PARSE_BAD : PARSE_MORE;
    size_t head = end + 4;
    *r = (struct runtime_request) { .body = STR("") };
    if (read_head(str_head(all, head), r, &h) != PARSE_DONE)
        return PARSE_BAD;
    if (h.chunked) {
        size_t size, used;
        enum parse how = walk_chunks(str_from(all, head), NULL, &size, &used);
        *ret_expects = how == PARSE_MORE && h.expects && len == head;
        if (how != PARSE_DONE)
            return how;
        walk_chunks(str_from(all, head), bytes + head, &size, &used);
        r->body = (str) { bytes + head, size };
        *ret_used = head + used;
        return PARSE_DONE;
    }
    if (h.length > RUNTIME_BODY_MAX) {
        r->too_large = r->closes = true;
        *ret_used = len;
        return PARSE_DONE;
    }
    *ret_expects = h.expects && len == head && h.length > 0;
    if (len - head < h.length)
        return PARSE_MORE;
    *ret_expects = false;
    r->body = (str) { bytes + head, (size_t)h.length };
    *ret_used = head + (size_t)h.length;
    return PARSE_DONE;
}

void runtime_write_event(const struct runtime_event *e, struct buf *out)
{
    buf_addf(out,
             "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
             "Lambda-Runtime-Aws-Request-Id: " STR_FMT "\r\nLambda-Runtime-Deadline-Ms: %lld\r\n"
             "Lambda-Runtime-Invoked-Function-Arn: " STR_FMT "\r\n"
             "Lambda-Runtime-Trace-Id: " STR_FMT "\r\nContent-Length: %zu\r\n\r\n",
             STR_ARG(e->request_id), (long long)e->deadline_ms, STR_ARG(e->function_arn),
             STR_ARG(e->trace_id), e->size);
}
