/* base/random_id.c - alphabets over random octets. */
#include "base/random_id.h"

#include "base/hex.h"

/* 24 random octets and a last one of 01, in the alphabet of RFC 4648 section 7, lower case: the
 * form of every SES message id seen since 2015. */
str random_message_id(struct entropy *entropy, char to[MESSAGE_ID_LEN + 1])
{
    static const char alphabet[] = "0123456789abcdefghijklmnopqrstuv";
    unsigned char octets[25];
    entropy->fill(entropy, octets, 24);
    octets[24] = 1;
    char *at = to;
    for (size_t i = 0; i < sizeof(octets); i += 5) {
        uint64_t group = 0;
        for (size_t k = 0; k < 5; k++)
            group = group << 8 | octets[i + k];
        for (int shift = 35; shift >= 0; shift -= 5)
            *at++ = alphabet[group >> shift & 31];
    }
    *at = '\0';
    return (str) { to, MESSAGE_ID_LEN };
}

str random_request_id(struct entropy *entropy, char to[REQUEST_ID_LEN + 1])
{
    unsigned char octets[16];
    char digits[32];
    entropy->fill(entropy, octets, sizeof(octets));
    octets[6] = (unsigned char)((octets[6] & 0x0F) | 0x40); /* version 4, RFC 9562 5.4 */
    octets[8] = (unsigned char)((octets[8] & 0x3F) | 0x80); /* its variant */
    hex_encode(digits, octets, sizeof(octets));
    static const unsigned char groups[] = { 8, 4, 4, 4, 12 };
    char *at = to;
    const char *from = digits;
    for (size_t i = 0; i < sizeof(groups); i++) {
        if (i)
            *at++ = '-';
        memcpy(at, from, groups[i]);
        at += groups[i];
        from += groups[i];
    }
    *at = '\0';
    return (str) { to, REQUEST_ID_LEN };
}

uint64_t random_below(struct entropy *entropy, uint64_t bound)
{
    uint64_t uneven = UINT64_MAX - UINT64_MAX % bound, n; /* from here on the last part is short */
    do
        entropy->fill(entropy, &n, sizeof(n));
    while (n >= uneven);
    return n % bound;
}

static str from_alphabet(struct entropy *entropy, str alphabet, char *to, size_t len)
{
    unsigned even = 256 - 256 % (unsigned)alphabet.len;
    for (size_t i = 0; i < len;) {
        unsigned char octets[32];
        entropy->fill(entropy, octets, sizeof(octets));
        for (size_t k = 0; k < sizeof(octets) && i < len; k++)
            if (octets[k] < even)
                to[i++] = alphabet.ptr[octets[k] % alphabet.len];
    }
    to[len] = '\0';
    return (str) { to, len };
}

str random_token(struct entropy *entropy, char *to, size_t len)
{
    return from_alphabet(
        entropy, STR("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"), to, len);
}

str random_upper_token(struct entropy *entropy, char *to, size_t len)
{
    return from_alphabet(entropy, STR("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), to, len);
}

str random_hex(struct entropy *entropy, char *to, size_t len)
{
    return from_alphabet(entropy, STR("0123456789abcdef"), to, len);
}

bool message_id_valid(str id)
{
    if (id.len != MESSAGE_ID_LEN && id.len != 28)
        return false;
    for (size_t i = 0; i < id.len; i++)
        if (!ascii_is_digit(id.ptr[i]) && !(id.ptr[i] >= 'a' && id.ptr[i] <= 'v'))
            return false;
    return true;
}
