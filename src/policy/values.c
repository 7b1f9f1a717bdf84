/* Reading and comparing typed values. */
#include "policy/values.h"

#include <arpa/inet.h>

static size_t digits_at(str text, size_t at)
{
    size_t i = at;
    while (i < text.len && ascii_is_digit(text.ptr[i]))
        i++;
    return i - at;
}

/* 120, 120.0 and 1.2e2 are one number, however long: what is compared is the digits between the
 * first and the last that count, and where the point stands. */
bool decimal_read(str text, struct decimal *ret_decimal)
{
    struct decimal decimal = { 0 };
    size_t at = 0;
    if (text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+')) {
        decimal.negative = text.ptr[0] == '-';
        at = 1;
    }
    const size_t first = at;
    const size_t whole = digits_at(text, at);
    at += whole;
    size_t fraction = 0;
    if (at < text.len && text.ptr[at] == '.') {
        fraction = digits_at(text, at + 1);
        at += 1 + fraction;
    }
    if (whole + fraction == 0)
        return false;
    const size_t end = at;
    int64_t exponent = 0;
    if (at < text.len && (text.ptr[at] == 'e' || text.ptr[at] == 'E')) {
        at++;
        bool below = false;
        if (at < text.len && (text.ptr[at] == '-' || text.ptr[at] == '+'))
            below = text.ptr[at++] == '-';
        const size_t len = digits_at(text, at);
        uint64_t value;
        if (len == 0 || !str_u64((str) { text.ptr + at, len }, &value) || value > 1000000)
            return false;
        exponent = below ? -(int64_t)value : (int64_t)value;
        at += len;
    }
    if (at != text.len)
        return false;

    size_t from = first, to = end;
    while (from < to && (text.ptr[from] == '0' || text.ptr[from] == '.'))
        from++;
    while (to > from && (text.ptr[to - 1] == '0' || text.ptr[to - 1] == '.'))
        to--;
    if (from == to) {
        decimal.negative = false;
        *ret_decimal = decimal;
        return true;
    }
    decimal.digits = (str) { text.ptr + from, to - from };
    const size_t point = first + whole;
    const int64_t before_point =
        from < point ? (int64_t)(point - from) : -(int64_t)(from - point - 1);
    decimal.exponent = before_point + exponent;
    *ret_decimal = decimal;
    return true;
}

static int compare_digits(str a, str b)
{
    size_t i = 0, j = 0;
    for (;;) {
        if (i < a.len && a.ptr[i] == '.')
            i++;
        if (j < b.len && b.ptr[j] == '.')
            j++;
        if (i >= a.len || j >= b.len)
            return (i < a.len) - (j < b.len);
        if (a.ptr[i] != b.ptr[j])
            return a.ptr[i] < b.ptr[j] ? -1 : 1;
        i++;
        j++;
    }
}

int decimal_cmp(const struct decimal *a, const struct decimal *b)
{
    const int sign_a = a->digits.len == 0 ? 0 : a->negative ? -1 : 1;
    const int sign_b = b->digits.len == 0 ? 0 : b->negative ? -1 : 1;
    if (sign_a != sign_b)
        return sign_a < sign_b ? -1 : 1;
    if (sign_a == 0)
        return 0;
    if (a->exponent != b->exponent)
        return a->exponent < b->exponent ? -sign_a : sign_a;
    return sign_a * compare_digits(a->digits, b->digits);
}

static bool number_at(str text, size_t *at, size_t len, unsigned *ret_value)
{
    if (text.len - *at < len)
        return false;
    unsigned value = 0;
    for (size_t i = 0; i < len; i++) {
        if (!ascii_is_digit(text.ptr[*at + i]))
            return false;
        value = value * 10 + (unsigned)(text.ptr[*at + i] - '0');
    }
    *at += len;
    *ret_value = value;
    return true;
}

static bool char_at(str text, size_t *at, char c)
{
    if (*at >= text.len || text.ptr[*at] != c)
        return false;
    ++*at;
    return true;
}

static unsigned month_days(unsigned year, unsigned month)
{
    static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

static int64_t days_since_1970(unsigned year, unsigned month, unsigned day)
{
    /* Years counted from March, so that the leap day comes last. */
    const int64_t y = (int64_t)year - (month <= 2);
    const int64_t m = month > 2 ? month - 3 : month + 9;
    const int64_t leaps = y >= 0 ? y / 4 - y / 100 + y / 400 : -1;
    return 365 * y + leaps + (153 * m + 2) / 5 + day - 1 - 719468;
}

static bool zone_at(str text, size_t *at, int64_t *ret_seconds)
{
    if (char_at(text, at, 'Z')) {
        *ret_seconds = 0;
        return true;
    }
    const bool behind = char_at(text, at, '-');
    unsigned hours, minutes;
    if ((!behind && !char_at(text, at, '+')) || !number_at(text, at, 2, &hours) ||
        !char_at(text, at, ':') || !number_at(text, at, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    const int64_t seconds = (int64_t)hours * 3600 + (int64_t)minutes * 60;
    *ret_seconds = behind ? -seconds : seconds;
    return true;
}

/* https://www.w3.org/TR/NOTE-datetime. Four digits alone are a year; more, or a sign, are seconds.
 */
bool moment_read(str text, struct moment *ret_moment)
{
    struct moment moment = { 0 };
    const size_t sign = text.len > 0 && text.ptr[0] == '-';
    if (text.len != 4 + sign && text.len > sign && digits_at(text, sign) == text.len - sign) {
        uint64_t seconds;
        if (!str_u64(str_from(text, sign), &seconds) || seconds > INT64_MAX)
            return false;
        moment.seconds = sign ? -(int64_t)seconds : (int64_t)seconds;
        *ret_moment = moment;
        return true;
    }
    size_t at = 0;
    unsigned year, month = 1, day = 1, hour = 0, minute = 0, second = 0;
    int64_t zone = 0;
    if (!number_at(text, &at, 4, &year))
        return false;
    if (at < text.len && (!char_at(text, &at, '-') || !number_at(text, &at, 2, &month)))
        return false;
    if (month < 1 || month > 12)
        return false;
    if (at < text.len && (!char_at(text, &at, '-') || !number_at(text, &at, 2, &day)))
        return false;
    if (day < 1 || day > month_days(year, month))
        return false;
    if (at < text.len) {
        if (!char_at(text, &at, 'T') || !number_at(text, &at, 2, &hour) ||
            !char_at(text, &at, ':') || !number_at(text, &at, 2, &minute))
            return false;
        if (char_at(text, &at, ':')) {
            if (!number_at(text, &at, 2, &second))
                return false;
            if (char_at(text, &at, '.')) {
                const size_t len = digits_at(text, at);
                if (len == 0)
                    return false;
                for (size_t i = 0; i < 9; i++)
                    moment.nanoseconds = moment.nanoseconds * 10 +
                                         (i < len ? (uint32_t)(text.ptr[at + i] - '0') : 0);
                at += len;
            }
        }
        if (hour > 23 || minute > 59 || second > 59 || !zone_at(text, &at, &zone))
            return false;
    }
    if (at != text.len)
        return false;
    moment.seconds = days_since_1970(year, month, day) * 86400 + (int64_t)hour * 3600 +
                     (int64_t)minute * 60 + second - zone;
    *ret_moment = moment;
    return true;
}

int moment_cmp(const struct moment *a, const struct moment *b)
{
    if (a->seconds != b->seconds)
        return a->seconds < b->seconds ? -1 : 1;
    return (a->nanoseconds > b->nanoseconds) - (a->nanoseconds < b->nanoseconds);
}

bool network_read(str text, struct network *ret_network)
{
    str address, prefix;
    const bool has_prefix = str_cut(text, '/', &address, &prefix);
    char ended[INET6_ADDRSTRLEN + 1];
    if (address.len == 0 || address.len >= sizeof(ended))
        return false;
    memcpy(ended, address.ptr, address.len);
    ended[address.len] = '\0';
    if (strlen(ended) != address.len)
        return false;
    struct network network = { 0 };
    if (inet_pton(AF_INET, ended, network.bytes) == 1)
        network.size = 4;
    else if (inet_pton(AF_INET6, ended, network.bytes) == 1)
        network.size = 16;
    else
        return false;
    uint64_t bits = (uint64_t)network.size * 8;
    if (has_prefix &&
        (prefix.len > 3 || !str_u64(prefix, &bits) || bits > (uint64_t)network.size * 8))
        return false;
    network.prefix = (uint8_t)bits;
    *ret_network = network;
    return true;
}

bool network_holds(const struct network *network, const struct network *address)
{
    if (network->size != address->size)
        return false;
    const size_t whole = network->prefix / 8, rest = network->prefix % 8;
    if (memcmp(network->bytes, address->bytes, whole) != 0)
        return false;
    return rest == 0 || (network->bytes[whole] ^ address->bytes[whole]) >> (8 - rest) == 0;
}

bool truth_read(str text, bool *ret_truth)
{
    const bool yes = str_eq_nocase(text, STR("true"));
    if (!yes && !str_eq_nocase(text, STR("false")))
        return false;
    *ret_truth = yes;
    return true;
}

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static str unpadded(str text)
{
    while (text.len > 0 && text.ptr[text.len - 1] == '=')
        text.len--;
    return text;
}

bool base64_read(str text)
{
    const str body = unpadded(text);
    if (text.len % 4 != 0 || text.len - body.len > 2)
        return false;
    for (size_t i = 0; i < body.len; i++) {
        if (sextet(body.ptr[i]) < 0)
            return false;
    }
    return true;
}

/* Only the last character can differ for equal bytes: by bits that no byte takes. */
bool base64_same(str a, str b)
{
    if (!base64_read(a) || !base64_read(b))
        return false;
    a = unpadded(a);
    b = unpadded(b);
    if (a.len != b.len || a.len == 0)
        return a.len == b.len;
    if (!str_eq(str_head(a, a.len - 1), str_head(b, b.len - 1)))
        return false;
    const int unused = a.len % 4 == 2 ? 4 : a.len % 4 == 3 ? 2 : 0;
    return sextet(a.ptr[a.len - 1]) >> unused == sextet(b.ptr[b.len - 1]) >> unused;
}
