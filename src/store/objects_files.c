/* store/objects_files.c - objects as files, small ones behind one another in packs, and an index
 * row each.
 *
 *   DIRECTORY/index.sqlite      the ordered index: which objects there are, and where
 *   DIRECTORY/%packs/N.pack     the bytes of small ones: store/object_packs.h
 *   DIRECTORY/BUCKET/KEY        the bytes of a larger one; names as store/object_path.h writes them
 *
 * A put goes
 *
 *   begin     nothing on the disk
 *   write     into memory; past PACK_BODY_MAX into a file under a name nobody has (O_EXCL): the
 *             plain one, or a variant
 *   finish    wait; the committer takes all that wait and does, once for all of them:
 *             1. frames to the end of a pack     for those without a file
 *             2. fdatasync of the pack, or       every byte and every name is on disk; a frame is
 *                syncfs where there are files    an object now, a file is not one yet
 *             3. late rows, in memory, or        every object is there, the ones before are gone
 *                one transaction of all rows,
 *                the late ones first
 *             4. with a transaction: unlink the files of replaced rows, punch their frames out of
 *                the packs
 *             5. wake all who waited
 *
 * A frame says all that its row says, so where a batch is frames only, under keys that no late row has,
 * their rows are late: found in memory, and written with the next transaction. That comes with a batch that
 * is more than such frames, when there are LATE_ROWS_MAX of them, and at the end. Up to
 * where the packs are in the index stands in it (object_packs.h); a start reads on from there.
 *
 * What a stop leaves behind, wherever it comes:
 *
 *   before 2 is durable   files and frames, whole or torn. Nobody was told of success. Frames that are
 *                         whole, one behind the other, become objects; files are looked at by nobody; the
 *                         old row and its bytes still stand, for an overwrite never touches old bytes.
 *   after 2               frames are objects, and their rows follow; files as before.
 *   after a transaction   the rows' bytes were synced in 2. Those of replaced rows may be left.
 *
 * What has no row is swept in the background after the next start, once the rows that start found
 * are synced; so are files a failed upload could not unlink. A row without its bytes cannot come
 * about: rows follow the sync, and removing follows the transaction. A put that was answered with its
 * failure leaves no frame: conditions are looked at before anything is written, and what was written in vain is
 * cut off, durably, before the answer (object_packs.c).
 *
 * A sync that fails is final. It may have lost bytes of any file then open, and the kernel tells
 * only once: all of those fail, and after anything but a full disk no further upload is taken. A
 * transaction whose commit met an error may be durable nevertheless, so its bytes are left alone,
 * for the next start to keep or to sweep.
 *
 * Names are used again once free, which four places must mind. A name under way or about to be
 * unlinked is in the list of open uploads or belongs to the committer; the sweeper looks while it
 * holds both locks, and leaves the file of a key whose row is late, since the index may still name
 * it. A reader opens the file between two look-ups that must agree. A folder that
 * became empty is removed, so making a file tries again when its folder vanished.
 *
 * One protocol: its steps and its two locks are right only when read together, so it stays whole.
 */
#include "base/digest.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/outside.h"
#include "store/batcher.h"
#include "store/late_rows.h"
#include "store/object_pack.h"
#include "store/object_packs.h"
#include "store/object_path.h"
#include "store/object_read.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

enum {
    FIRST_ROOM = 16 * 1024, /* of an upload's buffer; most mail is smaller */
    COMMITTER_MEMORY = 64 << 20,
    PACK_SIZE = 256 << 20,
    NO_FILE = -1, /* of an upload's descriptor: none was made */
    CLOSED = -2,
};

/* One change that waits for the committer. */
struct job {
    struct batch_job batch;
    enum { JOB_PUT, JOB_REMOVE, JOB_REMOVE_BUCKET } kind;
    struct object_upload *upload; /* JOB_PUT */
    enum object_condition condition;
    struct object_row row; /* JOB_PUT: all; else bucket and key */
    struct pack_put put;   /* JOB_PUT of an upload without a file */
    struct object_row old; /* what the row replaced; in the batch's arena */
};

struct object_upload {
    struct objects_files *owner;
    struct object_upload *next, *previous; /* among those open, under `open_lock` */
    struct arena *arena;                   /* of its texts */
    str bucket, key, headers_json;
    str path; /* below the bucket's folder; under `open_lock` until the file is made */
    int fd;   /* NO_FILE, CLOSED, or open */
    struct digest *md5;
    uint64_t size;
    char *buffer; /* what is not yet in the file */
    size_t buffered, room;
    bool shown; /* by other words than its bytes' own */
    uint64_t shown_size;
    str shown_etag;
    uint64_t lost_before; /* losses when it began */
    bool orphaned;        /* its bucket is being removed; under `open_lock` */
    char etag[2 * MD5_SIZE];
    struct job job; /* once it was handed in */
};

struct objects_files {
    struct objects objects;
    struct outside *outside;
    struct objects_index *index;
    struct object_root root;
    struct packs *packs; /* under commit_lock, but for reading */
    int directory_fd;
    uint64_t pack_size;

    /* Order of locks: commit_lock, open_lock. */
    pthread_mutex_t commit_lock; /* a batch is under way, its unlinks included */
    pthread_mutex_t open_lock;   /* the next three */
    struct object_upload *open;
    uint64_t losses; /* syncs that failed */
    bool failed;     /* for good */

    struct batcher *committer;
    pthread_t sweeper;
    bool has_sweeper;
    _Atomic bool stop_sweeping;
    uint64_t swept;       /* the sweeper's own */
    struct arena *memory; /* this and its texts */
};

static struct objects_files *own(struct objects *objects)
{
    return (struct objects_files *)objects;
}

static const struct fault *failed_for_good(struct arena *arena)
{
    return fault(arena, FAULT_UNAVAILABLE, NULL,
                 "no objects are taken since the disk failed to sync: restart when it is mended");
}

/* ---- making a file ---- */

static void enlist(struct object_upload *u)
{
    struct objects_files *self = u->owner;
    pthread_mutex_lock(&self->open_lock);
    u->next = self->open;
    if (self->open)
        self->open->previous = u;
    self->open = u;
    u->lost_before = self->losses;
    pthread_mutex_unlock(&self->open_lock);
}

static void delist(struct object_upload *u)
{
    struct objects_files *self = u->owner;
    pthread_mutex_lock(&self->open_lock);
    if (u->previous)
        u->previous->next = u->next;
    else
        self->open = u->next;
    if (u->next)
        u->next->previous = u->previous;
    pthread_mutex_unlock(&self->open_lock);
}

/* The name the upload tries now; seen by the sweeper before the file exists. */
static void trying(void *context, str path, const char *file)
{
    struct object_upload *u = context;
    (void)file;
    pthread_mutex_lock(&u->owner->open_lock);
    u->path = path;
    pthread_mutex_unlock(&u->owner->open_lock);
}

static void upload_free(struct object_upload *u)
{
    digest_free(u->md5);
    arena_free(u->arena);
    free(u->buffer);
    free(u);
}

static bool is_orphaned(struct object_upload *u)
{
    pthread_mutex_lock(&u->owner->open_lock);
    bool orphaned = u->orphaned;
    pthread_mutex_unlock(&u->owner->open_lock);
    return orphaned;
}

/* An orphan's file went with its bucket, and its name may be another's by now. */
static void unlink_upload(struct object_upload *u)
{
    if (u->fd != NO_FILE && !is_orphaned(u))
        object_file_unlink(&u->owner->root, u->bucket, u->path);
}

static void discard(struct object_upload *u)
{
    struct disk *disk = u->owner->root.disk;
    if (u->fd >= 0)
        disk->close(disk, u->fd);
    unlink_upload(u);
    delist(u);
    upload_free(u);
}

static const struct fault *files_begin(struct objects *objects, str bucket, str key,
                                       str headers_json, struct arena *arena,
                                       struct object_upload **ret_upload)
{
    struct objects_files *self = own(objects);
    struct object_upload *u = calloc(1, sizeof *u);
    struct arena *memory = arena_new(4 << 20);
    if (!u || !memory) {
        free(u);
        arena_free(memory);
        return &fault_no_memory;
    }
    u->owner = self;
    u->arena = memory;
    u->fd = NO_FILE;
    u->md5 = digest_new(DIGEST_MD5);
    u->bucket = arena_str(memory, bucket);
    u->key = arena_str(memory, key);
    u->headers_json = arena_str(memory, str_is_none(headers_json) ? STR("{}") : headers_json);
    if (!u->md5 || str_is_none(u->bucket) || str_is_none(u->key) || str_is_none(u->headers_json)) {
        upload_free(u);
        return &fault_no_memory;
    }
    enlist(u);
    pthread_mutex_lock(&self->open_lock);
    bool failed = self->failed;
    pthread_mutex_unlock(&self->open_lock);
    if (failed) {
        discard(u);
        return failed_for_good(arena);
    }
    *ret_upload = u;
    return NULL;
}

/* ---- writing ---- */

static int make_file(struct object_upload *u)
{
    const struct object_naming naming = { trying, u };
    str plain = object_path(u->key, u->arena);
    if (str_is_none(plain))
        return -ENOMEM;
    int fd = object_file_make(&u->owner->root, u->bucket, plain, &naming, u->arena);
    u->fd = fd < 0 ? NO_FILE : fd;
    return fd < 0 ? fd : 0;
}

/* Room for `size` bytes in the buffer. */
static bool make_room(struct object_upload *u, size_t size)
{
    size_t room = u->room ? u->room : FIRST_ROOM;
    if (size <= u->room)
        return true;
    while (room < size)
        room *= 2;
    char *wider = realloc(u->buffer, room);
    if (!wider)
        return false;
    u->buffer = wider;
    u->room = room;
    return true;
}

/* A large file is on its way to the disk before its sync, which others wait for too. */
static void write_soon(const struct object_upload *u, uint64_t from, uint64_t to)
{
    enum { STRETCH = 1 << 20 };
    struct disk *disk = u->owner->root.disk;
    const uint64_t begin = from / STRETCH * STRETCH, end = to / STRETCH * STRETCH;
    if (end > begin)
        disk->write_soon(disk, u->fd, begin, end - begin);
}

/* Buffered bytes and `more` go to the file. A short write goes on where it stopped. */
static int flush(struct object_upload *u, str more)
{
    struct disk *disk = u->owner->root.disk;
    const uint64_t from = u->size - u->buffered;
    uint64_t at = from;
    int error = u->fd == NO_FILE ? make_file(u) : 0;
    if (error < 0)
        return error;
    str parts[2] = { { u->buffer, u->buffered }, more };
    while (parts[0].len + parts[1].len > 0) {
        struct iovec vector[2] = { { (void *)(uintptr_t)parts[0].ptr, parts[0].len },
                                   { (void *)(uintptr_t)parts[1].ptr, parts[1].len } };
        bool first = parts[0].len > 0;
        ssize_t written =
            disk->pwritev(disk, u->fd, first ? vector : vector + 1, first ? 2 : 1, at);
        if (written <= 0)
            return written < 0 ? (int)written : -ENOSPC;
        at += (uint64_t)written;
        size_t of_first = (size_t)written < parts[0].len ? (size_t)written : parts[0].len;
        parts[0] = str_from(parts[0], of_first);
        parts[1] = str_from(parts[1], (size_t)written - of_first);
    }
    write_soon(u, from, at);
    u->size += more.len;
    u->buffered = 0;
    return 0;
}

static const struct fault *files_write(struct object_upload *u, str chunk, struct arena *arena)
{
    if (chunk.len == 0)
        return NULL;
    digest_add(u->md5, chunk);
    if (chunk.len <= PACK_BODY_MAX - u->buffered) {
        if (!make_room(u, u->buffered + chunk.len))
            return &fault_no_memory;
        memcpy(u->buffer + u->buffered, chunk.ptr, chunk.len);
        u->buffered += chunk.len;
        u->size += chunk.len;
        return NULL;
    }
    int error = flush(u, chunk);
    return error < 0 ? object_disk_fault(arena, error, "could not write an object") : NULL;
}

static void files_cancel(struct object_upload *u)
{
    if (u)
        discard(u);
}

/* ---- committing ---- */

static void fail_job(struct job *job, const struct fault *why, struct arena *arena)
{
    batch_job_fail(&job->batch, why, arena);
}

static struct job *next_job(const struct job *job)
{
    return (struct job *)job->batch.next;
}

/* Under open_lock: may this upload become an object? */
static const struct fault *fit_to_commit(struct objects_files *self, const struct object_upload *u,
                                         struct arena *arena)
{
    if (self->failed)
        return failed_for_good(arena);
    if (u->orphaned)
        return fault(arena, FAULT_ABSENT, NULL,
                     "the bucket was deleted while the object was uploaded");
    if (u->lost_before != self->losses && u->fd != NO_FILE)
        return fault(arena, FAULT_UNAVAILABLE, NULL,
                     "the disk may have lost part of the object: send it again");
    return NULL;
}

static void journal_error(struct objects_files *self, const char *event, str says)
{
    AUTO_BUF members = buf_new(4096);
    buf_add(&members, STR("\"says\":"));
    json_quote(&members, says);
    self->outside->journal->note(self->outside->journal, JOURNAL_ERROR, STR("store"), str_of(event),
                                 buf_str(&members));
}

static void fail_puts(struct job *jobs, bool packed_only, const struct fault *why,
                      struct arena *arena)
{
    for (struct job *job = jobs; job; job = next_job(job))
        if (job->kind == JOB_PUT && (!packed_only || job->upload->fd == NO_FILE))
            fail_job(job, why, arena);
}

/* Fails the uploads that cannot be trusted any more. */
static void look_over(struct objects_files *self, struct job *jobs, struct arena *arena)
{
    pthread_mutex_lock(&self->open_lock);
    for (struct job *job = jobs; job; job = next_job(job)) {
        const struct fault *why =
            job->kind == JOB_PUT ? fit_to_commit(self, job->upload, arena) : NULL;
        if (why)
            fail_job(job, why, arena);
    }
    pthread_mutex_unlock(&self->open_lock);
}

/* The committer is alone in changing rows, so what it finds here stays until the row is there. */
static const struct fault *is_taken(struct objects_files *self, struct job *jobs, const struct job *by,
                                    struct arena *arena)
{
    const struct object_row *row = &by->row;
    bool taken = false;
    TRY(objects_index_has(self->index, row->bucket, row->key, arena, &taken));
    for (struct job *job = jobs; job != by && !taken; job = next_job(job))
        taken = job->kind == JOB_PUT && !job->batch.failed && str_eq(job->row.key, row->key) &&
                str_eq(job->row.bucket, row->bucket);
    return taken ? fault(arena, FAULT_CONFLICT, NULL, "there is an object under the key already") : NULL;
}

/* Before anything is written: a frame is an object, also after a stop. */
static void look_for_taken(struct objects_files *self, struct job *jobs, struct arena *arena)
{
    for (struct job *job = jobs; job; job = next_job(job)) {
        bool asks = job->kind == JOB_PUT && !job->batch.failed && job->condition == OBJECT_NEW;
        const struct fault *why = asks ? is_taken(self, jobs, job, arena) : NULL;
        if (why)
            fail_job(job, why, arena);
    }
}

/* Step 1. */
static void write_packed(struct objects_files *self, struct job *jobs, struct arena *arena)
{
    struct pack_put *first = NULL, **last = &first;
    for (struct job *job = jobs; job; job = next_job(job)) {
        if (job->kind != JOB_PUT || job->batch.failed || job->upload->fd != NO_FILE)
            continue;
        *last = &job->put;
        last = &job->put.next;
    }
    *last = NULL;
    int error = packs_write(self->packs, first);
    if (error < 0)
        fail_puts(jobs, true, object_disk_fault(arena, error, "could not write an object"), arena);
    for (struct job *job = jobs; job; job = next_job(job))
        job->row.place = job->put.place;
}

/* Step 2. */
static void sync_bytes(struct objects_files *self, struct job *jobs, struct arena *arena)
{
    struct disk *disk = self->root.disk;
    bool files = false;
    for (struct job *job = jobs; job; job = next_job(job))
        files |= job->kind == JOB_PUT && !job->batch.failed && job->upload->fd != NO_FILE;
    int error = files ? disk->syncfs(disk, self->directory_fd) : packs_sync(self->packs);
    if (files)
        packs_synced(self->packs, error);
    if (error == 0)
        return;
    pthread_mutex_lock(&self->open_lock);
    self->losses++;
    self->failed |= error != -ENOSPC && error != -EDQUOT;
    pthread_mutex_unlock(&self->open_lock);
    fail_puts(jobs, false, object_disk_fault(arena, error, "could not bring the object to disk"),
              arena);
    journal_error(self, "objects-sync-failed", str_of(strerrordesc_np(-error)));
}

/* A row that was found late and replaces another one. */
struct replaced {
    struct replaced *next;
    str bucket, path;
};

struct replacing {
    struct objects_files *self;
    struct arena *arena;
    struct replaced *files; /* to be unlinked once the transaction is durable */
};

static void on_replaced(void *context, const struct object_row *old)
{
    struct replacing *r = context;
    packs_loses(r->self->packs, &old->place);
    struct replaced *file = old->place.pack ? NULL : ARENA_NEW(r->arena, struct replaced);
    if (!file) /* or no memory: what has no row is swept another day */
        return;
    *file = (struct replaced) { r->files, arena_str(r->arena, old->bucket),
                                object_row_path(old, r->arena) };
    r->files = file;
}

static const struct fault *change_rows(struct objects_files *self, struct job *jobs,
                                       struct replacing *replacing, struct arena *arena)
{
    TRY(objects_index_put_late(self->index, on_replaced, replacing, arena));
    for (struct job *job = jobs; job; job = next_job(job)) {
        if (job->batch.failed)
            continue;
        if (job->kind == JOB_PUT) {
            packs_gains(self->packs, &job->row.place);
            TRY(objects_index_put(self->index, &job->row, arena, &job->old));
        } else if (job->kind == JOB_REMOVE)
            TRY(objects_index_remove(self->index, job->row.bucket, job->row.key, arena, &job->old));
        if (!str_is_none(job->old.key))
            packs_loses(self->packs, &job->old.place);
    }
    return packs_note(self->packs, arena);
}

static bool wants_rows(const struct job *jobs)
{
    for (; jobs; jobs = next_job(jobs))
        if (!jobs->batch.failed && jobs->kind != JOB_REMOVE_BUCKET)
            return true;
    return false;
}

/* Step 3 when it can wait: all that is new is frames under keys that no late row has. */
static bool put_late(struct objects_files *self, struct job *jobs)
{
    struct late_rows *late = objects_index_late(self->index);
    bool all = true;
    for (struct job *job = jobs; job && all; job = next_job(job))
        all = job->batch.failed || (job->kind == JOB_PUT && job->row.place.pack != 0 &&
                                    late_rows_stage(late, &job->row));
    if (!all) {
        late_rows_drop(late);
        return false;
    }
    for (struct job *job = jobs; job; job = next_job(job))
        if (!job->batch.failed)
            packs_gains(self->packs, &job->row.place);
    packs_done(self->packs, PACKS_LATE);
    late_rows_show(late);
    return true;
}

/* Step 3. *ret_unsure: the commit itself failed, so the rows may be there nevertheless. */
static const struct fault *commit_rows(struct objects_files *self, struct job *jobs,
                                       struct arena *arena, bool *ret_unsure)
{
    struct replacing replacing = { .self = self, .arena = arena };
    const struct fault *why = objects_index_begin(self->index, arena);
    if (!why)
        why = change_rows(self, jobs, &replacing, arena);
    if (!why) {
        why = objects_index_commit(self->index, arena);
        *ret_unsure = why && why->kind != FAULT_LIMIT; /* a full disk: the log lacks its end */
    }
    packs_done(self->packs, *ret_unsure ? PACKS_UNSURE : why ? PACKS_ROLLED_BACK : PACKS_COMMITTED);
    if (why)
        objects_index_rollback(self->index, arena);
    for (struct replaced *file = why ? NULL : replacing.files; file; file = file->next)
        if (!str_is_none(file->bucket) && !str_is_none(file->path))
            object_file_unlink(&self->root, file->bucket, file->path);
    return why;
}

static void remove_bucket_now(struct objects_files *self, struct job *job, struct arena *arena)
{
    bool empty = false;
    const struct fault *why = objects_index_is_empty(self->index, job->row.bucket, arena, &empty);
    if (!why && !empty)
        why = fault(arena, FAULT_CONFLICT, NULL, "the bucket " STR_FMT " still holds objects",
                    STR_ARG(job->row.bucket));
    if (why) {
        fail_job(job, why, arena);
        return;
    }
    pthread_mutex_lock(&self->open_lock);
    for (struct object_upload *u = self->open; u; u = u->next)
        if (str_eq(u->bucket, job->row.bucket))
            u->orphaned = true;
    pthread_mutex_unlock(&self->open_lock);
    object_folder_remove(&self->root, job->row.bucket);
}

/* Step 4, for one. */
static void clear_away(struct objects_files *self, struct job *job, bool unsure,
                       struct arena *arena)
{
    if (job->kind == JOB_REMOVE_BUCKET && !job->batch.failed)
        remove_bucket_now(self, job, arena);
    if (job->kind == JOB_PUT && job->batch.failed && !unsure)
        unlink_upload(job->upload);
    if (!job->batch.failed && !str_is_none(job->old.key) && job->old.place.pack == 0)
        object_file_unlink(&self->root, job->row.bucket, object_row_path(&job->old, arena));
}

static void commit_batch(void *context, struct batch_job *batch, struct arena *arena)
{
    struct objects_files *self = context;
    struct job *jobs = (struct job *)batch;
    bool unsure = false;
    pthread_mutex_lock(&self->commit_lock);
    look_over(self, jobs, arena);
    look_for_taken(self, jobs, arena);
    write_packed(self, jobs, arena);
    sync_bytes(self, jobs, arena);
    bool rows = wants_rows(jobs) && !put_late(self, jobs);
    const struct fault *why = rows ? commit_rows(self, jobs, arena, &unsure) : NULL;
    if (why) {
        for (struct job *job = jobs; job; job = next_job(job))
            fail_job(job, why, arena);
        journal_error(self, "objects-index-failed", fault_sentence(why, arena));
    }
    if (unsure) {
        pthread_mutex_lock(&self->open_lock);
        self->failed = true;
        pthread_mutex_unlock(&self->open_lock);
    }
    for (struct job *job = jobs; job; job = next_job(job))
        clear_away(self, job, unsure, arena);
    pthread_mutex_unlock(&self->commit_lock);
}

static void files_show(struct object_upload *u, uint64_t size, str etag)
{
    u->shown = true;
    u->shown_size = size;
    u->shown_etag = arena_str(u->arena, etag);
}

/* The bytes are all in the file, which is closed. */
static const struct fault *end_file(struct object_upload *u, struct arena *arena)
{
    struct disk *disk = u->owner->root.disk;
    int error = flush(u, STR(""));
    if (error < 0)
        return object_disk_fault(arena, error, "could not write an object");
    error = disk->close(disk, u->fd);
    u->fd = CLOSED;
    return error < 0 ? object_disk_fault(arena, error, "could not close the file of an object")
                     : NULL;
}

static const struct fault *end_bytes(struct object_upload *u, struct job *job, struct arena *arena)
{
    if (u->fd == NO_FILE && pack_takes(&job->row, u->size)) {
        job->put.body = (str) { u->buffer ? u->buffer : "", u->buffered };
        job->put.head = pack_head(&job->row, job->put.body, u->arena);
        return str_is_none(job->put.head) ? &fault_no_memory : NULL;
    }
    TRY(end_file(u, arena));
    job->row.path = str_eq(u->path, object_path(u->key, u->arena)) ? STR_NONE : u->path;
    return NULL;
}

static const struct fault *files_hand_in(struct object_upload *u, enum object_condition condition,
                                         struct arena *arena)
{
    struct objects_files *self = u->owner;
    unsigned char md5[MD5_SIZE];
    digest_end(u->md5, md5);
    hex_encode(u->etag, md5, sizeof md5);
    const bool other_etag = u->shown && u->shown_etag.len;
    u->job = (struct job) {
        .kind = JOB_PUT,
        .upload = u,
        .condition = condition,
        .row = { .bucket = u->bucket,
                 .key = u->key,
                 .path = STR_NONE,
                 .info = { .size = u->shown ? u->shown_size : u->size,
                           .modified_ms = self->outside->clock->wall_ms(self->outside->clock),
                           .etag = other_etag ? u->shown_etag : (str) { u->etag, sizeof u->etag },
                           .headers_json = u->headers_json } },
    };
    const struct fault *why = end_bytes(u, &u->job, arena);
    if (why)
        discard(u);
    else
        batcher_add(self->committer, &u->job.batch);
    return why;
}

static const struct fault *files_await(struct object_upload *u, struct arena *arena,
                                       struct object_info *ret_info)
{
    const struct fault *why = batch_job_wait(&u->job.batch, arena);
    struct object_info info = u->job.row.info;
    info.etag = arena_str(arena, info.etag);
    info.headers_json = arena_str(arena, info.headers_json);
    delist(u);
    upload_free(u);
    if (!why)
        *ret_info = info;
    return why;
}

static const struct fault *files_remove(struct objects *objects, str bucket, str key,
                                        struct arena *arena)
{
    struct object_row row;
    const struct fault *why = objects_index_find(own(objects)->index, bucket, key, arena, &row);
    if (why && why->kind != FAULT_DEFECT) /* a damaged row can be removed */
        return why->kind == FAULT_ABSENT ? NULL : why;
    struct job job = { .kind = JOB_REMOVE, .row = { .bucket = bucket, .key = key } };
    return batcher_wait(own(objects)->committer, &job.batch, arena);
}

static const struct fault *files_remove_bucket(struct objects *objects, str bucket,
                                               struct arena *arena)
{
    struct job job = { .kind = JOB_REMOVE_BUCKET, .row = { .bucket = bucket } };
    return batcher_wait(own(objects)->committer, &job.batch, arena);
}

/* ---- reading ---- */

static const struct fault *files_read(struct objects *objects, str bucket, str key, uint64_t offset,
                                      size_t wanted, struct arena *arena, str *ret_bytes)
{
    struct objects_files *self = own(objects);
    return object_read_once(&self->root, self->index, bucket, key, offset, wanted, arena,
                            ret_bytes);
}

static const struct fault *files_open(struct objects *objects, str bucket, str key,
                                      struct arena *arena, struct object_info *ret_info,
                                      struct object_reader **ret_reader)
{
    struct objects_files *self = own(objects);
    return object_read_open(&self->root, self->index, bucket, key, arena, ret_info, ret_reader);
}

static const struct fault *files_head(struct objects *objects, str bucket, str key,
                                      struct arena *arena, struct object_info *ret_info)
{
    struct object_row row;
    TRY(objects_index_find(own(objects)->index, bucket, key, arena, &row));
    *ret_info = row.info;
    return NULL;
}

static const struct fault *files_list(struct objects *objects, const struct object_range *range,
                                      struct arena *arena, struct object_entry **ret_entries,
                                      size_t *ret_count, bool *ret_more)
{
    return objects_index_list(own(objects)->index, range, arena, ret_entries, ret_count, ret_more);
}

/* ---- sweeping, opening, closing ---- */

static bool is_object(void *context, str bucket, str path, struct arena *arena)
{
    struct objects_files *self = context;
    str key;
    struct object_row row;
    if (!object_path_key(path, arena, &key))
        return false;
    const struct fault *why =
        late_rows_find(objects_index_late(self->index), bucket, key, arena, &row);
    if (why || !str_is_none(row.key))
        return true; /* the row it replaces may name the file, and goes with the next transaction */
    why = objects_index_find(self->index, bucket, key, arena, &row);
    if (why)
        return why->kind != FAULT_ABSENT; /* when in doubt it is one */
    return row.place.pack == 0 && str_eq(object_row_path(&row, arena), path);
}

/* With both locks: no batch is between its sync and its unlinks, no upload can take the name. */
static void sweep_file(void *context, str bucket, str path)
{
    struct objects_files *self = context;
    AUTO_ARENA *arena = arena_new(1 << 20);
    pthread_mutex_lock(&self->commit_lock);
    pthread_mutex_lock(&self->open_lock);
    bool busy = !arena || self->failed; /* failed: rows may yet turn out to be there */
    for (struct object_upload *u = self->open; u && !busy; u = u->next)
        busy = str_eq(u->path, path) && str_eq(u->bucket, bucket);
    if (!busy && !is_object(self, bucket, path, arena)) {
        object_file_unlink(&self->root, bucket, path);
        self->swept++;
    }
    pthread_mutex_unlock(&self->open_lock);
    pthread_mutex_unlock(&self->commit_lock);
}

static bool stop_sweeping(void *context)
{
    return ((struct objects_files *)context)->stop_sweeping;
}

static bool stop_packs(void *context)
{
    struct objects_files *self = context;
    pthread_mutex_lock(&self->open_lock);
    bool failed = self->failed; /* rows may yet turn out to be there */
    pthread_mutex_unlock(&self->open_lock);
    return failed || self->stop_sweeping;
}

static void lock_packs(void *context)
{
    pthread_mutex_lock(&((struct objects_files *)context)->commit_lock);
}

static void unlock_packs(void *context)
{
    pthread_mutex_unlock(&((struct objects_files *)context)->commit_lock);
}

/* After a kill the index may show a row that is in the page cache only. The file that row replaced
 * must stay until the row is on disk, or a power cut would bring the old row back without it. On a
 * descriptor of its own, so that an error seen here is not kept from the committer. */
static int rows_sync(struct objects_files *self)
{
    struct disk *disk = self->root.disk;
    AUTO_ARENA *arena = arena_new(64 * 1024);
    const char *name = arena ? arena_cstr(arena, self->root.directory) : NULL;
    int fd = name ? disk->open(disk, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) : -ENOMEM;
    if (fd < 0)
        return fd;
    int error = disk->syncfs(disk, fd);
    disk->close(disk, fd);
    return error;
}

static void *sweeper_run(void *context)
{
    struct objects_files *self = context;
    int error = rows_sync(self);
    if (error < 0) { /* files too many do no harm */
        journal_error(self, "objects-not-swept", str_of(strerrordesc_np(-error)));
        return NULL;
    }
    const struct object_sweep sweep = { is_object, sweep_file, stop_sweeping, self };
    const struct packs_guard guard = { lock_packs, unlock_packs, stop_packs, self };
    object_files_sweep(&self->root, &sweep);
    self->swept += packs_sweep(self->packs, &guard);
    if (!self->stop_sweeping)
        journal_notef(self->outside->journal, JOURNAL_INFO, STR("store"), STR("objects-swept"),
                      "\"files\":%llu", (unsigned long long)self->swept);
    return NULL;
}

/* Where nothing failed, nothing is left for the next start to look for. */
static void leave_tidy(struct objects_files *self)
{
    AUTO_ARENA *arena = arena_new(1 << 20);
    packs_stop(self->packs);
    bool unsure = false;
    if (arena && !self->failed && !packs_idle(self->packs))
        commit_rows(self, NULL, arena, &unsure);
}

static void files_close(struct objects *objects)
{
    struct objects_files *self = own(objects);
    self->stop_sweeping = true;
    batcher_close(self->committer);
    if (self->has_sweeper)
        pthread_join(self->sweeper, NULL);
    if (self->packs)
        leave_tidy(self);
    packs_close(self->packs);
    objects_index_close(self->index);
    if (self->directory_fd >= 0)
        self->root.disk->close(self->root.disk, self->directory_fd);
    pthread_mutex_destroy(&self->commit_lock);
    pthread_mutex_destroy(&self->open_lock);
    arena_free(self->memory);
}

static const struct objects_ops ops = {
    .begin = files_begin,
    .write = files_write,
    .show = files_show,
    .hand_in = files_hand_in,
    .await = files_await,
    .cancel = files_cancel,
    .read = files_read,
    .head = files_head,
    .open = files_open,
    .read_into = object_read_into,
    .list = files_list,
    .remove = files_remove,
    .remove_bucket = files_remove_bucket,
    .close = files_close,
};

static const struct fault *start(struct objects_files *self, struct arena *arena)
{
    struct disk *disk = self->root.disk;
    const char *name = arena_cstr(self->memory, self->root.directory);
    str index = arena_strf(self->memory, STR_FMT "/index.sqlite", STR_ARG(self->root.directory));
    if (!name || str_is_none(index))
        return &fault_no_memory;
    int error = disk->make_directory(disk, name, 0755);
    if (error < 0 && error != -EEXIST)
        return object_disk_fault(arena, error, "cannot make the folder of objects");
    self->directory_fd = disk->open(disk, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (self->directory_fd < 0)
        return object_disk_fault(arena, self->directory_fd, "cannot open the folder of objects");
    TRY(objects_index_open(index, arena, &self->index));
    TRY(packs_open(&self->root, self->index, self->pack_size, arena, &self->packs));
    TRY(batcher_open("objects", commit_batch, self, COMMITTER_MEMORY, arena, &self->committer));
    self->has_sweeper = pthread_create(&self->sweeper, NULL, sweeper_run, self) == 0;
    if (!self->has_sweeper)
        return fault(arena, FAULT_UNAVAILABLE, NULL,
                     "cannot start the thread that sweeps the objects");
    return NULL;
}

const struct fault *objects_files_open(str directory, struct outside *outside, struct arena *arena,
                                       struct objects **ret_objects)
{
    return objects_files_open_packs(directory, PACK_SIZE, outside, arena, ret_objects);
}

const struct fault *objects_files_open_packs(str directory, uint64_t pack_size,
                                             struct outside *outside, struct arena *arena,
                                             struct objects **ret_objects)
{
    struct arena *memory = arena_new(1 << 20);
    struct objects_files *self = memory ? ARENA_NEW(memory, struct objects_files) : NULL;
    if (!self) {
        arena_free(memory);
        return &fault_no_memory;
    }
    self->objects.ops = &ops;
    self->outside = outside;
    self->pack_size = pack_size;
    self->memory = memory;
    self->root =
        (struct object_root) { .disk = outside->disk, .directory = arena_str(memory, directory) };
    self->directory_fd = -1;
    pthread_mutex_init(&self->commit_lock, NULL);
    pthread_mutex_init(&self->open_lock, NULL);
    const struct fault *why = start(self, arena);
    if (why) {
        files_close(&self->objects);
        return why;
    }
    *ret_objects = &self->objects;
    return NULL;
}
