#include "services/text_members.h"

void text_members_put(struct json_writer *w, const char *name, const struct header *pairs,
                      size_t count)
{
    json_name(w, str_of(name));
    json_open(w, '{');
    for (size_t i = 0; i < count; i++) {
        json_name(w, pairs[i].name);
        json_put_str(w, pairs[i].value);
    }
    json_close(w, '}');
}

const struct fault *text_members_read(const struct json *object, struct arena *arena,
                                      const struct header **ret_pairs, size_t *ret_count)
{
    const size_t count = json_size(object);
    struct header *pairs = ARENA_ARRAY(arena, struct header, count + 1);
    const struct json *value;
    str name;
    if (!pairs)
        return &fault_no_memory;
    for (size_t i = 0; json_member(object, i, &name, &value); i++) {
        pairs[i] = (struct header) { name, json_text(value) };
        if (str_is_none(pairs[i].value))
            return fault(arena, FAULT_SYNTAX, NULL, "the value of " STR_FMT " is no text",
                         STR_ARG(name));
    }
    *ret_pairs = pairs;
    *ret_count = count;
    return NULL;
}
