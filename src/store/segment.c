/* store/segment.c - a segment's file: two headers, frames between them, a table behind the frames.
 *
 *        0  header A, 64 bytes; the rest of the page is unused
 *     4096  frames (segment_frame.c), in batches that begin on a page; then, once sealed, the table
 *   bytes - 4096  header B, the same 64 bytes as A
 *   bytes - 3584  trailer, 40 bytes: where the table is; valid only for this epoch
 *
 * Header:   0 "SESAMSEG"  8 u32 version  12 u32 purpose  16 u32 state  20 u32 slot
 *          24 u64 generation  32 u64 epoch  40 u64 salt  48 u64 bytes  56 u32 0
 *          60 u32 CRC32C of bytes 0..60
 * Trailer:  0 "SESAMTAB"  8 u64 epoch  16 u32 offset of the table  20 u32 rows
 *          24 u32 CRC32C of the rows  28 u64 sequence of the last batch
 *          36 u32 CRC32C of bytes 0..36, begun with the seal
 * Row:      0 u8 kind  1 u8 0  2 u16 index  4 u32 offset  8 u32 length  12 u32 attempt
 *          16 u64 serial  24 u64 hash of the id  32 i64 due  40 u32 body file  44 u32 0
 *
 * A header changes twice in a use: FREE to USED when the log comes to the segment, USED to FREE
 * when nothing in it lives. A is written and synced, then B is written and synced, and only then
 * does anything rely on the change. So after a stop at any line at least one copy is whole: if A is
 * torn, B still says the old state, in which nothing was changed yet; if B is torn or older, A
 * counts (the higher generation wins). Both unreadable is damage, never a crash; an empty file is a
 * creation that did not end.
 *
 * The table is synced before the next segment is begun. So a segment that is not the last and has
 * no table is damaged, and is read frame by frame instead. */
#include "store/segment.h"

#include "base/crc.h"
#include "store/little.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

enum { HEADER_BYTES = 64, TRAILER_BYTES = 40, TRAILER_IN_PAGE = 512 };

int segment_pread(const struct segment *s, void *to, size_t size, uint64_t offset)
{
    char *at = to;
    while (size) {
        ssize_t n = s->disk->pread(s->disk, s->fd, at, size, offset);
        if (n < 0)
            return (int)n;
        if (n == 0) {
            memset(at, 0, size);
            return 0;
        }
        at += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return 0;
}

int segment_pwritev(const struct segment *s, struct iovec *iov, int count, uint64_t offset)
{
    enum { AT_ONCE = 1024 }; /* IOV_MAX */
    for (int at = 0; at < count;) {
        ssize_t n = s->disk->pwritev(s->disk, s->fd, iov + at,
                                     count - at < AT_ONCE ? count - at : AT_ONCE, offset);
        if (n <= 0)
            return n ? (int)n : -EIO;
        offset += (uint64_t)n;
        for (; at < count && (size_t)n >= iov[at].iov_len; at++)
            n -= (ssize_t)iov[at].iov_len;
        if (at < count) {
            iov[at].iov_base = (char *)iov[at].iov_base + n;
            iov[at].iov_len -= (size_t)n;
        }
    }
    return 0;
}

int segment_pwrite(const struct segment *s, const void *from, size_t size, uint64_t offset)
{
    struct iovec one = { (void *)(uintptr_t)from, size };
    return segment_pwritev(s, &one, size ? 1 : 0, offset);
}

static void seal_compute(struct segment *s)
{
    char both[16];
    put_u64(both, s->epoch);
    put_u64(both + 8, s->salt);
    s->seal = crc32c(0, both, sizeof both);
}

static void header_write(const struct segment *s, char to[HEADER_BYTES])
{
    memset(to, 0, HEADER_BYTES);
    memcpy(to, "SESAMSEG", 8);
    put_u32(to + 8, SEGMENT_VERSION);
    put_u32(to + 12, s->purpose);
    put_u32(to + 16, s->state);
    put_u32(to + 20, s->slot);
    put_u64(to + 24, s->generation);
    put_u64(to + 32, s->epoch);
    put_u64(to + 40, s->salt);
    put_u64(to + 48, s->bytes);
    put_u32(to + 60, crc32c(0, to, 60));
}

/* 0, -EBADMSG, or -EPROTO for a whole header of a version we do not know. */
static int header_read(const char from[HEADER_BYTES], struct segment *s)
{
    if (memcmp(from, "SESAMSEG", 8) != 0 || crc32c(0, from, 60) != get_u32(from + 60))
        return -EBADMSG;
    if (get_u32(from + 8) > SEGMENT_VERSION)
        return -EPROTO;
    uint32_t purpose = get_u32(from + 12), state = get_u32(from + 16);
    uint64_t bytes = get_u64(from + 48);
    if ((purpose != SEGMENT_LOG && purpose != SEGMENT_HISTORY) ||
        (state != SEGMENT_FREE && state != SEGMENT_USED) || bytes < SEGMENT_MIN ||
        bytes > UINT32_MAX || bytes % SEGMENT_PAGE != 0)
        return -EBADMSG;
    s->purpose = (enum segment_purpose)purpose;
    s->state = (enum segment_state)state;
    s->generation = get_u64(from + 24);
    s->epoch = get_u64(from + 32);
    s->salt = get_u64(from + 40);
    s->bytes = bytes;
    return 0;
}

static int headers_put(struct segment *s)
{
    char header[HEADER_BYTES];
    s->generation++;
    header_write(s, header);
    int error = segment_pwrite(s, header, sizeof header, 0);
    if (!error)
        error = s->disk->fdatasync(s->disk, s->fd);
    if (!error)
        error = segment_pwrite(s, header, sizeof header, s->bytes - SEGMENT_PAGE);
    if (!error)
        error = s->disk->fdatasync(s->disk, s->fd);
    return error;
}

int segment_create(struct disk *disk, const char *path, uint32_t slot, enum segment_purpose purpose,
                   uint64_t bytes, struct segment **ret_segment)
{
    assert(bytes >= SEGMENT_MIN && bytes % SEGMENT_PAGE == 0 && bytes <= UINT32_MAX);
    struct segment *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    int fd = disk->open(disk, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        free(s);
        return fd;
    }
    *s = (struct segment) { .disk = disk,
                            .fd = fd,
                            .slot = slot,
                            .purpose = purpose,
                            .state = SEGMENT_FREE,
                            .bytes = bytes,
                            .end = SEGMENT_PAGE };
    int error = disk->allocate(disk, fd, bytes);
    if (!error)
        error = headers_put(s);
    if (error) {
        disk->unlink(disk, path);
        segment_close(s);
        return error;
    }
    *ret_segment = s;
    return 0;
}

static bool all_zero(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i])
            return false;
    return true;
}

static int headers_get(struct segment *s, uint64_t file_bytes)
{
    char a[HEADER_BYTES] = { 0 }, b[HEADER_BYTES] = { 0 };
    struct segment from_a = *s, from_b = *s;
    int error = segment_pread(s, a, sizeof a, 0);
    if (error)
        return error;
    int said_a = header_read(a, &from_a);
    /* B lies where the size says; when A cannot be read, the file's own size has to do. */
    uint64_t bytes = said_a ? file_bytes & ~(uint64_t)(SEGMENT_PAGE - 1) : from_a.bytes;
    error = bytes >= SEGMENT_MIN ? segment_pread(s, b, sizeof b, bytes - SEGMENT_PAGE) : 0;
    if (error)
        return error;
    int said_b = header_read(b, &from_b);
    if (said_a == -EPROTO || said_b == -EPROTO)
        return -EPROTO;
    if (said_a && said_b)
        return all_zero(a, sizeof a) && all_zero(b, sizeof b) ? -ENODATA : -EBADMSG;
    *s = said_b || (!said_a && from_a.generation >= from_b.generation) ? from_a : from_b;
    return s->bytes > file_bytes ? -EBADMSG : 0;
}

int segment_open(struct disk *disk, const char *path, uint32_t slot, struct segment **ret_segment)
{
    struct segment *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    int fd = disk->open(disk, path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) {
        free(s);
        return fd;
    }
    *s = (struct segment) { .disk = disk, .fd = fd, .slot = slot, .end = SEGMENT_PAGE };
    int64_t size = disk->size(disk, fd);
    int error = size < 0 ? (int)size : headers_get(s, (uint64_t)size);
    if (error) {
        segment_close(s);
        return error;
    }
    seal_compute(s);
    *ret_segment = s;
    return 0;
}

void segment_close(struct segment *s)
{
    if (!s)
        return;
    s->disk->close(s->disk, s->fd);
    free(s->rows);
    free(s);
}

int segment_begin(struct segment *s, uint64_t epoch, uint64_t salt)
{
    assert(s->state == SEGMENT_FREE);
    s->state = SEGMENT_USED;
    s->epoch = epoch;
    s->salt = salt;
    s->end = SEGMENT_PAGE;
    s->sealed = false;
    s->row_count = s->table_rows = 0;
    seal_compute(s);
    int error = headers_put(s);
    s->begun_in_vain = error != 0;
    if (error)
        s->state = SEGMENT_FREE;
    return error;
}

int segment_release(struct segment *s)
{
    assert(s->state == SEGMENT_USED && s->readers == 0);
    s->state = SEGMENT_FREE;
    segment_forget_rows(s);
    return headers_put(s);
}

bool segment_reserve_rows(struct segment *s, size_t n)
{
    if (s->row_count + n <= s->row_room)
        return true;
    size_t room = s->row_room ? s->row_room * 2 : 256;
    while (room < s->row_count + n)
        room *= 2;
    void *more = realloc(s->rows, room * (s->purpose == SEGMENT_HISTORY ? sizeof(struct history_row)
                                                                        : sizeof(struct row)));
    if (!more)
        return false;
    s->rows = more;
    s->row_room = room;
    return true;
}

void segment_put_row(struct segment *s, size_t i, const struct row *row)
{
    assert(i < s->row_room && "room was reserved");
    if (s->purpose == SEGMENT_HISTORY) {
        struct history_row *rows = s->rows;
        rows[i] = (struct history_row) { row->id_hash, row->serial, row->offset, row->length };
    } else {
        struct row *rows = s->rows;
        rows[i] = *row;
    }
}

int segment_add_row(struct segment *s, const struct row *row)
{
    if (!segment_reserve_rows(s, 1))
        return -ENOMEM;
    segment_put_row(s, s->row_count++, row);
    return 0;
}

static int by_hash(const void *a, const void *b)
{
    const struct history_row *x = a, *y = b;
    if (x->id_hash != y->id_hash)
        return x->id_hash < y->id_hash ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

void segment_sort_history(struct segment *s)
{
    assert(s->purpose == SEGMENT_HISTORY);
    if (s->row_count)
        qsort(s->rows, s->row_count, sizeof(struct history_row), by_hash);
}

uint64_t segment_closing_bytes(const struct segment *s, size_t more)
{
    return page_padded((s->row_count + more) * ROW_BYTES) + SEGMENT_PAGE;
}

static void row_write(char to[ROW_BYTES], const struct row *row)
{
    memset(to, 0, ROW_BYTES);
    to[0] = (char)row->kind;
    put_u16(to + 2, row->index);
    put_u32(to + 4, row->offset);
    put_u32(to + 8, row->length);
    put_u32(to + 12, row->attempt);
    put_u64(to + 16, row->serial);
    put_u64(to + 24, row->id_hash);
    put_u64(to + 32, (uint64_t)row->due_ms);
    put_u32(to + 40, row->body_file);
}

static bool row_read(const char from[ROW_BYTES], const struct segment *s, struct row *ret_row)
{
    uint8_t kind = (uint8_t)from[0];
    *ret_row = (struct row) {
        .kind = (enum frame_kind)kind,
        .index = get_u16(from + 2),
        .offset = get_u32(from + 4),
        .length = get_u32(from + 8),
        .attempt = get_u32(from + 12),
        .serial = get_u64(from + 16),
        .id_hash = get_u64(from + 24),
        .due_ms = (int64_t)get_u64(from + 32),
        .body_file = get_u32(from + 40),
    };
    return kind >= FRAME_COMMIT && kind <= FRAME_HISTORY && ret_row->offset >= SEGMENT_PAGE &&
           (uint64_t)ret_row->offset + ret_row->length <= s->bytes - SEGMENT_PAGE;
}

int segment_seal(struct segment *s)
{
    size_t size = page_padded(s->row_count * ROW_BYTES);
    if (s->end + size > s->bytes - SEGMENT_PAGE)
        return -EMSGSIZE; /* a writer keeps the room free; so someone else wrote here */
    char *table = calloc(1, size ? size : 1);
    if (!table)
        return -ENOMEM;
    for (size_t i = 0; i < s->row_count; i++) {
        const struct row row = segment_row(s, i);
        row_write(table + i * ROW_BYTES, &row);
    }
    char trailer[TRAILER_BYTES] = { 0 };
    memcpy(trailer, "SESAMTAB", 8);
    put_u64(trailer + 8, s->epoch);
    put_u32(trailer + 16, (uint32_t)s->end);
    put_u32(trailer + 20, (uint32_t)s->row_count);
    put_u32(trailer + 24, crc32c(s->seal, table, s->row_count * ROW_BYTES));
    put_u64(trailer + 28, s->tail_batch);
    put_u32(trailer + 36, crc32c(s->seal, trailer, 36));
    int error = size ? segment_pwrite(s, table, size, s->end) : 0;
    if (!error)
        error =
            segment_pwrite(s, trailer, sizeof trailer, s->bytes - SEGMENT_PAGE + TRAILER_IN_PAGE);
    free(table);
    if (!error) {
        s->sealed = true;
        s->table_rows = s->row_count;
    }
    return error;
}

void segment_forget_rows(struct segment *s)
{
    free(s->rows);
    s->rows = NULL;
    s->row_count = s->row_room = 0;
}

bool segment_table_row(const struct segment *s, size_t i, struct row *ret_row)
{
    char row[ROW_BYTES];
    return i < s->table_rows && segment_pread(s, row, sizeof row, s->end + i * ROW_BYTES) == 0 &&
           row_read(row, s, ret_row);
}

bool segment_read_table(struct segment *s, bool *ret_damaged)
{
    char trailer[TRAILER_BYTES];
    *ret_damaged = false;
    if (segment_pread(s, trailer, sizeof trailer, s->bytes - SEGMENT_PAGE + TRAILER_IN_PAGE) != 0 ||
        memcmp(trailer, "SESAMTAB", 8) != 0 || get_u64(trailer + 8) != s->epoch ||
        crc32c(s->seal, trailer, 36) != get_u32(trailer + 36))
        return false;
    uint64_t offset = get_u32(trailer + 16), count = get_u32(trailer + 20);
    *ret_damaged = true; /* from here on until it proves whole */
    if (offset < SEGMENT_PAGE || offset + count * ROW_BYTES > s->bytes - SEGMENT_PAGE)
        return false;
    size_t size = (size_t)count * ROW_BYTES;
    char *table = malloc(size ? size : 1);
    bool fine = table && segment_pread(s, table, size, offset) == 0 &&
                crc32c(s->seal, table, size) == get_u32(trailer + 24);
    s->row_count = 0;
    for (size_t i = 0; fine && i < count; i++) {
        struct row row;
        fine = row_read(table + i * ROW_BYTES, s, &row) && segment_add_row(s, &row) == 0;
    }
    free(table);
    if (!fine) {
        s->row_count = 0;
        return false;
    }
    s->end = offset;
    s->tail_batch = get_u64(trailer + 28);
    s->sealed = true;
    s->table_rows = s->row_count;
    *ret_damaged = false;
    return true;
}

bool disk_is_full(int error)
{
    return error == -ENOSPC || error == -EDQUOT || error == -EFBIG;
}
