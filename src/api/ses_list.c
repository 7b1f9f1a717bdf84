#include "api/ses_list.h"

#include <stdlib.h>

/* Found at AWS by trying: the highest number its parser takes, and how many it lets be left out
 * between one element and the next. */
enum { INDEX_MAX = 214748369, SKIP_MAX = 10 };

static bool is_digits(str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!ascii_is_digit(text.ptr[i]))
            return false;
    return text.len > 0;
}

/* LIST.member.TOKEN or LIST.member.TOKEN.rest */
static bool split(str name, str list, str *ret_token, str *ret_rest)
{
    static const str member = STR_INIT(".member.");
    if (!str_starts(name, list) || !str_starts(str_from(name, list.len), member))
        return false;
    name = str_from(name, list.len + member.len);
    if (!str_cut(name, '.', ret_token, ret_rest)) {
        *ret_token = name;
        *ret_rest = STR_NONE;
    }
    return true;
}

bool ses_list_member(str name, str list, uint64_t *ret_number, str *ret_rest)
{
    str token;
    return split(name, list, &token, ret_rest) && is_digits(token) && str_u64(token, ret_number) &&
           *ret_number > 0;
}

static bool is_under(const struct header *param, str list)
{
    if (str_eq(param->name, list))
        return param->value.len > 0;
    return str_starts(param->name, list) && param->name.ptr[list.len] == '.';
}

static const struct fault *malformed(const struct api_call *call, str about, const char *says)
{
    return fault_coded(call->call.arena, FAULT_SYNTAX, "MalformedInput", STR_FMT "%s",
                       STR_ARG(str_head(about, 64)), says);
}

static bool is_zero(str token)
{
    for (size_t i = 0; i < token.len; i++)
        if (token.ptr[i] != '0')
            return false;
    return token.len > 0;
}

/* Of structures a number is taken under any spelling: member.01 is the first one. */
static const struct fault *check_token(const struct api_call *call, str token,
                                       enum ses_list_kind kind)
{
    uint64_t number;
    if (is_zero(token))
        return malformed(call, STR("0"), " is not a valid index");
    if (kind == LIST_OF_STRUCTURES)
        return NULL;
    if (!is_digits(token))
        return malformed(call, STR("Start of list"), " found where not expected");
    if (token.ptr[0] == '0')
        return malformed(call, STR("Value"), " found where not expected");
    if (str_u64(token, &number) && number <= INDEX_MAX)
        return NULL;
    str says = arena_strf(call->call.arena, "Index " STR_FMT, STR_ARG(str_head(token, 64)));
    return malformed(call, says, " is illegal");
}

static int by_number(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* "1,499": as AWS writes the number. At most nine digits. */
static str grouped(struct arena *arena, uint64_t number)
{
    const unsigned long long n = number;
    if (n < 1000)
        return arena_strf(arena, "%llu", n);
    if (n < 1000 * 1000)
        return arena_strf(arena, "%llu,%03llu", n / 1000, n % 1000);
    return arena_strf(arena, "%llu,%03llu,%03llu", n / 1000 / 1000, n / 1000 % 1000, n % 1000);
}

static const struct fault *check_gaps(const struct api_call *call, uint64_t *numbers, size_t count)
{
    struct arena *arena = call->call.arena;
    qsort(numbers, count, sizeof(*numbers), by_number);
    uint64_t before = 1;
    for (size_t i = 0; i < count; before = numbers[i++]) {
        if (numbers[i] - before <= SKIP_MAX)
            continue;
        str says = arena_strf(arena, "Excessively sparse input would skip " STR_FMT,
                              STR_ARG(grouped(arena, numbers[i] - before)));
        return malformed(call, says, " list elements");
    }
    return NULL;
}

/* Structures stand in the order of their tokens, short ones first: behind member.2, member.01 is
 * the second one, and the first place is empty. */
static bool in_order(const size_t *token_lengths, size_t count)
{
    size_t longest = 0;
    for (size_t n = 1; n <= count; n++) {
        if (token_lengths[n] == 0)
            continue;
        if (token_lengths[n] < longest)
            return false;
        longest = token_lengths[n];
    }
    return true;
}

const struct fault *ses_list_find(const struct api_call *call, str list, enum ses_list_kind kind,
                                  struct ses_list *ret_list)
{
    struct ses_list found = { 0 };
    size_t count = 0;
    uint64_t *numbers = ARENA_ARRAY(call->call.arena, uint64_t, call->param_count + 1);
    size_t *lengths = ARENA_ARRAY(call->call.arena, size_t, call->param_count + 1);
    if (!numbers || !lengths)
        return &fault_no_memory;
    for (size_t i = 0; i < call->param_count; i++) {
        uint64_t n;
        str name = call->params[i].name, token, rest;
        if (!split(name, list, &token, &rest)) {
            found.unplaced |= is_under(&call->params[i], list);
            continue;
        }
        TRY(check_token(call, token, kind));
        if (!is_digits(token))
            found.unplaced = true;
        else if (kind == LIST_OF_STRUCTURES && (!str_u64(token, &n) || n > call->param_count))
            found.sparse = true;
        else if (str_u64(token, &n)) {
            numbers[count++] = n;
            if (kind == LIST_OF_STRUCTURES && token.len > lengths[n])
                lengths[n] = token.len;
        }
    }
    if (kind == LIST_OF_TEXTS)
        TRY(check_gaps(call, numbers, count));
    for (size_t i = 0; i < count; i++)
        if (numbers[i] > found.count)
            found.count = (size_t)numbers[i];
    if (kind == LIST_OF_STRUCTURES && !in_order(lengths, found.count))
        found.sparse = true;
    *ret_list = found;
    return NULL;
}

const struct fault *ses_list_texts(const struct api_call *call, str list, struct ses_list *ret_list,
                                   const str **ret_values)
{
    struct ses_list found;
    TRY(ses_list_find(call, list, LIST_OF_TEXTS, &found));
    str *values = ARENA_ARRAY(call->call.arena, str, found.count + 1);
    if (!values)
        return &fault_no_memory;
    for (size_t i = call->param_count; i > 0; i--) { /* backwards, so that the first stays */
        uint64_t n;
        str rest;
        const struct header *param = &call->params[i - 1];
        if (!ses_list_member(param->name, list, &n, &rest) || n > found.count)
            continue;
        if (str_is_none(rest))
            values[n - 1] = str_is_none(param->value) ? STR("") : param->value;
        else /* a text has no members of its own */
            found.unplaced = true;
    }
    *ret_list = found;
    *ret_values = values;
    return NULL;
}
