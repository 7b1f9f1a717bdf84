/* base/utf8.c - RFC 3629. */
#include "base/utf8.h"

static bool tail(const struct cursor *in, size_t at)
{
    return at < cursor_left(in) && ((unsigned char)in->at[at] & 0xC0) == 0x80;
}

uint32_t utf8_next(struct cursor *in)
{
    static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 }; /* by the number of tail bytes */
    uint32_t lead = (unsigned char)*in->at;
    if (lead < 0x80) {
        in->at++;
        return lead;
    }
    size_t tails = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    uint32_t c = lead & (0x3Fu >> tails);
    bool good = lead >= 0xC2 && lead <= 0xF4;
    for (size_t i = 1; good && i <= tails; i++) {
        good = tail(in, i);
        if (good)
            c = c << 6 | ((unsigned char)in->at[i] & 0x3Fu);
    }
    good = good && c >= least[tails] && c <= 0x10FFFF && !(c >= 0xD800 && c <= 0xDFFF);
    in->at += good ? tails + 1 : 1;
    return good ? c : UTF8_BAD;
}

/* Past the ASCII before it: eight octets at a time, since nearly all of nearly every text is. */
static const char *skip_ascii(struct cursor in)
{
    for (uint64_t word; cursor_left(&in) >= sizeof word; in.at += sizeof word) {
        memcpy(&word, in.at, sizeof word);
        if (word & 0x8080808080808080u)
            break;
    }
    while (in.at < in.end && (unsigned char)*in.at < 0x80)
        in.at++;
    return in.at;
}

bool utf8_valid(str s)
{
    for (struct cursor in = cursor_of(s); in.at < in.end;) {
        in.at = skip_ascii(in);
        if (in.at < in.end && utf8_next(&in) == UTF8_BAD)
            return false;
    }
    return true;
}

bool utf8_is_ascii(str s)
{
    struct cursor in = cursor_of(s);
    return skip_ascii(in) == in.end;
}

size_t utf8_put(char to[4], uint32_t c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    size_t tails = c >= 0x10000 ? 3 : c >= 0x800 ? 2 : 1;
    static const unsigned lead[] = { 0, 0xC0, 0xE0, 0xF0 };
    to[0] = (char)(lead[tails] | c >> (6 * tails));
    for (size_t i = 1; i <= tails; i++)
        to[i] = (char)(0x80 | (c >> (6 * (tails - i)) & 0x3F));
    return tails + 1;
}

size_t utf8_count(str s)
{
    size_t count = 0;
    for (struct cursor in = cursor_of(s); in.at < in.end; count++)
        utf8_next(&in);
    return count;
}
