/* store/dead.c - dead letters, one file each.
 *
 *     0 "SESADEAD"  8 u32 version 1  12 u32 CRC32C of bytes 16..80 and the texts
 *    16 u64 serial  24 i64 died at   32 i64 0  40 u32 attempts  44 u16 size of id  46 u16 kind
 *    48 u32 size of head  52 u32 size of rules  56 u32 size of notes  60 u32 0
 *    64 u64 size of body  72 u64 0
 *    80 id, head, rules, notes; then the body, as it came; then u32 CRC32C of the body
 *
 * The file's name is the id; a byte that is no letter, digit, '-' or '_' is written %XX, and an id
 * too long for a name by its hash. A letter is written as ".new", synced, renamed and the directory
 * synced. So under its name a letter is whole; what is left of ".new" is removed at the next start.
 * */
#include "store/dead.h"

#include "base/buf.h"
#include "base/crc.h"
#include "store/little.h"
#include "store/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { LETTER_FIXED = 80, PATH_ROOM = 768, NAME_ROOM = 256, TEXTS_MOST = 64 << 20 };

struct letter { /* of the index in memory */
    uint64_t serial, id_hash, bytes;
    int64_t died_ms;
    char *name;
};

struct dead_letters {
    struct outside *outside;
    struct disk *disk;
    char directory[PATH_ROOM - NAME_ROOM - 8];
    uint64_t bytes_max;
    int64_t age_max_ms;
    pthread_mutex_t lock;
    struct letter *letters;
    size_t count, room;
    uint64_t bytes, serial_most;
};

struct dead_reader {
    struct dead_letters *dead;
    struct segment file; /* for its pread */
    uint64_t body_at, body_size, read;
    uint32_t crc;
};

static const char *name_path(const struct dead_letters *d, char to[PATH_ROOM], const char *name)
{
    snprintf(to, PATH_ROOM, "%s/%s", d->directory, name);
    return to;
}

static void id_name(str id, char to[NAME_ROOM])
{
    size_t n = 0;
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        if (n + 4 > NAME_ROOM - 20) {
            snprintf(to, NAME_ROOM, "%%hash-%016llx", (unsigned long long)id_hash(id));
            return;
        }
        if (ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '_')
            to[n++] = c;
        else
            n += (size_t)snprintf(to + n, 4, "%%%02X", (unsigned char)c);
    }
    to[n] = '\0';
}

struct fixed {
    uint64_t serial, body_size;
    int64_t died_ms;
    uint32_t attempt, head, rules, notes;
    uint16_t id;
    enum spool_kind kind;
};

static bool fixed_read(const char *from, struct fixed *ret)
{
    enum spool_kind kind;
    if (memcmp(from, "SESADEAD", 8) != 0 || get_u32(from + 8) != 1 ||
        !spool_kind_read(get_u16(from + 46), &kind))
        return false;
    *ret = (struct fixed) { .kind = kind,
                            .serial = get_u64(from + 16),
                            .died_ms = (int64_t)get_u64(from + 24),
                            .attempt = get_u32(from + 40),
                            .id = get_u16(from + 44),
                            .head = get_u32(from + 48),
                            .rules = get_u32(from + 52),
                            .notes = get_u32(from + 56),
                            .body_size = get_u64(from + 64) };
    return ret->head <= TEXTS_MOST && ret->rules <= TEXTS_MOST && ret->notes <= TEXTS_MOST;
}

static size_t texts_size(const struct fixed *f)
{
    return (size_t)f->id + f->head + f->rules + f->notes;
}

/* The record of one file; the file stays open in *ret_fd when that is wanted. */
static int letter_read(struct dead_letters *d, const char *name, struct arena *arena,
                       struct spool_record *ret_record, struct fixed *ret_fixed, int *ret_fd)
{
    char path[PATH_ROOM], fixed_bytes[LETTER_FIXED];
    int fd = d->disk->open(d->disk, name_path(d, path, name), O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    struct segment file = { .disk = d->disk, .fd = fd };
    struct fixed f;
    int error = segment_pread(&file, fixed_bytes, sizeof fixed_bytes, 0);
    if (!error && !fixed_read(fixed_bytes, &f))
        error = -EBADMSG;
    char *texts = error ? NULL : arena_alloc(arena, texts_size(&f) + 1, 1);
    if (!error && !texts)
        error = -ENOMEM;
    if (!error)
        error = segment_pread(&file, texts, texts_size(&f), LETTER_FIXED);
    if (!error && crc32c(crc32c(0, fixed_bytes + 16, LETTER_FIXED - 16), texts, texts_size(&f)) !=
                      get_u32(fixed_bytes + 12))
        error = -EBADMSG;
    if (!error) {
        const char *head = texts + f.id, *rules = head + f.head, *notes = rules + f.rules;
        *ret_record = (struct spool_record) {
            .entry = { .id = { texts, f.id },
                       .kind = f.kind,
                       .head = { head, f.head },
                       .rules = { rules, f.rules } },
            .state = SPOOL_DEAD,
            .attempt = (int)f.attempt,
            .notes = { notes, f.notes },
        };
        *ret_fixed = f;
    }
    if (ret_fd && !error)
        *ret_fd = fd;
    else
        d->disk->close(d->disk, fd);
    return error;
}

/* The index. */

static bool index_add(struct dead_letters *d, struct letter letter) /* takes the name over */
{
    if (d->count == d->room) {
        size_t room = d->room ? d->room * 2 : 64;
        struct letter *more = realloc(d->letters, room * sizeof *more);
        if (!more) {
            free(letter.name);
            return false;
        }
        d->letters = more;
        d->room = room;
    }
    d->letters[d->count++] = letter;
    d->bytes += letter.bytes;
    if (letter.serial > d->serial_most)
        d->serial_most = letter.serial;
    return true;
}

static void index_drop(struct dead_letters *d, size_t at)
{
    d->bytes -= d->letters[at].bytes;
    free(d->letters[at].name);
    d->letters[at] = d->letters[--d->count];
}

/* A copy of the name of the letter with this hash (any serial when it is 0). */
static bool index_name(struct dead_letters *d, uint64_t id_hash, uint64_t serial,
                       char to[NAME_ROOM])
{
    bool found = false;
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->count && !found; i++)
        if (d->letters[i].id_hash == id_hash && (!serial || d->letters[i].serial == serial)) {
            snprintf(to, NAME_ROOM, "%s", d->letters[i].name);
            found = true;
        }
    pthread_mutex_unlock(&d->lock);
    return found;
}

static void found_name(void *context, const char *name)
{
    struct dead_letters *d = context;
    char path[PATH_ROOM];
    struct fixed f;
    struct spool_record record;
    if (strlen(name) >= NAME_ROOM)
        return;
    if (name[0] == '.') {
        d->disk->unlink(d->disk, name_path(d, path, name));
        return;
    }
    AUTO_ARENA *arena = arena_new((size_t)4 * TEXTS_MOST);
    int error = arena ? letter_read(d, name, arena, &record, &f, NULL) : -ENOMEM;
    char *copy = error ? NULL : strdup(name);
    if (error) {
        journal_notef(d->outside->journal, JOURNAL_ERROR, STR("store"), STR("damage"),
                      "\"says\":\"a dead letter cannot be read\",\"file\":\"dead/%s\",\"errno\":%d",
                      name, -error);
        return;
    }
    if (copy)
        index_add(d, (struct letter) { .serial = f.serial,
                                       .id_hash = id_hash(record.entry.id),
                                       .bytes = LETTER_FIXED + texts_size(&f) + f.body_size + 4,
                                       .died_ms = f.died_ms,
                                       .name = copy });
}

/* Names first: a disk need not like being changed while it is listed. */
struct names {
    char **names;
    size_t count, room;
};

static void keep_name(void *context, const char *name)
{
    struct names *n = context;
    if (n->count == n->room) {
        size_t room = n->room ? n->room * 2 : 64;
        char **more = realloc(n->names, room * sizeof *more);
        if (!more)
            return;
        n->names = more;
        n->room = room;
    }
    n->names[n->count] = strdup(name);
    n->count += n->names[n->count] != NULL;
}

const struct fault *dead_open(str directory, uint64_t bytes_max, int64_t age_max_ms,
                              struct outside *outside, struct arena *arena,
                              struct dead_letters **ret_dead)
{
    struct dead_letters *d = calloc(1, sizeof *d);
    if (!d || directory.len >= sizeof d->directory) {
        free(d);
        return &fault_no_memory;
    }
    d->outside = outside;
    d->disk = outside->disk;
    d->bytes_max = bytes_max;
    d->age_max_ms = age_max_ms;
    memcpy(d->directory, directory.ptr, directory.len);
    pthread_mutex_init(&d->lock, NULL);
    int error = d->disk->make_directory(d->disk, d->directory, 0700);
    struct names names = { 0 };
    if (!error || error == -EEXIST)
        error = d->disk->list(d->disk, d->directory, keep_name, &names);
    for (size_t i = 0; i < names.count; i++) {
        found_name(d, names.names[i]);
        free(names.names[i]);
    }
    free(names.names);
    if (error) {
        const struct fault *f = fault(arena, FAULT_UNAVAILABLE, NULL, "could not open %s: %s",
                                      d->directory, strerror(-error));
        dead_close(d);
        return f;
    }
    dead_sweep(d);
    *ret_dead = d;
    return NULL;
}

/* Writing. */

static int body_write(const struct segment *file, uint64_t at, uint64_t size, dead_body_fn *body,
                      void *context, const struct fault **ret_fault)
{
    uint32_t crc = 0;
    for (uint64_t done = 0; done < size;) {
        str bytes;
        size_t now = size - done < DEAD_PIECE ? (size_t)(size - done) : DEAD_PIECE;
        *ret_fault = body(context, done, now, &bytes);
        if (*ret_fault || bytes.len != now)
            return -EIO;
        crc = crc32c(crc, bytes.ptr, bytes.len);
        int error = segment_pwrite(file, bytes.ptr, bytes.len, at + done);
        if (error)
            return error;
        done += now;
    }
    char tail[4];
    put_u32(tail, crc);
    return segment_pwrite(file, tail, sizeof tail, at + size);
}

const struct fault *dead_put(struct dead_letters *d, const struct spool_record *record,
                             uint64_t serial, uint64_t body_size, dead_body_fn *body, void *context,
                             struct arena *arena)
{
    char path[PATH_ROOM], to[PATH_ROOM], name[NAME_ROOM];
    const struct spool_entry *e = &record->entry;
    size_t size = LETTER_FIXED + e->id.len + e->head.len + e->rules.len + record->notes.len;
    char *front = arena_alloc(arena, size, 1);
    if (!front)
        return &fault_no_memory;
    memcpy(front, "SESADEAD", 8);
    put_u32(front + 8, 1);
    int64_t now = d->outside->clock->wall_ms(d->outside->clock);
    put_u64(front + 16, serial);
    put_u64(front + 24, (uint64_t)now);
    put_u32(front + 40, (uint32_t)record->attempt);
    put_u16(front + 44, (uint16_t)e->id.len);
    put_u16(front + 46, (uint16_t)e->kind);
    put_u32(front + 48, (uint32_t)e->head.len);
    put_u32(front + 52, (uint32_t)e->rules.len);
    put_u32(front + 56, (uint32_t)record->notes.len);
    put_u64(front + 64, body_size);
    char *at = front + LETTER_FIXED;
    const str texts[] = { e->id, e->head, e->rules, record->notes };
    for (size_t i = 0; i < 4; i++) {
        if (texts[i].len)
            memcpy(at, texts[i].ptr, texts[i].len);
        at += texts[i].len;
    }
    put_u32(front + 12, crc32c(0, front + 16, size - 16));
    id_name(e->id, name);
    name_path(d, path, ".new");
    int fd = d->disk->open(d->disk, path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return fault(arena, disk_is_full(fd) ? FAULT_LIMIT : FAULT_UNAVAILABLE, NULL,
                     "could not make %s: %s", path, strerror(-fd));
    struct segment file = { .disk = d->disk, .fd = fd };
    const struct fault *unread = NULL;
    int error = segment_pwrite(&file, front, size, 0);
    if (!error)
        error = body_write(&file, size, body_size, body, context, &unread);
    if (!error)
        error = d->disk->fdatasync(d->disk, fd);
    d->disk->close(d->disk, fd);
    if (!error)
        error = d->disk->rename(d->disk, path, name_path(d, to, name));
    if (!error)
        error = d->disk->sync_directory(d->disk, d->directory);
    if (error) {
        d->disk->unlink(d->disk, path);
        return fault(arena, disk_is_full(error) ? FAULT_LIMIT : FAULT_UNAVAILABLE, unread,
                     "could not write the dead letter %s: %s", to, strerror(-error));
    }
    char *copy = strdup(name);
    if (!copy)
        return NULL; /* on disk; found again at the next start */
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->count; i++)
        if (strcmp(d->letters[i].name, name) == 0) {
            index_drop(d, i);
            break;
        }
    index_add(d, (struct letter) { .serial = serial,
                                   .id_hash = id_hash(e->id),
                                   .bytes = size + body_size + 4,
                                   .died_ms = now,
                                   .name = copy });
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

/* Reading. */

static const struct fault *absent(str id, struct arena *arena)
{
    return fault(arena, FAULT_ABSENT, NULL, "no message " STR_FMT " is known", STR_ARG(id));
}

static const struct fault *unreadable(const char *name, int error, struct arena *arena)
{
    return fault(arena, error == -ENOENT ? FAULT_ABSENT : FAULT_UNAVAILABLE, NULL,
                 "the dead letter %s cannot be read: %s", name, strerror(-error));
}

const struct fault *dead_find(struct dead_letters *d, str id, struct arena *arena,
                              struct spool_record *ret_record)
{
    char name[NAME_ROOM];
    struct fixed f;
    if (!index_name(d, id_hash(id), 0, name))
        return absent(id, arena);
    int error = letter_read(d, name, arena, ret_record, &f, NULL);
    if (error)
        return unreadable(name, error, arena);
    return str_eq(ret_record->entry.id, id) ? NULL : absent(id, arena);
}

static int newest_first(const void *a, const void *b)
{
    const struct dead_item *x = a, *y = b;
    return x->serial > y->serial ? -1 : x->serial < y->serial;
}

size_t dead_newest(struct dead_letters *d, struct dead_item *to, size_t max)
{
    return dead_before(d, UINT64_MAX, to, max);
}

size_t dead_before(struct dead_letters *d, uint64_t before, struct dead_item *to, size_t max)
{
    pthread_mutex_lock(&d->lock);
    struct dead_item *all = calloc(d->count + 1, sizeof *all);
    size_t count = 0;
    for (size_t i = 0; all && i < d->count; i++)
        if (d->letters[i].serial < before)
            all[count++] = (struct dead_item) { d->letters[i].serial, d->letters[i].id_hash };
    pthread_mutex_unlock(&d->lock);
    if (!all)
        return 0;
    qsort(all, count, sizeof *all, newest_first);
    count = count < max ? count : max;
    memcpy(to, all, count * sizeof *all);
    free(all);
    return count;
}

const struct fault *dead_load(struct dead_letters *d, const struct dead_item *item,
                              struct arena *arena, struct spool_record *ret_record)
{
    char name[NAME_ROOM];
    struct fixed f;
    if (!index_name(d, item->id_hash, item->serial, name))
        return fault(arena, FAULT_ABSENT, NULL, "a dead letter is no longer kept");
    int error = letter_read(d, name, arena, ret_record, &f, NULL);
    return error ? unreadable(name, error, arena) : NULL;
}

const struct fault *dead_read_open(struct dead_letters *d, str id, struct arena *arena,
                                   struct spool_record *ret_record, uint64_t *ret_body_size,
                                   struct dead_reader **ret_reader)
{
    char name[NAME_ROOM];
    struct fixed f;
    int fd;
    if (!index_name(d, id_hash(id), 0, name))
        return absent(id, arena);
    int error = letter_read(d, name, arena, ret_record, &f, &fd);
    if (error)
        return unreadable(name, error, arena);
    struct dead_reader *reader = calloc(1, sizeof *reader);
    if (!reader || !str_eq(ret_record->entry.id, id)) {
        d->disk->close(d->disk, fd);
        free(reader);
        return reader ? absent(id, arena) : &fault_no_memory;
    }
    *reader = (struct dead_reader) { .dead = d,
                                     .file = { .disk = d->disk, .fd = fd },
                                     .body_at = LETTER_FIXED + texts_size(&f),
                                     .body_size = f.body_size };
    *ret_body_size = f.body_size;
    *ret_reader = reader;
    return NULL;
}

/* From the start on, so that the checksum at the end can be compared with the last piece. */
const struct fault *dead_read(struct dead_reader *r, uint64_t offset, size_t size,
                              struct arena *arena, str *ret_bytes)
{
    char *bytes = arena_alloc(arena, size, 1), tail[4];
    if (!bytes)
        return &fault_no_memory;
    int error = offset + size > r->body_size
                    ? -EINVAL
                    : segment_pread(&r->file, bytes, size, r->body_at + offset);
    if (!error && offset == r->read) {
        r->crc = crc32c(r->crc, bytes, size);
        r->read += size;
        if (r->read == r->body_size) {
            error = segment_pread(&r->file, tail, sizeof tail, r->body_at + r->body_size);
            if (!error && get_u32(tail) != r->crc)
                error = -EBADMSG;
        }
    }
    if (error)
        return fault(arena, FAULT_UNAVAILABLE, NULL, "the body of a dead letter cannot be read: %s",
                     strerror(-error));
    *ret_bytes = (str) { bytes, size };
    return NULL;
}

void dead_read_close(struct dead_reader *r)
{
    r->dead->disk->close(r->dead->disk, r->file.fd);
    free(r);
}

/* Going. */

static void letter_remove(struct dead_letters *d, size_t at) /* lock held */
{
    char path[PATH_ROOM];
    d->disk->unlink(d->disk, name_path(d, path, d->letters[at].name));
    index_drop(d, at);
}

void dead_remove(struct dead_letters *d, uint64_t hash)
{
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->count; i++)
        if (d->letters[i].id_hash == hash) {
            letter_remove(d, i);
            break;
        }
    pthread_mutex_unlock(&d->lock);
}

void dead_sweep(struct dead_letters *d)
{
    int64_t now = d->outside->clock->wall_ms(d->outside->clock);
    pthread_mutex_lock(&d->lock);
    for (size_t i = d->count; i-- > 0;)
        if (now - d->letters[i].died_ms > d->age_max_ms)
            letter_remove(d, i);
    while (d->bytes > d->bytes_max && d->count) {
        size_t oldest = 0;
        for (size_t i = 1; i < d->count; i++)
            if (d->letters[i].died_ms < d->letters[oldest].died_ms ||
                (d->letters[i].died_ms == d->letters[oldest].died_ms &&
                 d->letters[i].serial < d->letters[oldest].serial))
                oldest = i;
        letter_remove(d, oldest);
    }
    pthread_mutex_unlock(&d->lock);
}

uint64_t dead_count(struct dead_letters *d, uint64_t *ret_bytes)
{
    pthread_mutex_lock(&d->lock);
    uint64_t count = d->count;
    *ret_bytes = d->bytes;
    pthread_mutex_unlock(&d->lock);
    return count;
}

uint64_t dead_serial(struct dead_letters *d)
{
    return d->serial_most;
}

void dead_close(struct dead_letters *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->count; i++)
        free(d->letters[i].name);
    free(d->letters);
    pthread_mutex_destroy(&d->lock);
    free(d);
}
