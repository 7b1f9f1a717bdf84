/* store/spool_log_recover.c - what a start finds, and how it goes on.
 *
 * Sealed segments are read by their tables, the open one frame by frame; in the order of their
 * epochs, so that a settlement finds its commit. Serials tie them together. Bodies in files are not
 * read. */
#include "store/spool_log.h"

#include "store/dead.h"
#include "store/history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

struct recovery {
    struct spool_log *log;
    struct segment *segment; /* whose rows come now */
    struct entry **by_serial;
    size_t bucket_count, count;
    uint64_t serial_most;
    int error;
};

static struct entry **serial_find(struct recovery *r, uint64_t serial)
{
    struct entry **at = &r->by_serial[serial % r->bucket_count];
    while (*at && (*at)->serial != serial)
        at = &(*at)->next;
    return at;
}

static bool serial_grow(struct recovery *r)
{
    size_t count = r->bucket_count ? r->bucket_count * 4 : 1024;
    struct entry **buckets = calloc(count, sizeof *buckets);
    if (!buckets)
        return r->bucket_count > 0;
    for (size_t i = 0; i < r->bucket_count; i++)
        for (struct entry *e; (e = r->by_serial[i]);) {
            r->by_serial[i] = e->next;
            e->next = buckets[e->serial % count];
            buckets[e->serial % count] = e;
        }
    free(r->by_serial);
    r->by_serial = buckets;
    r->bucket_count = count;
    return true;
}

static void apply_commit(struct recovery *r, const struct row *row)
{
    if (r->count >= r->bucket_count && !serial_grow(r)) {
        r->error = -ENOMEM;
        return;
    }
    struct entry **at = serial_find(r, row->serial), *e = *at;
    if (!e) {
        e = *at = calloc(1, sizeof *e);
        if (!e) {
            r->error = -ENOMEM;
            return;
        }
        r->count++;
    } else if (row->damaged && e->state != ENTRY_DAMAGED) {
        return;                /* of two copies, the one that can be read */
    } else if (e->body_file) { /* copied forward: the later place counts, and has the notes */
        body_count(r->log, e->body_file, -1);
    }
    struct entry *next = e->next;
    *e =
        (struct entry) { .next = next,
                         .serial = row->serial,
                         .id_hash = row->id_hash,
                         .due_ms = row->due_ms,
                         .offset = row->offset,
                         .length = row->length,
                         .index = row->index,
                         .slot = (uint16_t)r->segment->slot,
                         .attempt = row->attempt > UINT16_MAX ? UINT16_MAX : (uint16_t)row->attempt,
                         .body_file = row->body_file,
                         .state = row->damaged ? ENTRY_DAMAGED : ENTRY_QUEUED };
    if (row->body_file && !body_count(r->log, row->body_file, 1))
        r->error = -ENOMEM;
}

static void apply(struct recovery *r, const struct row *row)
{
    if (row->serial > r->serial_most)
        r->serial_most = row->serial;
    if (row->kind == FRAME_COMMIT) {
        apply_commit(r, row);
        return;
    }
    struct entry **at = r->bucket_count ? serial_find(r, row->serial) : NULL, *e = at ? *at : NULL;
    if (!e || row->damaged)
        return;
    if (row->kind == FRAME_SETTLED) {
        *at = e->next;
        if (e->body_file)
            body_count(r->log, e->body_file, -1);
        free(e);
        r->count--;
        return;
    }
    if (row->kind != FRAME_NOTE && row->kind != FRAME_RETRY)
        return;
    e->note_slot = (uint16_t)r->segment->slot;
    e->note_offset = row->offset;
    if (row->kind == FRAME_RETRY) {
        e->due_ms = row->due_ms;
        e->attempt = row->attempt > UINT16_MAX ? UINT16_MAX : (uint16_t)row->attempt;
    }
}

static void take_row(struct recovery *r, const struct row *row)
{
    if (!r->error)
        r->error = segment_add_row(r->segment, row);
    if (!r->error)
        apply(r, row);
}

static void take_commit(struct recovery *r, const struct frame *f)
{
    struct cursor in = cursor_of(f->head);
    struct commit_head head;
    struct commit_entry e;
    if (!commit_head_read(&in, &head))
        return;
    for (uint16_t i = 0; i < head.count && commit_entry_read(&in, &e); i++)
        take_row(r, &(struct row) { .kind = FRAME_COMMIT,
                                    .damaged = f->body_damaged,
                                    .index = i,
                                    .offset = f->offset,
                                    .length = f->length,
                                    .serial = e.serial,
                                    .id_hash = id_hash(e.id),
                                    .due_ms = e.due_ms,
                                    .attempt = e.attempt,
                                    .body_file = head.body_file });
}

static void take_frame(void *context, const struct frame *f)
{
    struct recovery *r = context;
    struct row row = { .kind = f->kind,
                       .damaged = f->body_damaged,
                       .offset = f->offset,
                       .length = f->length,
                       .serial = f->serial };
    struct note_head note;
    str text;
    switch (f->kind) {
    case FRAME_COMMIT:
        take_commit(r, f);
        return;
    case FRAME_RETRY:
    case FRAME_NOTE:
        if (!note_head_read(f->head, &note, &text))
            return;
        row.due_ms = note.due_ms;
        row.attempt = note.attempt;
        take_row(r, &row);
        return;
    case FRAME_SETTLED:
        take_row(r, &row);
        return;
    case FRAME_BATCH:
    case FRAME_RULES:
    case FRAME_HISTORY:
        return;
    }
}

/* One segment: by its table when it has one, else frame by frame. */
static int take_segment(struct recovery *r, struct segment *s, bool last)
{
    bool table_damaged;
    r->segment = s;
    if (segment_read_table(s, &table_damaged)) {
        for (size_t i = 0; i < s->row_count && !r->error; i++) {
            const struct row row = segment_row(s, i);
            apply(r, &row);
        }
        segment_forget_rows(s);
    } else {
        struct scanned said;
        /* Of the last segment, a broken table is one that was being written: the log goes on in
         * its place. */
        int error = segment_scan(s, !last, take_frame, r, &said);
        if (error)
            return error;
        if (said.damaged)
            log_damaged(r->log, s, said.damage_at, said.damaged,
                        "frames that were synced cannot be read");
        if (!last) {
            log_damaged(r->log, s, said.end, 1, "the table cannot be read");
            segment_forget_rows(s);
            s->sealed = true;
        }
        if (said.torn)
            journal_notef(r->log->outside->journal, JOURNAL_INFO, STR("store"), STR("torn-tail"),
                          "\"file\":\"log/%08x\",\"offset\":%llu,\"bytes\":%llu", s->slot,
                          (unsigned long long)said.end, (unsigned long long)said.torn);
    }
    if (s->tail_batch > r->log->sequence)
        r->log->sequence = s->tail_batch;
    return r->error;
}

/* The files. */

static bool slot_of(const char *name, uint32_t *ret_slot)
{
    char ours[9];
    unsigned long slot = strtoul(name, NULL, 16);
    *ret_slot = (uint32_t)slot;
    if (slot >= SEGMENT_SLOTS)
        return false;
    snprintf(ours, sizeof ours, "%08x", *ret_slot);
    return strcmp(name, ours) == 0; /* anything else is not ours, whatever number it reads as */
}

struct names {
    uint32_t slots[SEGMENT_SLOTS];
    size_t count;
};

static void names_add(void *context, const char *name)
{
    struct names *names = context;
    uint32_t slot;
    if (slot_of(name, &slot) && names->count < SEGMENT_SLOTS)
        names->slots[names->count++] = slot;
}

static void used_insert(struct spool_log *log, struct segment *s)
{
    struct segment **at = &log->used;
    while (*at && ((*at)->epoch < s->epoch || ((*at)->epoch == s->epoch && (*at)->slot < s->slot)))
        at = &(*at)->next;
    s->next = *at;
    *at = s;
    log->segments[s->slot] = s;
    log->segment_count++;
    if (s->epoch >= log->next_epoch)
        log->next_epoch = s->epoch + 1;
}

/* A kill may have come between a header's write and its sync: what we read must be what lies
 * there. */
static int free_keep(struct spool_log *log, struct segment *s)
{
    char path[LOG_PATH];
    int error = log->disk->fdatasync(log->disk, s->fd);
    if (error || s->bytes != log->limits.segment_bytes || s->purpose != SEGMENT_LOG) {
        if (!error)
            error = log->disk->unlink(log->disk, log_path(log, path, "log/%08x", s->slot));
        segment_close(s);
        return error;
    }
    log->segments[s->slot] = s;
    log->segment_count++;
    if (s->epoch >= log->next_epoch)
        log->next_epoch = s->epoch + 1;
    segment_spare(log, s);
    return 0;
}

static const struct fault *segment_take(struct spool_log *log, uint32_t slot, struct arena *arena)
{
    char path[LOG_PATH], to[LOG_PATH];
    struct segment *s;
    log_path(log, path, "log/%08x", slot);
    int error = segment_open(log->disk, path, slot, &s);
    if (error == -EPROTO)
        return fault(arena, FAULT_UNAVAILABLE, NULL,
                     "%s was written by a newer version of Sesame than this one", path);
    if (error == -ENODATA)
        error = log->disk->unlink(log->disk, path);
    else if (error == -EBADMSG) {
        log_damaged(log, NULL, slot, 1,
                    "both headers of a segment cannot be read; it was put aside");
        log->disk->make_directory(log->disk, log_path(log, to, "damaged"), 0700);
        error = log->disk->rename(
            log->disk, path,
            log_path(log, to, "damaged/%08x-%lld", slot,
                     (long long)log->outside->clock->wall_ms(log->outside->clock)));
    } else if (!error && (s->state == SEGMENT_FREE || s->purpose != SEGMENT_LOG))
        error = free_keep(log, s);
    else if (!error)
        used_insert(log, s);
    return error ? fault(arena, FAULT_UNAVAILABLE, NULL, "could not read %s: %s", path,
                         strerror(-error))
                 : NULL;
}

static const struct fault *segments_find(struct spool_log *log, struct arena *arena)
{
    char path[LOG_PATH];
    struct names *names = calloc(1, sizeof *names);
    if (!names)
        return &fault_no_memory;
    int error = log->disk->list(log->disk, log_path(log, path, "log"), names_add, names);
    const struct fault *f = error ? fault(arena, FAULT_UNAVAILABLE, NULL, "could not list %s: %s",
                                          path, strerror(-error))
                                  : NULL;
    for (size_t i = 0; !f && i < names->count; i++)
        f = segment_take(log, names->slots[i], arena);
    free(names);
    return f;
}

static int entries_queue(struct recovery *r)
{
    struct spool_log *log = r->log;
    if (!queue_make_room(log, r->count))
        return -ENOMEM;
    const int64_t latest_ms = log->limits.wait_ms
                                  ? log->outside->clock->wall_ms(log->outside->clock) + log->limits.wait_ms
                                  : INT64_MAX;
    for (size_t i = 0; i < r->bucket_count; i++)
        for (struct entry *e; (e = r->by_serial[i]);) {
            r->by_serial[i] = e->next;
            if (e->due_ms > latest_ms) /* said by a clock that was ahead */
                e->due_ms = latest_ms;
            queue_add(log, e);
        }
    return 0;
}

/* An entry that lives did not die for good, or was taken back: a stop came before the last step. */
static int dead_forget(struct spool_log *log)
{
    uint64_t bytes;
    size_t count = (size_t)dead_count(log->dead, &bytes);
    struct dead_item *items = calloc(count + 1, sizeof *items);
    if (!items)
        return -ENOMEM;
    count = dead_newest(log->dead, items, count);
    for (size_t i = 0; i < count; i++) {
        struct entry *e = log->buckets[items[i].id_hash % log->bucket_count];
        while (e && e->id_hash != items[i].id_hash)
            e = e->next;
        if (e)
            dead_remove(log->dead, e->id_hash);
    }
    free(items);
    return 0;
}

static struct segment *last_used(const struct spool_log *log)
{
    struct segment *last = log->used;
    while (last && last->next)
        last = last->next;
    return last;
}

/* What was read may be in memory only, after a kill. It is brought to the disk before anything
 * relies on it: before a dead letter goes because its entry was seen living, before a body's file
 * is taken as spare because a settlement was seen. Of the segments only the last can be unsynced;
 * and names. */
static int found_sync(struct spool_log *log)
{
    char path[LOG_PATH];
    struct segment *last = last_used(log);
    int error = log->disk->sync_directory(log->disk, log_path(log, path, "log"));
    return error || !last ? error : log->disk->fdatasync(log->disk, last->fd);
}

static int tail_open(struct spool_log *log)
{
    struct segment *last = last_used(log);
    int error = 0;
    if (!last || last->sealed)
        last = segment_next(log, &error);
    if (error)
        return error;
    log->open = last;
    space_check(log);
    segments_free(log);
    return 0;
}

const struct fault *log_recover(struct spool_log *log, struct arena *arena)
{
    struct recovery r = { .log = log };
    TRY(segments_find(log, arena));
    int error = 0;
    for (struct segment *s = log->used; s && !error; s = s->next)
        error = take_segment(&r, s, s->next == NULL);
    if (!error)
        error = found_sync(log);
    if (!error)
        error = entries_queue(&r);
    if (!error)
        error = dead_forget(log);
    for (size_t i = 0; i < r.bucket_count; i++)
        for (struct entry *e; (e = r.by_serial[i]);) {
            r.by_serial[i] = e->next;
            free(e);
        }
    free(r.by_serial);
    uint64_t most = r.serial_most, dead = dead_serial(log->dead),
             settled = history_serial(log->history);
    most = most > dead ? most : dead;
    log->next_serial = (most > settled ? most : settled) + 1;
    if (!error)
        error = bodies_recover(log);
    if (!error)
        error = tail_open(log);
    if (error)
        return fault(arena, disk_is_full(error) ? FAULT_LIMIT : FAULT_UNAVAILABLE, NULL,
                     "could not open the spool in %s: %s", log->directory, strerror(-error));
    return NULL;
}
