/* main/outgoing.c - outgoing mail among the spool's entries, page by page. */
#include "main/outgoing.h"

#include "base/json.h"
#include "receive/outgoing.h"
#include "receive/timeline.h"

enum { AT_ONCE = 250 /* a frame has its body with it, up to 256 KB */, ROUND = 64 << 20 };

struct looking {
    const struct outgoing_asked *asked;
    size_t wanted, listed, looked_at;
    uint64_t after;
    bool more; /* the list goes on behind `after` */
};

static bool is_asked_for(const struct looking *l, const struct spool_record *r, struct arena *a)
{
    struct errand errand;
    int64_t taken_ms;
    str from, to;
    if (r->entry.kind != SPOOL_OUTGOING || errand_read(&r->entry, a, &errand, &taken_ms) ||
        !outgoing_paths(&errand, a, &from, &to))
        return false;
    const str account = l->asked->account, address = l->asked->address;
    return (!account.ptr || str_eq(account, errand.account)) &&
           (!address.ptr || str_eq_nocase(address, from) || str_eq_nocase(address, to));
}

/* Some entries on from `after`; *ret_end: there are no more. */
static const struct fault *look_on(struct looking *l, struct spool *spool, struct arena *a,
                                   struct buf *out, bool *ret_end)
{
    struct spool_record *records;
    size_t count;
    TRY(spool->ops->older(spool, l->after, AT_ONCE, a, &records, &count));
    *ret_end = count < AT_ONCE;
    l->looked_at += count;
    for (size_t i = 0; i < count; i++) {
        if (is_asked_for(l, &records[i], a)) {
            if (l->listed == l->wanted) {
                l->more = *ret_end = true;
                return NULL;
            }
            if (l->listed++)
                buf_addc(out, ',');
            TRY(timeline_write_brief(&records[i], a, out));
        }
        l->after = records[i].serial;
    }
    return NULL;
}

const struct fault *outgoing_write(struct spool *spool, const struct outgoing_asked *asked,
                                   struct arena *a, struct buf *out)
{
    uint64_t wanted = OUTGOING_USUAL;
    struct looking l = { .asked = asked, .after = UINT64_MAX };
    if ((asked->limit.ptr && (!str_u64(asked->limit, &wanted) || !wanted)) ||
        (asked->after.ptr && !str_u64(asked->after, &l.after)))
        return fault(a, FAULT_SYNTAX, NULL,
                     "limit is a number from 1 on, after what the page before named as next");
    l.wanted = wanted < OUTGOING_MOST ? (size_t)wanted : OUTGOING_MOST;
    AUTO_ARENA *round = arena_new(ROUND);
    if (!round)
        return &fault_no_memory;
    buf_add(out, STR("{\"outgoing\":["));
    for (bool end = false; !end;) {
        const struct fault *f = look_on(&l, spool, round, out, &end);
        if (f)
            return fault_keep(a, f);
        arena_reset(round);
        if (!end && l.looked_at >= OUTGOING_LOOKED_AT)
            end = l.more = true;
    }
    buf_addc(out, ']');
    if (l.more)
        buf_addf(out, ",\"next\":\"%llu\"", (unsigned long long)l.after);
    buf_addc(out, '}');
    return NULL;
}

const struct fault *outgoing_text(struct spool *spool, str id, struct arena *a, str *ret_text)
{
    struct spool_record record;
    uint64_t size;
    for (int turn = 0;; turn++) { /* it may be settled between the two questions, once */
        TRY(spool->ops->find(spool, id, a, &record));
        if (record.entry.kind != SPOOL_OUTGOING)
            return fault(a, FAULT_ABSENT, NULL, STR_FMT " is no outgoing mail", STR_ARG(id));
        if (record.state == SPOOL_DONE)
            break;
        const struct fault *f = spool->ops->front(spool, id, SIZE_MAX, a, ret_text, &size);
        if (!f || f->kind != FAULT_ABSENT || turn)
            return f;
    }
    *ret_text = record.kept;
    return record.kept.ptr
               ? NULL
               : fault(a, FAULT_ABSENT, NULL,
                       "it was sent, and its text is not kept: it is longer than %d octets",
                       OUTGOING_KEPT_MAX);
}
