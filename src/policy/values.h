/* policy/values.h - the typed values of conditions: decimals, moments, networks, truth, bytes.
 *
 * Each reader is strict and answers false for what is no such value; a comparison with such a
 * value then does not match (permissions spec 4). None allocates. */
#ifndef SESAME_POLICY_VALUES_H
#define SESAME_POLICY_VALUES_H

#include "base/str.h"

/* A decimal of any length: [+-]digits[.digits][e[+-]digits]. Views the text it was read from. */
struct decimal {
    bool negative;
    int64_t exponent; /* the value is 0.DIGITS times ten to this */
    str digits; /* from the first to the last that is not 0; may hold one point; empty: zero */
};
bool decimal_read(str, struct decimal *ret_decimal);
int decimal_cmp(const struct decimal *, const struct decimal *); /* <0, 0, >0 */

/* A W3C date (year, year-month, day, day and time with zone) or UNIX seconds. */
struct moment {
    int64_t seconds;
    uint32_t nanoseconds;
};
bool moment_read(str, struct moment *ret_moment);
int moment_cmp(const struct moment *, const struct moment *);

/* An address, or a network with its prefix; IPv4 has 4 bytes, IPv6 has 16. */
struct network {
    uint8_t bytes[16];
    uint8_t size, prefix; /* in bytes, in bits */
};
bool network_read(str, struct network *ret_network);
bool network_holds(const struct network *, const struct network *address); /* another family: no */

bool truth_read(str, bool *ret_truth); /* true or false, in any case */

/* The bytes two base64 texts stand for, compared without writing them down. */
bool base64_read(str); /* is it base64 at all */
bool base64_same(str, str);

#endif
