#include "services/iam/checks.h"

#include "base/utf8.h"
#include "policy/validate.h"

enum {
    PATH_MOST = 512,
    DOCUMENT_MOST = 131072, /* of the parameter */
    TAG_KEY_MOST = 128,
    TAG_VALUE_MOST = 256,
};

const struct fault *iam_invalid(struct arena *arena, const char *path, const char *constraint)
{
    return fault_coded(
        arena, FAULT_SYNTAX, "ValidationError",
        "1 validation error detected: Value at '%s' failed to satisfy constraint: %s", path,
        constraint);
}

const struct fault *iam_check_name(struct arena *arena, const char *path, str name, size_t most)
{
    if (str_is_none(name))
        return fault_coded(
            arena, FAULT_SYNTAX, "ValidationError",
            "1 validation error detected: Value null at '%s' failed to satisfy constraint: "
            "Member must not be null",
            path);
    if (name.len == 0)
        return iam_invalid(arena, path, "Member must have length greater than or equal to 1");
    if (name.len > most)
        return fault_coded(
            arena, FAULT_SYNTAX, "ValidationError",
            "1 validation error detected: Value at '%s' failed to satisfy constraint: "
            "Member must have length less than or equal to %zu",
            path, most);
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && !strchr("+=,.@_-", c))
            return fault_coded(
                arena, FAULT_SYNTAX, "ValidationError",
                "The specified value for %s is invalid. It must contain only alphanumeric "
                "characters and/or the following: +=,.@_-",
                path);
    }
    return NULL;
}

const struct fault *iam_check_document(struct arena *arena, const char *path, str document)
{
    if (str_is_none(document))
        return iam_check_name(arena, path, document, 0);
    if (document.len == 0)
        return iam_invalid(arena, path, "Member must have length greater than or equal to 1");
    if (document.len > DOCUMENT_MOST)
        return iam_invalid(arena, path, "Member must have length less than or equal to 131072");
    struct cursor at = cursor_of(document); /* U+0020 to U+00FF, tab and line ends */
    while (cursor_left(&at) > 0) {
        uint32_t c = utf8_next(&at);
        if (c > 0xff || (c < 0x20 && c != '\t' && c != '\n' && c != '\r'))
            return fault_coded(arena, FAULT_SYNTAX, "ValidationError",
                               "The specified value for %s is invalid. It must contain only "
                               "printable ASCII characters.",
                               path);
    }
    return NULL;
}

const struct fault *iam_check_path(struct arena *arena, str path)
{
    bool ok = path.len >= 1 && path.len <= PATH_MOST && path.ptr[0] == '/' &&
              path.ptr[path.len - 1] == '/';
    for (size_t i = 0; ok && i < path.len; i++)
        ok = path.ptr[i] >= 0x21 && path.ptr[i] <= 0x7e;
    if (!ok)
        return fault_coded(arena, FAULT_SYNTAX, "ValidationError",
                           "The specified value for path is invalid. It must begin and end with / "
                           "and contain only "
                           "alphanumeric characters and/or / characters.");
    return NULL;
}

const struct fault *iam_too_busy(struct arena *arena)
{
    return fault_coded(
        arena, FAULT_CONFLICT, "ConcurrentModification",
        "The request was rejected because multiple requests to change this object were submitted "
        "simultaneously.");
}

const struct fault *iam_check_tags(struct arena *arena, const struct tag *tags, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (tags[i].key.len == 0 || tags[i].key.len > TAG_KEY_MOST)
            return iam_invalid(arena, "tags.1.member.key",
                               "Member must have length between 1 and 128");
        if (tags[i].value.len > TAG_VALUE_MOST)
            return iam_invalid(arena, "tags.1.member.value",
                               "Member must have length less than or equal to 256");
        if (str_starts_nocase(tags[i].key, STR("aws:")))
            return fault_coded(arena, FAULT_SYNTAX, "InvalidInput",
                               "Tag keys that begin with aws: are reserved for system use.");
        for (size_t k = 0; k < i; k++)
            if (str_eq_nocase(tags[k].key, tags[i].key))
                return fault_coded(arena, FAULT_SYNTAX, "InvalidInput",
                                   "Duplicate tag keys found. Please note that Tag keys are case "
                                   "insensitive.");
    }
    return NULL;
}
