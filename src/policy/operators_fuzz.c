/* Any bytes as one condition and the request's values, decided by the engine, fast and traced, and
 * by the oracle. Lines: operator, key, values wanted, values got; in the last two a tab parts
 * values, and a first byte of "!" in the last makes them a list of one key (multivalued) even when
 * there is one. */
#include "policy/oracle_compare.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *values_of(str text, bool list)
{
    json_t *values = json_array();
    str one, rest = text;
    for (bool more = true; more;) {
        more = str_cut(rest, '\t', &one, &rest);
        if (json_array_append_new(values, json_stringn(one.ptr, one.len))) {
            json_decref(values); /* not UTF-8 */
            return NULL;
        }
    }
    if (list || json_array_size(values) > 1)
        return values;
    json_t *alone = json_incref(json_array_get(values, 0));
    json_decref(values);
    return alone;
}

static json_t *step_of(str operator, str key, str wanted, str got)
{
    const bool list = str_starts(got, STR("!"));
    json_t *want = values_of(wanted, false), *have = values_of(list ? str_from(got, 1) : got, list);
    json_t *keys = json_object(), *operators = json_object(), *context = json_object();
    if (!want || !have || json_object_setn_new(keys, key.ptr, key.len, json_incref(want)) ||
        json_object_setn_new(context, key.ptr, key.len, json_incref(have)) ||
        json_object_setn_new(operators, operator.ptr, operator.len, json_incref(keys))) {
        json_decref(want);
        json_decref(have);
        json_decref(keys);
        json_decref(operators);
        json_decref(context);
        return NULL;
    }
    json_t *step =
        json_pack("{s:{s:s,s:s,s:s,s:s,s:o},s:{s:[{s:s,s:{s:s,s:s,s:s,s:o}}]}}", "request",
                  "principal", "arn:aws:iam::111122223333:user/u", "action", "s3:GetObject",
                  "resource", "arn:aws:s3:::b/k", "resource_account", "111122223333", "context",
                  context, "policies", "identity", "Version", "2012-10-17", "Statement", "Effect",
                  "Allow", "Action", "*", "Resource", "*", "Condition", operators);
    json_decref(want);
    json_decref(have);
    json_decref(keys);
    return step;
}

/* The oracle writes powers of ten out, so it knows but small ones. */
static bool has_great_power(str text)
{
    size_t digits = 0;
    for (size_t i = 0; i < text.len && digits < 4; i++)
        digits = ascii_is_digit(text.ptr[i]) && (digits || (i && strchr("eE+-", text.ptr[i - 1])))
                     ? digits + 1
                     : 0;
    return digits == 4 && (str_has(text, 'e') || str_has(text, 'E'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA *arena = arena_new(64 << 20);
    const str text = { (const char *)data, size };
    str operator, key, wanted, got, rest;
    if (size > 1024 || str_has(text, '\0') || !str_cut(text, '\n', &operator, & rest) ||
        !str_cut(rest, '\n', &key, &rest) || !str_cut(rest, '\n', &wanted, &got) || key.len == 0 ||
        (str_find_str(operator, STR("Numeric")) < operator.len && (has_great_power(wanted) || has_great_power(got))))
        return 0;
    json_t *step = step_of(operator, key, wanted, got);
    const char *verdict;
    struct oracle_sight sight = { .blind = SEEN_ALL };
    const str differs = step ? oracle_compare(step, &sight, arena, &verdict) : STR_NONE;
    json_decref(step);
    /* The grammar is document_fuzz's; here it is the values. */
    if (!str_is_none(differs) && !str_starts(differs, STR(ORACLE_NOT_READ))) {
        fprintf(stderr, STR_FMT "\n", STR_ARG(differs));
        abort();
    }
    return 0;
}
