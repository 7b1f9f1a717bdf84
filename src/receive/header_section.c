/* receive/header_section.c - cut from the front of a message, kept, and found again. */
#include "receive/header_section.h"

#include "mail/dsn.h"
#include "mail/message.h"

#include <assert.h>

static_assert((int)HEADER_KEPT_MAX == (int)DSN_HEADERS_MAX, "what is returned is what is kept");

str header_section_of(str front)
{
    const struct field_limits limits = { .count_max = MESSAGE_FIELDS_MAX,
                                         .size_max = HEADER_KEPT_MAX };
    struct field_reader reader = field_reader(front, &limits);
    struct field f;
    size_t end = 0;
    while (field_next(&reader, &f))
        end = reader.at;
    return str_head(front, end);
}

const struct fault *header_section_find(struct spool *spool, const struct spool_record *record,
                                        struct arena *a, str *ret_section)
{
    str front;
    uint64_t size;
    if (record->state == SPOOL_DONE) {
        *ret_section = record->kept;
        return NULL;
    }
    const struct fault *f =
        spool->ops->front(spool, record->entry.id, HEADER_FRONT, a, &front, &size);
    struct spool_record later; /* settled since it was found */
    if (f && f->kind == FAULT_ABSENT && !spool->ops->find(spool, record->entry.id, a, &later)) {
        *ret_section = later.kept;
        return NULL;
    }
    if (!f)
        *ret_section = header_section_of(front);
    return f;
}
