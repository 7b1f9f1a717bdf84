/* store/spool_log_read.c - frames back from the disk: what an entry is, what was noted of it. */
#include "store/spool_log.h"

#include "store/dead.h"
#include "store/history.h"
#include "store/little.h"

#include <errno.h>
#include <stdlib.h>

enum { NOTES_MOST = 10000 }; /* notes of one entry; a longer chain would be a circle */

/* A whole frame, checked. Its bytes live as long as the arena, but beside it: they may be large. */
static int frame_load(struct segment *s, uint32_t offset, size_t length, enum frame_kind kind,
                      struct arena *arena, struct frame *ret_frame)
{
    if (length < FRAME_HEADER || offset + (uint64_t)length > s->bytes)
        return -EBADMSG;
    char *bytes = malloc(length);
    if (!bytes)
        return -ENOMEM;
    if (!arena_on_reset(arena, free, bytes)) {
        free(bytes);
        return -ENOMEM;
    }
    int error = segment_pread(s, bytes, length, offset);
    if (error)
        return error;
    if (!frame_read(s, offset, (str) { bytes, length }, ret_frame) || ret_frame->kind != kind ||
        str_is_none(ret_frame->body) || ret_frame->body_damaged)
        return -EBADMSG;
    return 0;
}

static int frame_load_unsized(struct segment *s, uint32_t offset, enum frame_kind kind,
                              struct arena *arena, struct frame *ret_frame)
{
    char header[FRAME_HEADER];
    int error = segment_pread(s, header, sizeof header, offset);
    if (error)
        return error;
    uint64_t length = (uint64_t)FRAME_HEADER + get_u32(header + 4) + get_u32(header + 8);
    return frame_load(s, offset, length > s->bytes ? 0 : (size_t)length, kind, arena, ret_frame);
}

static struct segment *segment_of_epoch(struct spool_log *log, uint64_t epoch)
{
    pthread_mutex_lock(&log->queue_lock);
    struct segment *s = log->used;
    while (s && s->epoch != epoch)
        s = s->next;
    pthread_mutex_unlock(&log->queue_lock);
    return s;
}

struct told { /* one note, newest first */
    struct told *older;
    str text;
};

/* Follows the chain back; a frame that cannot be read ends it, since what it pointed to is
 * unknown. */
static int notes_read(struct spool_log *log, const struct entry *e, str first, struct arena *arena,
                      str *ret_notes)
{
    struct segment *s = e->note_offset ? log->segments[e->note_slot] : NULL;
    uint32_t offset = e->note_offset;
    struct told *newest = NULL, **last = &newest;
    size_t size = first.len;
    for (int i = 0; s && offset && i < NOTES_MOST; i++) {
        struct frame f;
        struct note_head head;
        struct told *told = ARENA_NEW(arena, struct told);
        if (!told)
            return -ENOMEM;
        int error = frame_load_unsized(s, offset, FRAME_NOTE, arena, &f);
        if (error == -EBADMSG)
            error = frame_load_unsized(s, offset, FRAME_RETRY, arena, &f);
        if (error && error != -EBADMSG)
            return error;
        if (error || f.serial != e->serial || !note_head_read(f.head, &head, &told->text)) {
            log_damaged(log, s, offset, 1, "a note cannot be read");
            break;
        }
        *last = told;
        last = &told->older;
        size += told->text.len;
        offset = head.previous_offset;
        s = offset ? segment_of_epoch(log, head.previous_epoch) : NULL;
    }
    char *notes = arena_alloc(arena, size + 1, 1), *end = notes + size;
    if (!notes)
        return -ENOMEM;
    for (struct told *t = newest; t; t = t->older) {
        end -= t->text.len;
        if (t->text.len)
            memcpy(end, t->text.ptr, t->text.len);
    }
    if (first.len)
        memcpy(notes, first.ptr, first.len);
    *ret_notes = (str) { notes, size };
    return 0;
}

int stored_read(struct spool_log *log, const struct entry *e, struct arena *arena,
                struct stored *ret_stored)
{
    struct segment *s = log->segments[e->slot];
    struct frame f, rules;
    int error = frame_load(s, e->offset, e->length, FRAME_COMMIT, arena, &f);
    if (error)
        return error;
    struct stored stored = { .body = f.body, .rules = STR("") };
    struct cursor in = cursor_of(f.head);
    if (!commit_head_read(&in, &stored.commit) || e->index >= stored.commit.count)
        return -EBADMSG;
    for (unsigned i = 0; i <= e->index; i++)
        if (!commit_entry_read(&in, &stored.entry))
            return -EBADMSG;
    if (stored.entry.serial != e->serial ||
        (stored.commit.body_file == 0 && stored.commit.body_size != f.body.len))
        return -EBADMSG;
    if (stored.entry.rules_offset &&
        !rules_recall(log, s->epoch, stored.entry.rules_offset, arena, &stored.rules,
                      &stored.rules_number)) {
        error = frame_load_unsized(s, stored.entry.rules_offset, FRAME_RULES, arena, &rules);
        if (error)
            return error;
        stored.rules = rules.body;
    }
    error = notes_read(log, e, stored.entry.notes, arena, &stored.notes);
    if (error)
        return error;
    *ret_stored = stored;
    return 0;
}

static void hold(struct spool_log *log, const struct entry *e)
{
    log->segments[e->slot]->readers++;
}

void entry_let_go(struct spool_log *log, const struct entry *e)
{
    pthread_mutex_lock(&log->queue_lock);
    log->segments[e->slot]->readers--;
    pthread_mutex_unlock(&log->queue_lock);
}

bool entry_hold(struct spool_log *log, str id, struct arena *arena, struct entry *ret_entry,
                struct stored *ret_stored, int *ret_error)
{
    enum { SAME_HASH = 8 };
    struct entry found[SAME_HASH];
    size_t count = 0;
    uint64_t hash = id_hash(id);
    pthread_mutex_lock(&log->queue_lock);
    struct entry *e = log->bucket_count ? log->buckets[hash % log->bucket_count] : NULL;
    for (; e && count < SAME_HASH; e = e->next)
        if (e->id_hash == hash) {
            hold(log, e);
            found[count++] = *e;
        }
    pthread_mutex_unlock(&log->queue_lock);
    bool held = false;
    *ret_error = 0;
    for (size_t i = 0; i < count; i++) {
        int error = held ? 0 : stored_read(log, &found[i], arena, ret_stored);
        if (error)
            *ret_error = error;
        if (!held && !error && str_eq(ret_stored->entry.id, id)) {
            *ret_entry = found[i];
            held = true;
        } else {
            entry_let_go(log, &found[i]);
        }
    }
    return held;
}

static struct spool_record record_of(const struct entry *e, const struct stored *stored)
{
    return (struct spool_record) {
        .entry = { .id = stored->entry.id,
                   .kind = stored->entry.kind,
                   .head = stored->entry.head,
                   .rules = stored->rules,
                   .due_ms = stored->entry.due_ms },
        .state = e->attempt ? SPOOL_RETRYING : SPOOL_QUEUED,
        .attempt = e->attempt,
        .due_ms = e->due_ms,
        .notes = stored->notes,
        .serial = e->serial,
    };
}

const struct fault *log_find(struct spool *spool, str id, struct arena *arena,
                             struct spool_record *ret_record)
{
    struct spool_log *log = (struct spool_log *)spool;
    struct entry e;
    struct stored stored;
    struct spool_record living = { 0 };
    int error;
    bool lives = entry_hold(log, id, arena, &e, &stored, &error);
    if (lives) {
        living = record_of(&e, &stored);
        entry_let_go(log, &e);
        if (e.state != ENTRY_DYING) {
            *ret_record = living;
            return NULL;
        }
    }
    const struct fault *f = history_find(log->history, id, arena, ret_record);
    if (f && f->kind == FAULT_ABSENT)
        f = dead_find(log->dead, id, arena, ret_record);
    /* on its way to dead/: it lives until it is there */
    if (f && f->kind == FAULT_ABSENT && lives) {
        *ret_record = living;
        return NULL;
    }
    if (f && error)
        return fault(arena, FAULT_UNAVAILABLE, NULL, "the entry " STR_FMT " cannot be read (%s)",
                     STR_ARG(id), strerror(-error));
    return f;
}

/* The newest `max` of the living, newest first: a heap of the oldest on top would be quicker, but
 * this is asked by people. */
static size_t living_newest(struct spool_log *log, uint64_t before, struct entry *to, size_t max)
{
    size_t count = 0;
    pthread_mutex_lock(&log->queue_lock);
    for (size_t b = 0; b < log->bucket_count; b++)
        for (struct entry *e = log->buckets[b]; e; e = e->next) {
            if (e->state == ENTRY_DAMAGED || e->serial >= before ||
                (count == max && to[max - 1].serial > e->serial))
                continue;
            size_t at = count < max ? count++ : max - 1;
            for (; at && to[at - 1].serial < e->serial; at--)
                to[at] = to[at - 1];
            to[at] = *e;
        }
    for (size_t i = 0; i < count; i++)
        hold(log, &to[i]);
    pthread_mutex_unlock(&log->queue_lock);
    return count;
}

struct three { /* lists, each newest first */
    struct entry *living;
    struct history_item *settled;
    struct dead_item *dead;
    size_t living_count, settled_count, dead_count;
    size_t max;
};

static const struct fault *three_make(struct three *t, size_t max, struct arena *arena,
                                      struct spool_record **ret_records)
{
    enum { MOST = 1000 };
    *t = (struct three) { .max = max < MOST ? max : MOST };
    *ret_records = ARENA_ARRAY(arena, struct spool_record, t->max + 1);
    t->living = ARENA_ARRAY(arena, struct entry, t->max + 1);
    t->settled = ARENA_ARRAY(arena, struct history_item, t->max + 1);
    t->dead = ARENA_ARRAY(arena, struct dead_item, t->max + 1);
    return *ret_records && t->living && t->settled && t->dead ? NULL : &fault_no_memory;
}

/* Merged by serial: entries get theirs in the order they came. */
static size_t three_merge(struct spool_log *log, const struct three *t, struct arena *arena,
                          struct spool_record *records)
{
    const struct entry *living = t->living;
    size_t count = 0, in = 0, ih = 0, id = 0;
    const size_t n = t->living_count, h = t->settled_count, d = t->dead_count;
    while (count < t->max && (in < n || ih < h || id < d)) {
        uint64_t sn = in < n ? living[in].serial : 0, sh = ih < h ? t->settled[ih].serial : 0,
                 sd = id < d ? t->dead[id].serial : 0;
        struct spool_record *to = &records[count];
        struct stored stored;
        bool fine;
        uint64_t serial;
        if (sh >= sn && sh >= sd) {
            serial = sh;
            fine = !history_load(log->history, &t->settled[ih++], arena, to);
            while (in < n && living[in].serial == sh)
                entry_let_go(log, &living[in++]); /* settled, its frame still under way */
        } else if (sd >= sn) {
            serial = sd;
            fine = !dead_load(log->dead, &t->dead[id++], arena, to);
            while (in < n && living[in].serial == sd)
                entry_let_go(log, &living[in++]);
        } else {
            serial = sn;
            fine = stored_read(log, &living[in], arena, &stored) == 0;
            if (fine)
                *to = record_of(&living[in], &stored);
            entry_let_go(log, &living[in++]);
        }
        if (fine)
            to->serial = serial;
        count += fine;
    }
    while (in < n)
        entry_let_go(log, &living[in++]);
    return count;
}

const struct fault *log_recent(struct spool *spool, size_t max, struct arena *arena,
                               struct spool_record **ret_records, size_t *ret_count)
{
    struct spool_log *log = (struct spool_log *)spool;
    struct three t;
    *ret_count = 0;
    TRY(three_make(&t, max, arena, ret_records));
    if (!t.max)
        return NULL;
    t.living_count = living_newest(log, UINT64_MAX, t.living, t.max);
    t.settled_count = history_newest(log->history, t.settled, t.max);
    t.dead_count = dead_newest(log->dead, t.dead, t.max);
    *ret_count = three_merge(log, &t, arena, *ret_records);
    return NULL;
}

const struct fault *log_older(struct spool *spool, uint64_t serial, size_t max, struct arena *arena,
                              struct spool_record **ret_records, size_t *ret_count)
{
    struct spool_log *log = (struct spool_log *)spool;
    struct three t;
    *ret_count = 0;
    TRY(three_make(&t, max, arena, ret_records));
    if (!t.max)
        return NULL;
    t.living_count = living_newest(log, serial, t.living, t.max);
    t.settled_count = history_before(log->history, serial, t.settled, t.max);
    t.dead_count = dead_before(log->dead, serial, t.dead, t.max);
    *ret_count = three_merge(log, &t, arena, *ret_records);
    return NULL;
}

/* ---- bodies without a lease ---- */

/* Its last reference may go at any moment, and then the file is another body's: so we take one of
 * our own, and look whether the entry was still there behind it. */
static const struct fault *front_of_file(struct spool_log *log, str id, const struct stored *stored,
                                         size_t size, struct arena *arena, str *ret_bytes)
{
    struct lease_impl reader = { .log = log,
                                 .body_file = stored->commit.body_file,
                                 .body_fd = -1,
                                 .body_size = stored->commit.body_size,
                                 .body_token = stored->commit.body_token };
    struct entry again;
    struct stored still;
    int error;
    char *to = arena_alloc(arena, size + 1, 1);
    if (!to)
        return &fault_no_memory;
    if (!body_hold(log, reader.body_file))
        return fault(arena, FAULT_ABSENT, NULL, "the text of " STR_FMT " is gone", STR_ARG(id));
    const bool lives = entry_hold(log, id, arena, &again, &still, &error);
    if (lives)
        entry_let_go(log, &again);
    const struct fault *f =
        lives ? body_read(&reader, 0, size, to)
              : fault(arena, FAULT_ABSENT, NULL, "the text of " STR_FMT " is gone", STR_ARG(id));
    if (reader.body_fd >= 0)
        log->disk->close(log->disk, reader.body_fd);
    body_unref(log, reader.body_file);
    *ret_bytes = (str) { to, size };
    return f;
}

static const struct fault *front_of_dead(struct spool_log *log, str id, size_t most,
                                         struct arena *arena, str *ret_bytes, uint64_t *ret_size)
{
    struct spool_record record;
    struct dead_reader *reader;
    TRY(dead_read_open(log->dead, id, arena, &record, ret_size, &reader));
    const struct fault *f =
        dead_read(reader, 0, *ret_size < most ? (size_t)*ret_size : most, arena, ret_bytes);
    dead_read_close(reader);
    return f;
}

const struct fault *log_front(struct spool *spool, str id, size_t most, struct arena *arena,
                              str *ret_bytes, uint64_t *ret_body_size)
{
    struct spool_log *log = (struct spool_log *)spool;
    struct entry e;
    struct stored stored;
    int error;
    if (!entry_hold(log, id, arena, &e, &stored, &error))
        return front_of_dead(log, id, most, arena, ret_bytes, ret_body_size);
    const uint64_t whole = stored.commit.body_size;
    const size_t size = whole < most ? (size_t)whole : most;
    *ret_body_size = whole;
    const struct fault *f = NULL;
    if (stored.commit.body_file)
        f = front_of_file(log, id, &stored, size, arena, ret_bytes);
    else
        *ret_bytes = str_head(stored.body, size); /* the frame's bytes are the arena's */
    entry_let_go(log, &e);
    /* It died in between: its letter is there before its entry goes. */
    return f && f->kind == FAULT_ABSENT
               ? front_of_dead(log, id, most, arena, ret_bytes, ret_body_size)
               : f;
}
