/* mail/dot_fuzz.c - any bytes, cut at two places: the end, the clean octets and the watch must be
 * the same as when they come whole. The first two octets say where to cut. */
#include "base/buf.h"
#include "mail/dot.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum parse feed(struct dot *d, str in, struct buf *clean, size_t *used)
{
    enum parse parse = PARSE_MORE;
    while (in.len && parse == PARSE_MORE) {
        str part;
        size_t n;
        parse = dot_feed(d, in, &part, &n);
        if (n > in.len || (n == 0 && part.len == 0))
            abort();
        buf_add(clean, part);
        *used += n;
        in = str_from(in, n);
    }
    return parse;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    str in = { (const char *)data + 2, size - 2 };
    size_t cut = (size_t)(data[0] << 8 | data[1]) % (in.len + 1);
    AUTO_BUF whole = buf_new(1 << 22);
    AUTO_BUF parts = buf_new(1 << 22);
    struct dot a = { 0 }, b = { 0 }, counted = { 0 };
    size_t used_a = 0, used_b = 0;
    enum parse at_a = feed(&a, in, &whole, &used_a);
    enum parse at_b = feed(&b, str_head(in, cut), &parts, &used_b);
    if (at_b == PARSE_MORE)
        at_b = feed(&b, str_from(in, cut), &parts, &used_b);
    if (at_a != at_b || used_a != used_b || a.bare != b.bare ||
        !str_eq(buf_str(&whole), buf_str(&parts)))
        abort();
    if (at_a == PARSE_DONE && whole.len && !str_ends(buf_str(&whole), STR("\r\n")))
        abort();
    dot_watch(&counted, str_head(in, cut));
    dot_watch(&counted, str_from(in, cut));
    struct dot once = { 0 };
    dot_watch(&once, in);
    if (dot_is_bare(&once) != dot_is_bare(&counted))
        abort();
    return 0;
}
