/* mail/field_fuzz.c - any bytes as a header section: fields lie one behind the other inside the
 * view, and unfolding leaves no CRLF. */
#include "mail/field.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str in = { (const char *)data, size };
    struct field_limits limits = { .count_max = 50, .size_max = 4096 };
    AUTO_ARENA *arena = arena_new(1 << 20);
    struct field_reader r = field_reader(in, &limits);
    struct field f;
    const char *at = in.ptr;
    while (field_next(&r, &f)) {
        if (f.text.ptr != at || !str_ends(f.text, STR("\r\n")) || !field_name_valid(f.name))
            abort();
        at += f.text.len;
        str text = field_unfold(f.value, arena);
        if (str_find_str(text, STR("\r\n")) != text.len)
            abort();
    }
    if (r.end == FIELDS_GO_ON || at > in.ptr + size || r.count > limits.count_max)
        abort();
    size_t whole, part;
    if (fields_end_find(in, &limits, &whole) == PARSE_DONE) {
        if (whole > size)
            abort();
        for (size_t len = 0; len < size && len < 200; len++) {
            if (fields_end_find(str_head(in, len), &limits, &part) == PARSE_DONE && part != whole)
                abort();
        }
    }
    return 0;
}
