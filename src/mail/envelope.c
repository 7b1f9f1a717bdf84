/* mail/envelope.c - an envelope as bytes in the spool, and back.
 *
 *     u8  version, 1
 *     str message_id
 *     str peer.address, peer.ehlo, peer.ptr
 *     u8  peer.tls          str peer.tls_version, peer.tls_cipher
 *     u8  mail_from.null    str mail_from.text, local_part, domain
 *     i64 received_ms       u64 size
 *     u32 rcpt_count, then for each: str text, local_part, domain
 *
 * Numbers are little-endian. A str is a u32 length and its octets; the length 0xffffffff is
 * STR_NONE. Nothing may follow. */
#include "mail/envelope.h"

enum { VERSION = 1, LEAST_PATH = 12 };

#define ABSENT UINT32_MAX

static void put(struct buf *out, uint64_t value, int octets)
{
    for (int i = 0; i < octets; i++)
        buf_addc(out, (char)(value >> 8 * i & 0xff));
}

static void put_str(struct buf *out, str s)
{
    put(out, str_is_none(s) ? ABSENT : s.len, 4);
    buf_add(out, s);
}

static void put_mailbox(struct buf *out, str text, const struct mailbox *m)
{
    put_str(out, text);
    put_str(out, m->local_part);
    put_str(out, m->domain);
}

void envelope_encode(const struct envelope *e, struct buf *out)
{
    put(out, VERSION, 1);
    put_str(out, e->message_id);
    put_str(out, e->peer.address);
    put_str(out, e->peer.ehlo);
    put_str(out, e->peer.ptr);
    put(out, e->peer.tls, 1);
    put_str(out, e->peer.tls_version);
    put_str(out, e->peer.tls_cipher);
    put(out, e->mail_from.null, 1);
    put_mailbox(out, e->mail_from.text, &e->mail_from.mailbox);
    put(out, (uint64_t)e->received_ms, 8);
    put(out, e->size, 8);
    put(out, e->rcpt_count, 4);
    for (size_t i = 0; i < e->rcpt_count; i++)
        put_mailbox(out, e->rcpt_to[i].text, &e->rcpt_to[i].mailbox);
}

struct reader {
    struct cursor in;
    struct arena *arena;
    bool bad, full;
};

static uint64_t get(struct reader *r, int octets)
{
    uint64_t value = 0;
    if (cursor_left(&r->in) < (size_t)octets) {
        r->bad = true;
        return 0;
    }
    for (int i = 0; i < octets; i++)
        value |= (uint64_t)(unsigned char)*r->in.at++ << 8 * i;
    return value;
}

static bool get_bool(struct reader *r)
{
    uint64_t value = get(r, 1);
    r->bad |= value > 1;
    return value == 1;
}

static str get_str(struct reader *r)
{
    uint64_t len = get(r, 4);
    if (r->bad || len == ABSENT)
        return STR_NONE;
    if (len > cursor_left(&r->in)) {
        r->bad = true;
        return STR_NONE;
    }
    str copy = arena_str(r->arena, (str) { r->in.at, len });
    r->full |= str_is_none(copy);
    r->in.at += len;
    return copy;
}

static struct mailbox get_mailbox(struct reader *r)
{
    struct mailbox m = { 0 };
    m.local_part = get_str(r);
    m.domain = get_str(r);
    return m;
}

const struct fault *envelope_decode(str bytes, struct arena *arena, struct envelope *ret_envelope)
{
    struct reader r = { .in = cursor_of(bytes), .arena = arena };
    struct envelope e = { 0 };
    uint64_t version = get(&r, 1);
    if (r.bad || version != VERSION)
        return fault(arena, FAULT_SYNTAX, NULL, "an envelope begins with its version, 1");
    e.message_id = get_str(&r);
    e.peer.address = get_str(&r);
    e.peer.ehlo = get_str(&r);
    e.peer.ptr = get_str(&r);
    e.peer.tls = get_bool(&r);
    e.peer.tls_version = get_str(&r);
    e.peer.tls_cipher = get_str(&r);
    e.mail_from.null = get_bool(&r);
    e.mail_from.text = get_str(&r);
    e.mail_from.mailbox = get_mailbox(&r);
    e.received_ms = (int64_t)get(&r, 8);
    e.size = get(&r, 8);
    e.rcpt_count = get(&r, 4);
    if (e.rcpt_count > cursor_left(&r.in) / LEAST_PATH) /* before it becomes an allocation */
        r.bad = true;
    if (!r.bad)
        e.rcpt_to = ARENA_ARRAY(arena, struct forward_path, e.rcpt_count);
    if (!r.bad && !e.rcpt_to)
        return &fault_no_memory;
    for (size_t i = 0; !r.bad && i < e.rcpt_count; i++) {
        e.rcpt_to[i].text = get_str(&r);
        e.rcpt_to[i].mailbox = get_mailbox(&r);
    }
    if (r.full)
        return &fault_no_memory;
    if (r.bad || r.in.at != r.in.end)
        return fault(arena, FAULT_SYNTAX, NULL, "a damaged envelope of %zu octets", bytes.len);
    *ret_envelope = e;
    return NULL;
}
