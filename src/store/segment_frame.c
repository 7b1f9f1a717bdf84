/* store/segment_frame.c - frames and what is in them, between bytes and structs.
 *
 * A frame begins at a multiple of 8. Numbers are little-endian.
 *
 *     0  u32  CRC32C that begins with the segment's seal and covers bytes 4..32 and the head
 *     4  u32  size of the head
 *     8  u32  size of the body
 *    12  u32  CRC32C of the body, plain: an SMTP thread computes it before the place is known
 *    16  u8   kind, then three zeros
 *    20  u32  the frame's own place in the segment
 *    24  u64  serial of the entry; of a batch: its sequence; of rules: 0
 *    32       head, body, zeros up to the next multiple of 8
 *
 * The seal is the CRC32C of epoch and salt, so a frame of an earlier use of the segment does not
 * read as one of this use, and its own place keeps a copy inside a message's body from reading as
 * one. The salt is random and never leaves the disk: a sender cannot make a body that is a frame.
 *
 * Heads:
 *   batch    u64 epoch and u32 offset up to which the log was synced before this batch; u32 its
 *            bytes with padding to a page; u32 frames that follow; 12 zeros
 *   rules    empty; the body is the text
 *   commit   u16 entries, u16 0, u32 number of the body's file (0: the body follows), u64 body
 *            size, u64 body token; then each entry: u64 serial, i64 due, u32 rules frame's offset,
 *            u32 attempt, u32 size of head, u32 size of notes, u16 size of id, u16 kind, u32 0, and
 *            id, head, notes
 *   note     u64 epoch and u32 offset of the entry's earlier note or retry (0: none), u32 0, i64 0;
 *            the text
 *   retry    the same with u32 attempts made and i64 due; the text may be empty
 *   settled  u32 how: SETTLE_DONE or SETTLE_DEAD; u32 0
 *   history  described in history.c */
#include "store/segment.h"

#include "base/crc.h"
#include "store/little.h"

#include <assert.h>

void frame_finish(char *header, enum frame_kind kind, uint64_t serial, uint32_t offset,
                  size_t head_len, size_t body_len, uint32_t body_crc,
                  const struct segment *segment)
{
    assert(offset % 8 == 0 && head_len <= UINT32_MAX && body_len <= UINT32_MAX);
    memset(header, 0, FRAME_HEADER);
    put_u32(header + 4, (uint32_t)head_len);
    put_u32(header + 8, (uint32_t)body_len);
    put_u32(header + 12, body_crc);
    header[16] = (char)kind;
    put_u32(header + 20, offset);
    put_u64(header + 24, serial);
    put_u32(header, crc32c(segment->seal, header + 4, FRAME_HEADER - 4 + head_len));
}

static bool kind_read(uint8_t byte, enum frame_kind *ret_kind)
{
    if (byte < FRAME_BATCH || byte > FRAME_HISTORY)
        return false;
    *ret_kind = (enum frame_kind)byte;
    return true;
}

bool frame_read(const struct segment *segment, uint32_t offset, str bytes, struct frame *ret_frame)
{
    struct frame f = { .offset = offset };
    if (bytes.len < FRAME_HEADER || get_u32(bytes.ptr + 20) != offset ||
        !kind_read((uint8_t)bytes.ptr[16], &f.kind))
        return false;
    size_t head = get_u32(bytes.ptr + 4), body = get_u32(bytes.ptr + 8);
    uint64_t whole = (uint64_t)FRAME_HEADER + head + body;
    if (head > FRAME_HEAD_MAX || head > bytes.len - FRAME_HEADER ||
        offset + whole > segment->bytes - SEGMENT_PAGE)
        return false;
    if (crc32c(segment->seal, bytes.ptr + 4, FRAME_HEADER - 4 + head) != get_u32(bytes.ptr))
        return false;
    f.serial = get_u64(bytes.ptr + 24);
    f.length = (uint32_t)whole;
    f.head = (str) { bytes.ptr + FRAME_HEADER, head };
    f.body_size = (uint32_t)body;
    if (whole <= bytes.len) {
        f.body = (str) { bytes.ptr + FRAME_HEADER + head, body };
        f.body_damaged = crc32c(0, f.body.ptr, body) != get_u32(bytes.ptr + 12);
    }
    *ret_frame = f;
    return true;
}

void batch_write(char to[FRAME_HEADER + BATCH_FIXED], const struct batch *batch,
                 const struct segment *segment, uint32_t offset)
{
    char *head = to + FRAME_HEADER;
    memset(head, 0, BATCH_FIXED);
    put_u64(head, batch->synced_epoch);
    put_u32(head + 8, batch->synced_offset);
    put_u32(head + 12, batch->batch_bytes);
    put_u32(head + 16, batch->frames);
    frame_finish(to, FRAME_BATCH, batch->sequence, offset, BATCH_FIXED, 0, 0, segment);
}

static bool cursor_take(struct cursor *in, size_t size, const char **ret_at)
{
    if (cursor_left(in) < size)
        return false;
    *ret_at = in->at;
    in->at += size;
    return true;
}

bool commit_head_read(struct cursor *in, struct commit_head *ret_head)
{
    const char *at;
    if (!cursor_take(in, COMMIT_FIXED, &at))
        return false;
    *ret_head = (struct commit_head) { .count = get_u16(at),
                                       .body_file = get_u32(at + 4),
                                       .body_size = get_u64(at + 8),
                                       .body_token = get_u64(at + 16) };
    return true;
}

void commit_head_write(char to[COMMIT_FIXED], const struct commit_head *head)
{
    put_u16(to, head->count);
    put_u16(to + 2, 0);
    put_u32(to + 4, head->body_file);
    put_u64(to + 8, head->body_size);
    put_u64(to + 16, head->body_token);
}

bool spool_kind_read(unsigned number, enum spool_kind *ret_kind)
{
    if (number < SPOOL_MAIL || number > SPOOL_OUTGOING)
        return false;
    *ret_kind = (enum spool_kind)number;
    return true;
}

bool commit_entry_read(struct cursor *in, struct commit_entry *ret_entry)
{
    const char *at, *texts;
    enum spool_kind kind;
    if (!cursor_take(in, ENTRY_FIXED, &at) || !spool_kind_read(get_u16(at + 34), &kind))
        return false;
    size_t head = get_u32(at + 24), notes = get_u32(at + 28), id = get_u16(at + 32);
    if (!cursor_take(in, id + head + notes, &texts))
        return false;
    *ret_entry = (struct commit_entry) {
        .serial = get_u64(at),
        .due_ms = (int64_t)get_u64(at + 8),
        .rules_offset = get_u32(at + 16),
        .attempt = get_u32(at + 20),
        .kind = kind,
        .id = { texts, id },
        .head = { texts + id, head },
        .notes = { texts + id + head, notes },
    };
    return true;
}

size_t commit_entry_size(const struct commit_entry *entry)
{
    return ENTRY_FIXED + entry->id.len + entry->head.len + entry->notes.len;
}

static char *copy(char *to, str from)
{
    if (from.len)
        memcpy(to, from.ptr, from.len);
    return to + from.len;
}

void commit_entry_write(char *to, const struct commit_entry *entry)
{
    put_u64(to, entry->serial);
    put_u64(to + 8, (uint64_t)entry->due_ms);
    put_u32(to + 16, entry->rules_offset);
    put_u32(to + 20, entry->attempt);
    put_u32(to + 24, (uint32_t)entry->head.len);
    put_u32(to + 28, (uint32_t)entry->notes.len);
    put_u16(to + 32, (uint16_t)entry->id.len);
    put_u16(to + 34, (uint16_t)entry->kind);
    put_u32(to + 36, 0);
    copy(copy(copy(to + ENTRY_FIXED, entry->id), entry->head), entry->notes);
}

void commit_entry_place(char *entry, uint64_t serial, uint32_t rules_offset)
{
    put_u64(entry, serial);
    put_u32(entry + 16, rules_offset);
}

bool note_head_read(str head, struct note_head *ret_note, str *ret_text)
{
    if (head.len < NOTE_FIXED)
        return false;
    *ret_note = (struct note_head) { .previous_epoch = get_u64(head.ptr),
                                     .previous_offset = get_u32(head.ptr + 8),
                                     .attempt = get_u32(head.ptr + 12),
                                     .due_ms = (int64_t)get_u64(head.ptr + 16) };
    *ret_text = str_from(head, NOTE_FIXED);
    return true;
}

void note_head_write(char to[NOTE_FIXED], const struct note_head *note)
{
    put_u64(to, note->previous_epoch);
    put_u32(to + 8, note->previous_offset);
    put_u32(to + 12, note->attempt);
    put_u64(to + 16, (uint64_t)note->due_ms);
}

uint64_t id_hash(str id)
{
    /* FNV-1a, then mixed so that low bits are as good as high ones */
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < id.len; i++)
        h = (h ^ (unsigned char)id.ptr[i]) * 0x100000001b3u;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return h ^ h >> 32;
}
