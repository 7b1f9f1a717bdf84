/* base/str.c - comparisons and cuts on views. */
#include "base/str.h"

bool str_eq_nocase(str a, str b)
{
    return a.len == b.len && str_starts_nocase(a, b);
}

int str_cmp(str a, str b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.ptr, b.ptr, len) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

bool str_starts(str s, str prefix)
{
    return s.len >= prefix.len && str_eq(str_head(s, prefix.len), prefix);
}

/* Eight bytes with the letters A to Z in lower case: in each byte of `letters` the top bit tells. */
static uint64_t lower8(const char *at)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t bytes;
    memcpy(&bytes, at, sizeof(bytes));
    const uint64_t low = bytes & ~tops;
    const uint64_t from_a = low + ones * (0x80 - 'A'), behind_z = low + ones * (0x80 - 'Z' - 1);
    const uint64_t letters = (from_a & ~behind_z & ~bytes) & tops;
    return bytes | letters >> 2;
}

bool str_starts_nocase(str s, str prefix)
{
    if (s.len < prefix.len)
        return false;
    size_t i = 0;
    for (; prefix.len - i >= 8; i += 8)
        if (lower8(s.ptr + i) != lower8(prefix.ptr + i))
            return false;
    if (i && i < prefix.len) /* the last eight once more */
        return lower8(s.ptr + prefix.len - 8) == lower8(prefix.ptr + prefix.len - 8);
    for (; i < prefix.len; i++)
        if (ascii_lower(s.ptr[i]) != ascii_lower(prefix.ptr[i]))
            return false;
    return true;
}

bool str_ends(str s, str suffix)
{
    return s.len >= suffix.len && str_eq(str_from(s, s.len - suffix.len), suffix);
}

bool str_ends_nocase(str s, str suffix)
{
    return s.len >= suffix.len && str_eq_nocase(str_from(s, s.len - suffix.len), suffix);
}

size_t str_find(str s, char c)
{
    const char *at = s.len ? memchr(s.ptr, c, s.len) : NULL;
    return at ? (size_t)(at - s.ptr) : s.len;
}

bool str_has(str s, char c)
{
    return str_find(s, c) < s.len;
}

size_t str_find_str(str s, str needle)
{
    if (needle.len == 0)
        return 0;
    const char *at = s.len ? memmem(s.ptr, s.len, needle.ptr, needle.len) : NULL;
    return at ? (size_t)(at - s.ptr) : s.len;
}

str str_trim(str s)
{
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
        s = str_from(s, 1);
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

bool str_cut(str s, char at, str *ret_head, str *ret_tail)
{
    size_t i = str_find(s, at);
    bool found = i < s.len;
    *ret_tail = found ? str_from(s, i + 1) : STR_NONE;
    *ret_head = str_head(s, i);
    return found;
}

bool str_u64(str s, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!ascii_is_digit(s.ptr[i]))
            return false;
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.ptr[i] - '0'), &value))
            return false;
    }
    *ret_value = value;
    return true;
}
