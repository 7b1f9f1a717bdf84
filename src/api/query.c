#include "api/query.h"

#include "base/percent.h"

static const struct fault *read_pair(str text, struct arena *arena, struct header *ret_pair)
{
    str name, value;
    bool has_value = str_cut(text, '=', &name, &value);

    if (!percent_decode(name, true, arena, &ret_pair->name) ||
        (has_value && !percent_decode(value, true, arena, &ret_pair->value)))
        return fault_coded(arena, FAULT_SYNTAX, "MalformedQueryString",
                           "The query string contains a syntax error");
    if (!has_value)
        ret_pair->value = STR_NONE;
    else if (!ret_pair->value.ptr)
        ret_pair->value = STR("");
    return NULL;
}

const struct fault *pairs_read(str text, struct arena *arena, const struct header **ret_pairs,
                               size_t *ret_count)
{
    size_t room = text.len > 0, count = 0;
    str pair;

    for (size_t i = 0; i < text.len; i++)
        room += text.ptr[i] == '&';
    if (room > PAIRS_MAX)
        return fault_coded(arena, FAULT_LIMIT, "MalformedQueryString",
                           "The request has too many parameters");
    struct header *pairs = ARENA_ARRAY(arena, struct header, room + 1);
    if (!pairs)
        return &fault_no_memory;
    while (text.len > 0) {
        str_cut(text, '&', &pair, &text);
        if (pair.len > 0)
            TRY(read_pair(pair, arena, &pairs[count++]));
    }
    *ret_pairs = pairs;
    *ret_count = count;
    return NULL;
}

const struct header *pair_find(const struct header *pairs, size_t count, str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(pairs[i].name, name))
            return &pairs[i];
    return NULL;
}

const struct header *fields_find(const struct header *fields, size_t count, str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq_nocase(fields[i].name, name))
            return &fields[i];
    return NULL;
}
