/* store/spool_log_keep.c - the keeper: what ended goes into history and dead letters, and comes
 * back.
 *
 * A dead letter is on disk, with its name, before its entry is settled. A stop between the two
 * leaves both; the next start finds the entry living and removes the letter. Redriving goes the
 * other way: the new entry is committed first, then the letter removed; again a start that finds
 * both keeps the entry. */
#include "store/spool_log.h"

#include "base/thread.h"
#include "store/dead.h"
#include "store/history.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

void keeper_push(struct spool_log *log, struct lease_impl *lease)
{
    pthread_mutex_lock(&log->keeper_lock);
    lease->next = NULL;
    if (log->dying_first)
        log->dying_last->next = lease;
    else
        log->dying_first = lease;
    log->dying_last = lease;
    pthread_cond_signal(&log->keeper_cond);
    pthread_mutex_unlock(&log->keeper_lock);
}

void keeper_history(struct spool_log *log, const struct entry *e, const struct lease *lease,
                    str notes_added)
{
    AUTO_BUF notes = buf_new(FRAME_HEAD_MAX);
    buf_add(&notes, lease->notes);
    buf_add(&notes, notes_added);
    struct spool_record record = { .entry = lease->entry,
                                   .state = SPOOL_DONE,
                                   .attempt = lease->attempt,
                                   .due_ms = 0,
                                   .notes = buf_str(&notes),
                                   .kept = lease->kept };
    history_add(log->history, &record, e->serial);
    pthread_mutex_lock(&log->keeper_lock);
    if (!log->keeper_gathers)
        pthread_cond_signal(&log->keeper_cond);
    pthread_mutex_unlock(&log->keeper_lock);
}

struct body_source {
    struct lease_impl *lease;
    struct stored *stored;
    char *room;
    bool damaged;
};

static const struct fault *body_give(void *context, uint64_t offset, size_t size, str *ret_bytes)
{
    struct body_source *source = context;
    if (!source->lease->body_file) {
        *ret_bytes = str_head(str_from(source->stored->body, (size_t)offset), size);
        return NULL;
    }
    const struct fault *f = body_read(source->lease, offset, size, source->room);
    *ret_bytes = (str) { source->room, size };
    source->damaged = f == &spool_body_damaged;
    return f;
}

/* The entry is read anew: the lease's texts were the worker's. */
static const struct fault *letter_put(struct spool_log *log, struct lease_impl *lease)
{
    AUTO_ARENA *arena = arena_new((size_t)64 << 20);
    struct stored stored;
    if (!arena)
        return &fault_no_memory;
    pthread_mutex_lock(&log->queue_lock);
    struct entry e = *lease->entry;
    pthread_mutex_unlock(&log->queue_lock);
    e.note_offset = 0; /* the lease has all notes; on disk the last ones may still be under way */
    int error = stored_read(log, &e, arena, &stored);
    if (error)
        return error == -EBADMSG ? &spool_body_damaged : &spool_body_lost;
    struct body_source source = { .lease = lease, .stored = &stored };
    if (lease->body_file && !(source.room = arena_alloc(arena, DEAD_PIECE, 1)))
        return &fault_no_memory;
    struct spool_record record = {
        .entry = { .id = stored.entry.id,
                   .kind = stored.entry.kind,
                   .head = stored.entry.head,
                   .rules = stored.rules },
        .state = SPOOL_DEAD,
        .attempt = e.attempt + 1,
        .notes = buf_str(&lease->notes),
    };
    const struct fault *f =
        dead_put(log->dead, &record, e.serial, lease->body_size, body_give, &source, arena);
    if (f && source.damaged)
        return &spool_body_damaged;
    return f == NULL ? NULL : f->kind == FAULT_LIMIT ? &spool_disk_full : &spool_body_lost;
}

/* What cannot be read will not be readable the next time either. The entry stays where it lies, as
 * one whose frame is damaged does, and no longer holds up the segments behind its own; a body's
 * file goes to damaged/, or the next start would take it as spare. */
static void letter_aside(struct spool_log *log, struct lease_impl *lease)
{
    char from[LOG_PATH], to[LOG_PATH], directory[LOG_PATH];
    struct disk *disk = log->disk;
    if (lease->body_file) {
        disk->make_directory(disk, log_path(log, directory, "damaged"), 0700);
        disk->rename(disk, log_path(log, from, "bodies/%08x", lease->body_file),
                     log_path(log, to, "damaged/body-%08x-%llx", lease->body_file,
                              (unsigned long long)lease->entry->serial));
        disk->sync_directory(disk, directory);
    }
    struct segment *s = log->segments[lease->entry->slot];
    log_damaged(log, s, lease->entry->offset, 1, "a dead letter's message cannot be read");
    pthread_mutex_lock(&log->queue_lock);
    queue_state(log, lease->entry, ENTRY_DAMAGED);
    pthread_mutex_unlock(&log->queue_lock);
    lease_free(lease);
}

/* Until the disk takes it, the entry stays as it is: living on disk, of no further use in memory.
 * */
static bool letters_put(struct spool_log *log, struct lease_impl *first, bool quiet)
{
    bool all = true;
    while (first) {
        struct lease_impl *lease = first;
        first = lease->next;
        const struct fault *f = letter_put(log, lease);
        if (!f) {
            committer_push(log, &lease->op);
            continue;
        }
        if (f == &spool_body_damaged) {
            letter_aside(log, lease);
            continue;
        }
        if (all && !quiet) /* once for all that now wait, not once a second for each */
            journal_notef(log->outside->journal, JOURNAL_ERROR, STR("store"),
                          STR("dead-letter-not-written"), "\"says\":\"" STR_FMT "\"",
                          STR_ARG(f->says));
        all = false;
        pthread_mutex_lock(&log->keeper_lock);
        lease->next = log->dying_first;
        if (!log->dying_first)
            log->dying_last = lease;
        log->dying_first = lease;
        pthread_mutex_unlock(&log->keeper_lock);
    }
    return all;
}

static struct timespec in_ms(int ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

static void wait_ms(struct spool_log *log, int ms) /* keeper lock held */
{
    const struct timespec until = in_ms(ms);
    pthread_cond_timedwait(&log->keeper_cond, &log->keeper_lock, &until);
}

/* Records gather a moment, so that history's syncs stay few beside the log's. Keeper lock held. */
static void gather(struct spool_log *log, bool trouble)
{
    enum { GATHER_MS = 100 };
    const struct timespec until = in_ms(GATHER_MS);
    int late = 0;
    log->keeper_gathers = true;
    while (!log->keeper_closing && (!log->dying_first || trouble) && late != ETIMEDOUT)
        late = pthread_cond_timedwait(&log->keeper_cond, &log->keeper_lock, &until);
    log->keeper_gathers = false;
}

void *keeper_run(void *context)
{
    enum { TROUBLE_MS = 1000, SWEEP_MS = 60000 };
    struct spool_log *log = context;
    thread_begins("spool keeper", THREAD_PLAIN);
    struct clock *clock = log->outside->clock;
    int64_t swept = clock->steady_ms(clock);
    bool trouble = false;
    pthread_mutex_lock(&log->keeper_lock);
    for (;;) {
        bool closing = log->keeper_closing;
        if (!closing && !history_waiting(log->history) && (!log->dying_first || trouble))
            wait_ms(log, trouble ? TROUBLE_MS : SWEEP_MS);
        if (!closing && history_waiting(log->history))
            gather(log, trouble);
        struct lease_impl *dying = log->dying_first;
        log->dying_first = NULL;
        pthread_mutex_unlock(&log->keeper_lock);
        trouble = !letters_put(log, dying, trouble);
        history_flush(log->history);
        if (dying || clock->steady_ms(clock) - swept >= SWEEP_MS) {
            dead_sweep(log->dead);
            swept = clock->steady_ms(clock);
        }
        pthread_mutex_lock(&log->keeper_lock);
        if (closing)
            break;
    }
    /* A letter that found no room is not lost: its entry lives on disk and dies again after the
     * next start. */
    struct lease_impl *left = log->dying_first;
    log->dying_first = NULL;
    pthread_mutex_unlock(&log->keeper_lock);
    while (left) {
        struct lease_impl *lease = left;
        left = lease->next;
        lease_free(lease);
    }
    return NULL;
}

/* Redriving. */

struct redriving {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool resumed, committed;
    enum fault_kind kind;
    bool failed;
};

static void on_resume(void *context)
{
    struct redriving *r = context;
    pthread_mutex_lock(&r->lock);
    r->resumed = true;
    pthread_cond_signal(&r->cond);
    pthread_mutex_unlock(&r->lock);
}

static void on_committed(void *context, const struct fault *f)
{
    struct redriving *r = context;
    pthread_mutex_lock(&r->lock);
    r->committed = true;
    r->failed = f != NULL;
    r->kind = f ? f->kind : FAULT_DEFECT;
    pthread_cond_signal(&r->cond);
    pthread_mutex_unlock(&r->lock);
}

static void wait_for(struct redriving *r, bool *what)
{
    pthread_mutex_lock(&r->lock);
    while (!*what)
        pthread_cond_wait(&r->cond, &r->lock);
    *what = false;
    pthread_mutex_unlock(&r->lock);
}

static const struct fault *body_back(struct dead_reader *reader, uint64_t size,
                                     struct spool_draft *draft, struct redriving *r,
                                     struct arena *arena)
{
    for (uint64_t at = 0; at < size;) {
        str bytes;
        size_t now = size - at < DEAD_PIECE ? (size_t)(size - at) : DEAD_PIECE;
        arena_reset(arena);
        TRY(dead_read(reader, at, now, arena, &bytes));
        if (!draft_write(draft, bytes))
            wait_for(r, &r->resumed);
        at += now;
    }
    return NULL;
}

/* Static faults only: the caller brings no arena. */
static const struct fault *redrive_fault(enum fault_kind kind)
{
    static const struct fault absent = { .kind = FAULT_ABSENT,
                                         .says = STR_INIT("there is no such dead letter") };
    return kind == FAULT_ABSENT  ? &absent
           : kind == FAULT_LIMIT ? &spool_disk_full
                                 : &spool_body_lost;
}

static const struct fault *redrive(struct spool_log *log, str id, str note, struct arena *arena)
{
    struct spool_record record;
    struct dead_reader *reader;
    struct spool_draft *draft;
    uint64_t size;
    struct redriving r = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };
    const struct fault *f = dead_read_open(log->dead, id, arena, &record, &size, &reader);
    if (f)
        return redrive_fault(f->kind);
    AUTO_ARENA *pieces = arena_new((size_t)4 * DEAD_PIECE);
    f = pieces ? draft_open(log, on_resume, &r, &draft) : &fault_no_memory;
    if (!f) {
        f = body_back(reader, size, draft, &r, pieces);
        if (f) {
            draft_abandon(draft);
            f = redrive_fault(f->kind);
        }
    }
    dead_read_close(reader);
    if (f)
        return f;
    AUTO_BUF notes = buf_new(FRAME_HEAD_MAX);
    buf_add(&notes, record.notes);
    buf_add(&notes, note);
    if (note.len && note.ptr[note.len - 1] != '\n')
        buf_addc(&notes, '\n');
    record.entry.due_ms = 0;
    draft_commit(draft, &record.entry, 1, notes.failed ? record.notes : buf_str(&notes),
                 on_committed, &r);
    wait_for(&r, &r.committed);
    if (r.failed)
        return redrive_fault(r.kind);
    dead_remove(log->dead, id_hash(id));
    return NULL;
}

const struct fault *log_redrive(struct spool *spool, str id, str note)
{
    static const struct fault lives = { .kind = FAULT_CONFLICT,
                                        .says = STR_INIT("the message still lives") };
    struct spool_log *log = (struct spool_log *)spool;
    AUTO_ARENA *arena = arena_new((size_t)64 << 20);
    if (!arena)
        return &fault_no_memory;
    struct entry e;
    struct stored stored;
    int error;
    /* One at a time, or two callers would both find the letter. */
    pthread_mutex_lock(&log->redrive_lock);
    const struct fault *f = NULL;
    if (entry_hold(log, id, arena, &e, &stored, &error)) {
        entry_let_go(log, &e);
        f = &lives;
    }
    if (!f)
        f = redrive(log, id, note, arena);
    pthread_mutex_unlock(&log->redrive_lock);
    return f;
}
