#include "api/members.h"

#include "base/base64.h"
#include "base/utf8.h"

#include <stdio.h>

enum { NAME_ROOM = 256, MEMBERS_MAX = 1000 };

str members_get(const struct api_call *call, const char *prefix, const char *name)
{
    char whole[NAME_ROOM];
    int len = snprintf(whole, sizeof whole, "%s%s", prefix, name);
    return len > 0 && (size_t)len < sizeof whole ? api_param(call, whole) : STR_NONE;
}

static bool begins(const struct api_call *call, const char *list, size_t n)
{
    char one[NAME_ROOM];
    int len = snprintf(one, sizeof one, "%s.%zu", list, n);
    if (len < 0 || (size_t)len >= sizeof one)
        return false;
    str prefix = { one, (size_t)len };
    for (size_t i = 0; i < call->param_count; i++) {
        str name = call->params[i].name;
        if (str_starts(name, prefix) && (name.len == prefix.len || name.ptr[prefix.len] == '.'))
            return true;
    }
    return false;
}

size_t members_count(const struct api_call *call, const char *list)
{
    size_t count = 0;
    while (count < MEMBERS_MAX && begins(call, list, count + 1))
        count++;
    return count;
}

static str member_get(const struct api_call *call, const char *list, size_t n, const char *name)
{
    char prefix[NAME_ROOM];
    int len = snprintf(prefix, sizeof prefix, "%s.%zu%s", list, n, *name ? "." : "");
    return len > 0 && (size_t)len < sizeof prefix ? members_get(call, prefix, name) : STR_NONE;
}

const struct fault *members_list(const struct api_call *call, const char *list,
                                 const str **ret_items, size_t *ret_count)
{
    size_t count = members_count(call, list);
    str *items = ARENA_ARRAY(call->call.arena, str, count + 1);
    if (!items)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++) {
        items[i] = member_get(call, list, i + 1, "");
        if (str_is_none(items[i]))
            items[i] = STR("");
    }
    *ret_items = items;
    *ret_count = count;
    return NULL;
}

const struct fault *members_pairs(const struct api_call *call, const char *list, const char *key,
                                  const char *value, const struct header **ret_pairs,
                                  size_t *ret_count)
{
    size_t count = members_count(call, list);
    struct header *pairs = ARENA_ARRAY(call->call.arena, struct header, count + 1);
    if (!pairs)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++) {
        pairs[i] = (struct header) { member_get(call, list, i + 1, key),
                                     member_get(call, list, i + 1, value) };
        if (str_is_none(pairs[i].name))
            pairs[i].name = STR("");
        if (str_is_none(pairs[i].value))
            pairs[i].value = STR("");
    }
    *ret_pairs = pairs;
    *ret_count = count;
    return NULL;
}

/* "can contain: A-Z, a-z, 0-9, underscore, hyphen, and period"; not at the ends, not two in a row,
 * and not AWS. or Amazon. in front (SQS Developer Guide, "Message attribute components"). */
static bool name_ok(str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '_' && c != '-' && c != '.')
            return false;
        if (c == '.' && (i == 0 || i + 1 == name.len || name.ptr[i - 1] == '.'))
            return false;
    }
    return name.len > 0 && name.len <= 256 && !str_starts_nocase(name, STR("AWS.")) &&
           !str_starts_nocase(name, STR("Amazon."));
}

static bool type_ok(str type)
{
    static const str kinds[] = { STR_INIT("String"), STR_INIT("Number"), STR_INIT("Binary") };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (str_starts(type, kinds[i]) &&
            (type.len == kinds[i].len || type.ptr[kinds[i].len] == '.'))
            return type.len <= 256;
    return false;
}

const struct fault *message_attribute_check(const struct message_attribute *a, struct arena *arena)
{
    const char *wrong = NULL;
    if (!name_ok(a->name))
        wrong = "has an invalid name";
    else if (a->type.len == 0)
        return fault_coded(arena, FAULT_SYNTAX, "InvalidParameterValue",
                           "The message attribute '" STR_FMT
                           "' must contain non-empty message attribute type.",
                           STR_ARG(a->name));
    else if (!type_ok(a->type))
        return fault_coded(arena, FAULT_SYNTAX, "InvalidParameterValue",
                           "The message attribute '" STR_FMT
                           "' has an invalid message attribute type, the set of supported type "
                           "prefixes is Binary, Number, and String.",
                           STR_ARG(a->name));
    else if (a->value.len == 0)
        return fault_coded(arena, FAULT_SYNTAX, "InvalidParameterValue",
                           "The message attribute '" STR_FMT
                           "' must contain non-empty message attribute value for message attribute "
                           "type '" STR_FMT "'.",
                           STR_ARG(a->name), STR_ARG(a->type));
    else if (str_starts(a->type, STR("Binary"))) {
        AUTO_BUF bytes = buf_new(1 << 20);
        if (!base64_decode(&bytes, a->value))
            wrong = "is not base64";
    } else if (!utf8_valid(a->value))
        wrong = "is not Unicode";
    return wrong ? fault_coded(arena, FAULT_SYNTAX, "InvalidParameterValue",
                               "The message attribute '" STR_FMT "' %s",
                               STR_ARG(str_head(a->name, 256)), wrong)
                 : NULL;
}

const struct fault *members_attributes(const struct api_call *call, const char *prefix,
                                       const char *list,
                                       const struct message_attribute **ret_attributes,
                                       size_t *ret_count)
{
    char whole[NAME_ROOM];
    snprintf(whole, sizeof whole, "%s%s", prefix, list);
    size_t count = members_count(call, whole);
    struct message_attribute *all =
        ARENA_ARRAY(call->call.arena, struct message_attribute, count + 1);
    if (!all)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++) {
        struct message_attribute *a = &all[i];
        a->name = member_get(call, whole, i + 1, "Name");
        a->type = member_get(call, whole, i + 1, "Value.DataType");
        bool binary = str_starts(a->type, STR("Binary"));
        a->value =
            member_get(call, whole, i + 1, binary ? "Value.BinaryValue" : "Value.StringValue");
        TRY(message_attribute_check(a, call->call.arena));
    }
    *ret_attributes = all;
    *ret_count = count;
    return NULL;
}
