/* store/spool_log_forward.c - copies the little that lives in the oldest segment to the log's end.
 *
 * Segments are freed oldest first, so one message that is retried for hours would keep every later
 * segment on disk. When the oldest of several has little left in it, its entries are committed anew
 * under their own serials, with their notes and attempts inside; a body in a file stays in its
 * file.
 *
 * After a stop both copies may be there. The later one counts, and until it is synced the old
 * segment is not freed: so one of them is always whole. Notes and settlements that come later lie
 * behind the later copy. */
#include "store/spool_log.h"

#include <errno.h>
#include <stdlib.h>

enum {
    FORWARD_SEGMENTS = 4, /* fewer in use: disk is no concern */
    FORWARD_SHARE = 3,    /* of the oldest segment at most a third lives */
    FORWARD_ENTRIES = 64, /* at once, so that no commit waits long */
    FORWARD_BYTES = 4 << 20,
};

static void on_moved(void *context, const struct fault *f)
{
    (void)context;
    (void)f;
}

/* Entries of the oldest segment that nobody holds, taken out of the queue; none when it is not
 * worth it. */
static size_t choose(struct spool_log *log, struct entry *to[FORWARD_ENTRIES])
{
    size_t count = 0, used = 0;
    uint64_t bytes = 0;
    pthread_mutex_lock(&log->queue_lock);
    struct segment *oldest = log->used;
    for (struct segment *s = oldest; s && used < FORWARD_SEGMENTS; s = s->next)
        used++;
    bool worth = used == FORWARD_SEGMENTS && oldest->living > oldest->set_aside &&
                 oldest->living_bytes <= oldest->bytes / FORWARD_SHARE;
    for (size_t i = 0; worth && i < log->bucket_count; i++)
        for (struct entry *e = log->buckets[i]; e; e = e->next) {
            if (e->slot != oldest->slot || (e->state != ENTRY_QUEUED && e->state != ENTRY_HELD))
                continue;
            if (count == FORWARD_ENTRIES || bytes > FORWARD_BYTES) {
                worth = false;
                break;
            }
            queue_take(log, e, ENTRY_MOVING);
            to[count++] = e;
            bytes += e->length;
        }
    pthread_mutex_unlock(&log->queue_lock);
    return count;
}

static struct spool_draft *copy_of(struct spool_log *log, struct entry *e, struct arena *arena,
                                   int *ret_error)
{
    struct stored stored;
    bool dry;
    struct spool_draft *d = calloc(1, sizeof *d);
    *ret_error = -ENOMEM;
    if (!d)
        return NULL;
    *d = (struct spool_draft) { .log = log,
                                .fd = -1,
                                .moves = e,
                                .count = 1,
                                .committed = on_moved,
                                .op = { .kind = OP_COMMIT, .draft = d } };
    d->entries = calloc(1, sizeof *d->entries);
    d->rules = calloc(1, sizeof *d->rules);
    if (d->entries)
        d->entries[0] = malloc(sizeof *e);
    bool fine = d->rules && d->entries && d->entries[0];
    if (fine)
        *ret_error = stored_read(log, e, arena, &stored);
    fine = fine && *ret_error == 0;
    if (fine) {
        *d->entries[0] = *e;
        d->entries[0]->index = 0;
        if (!stored.commit.body_file)
            draft_gather(d, stored.body, &dry);
        struct commit_head head = { .count = 1,
                                    .body_file = stored.commit.body_file,
                                    .body_size = stored.commit.body_size,
                                    .body_token = stored.commit.body_token };
        struct commit_entry to = stored.entry;
        to.due_ms = e->due_ms;
        to.attempt = e->attempt;
        to.notes = stored.notes;
        size_t size = COMMIT_FIXED + commit_entry_size(&to);
        d->op.frame = size <= FRAME_HEAD_MAX ? malloc(FRAME_HEADER + size) : NULL;
        d->op.frame_len = FRAME_HEADER + size;
        fine = d->op.frame && !d->op.fault &&
               (!stored.rules.len || (d->rules[0] = rules_take(log, stored.rules, stored.rules_number)));
        if (fine) {
            commit_head_write(d->op.frame + FRAME_HEADER, &head);
            commit_entry_write(d->op.frame + FRAME_HEADER + COMMIT_FIXED, &to);
        }
    }
    if (fine)
        return d;
    draft_free(d, true);
    return NULL;
}

void forward_some(struct spool_log *log, struct op_list *ops)
{
    struct entry *chosen[FORWARD_ENTRIES];
    size_t count = log->failed ? 0 : choose(log, chosen);
    if (!count)
        return;
    AUTO_ARENA *arena = arena_new((size_t)64 << 20);
    for (size_t i = 0; i < count; i++) {
        int error = -ENOMEM;
        struct spool_draft *d = arena ? copy_of(log, chosen[i], arena, &error) : NULL;
        if (d) {
            d->op.next = NULL;
            *ops->last = &d->op;
            ops->last = &d->op.next;
        } else {
            if (error == -EBADMSG)
                log_damaged(log, log->segments[chosen[i]->slot], chosen[i]->offset, 1,
                            "an entry cannot be read");
            pthread_mutex_lock(&log->queue_lock);
            if (error == -EBADMSG)
                queue_state(log, chosen[i], ENTRY_DAMAGED);
            else
                queue_push(log, chosen[i]); /* it stays where it is */
            queue_unlock(log);
        }
        if (arena)
            arena_reset(arena);
    }
}
