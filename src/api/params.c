#include "api/params.h"

const struct fault *param_invalid(struct arena *arena, str value, const char *path,
                                  const char *constraint)
{
    if (str_is_none(value))
        return fault_coded(arena, FAULT_SYNTAX, "ValidationError",
                           "1 validation error detected: Value null at '%s' failed to satisfy "
                           "constraint: %s",
                           path, constraint);
    return fault_coded(arena, FAULT_SYNTAX, "ValidationError",
                       "1 validation error detected: Value '" STR_FMT
                       "' at '%s' failed to satisfy constraint: %s",
                       STR_ARG(str_head(value, 2048)), path, constraint);
}

static const struct fault *invalid_f(struct arena *arena, str value, const char *path,
                                     const char *constraint, long long limit)
{
    str says = arena_strf(arena, "%s%lld", constraint, limit);
    return str_is_none(says) ? &fault_no_memory : param_invalid(arena, value, path, says.ptr);
}

const struct fault *param_list(const struct api_call *call, str name, const char *rest, size_t most,
                               const char *path, const str **ret_values, size_t *ret_count)
{
    struct arena *arena = call->call.arena;
    str *values = ARENA_ARRAY(arena, str, most + 1);
    size_t count = 0;
    for (; values; count++) {
        str member = arena_strf(arena, STR_FMT ".member.%zu%s", STR_ARG(name), count + 1, rest);
        if (str_is_none(member))
            return &fault_no_memory;
        str value = api_param(call, member.ptr);
        if (str_is_none(value))
            break;
        if (count == most)
            return invalid_f(arena, STR("[...]"), path,
                             "Member must have length less than or equal to ", (long long)most);
        values[count] = value;
    }
    *ret_values = values;
    *ret_count = count;
    return values ? NULL : &fault_no_memory;
}

const struct fault *param_number(const struct api_call *call, const char *name, const char *path,
                                 int64_t least, int64_t most, int64_t otherwise,
                                 int64_t *ret_number)
{
    struct arena *arena = call->call.arena;
    str text = api_param(call, name);
    bool negative = str_starts(text, STR("-"));
    uint64_t number;
    *ret_number = otherwise;
    if (str_is_none(text))
        return NULL;
    if (!str_u64(str_from(text, negative), &number))
        return fault_coded(arena, FAULT_SYNTAX, "MalformedInput", "%s is not a number", name);
    if (negative || number < (uint64_t)least)
        return invalid_f(arena, text, path, "Member must have value greater than or equal to ",
                         (long long)least);
    if (number > (uint64_t)most)
        return invalid_f(arena, text, path, "Member must have value less than or equal to ",
                         (long long)most);
    *ret_number = (int64_t)number;
    return NULL;
}

const struct fault *param_text(struct arena *arena, str value, const struct param_text *rule)
{
    if (str_is_none(value))
        return rule->required ? param_invalid(arena, value, rule->path, "Member must not be null")
                              : NULL;
    if (value.len < rule->least)
        return invalid_f(arena, value, rule->path,
                         "Member must have length greater than or equal to ",
                         (long long)rule->least);
    if (value.len > rule->most)
        return invalid_f(arena, value, rule->path, "Member must have length less than or equal to ",
                         (long long)rule->most);
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (ascii_is_alpha(c) || ascii_is_digit(c) || (c && strchr(rule->others, c)))
            continue;
        str says =
            arena_strf(arena, "Member must satisfy regular expression pattern: %s", rule->pattern);
        return str_is_none(says) ? &fault_no_memory
                                 : param_invalid(arena, value, rule->path, says.ptr);
    }
    return NULL;
}
