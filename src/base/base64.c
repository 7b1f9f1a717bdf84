/* base/base64.c - RFC 4648 section 4. */
#include "base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_encode_to(char *to, str bytes)
{
    const unsigned char *in = (const unsigned char *)bytes.ptr;
    char *at = to;
    size_t i = 0;
    for (; i + 3 <= bytes.len; i += 3) {
        unsigned group = (unsigned)in[i] << 16 | (unsigned)in[i + 1] << 8 | in[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6)
            *at++ = alphabet[group >> shift & 63];
    }
    if (i < bytes.len) {
        bool two = bytes.len - i == 2;
        unsigned group = (unsigned)in[i] << 16 | (two ? (unsigned)in[i + 1] << 8 : 0);
        *at++ = alphabet[group >> 18 & 63];
        *at++ = alphabet[group >> 12 & 63];
        *at++ = two ? alphabet[group >> 6 & 63] : '=';
        *at++ = '=';
    }
    return (size_t)(at - to);
}

void base64_encode(struct buf *out, str bytes)
{
    char *at = bytes.len < SIZE_MAX / 2 ? buf_reserve(out, BASE64_LEN(bytes.len)) : NULL;
    if (at)
        out->len += base64_encode_to(at, bytes);
}

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* One group of four whose last `padding` characters are '='. */
static bool decode_group(const char *in, unsigned padding, char **to)
{
    unsigned group = 0;
    for (unsigned i = 0; i < 4; i++) {
        int value = i < 4 - padding ? value_of(in[i]) : 0;
        if (value < 0)
            return false;
        group = group << 6 | (unsigned)value;
    }
    if (group & (padding == 2 ? 0xFFFFu : padding == 1 ? 0xFFu : 0u))
        return false;
    for (unsigned i = 0; i < 3 - padding; i++)
        *(*to)++ = (char)(group >> (16 - 8 * i));
    return true;
}

bool base64_decode_to(char *to, str text, size_t *ret_len)
{
    char *at = to;
    if (text.len % 4)
        return false;
    for (size_t i = 0; i < text.len; i += 4) {
        unsigned padding = 0;
        if (i + 4 == text.len && text.ptr[i + 3] == '=')
            padding = text.ptr[i + 2] == '=' ? 2 : 1;
        if (!decode_group(text.ptr + i, padding, &at))
            return false;
    }
    *ret_len = (size_t)(at - to);
    return true;
}

bool base64_decode(struct buf *out, str text)
{
    size_t len;
    if (text.len % 4)
        return false;
    if (text.len == 0)
        return true;
    char *at = buf_reserve(out, text.len / 4 * 3);
    if (!at || !base64_decode_to(at, text, &len))
        return false;
    out->len += len;
    return true;
}
