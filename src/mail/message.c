/* mail/message.c - two passes over the header section: count, then keep. */
#include "mail/message.h"

const struct fault *message_read(str bytes, struct arena *a, struct message *ret_message)
{
    static const struct field_limits bounds = { .count_max = MESSAGE_FIELDS_MAX,
                                                .size_max = MESSAGE_HEAD_MAX };
    struct field_reader counting = field_reader(bytes, &bounds), reading = counting;
    struct field f;
    while (field_next(&counting, &f))
        ;
    struct field *fields = ARENA_ARRAY(a, struct field, counting.count ? counting.count : 1);
    if (!fields)
        return &fault_no_memory;
    size_t count = 0;
    while (count < counting.count && field_next(&reading, &fields[count]))
        count++;
    bool no_body = counting.end == FIELDS_CUT && counting.at == bytes.len;
    *ret_message = (struct message) {
        .fields = fields,
        .count = count,
        .body_at = no_body ? bytes.len : counting.body_at,
        .whole = no_body || counting.end == FIELDS_BLANK || counting.end == FIELDS_BODY,
    };
    return NULL;
}

const struct field *message_field(const struct message *m, str name, size_t *index)
{
    while (*index < m->count) {
        const struct field *f = &m->fields[(*index)++];
        if (str_eq_nocase(f->name, name))
            return f;
    }
    return NULL;
}
