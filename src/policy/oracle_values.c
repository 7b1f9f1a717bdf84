#include "policy/oracle_values.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

bool same_nocase(const char *a, const char *b)
{
    return strcasecmp(a, b) == 0;
}

struct letters letters_of(const char *utf8, struct arena *arena)
{
    struct letters letters = { .at = ARENA_ARRAY(arena, uint32_t, strlen(utf8) + 1) };
    for (const unsigned char *c = (const unsigned char *)utf8; *c;) {
        uint32_t letter = *c++;
        if (letter >= 0xc0)
            letter &= letter < 0xe0 ? 0x1f : letter < 0xf0 ? 0x0f : 0x07;
        while ((*c & 0xc0) == 0x80)
            letter = letter << 6 | (*c++ & 0x3f);
        letters.at[letters.count++] = letter;
    }
    return letters;
}

struct letters letters_part(struct letters letters, size_t from, size_t to)
{
    return (struct letters) { letters.at + from, to - from };
}

const json_t *context_value(const json_t *context, const char *key)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)context, name, value)
    {
        if (same_nocase(name, key))
            return value;
    }
    return NULL;
}

static void add_letters(struct atoms *atoms, const char *utf8, struct arena *arena)
{
    const struct letters letters = letters_of(utf8, arena);
    for (size_t i = 0; i < letters.count; i++)
        atoms->at[atoms->count++] = (struct atom) { ATOM_LETTER, letters.at[i] };
}

/* Reads `${...}`: one of the special three, or a key with perhaps a default in quotes. NULL: it is
 * no variable but plain text. Otherwise where the text goes on. */
static const char *add_variable(struct atoms *atoms, const char *text,
                                const struct variables *variables, struct arena *arena)
{
    struct oracle_sight *sight = variables->sight;
    char special[2] = { text[2], '\0' };
    if (text[2] && strchr("*?$", text[2]) && text[3] == '}') {
        if (!oracle_sees(sight, SEEN_SPECIAL))
            return NULL;
        add_letters(atoms, special, arena);
        return text + 4;
    }
    const char *const blanks = " \t";
    const char *key = text + 2, *otherwise = NULL;
    const char *end = key + strcspn(key, ",}");
    key += strspn(key, blanks);
    size_t key_len = end > key ? (size_t)(end - key) : 0;
    while (key_len > 0 && strchr(blanks, key[key_len - 1]))
        key_len--;
    if (*end == ',') {
        const char *from = end + 1 + strspn(end + 1, blanks);
        const char *quote = *from == '\'' ? strchr(from + 1, '\'') : NULL;
        if (!quote)
            return NULL;
        otherwise = arena_cstr(arena, (str) { from + 1, (size_t)(quote - from) - 1 });
        end = quote + 1 + strspn(quote + 1, " ");
    }
    if (*end != '}' || key_len == 0)
        return NULL;
    if (!oracle_sees(sight, SEEN_VARIABLE))
        return NULL;
    const char *value = json_string_value(
        context_value(variables->context, arena_cstr(arena, (str) { key, key_len })));
    if (value && *value)
        add_letters(atoms, value, arena);
    else if (otherwise && oracle_sees(sight, SEEN_DEFAULT))
        add_letters(atoms, otherwise, arena);
    else
        atoms->without_value = true;
    return end + 1;
}

void atoms_fold(struct atoms *atoms)
{
    for (size_t i = 0; i < atoms->count; i++)
        atoms->at[i].letter |= atoms->at[i].letter - 'A' < 26 ? 32 : 0;
}

void letters_fold(struct letters *letters)
{
    for (size_t i = 0; i < letters->count; i++)
        letters->at[i] |= letters->at[i] - 'A' < 26 ? 32 : 0;
}

struct atoms atoms_of(const char *text, bool wild, const struct variables *variables,
                      struct arena *arena)
{
    size_t room = strlen(text) + 1;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(variables ? variables->context : NULL), name, value) room +=
        json_string_length(value) * strlen(text); /* every variable of it, as often */
    struct atoms atoms = { .at = ARENA_ARRAY(arena, struct atom, room) };
    while (*text) {
        const bool dollar = variables && strncmp(text, "${", 2) == 0;
        const char *behind = dollar ? add_variable(&atoms, text, variables, arena) : NULL;
        if (behind) {
            text = behind;
        } else if (wild && (*text == '*' || *text == '?')) {
            const enum atom_kind kind = *text++ == '*' ? ATOM_RUN : ATOM_ONE;
            atoms.at[atoms.count++] = (struct atom) { kind, 0 };
        } else {
            size_t len = 1;
            while (((unsigned char)text[len] & 0xc0) == 0x80)
                len++;
            add_letters(&atoms, arena_cstr(arena, (str) { text, len }), arena);
            text += len;
        }
    }
    return atoms;
}

struct atoms atoms_part(const struct atoms *atoms, size_t from, size_t to)
{
    return (struct atoms) { atoms->at + from, to - from, atoms->without_value };
}

/* All the places in the text that could have been reached, atom by atom. */
bool atoms_match(const struct atoms *atoms, struct letters text, struct arena *arena)
{
    if (atoms->without_value)
        return false;
    bool *here = ARENA_ARRAY(arena, bool, text.count + 1);
    bool *next = ARENA_ARRAY(arena, bool, text.count + 1);
    here[0] = true;
    for (size_t a = 0; a < atoms->count; a++) {
        const struct atom atom = atoms->at[a];
        memset(next, 0, text.count + 1);
        for (size_t i = 0; i <= text.count; i++) {
            if (!here[i])
                continue;
            const bool more = i < text.count;
            switch (atom.kind) {
            case ATOM_LETTER:
                if (more && text.at[i] == atom.letter)
                    next[i + 1] = true;
                break;
            case ATOM_ONE:
                if (more)
                    next[i + 1] = true;
                break;
            case ATOM_ONE_WITHIN:
                if (more && text.at[i] != ':')
                    next[i + 1] = true;
                break;
            case ATOM_RUN:
            case ATOM_RUN_WITHIN:
                next[i] = true;
                for (size_t k = i; k < text.count; k++) {
                    if (atom.kind == ATOM_RUN_WITHIN && text.at[k] == ':')
                        break;
                    next[k + 1] = true;
                }
                break;
            }
        }
        bool *const old = here;
        here = next;
        next = old;
    }
    return here[text.count];
}

/* A decimal number: sign, digits without leading zeros, digits without trailing zeros. */
enum { DIGITS = 4096, POWER = 999 };
struct number {
    bool negative;
    char whole[DIGITS], part[DIGITS];
};

/* Ten to how much: "e-3", or nothing. */
static bool power_read(const char *text, int *ret)
{
    *ret = 0;
    if (!*text)
        return true;
    const char *digits = text + 1 + (text[1] == '-' || text[1] == '+');
    const size_t count = strspn(digits, "0123456789");
    if ((*text != 'e' && *text != 'E') || count == 0 || digits[count])
        return false;
    const long value = strtol(digits, NULL, 10);
    *ret = (int)(value > POWER ? POWER : value) * (text[1] == '-' ? -1 : 1);
    return true;
}

/* One digit more before the point, or one less. */
static void times_ten(struct number *n)
{
    const size_t len = strlen(n->whole);
    n->whole[len] = *n->part ? *n->part : '0';
    n->whole[len + 1] = '\0';
    if (*n->part)
        memmove(n->part, n->part + 1, strlen(n->part));
}

static void by_ten(struct number *n)
{
    const size_t len = strlen(n->whole);
    memmove(n->part + 1, n->part, strlen(n->part) + 1);
    n->part[0] = len ? n->whole[len - 1] : '0';
    if (len)
        n->whole[len - 1] = '\0';
}

static void trim_zeros(struct number *n)
{
    const size_t zeros = strspn(n->whole, "0");
    memmove(n->whole, n->whole + zeros, strlen(n->whole + zeros) + 1);
    for (size_t i = strlen(n->part); i > 0 && n->part[i - 1] == '0'; i--)
        n->part[i - 1] = '\0';
}

static bool number_read(const char *text, struct number *ret)
{
    int power;
    memset(ret, 0, sizeof(*ret));
    if (*text == '-' || *text == '+')
        ret->negative = *text++ == '-';
    const size_t whole = strspn(text, "0123456789");
    const bool point = text[whole] == '.';
    const size_t part = point ? strspn(text + whole + 1, "0123456789") : 0;
    if (whole + part == 0 || whole + part + POWER + 2 > DIGITS ||
        !power_read(text + whole + (point ? part + 1 : 0), &power))
        return false;
    memcpy(ret->whole, text, whole);
    if (point)
        memcpy(ret->part, text + whole + 1, part);
    for (; power > 0; power--)
        times_ten(ret);
    for (; power < 0; power++)
        by_ten(ret);
    trim_zeros(ret);
    if (!*ret->whole && !*ret->part)
        ret->negative = false;
    return true;
}

static int magnitude(const struct number *a, const struct number *b)
{
    if (strlen(a->whole) != strlen(b->whole))
        return strlen(a->whole) < strlen(b->whole) ? -1 : 1;
    const int whole = strcmp(a->whole, b->whole);
    return whole ? whole : strcmp(a->part, b->part);
}

static enum compared compared_as(int order)
{
    return order < 0 ? COMPARED_LESS : order > 0 ? COMPARED_GREATER : COMPARED_EQUAL;
}

enum compared compare_numbers(const char *a, const char *b)
{
    struct number x, y;
    if (!number_read(a, &x) || !number_read(b, &y))
        return COMPARED_NOT;
    if (x.negative != y.negative)
        return x.negative ? COMPARED_LESS : COMPARED_GREATER;
    return compared_as(x.negative ? magnitude(&y, &x) : magnitude(&x, &y));
}

/* `digits` digits as a number between the two; moves on. */
static bool digits_read(const char **text, int digits, int least, int most, int *ret)
{
    int value = 0;
    for (int i = 0; i < digits; i++, (*text)++) {
        if (**text < '0' || **text > '9')
            return false;
        value = value * 10 + (**text - '0');
    }
    *ret = value;
    return value >= least && value <= most;
}

static bool leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    return month == 2 && leap(year) ? 29 : days[month - 1];
}

/* Seconds since 1970 with their fraction as text; counted year by year and month by month. */
struct instant {
    int64_t seconds;
    struct number fraction;
};

static bool zone_read(const char **text, int64_t *ret_seconds)
{
    int hours, minutes;
    *ret_seconds = 0;
    if (**text == 'Z') {
        (*text)++;
        return true;
    }
    const int sign = **text == '-' ? -1 : 1;
    if (**text != '+' && **text != '-')
        return false;
    (*text)++;
    if (!digits_read(text, 2, 0, 23, &hours) || *(*text)++ != ':' ||
        !digits_read(text, 2, 0, 59, &minutes))
        return false;
    *ret_seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

static bool instant_read(const char *text, struct instant *ret)
{
    const char *digits = *text == '-' ? text + 1 : text;
    const size_t len = strlen(digits);
    memset(ret, 0, sizeof(*ret));
    if (len != 4 && len > 0 && strspn(digits, "0123456789") == len) { /* UNIX seconds */
        errno = 0;
        ret->seconds = strtoll(text, NULL, 10);
        return errno == 0 && ret->seconds != INT64_MIN;
    }
    int year, month = 1, day = 1, hour = 0, minute = 0, second = 0;
    int64_t zone = 0;
    if (!digits_read(&text, 4, 0, 9999, &year))
        return false;
    if (*text == '-') {
        text++;
        if (!digits_read(&text, 2, 1, 12, &month))
            return false;
        if (*text == '-') {
            text++;
            if (!digits_read(&text, 2, 1, days_in(year, month), &day))
                return false;
            if (*text == 'T') {
                text++;
                if (!digits_read(&text, 2, 0, 23, &hour) || *text++ != ':' ||
                    !digits_read(&text, 2, 0, 59, &minute))
                    return false;
                if (*text == ':') {
                    text++;
                    if (!digits_read(&text, 2, 0, 59, &second))
                        return false;
                    if (*text == '.') {
                        const size_t part = strspn(text + 1, "0123456789");
                        if (part == 0)
                            return false;
                        const size_t kept = part < 9 ? part : 9; /* to the nanosecond */
                        memcpy(ret->fraction.part, text + 1, kept);
                        for (size_t i = kept; i > 0 && ret->fraction.part[i - 1] == '0'; i--)
                            ret->fraction.part[i - 1] = '\0';
                        text += part + 1;
                    }
                }
                if (!zone_read(&text, &zone))
                    return false;
            }
        }
    }
    if (*text)
        return false;
    int64_t days = 0;
    for (int y = 1970; y < year; y++)
        days += leap(y) ? 366 : 365;
    for (int y = year; y < 1970; y++)
        days -= leap(y) ? 366 : 365;
    for (int m = 1; m < month; m++)
        days += days_in(year, m);
    ret->seconds = (days + day - 1) * 86400 + hour * 3600 + minute * 60 + second - zone;
    return true;
}

enum compared compare_dates(const char *a, const char *b)
{
    struct instant x, y;
    if (!instant_read(a, &x) || !instant_read(b, &y))
        return COMPARED_NOT;
    if (x.seconds != y.seconds)
        return x.seconds < y.seconds ? COMPARED_LESS : COMPARED_GREATER;
    return compared_as(strcmp(x.fraction.part, y.fraction.part));
}

static bool base64_read(const char *text, struct arena *arena, str *ret)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t len = strlen(text);
    char *bytes = ARENA_ARRAY(arena, char, len + 1);
    size_t count = 0;
    if (len % 4 != 0)
        return false;
    for (size_t i = 0; i < len; i += 4) {
        uint32_t group = 0;
        int pads = 0;
        for (size_t k = i; k < i + 4; k++) {
            const char *at = strchr(alphabet, text[k]);
            if (text[k] == '=' && i + 4 == len && k >= i + 2)
                pads++;
            else if (!at || pads)
                return false;
            group = group << 6 | (text[k] == '=' ? 0 : (uint32_t)(at - alphabet));
        }
        for (int k = 0; k < 3 - pads; k++)
            bytes[count++] = (char)(group >> (16 - 8 * k));
    }
    *ret = (str) { bytes, count };
    return true;
}

enum compared compare_binary(const char *a, const char *b, struct arena *arena)
{
    str x, y;
    if (!base64_read(a, arena, &x) || !base64_read(b, arena, &y))
        return COMPARED_NOT;
    return str_eq(x, y) ? COMPARED_EQUAL : COMPARED_LESS;
}

enum compared address_in_network(const char *address, const char *network)
{
    char name[64] = "";
    unsigned char bits[16], net[16];
    const char *slash = strchr(network, '/');
    const size_t len = slash ? (size_t)(slash - network) : strlen(network);
    if (len >= sizeof(name))
        return COMPARED_NOT;
    memcpy(name, network, len);
    const int family = strchr(address, ':') ? AF_INET6 : AF_INET;
    const int net_family = strchr(name, ':') ? AF_INET6 : AF_INET;
    const int size = net_family == AF_INET6 ? 128 : 32;
    if (inet_pton(family, address, bits) != 1 || inet_pton(net_family, name, net) != 1)
        return COMPARED_NOT;
    const char *const bits_wanted = slash ? slash + 1 : "";
    const size_t digits = strspn(bits_wanted, "0123456789");
    if (slash && (digits == 0 || digits > 3 || bits_wanted[digits] || atoi(bits_wanted) > size))
        return COMPARED_NOT;
    const int prefix = slash ? atoi(bits_wanted) : size;
    if (family != net_family)
        return COMPARED_LESS;
    for (int i = 0; i < prefix; i++) {
        const int mask = 1 << (7 - i % 8);
        if ((bits[i / 8] & mask) != (net[i / 8] & mask))
            return COMPARED_LESS;
    }
    return COMPARED_EQUAL;
}
