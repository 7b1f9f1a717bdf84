/* store/spool_log_lease.c - an entry in one holder's hands, from the lease to what ends it.
 *
 * What a lease ends in goes to the committer first and comes back to the queue from there, after the
 * write: so the next holder reads every note of the one before. */
#include "store/spool_log.h"

#include <errno.h>
#include <stdlib.h>

void lease_free(struct lease_impl *lease)
{
    struct disk *disk = lease->log->disk;
    if (lease->body_fd >= 0)
        disk->close(disk, lease->body_fd);
    if (lease->op.frame != lease->room)
        free(lease->op.frame);
    buf_free(&lease->notes);
    free(lease);
}

/* A damaged entry is set aside: it lives on where it lies, and its segment is not written over. Any
 * other trouble puts it back for a minute. */
static void lease_failed(struct spool_log *log, struct entry *e, int error)
{
    enum { TROUBLE_MS = 60000 };
    if (error == -EBADMSG)
        log_damaged(log, log->segments[e->slot], e->offset, 1, "an entry cannot be read");
    pthread_mutex_lock(&log->queue_lock);
    if (error == -EBADMSG) {
        queue_state(log, e, ENTRY_DAMAGED);
    } else {
        e->due_ms = queue_now_ms(log) + TROUBLE_MS;
        queue_push(log, e);
    }
    queue_unlock(log);
}

static const struct fault *lease_make(struct spool_log *log, struct entry *e, struct arena *arena,
                                      struct lease *ret_lease, int *ret_error)
{
    struct stored stored;
    struct lease_impl *impl = calloc(1, sizeof *impl);
    *ret_error = impl ? stored_read(log, e, arena, &stored) : -ENOMEM;
    if (*ret_error) {
        free(impl);
        return *ret_error == -ENOMEM ? &fault_no_memory : &spool_body_lost;
    }
    struct segment *noted = e->note_offset ? log->segments[e->note_slot] : NULL;
    *impl = (struct lease_impl) {
        .log = log,
        .entry = e,
        .fallen_ms = log->fallen_ms,
        .body = stored.body,
        .body_file = stored.commit.body_file,
        .body_fd = -1,
        .body_size = stored.commit.body_size,
        .body_token = stored.commit.body_token,
        .notes = buf_new(FRAME_HEAD_MAX),
        .op = { .entry = e, .lease = impl, .frame = impl->room },
    };
    if (noted)
        impl->chain = (struct chain) { noted->epoch, e->note_offset };
    *ret_lease = (struct lease) {
        .entry = { .id = stored.entry.id,
                   .kind = stored.entry.kind,
                   .head = stored.entry.head,
                   .rules = stored.rules,
                   .rules_number = stored.rules_number,
                   .due_ms = e->due_ms },
        .body_size = impl->body_size,
        .attempt = e->attempt + 1,
        .notes = stored.notes,
        .impl = impl,
    };
    return NULL;
}

const struct fault *log_lease(struct spool *spool, int64_t hold_ms, struct arena *arena,
                              struct lease *ret_lease)
{
    struct spool_log *log = (struct spool_log *)spool;
    *ret_lease = (struct lease) { 0 };
    for (;;) {
        struct entry *e;
        bool resumed = false;
        int error;
        const struct fault *f = queue_next_due(log, hold_ms, &e, &resumed);
        if (f || !e)
            return f;
        f = lease_make(log, e, arena, ret_lease, &error);
        ret_lease->resumed = resumed;
        if (!f)
            return NULL;
        lease_failed(log, e, error);
        if (error == -ENOMEM)
            return f;
    }
}

const struct fault *log_read(const struct lease *lease, uint64_t offset, size_t wanted,
                             struct arena *arena, str *ret_bytes)
{
    struct lease_impl *impl = lease->impl;
    *ret_bytes = STR("");
    if (offset >= impl->body_size)
        return NULL;
    if (wanted > impl->body_size - offset)
        wanted = (size_t)(impl->body_size - offset);
    if (!impl->body_file) { /* came with the lease, in its arena */
        *ret_bytes = str_head(str_from(impl->body, (size_t)offset), wanted);
        return NULL;
    }
    char *to = arena_alloc(arena, wanted, 1);
    if (!to)
        return &fault_no_memory;
    TRY(body_read(impl, offset, wanted, to));
    *ret_bytes = (str) { to, wanted };
    return NULL;
}

/* Each note ends in one newline, in the frame as in the record. */
static size_t note_size(str note)
{
    return note.len ? note.len + (note.ptr[note.len - 1] != '\n') : 0;
}

static bool note_fits(const struct spool_log *log, str note)
{
    return note.len < FRAME_HEAD_MAX / 2 && note.len < log->limits.segment_bytes / 4;
}

static char *note_frame(str note, size_t *ret_len)
{
    *ret_len = FRAME_HEADER + NOTE_FIXED + note_size(note);
    char *frame = calloc(1, *ret_len);
    if (frame && note.len) {
        frame[*ret_len - 1] = '\n';
        memcpy(frame + FRAME_HEADER + NOTE_FIXED, note.ptr, note.len);
    }
    return frame;
}

static void notes_add(struct lease_impl *impl, str note)
{
    if (!note.len)
        return;
    buf_add(&impl->notes, note);
    if (note_size(note) > note.len)
        buf_addc(&impl->notes, '\n');
}

const struct fault *log_note(struct lease *lease, str note)
{
    struct lease_impl *impl = lease->impl;
    if (!note_fits(impl->log, note))
        return &spool_too_long;
    struct op *op = calloc(1, sizeof *op);
    if (!op)
        return &fault_no_memory;
    *op = (struct op) { .kind = OP_NOTE, .entry = impl->entry, .lease = impl };
    op->frame = note_frame(note, &op->frame_len);
    if (!op->frame) {
        free(op);
        return &fault_no_memory;
    }
    notes_add(impl, note);
    bool failed = impl->log->failed;
    impl->noted = true;
    committer_push(impl->log, op);
    return failed ? &spool_disk_failed : NULL;
}

static void settled_frame(struct lease_impl *impl, enum settlement how)
{
    impl->op.kind = OP_SETTLED;
    impl->op.how = how;
    impl->op.frame_len = FRAME_HEADER + 8;
    memset(impl->room, 0, sizeof impl->room);
    impl->room[FRAME_HEADER] = (char)how;
}

/* The entry no longer counts as leased; it is gone when the committer has said so to the disk. */
static void settle_ending(struct lease_impl *impl)
{
    pthread_mutex_lock(&impl->log->queue_lock);
    queue_state(impl->log, impl->entry, ENTRY_DYING);
    pthread_mutex_unlock(&impl->log->queue_lock);
}

static void settle_done(const struct lease *lease, struct lease_impl *impl)
{
    keeper_history(impl->log, impl->entry, lease, buf_str(&impl->notes));
    settled_frame(impl, SETTLE_DONE);
    settle_ending(impl);
    committer_push(impl->log, &impl->op);
}

static void settle_retry(struct lease_impl *impl, int64_t retry_at_ms, str note)
{
    impl->op.kind = OP_RETRY;
    impl->op.due_ms = retry_at_ms;
    impl->op.frame_len = FRAME_HEADER + NOTE_FIXED;
    if (note.len) {
        size_t len;
        char *frame = note_frame(note, &len);
        if (frame) { /* without memory the retry is kept and its note lost */
            impl->op.frame = frame;
            impl->op.frame_len = len;
        }
    }
    committer_push(impl->log, &impl->op);
}

/* The keeper copies it into dead/ and only then has it settled. */
static void settle_dead(const struct lease *lease, struct lease_impl *impl)
{
    struct buf all = buf_new(FRAME_HEAD_MAX * 8);
    buf_add(&all, lease->notes);
    buf_add(&all, buf_str(&impl->notes));
    buf_free(&impl->notes);
    impl->notes = all;
    settled_frame(impl, SETTLE_DEAD);
    settle_ending(impl);
    keeper_push(impl->log, impl);
}

const struct fault *log_settle(struct lease *lease, enum settlement how, int64_t retry_at_ms,
                               str note)
{
    struct lease_impl *impl = lease->impl;
    struct spool_log *log = impl->log;
    lease->impl = NULL;
    const struct fault *said = note_fits(log, note) ? NULL : &spool_too_long;
    if (said)
        note = STR("");
    else if (log->failed)
        said = &spool_disk_failed;
    if (how != SETTLE_RETRY)
        notes_add(impl, note);
    switch (how) {
    case SETTLE_DONE:
        settle_done(lease, impl);
        break;
    case SETTLE_RETRY:
        settle_retry(impl, retry_at_ms, note);
        break;
    case SETTLE_DEAD:
        settle_dead(lease, impl);
        break;
    }
    return said;
}

/* Behind its notes, so that the next holder reads them; without any, at once. */
void log_release(struct lease *lease)
{
    struct lease_impl *impl = lease->impl;
    struct spool_log *log = impl->log;
    lease->impl = NULL;
    if (impl->noted) {
        impl->op.kind = OP_RELEASE;
        impl->op.frame = NULL;
        committer_push(log, &impl->op);
        return;
    }
    pthread_mutex_lock(&log->queue_lock);
    queue_push(log, impl->entry);
    queue_unlock(log);
    lease_free(impl);
}
