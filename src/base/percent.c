/* base/percent.c - percent-encoding. */
#include "base/percent.h"

#include "base/hex.h"

static bool unreserved(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

void percent_encode(struct buf *out, str text, unsigned flags)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (unreserved(c) || (c == '/' && flags & PERCENT_KEEP_SLASH)) {
            buf_addc(out, c);
        } else {
            unsigned char byte = (unsigned char)c;
            buf_add(out, (str) { (char[]) { '%', digits[byte >> 4], digits[byte & 15] }, 3 });
        }
    }
}

bool percent_decode(str text, bool plus, struct arena *arena, str *ret_text)
{
    if (!str_has(text, '%') && !(plus && str_has(text, '+'))) {
        *ret_text = text;
        return true;
    }
    char *copy = arena_alloc(arena, text.len + 1, 1);
    if (!copy)
        return false;
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            if (text.len - i < 3 || !hex_decode(&c, (str) { text.ptr + i + 1, 2 }))
                return false;
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        copy[len++] = c;
    }
    *ret_text = (str) { copy, len };
    return true;
}
