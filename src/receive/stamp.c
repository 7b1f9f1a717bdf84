/* receive/stamp.c - the header block, and the message behind it, chunk by chunk. */
#include "receive/stamp.h"

#include "base/base64.h"
#include "base/digest.h"
#include "mail/message.h"
#include "mail/received.h"

/* X-SES-RECEIPT is base64(00 || base64(key id || HMAC-SHA-256)): the outer form SES's own have,
 * with content of ours (spec 7.5). It is never parsed from input. */
enum { KEY_ID_SIZE = 8 };

static void receipt_token(const struct stamp *stamp, const struct head *head, struct buf *out)
{
    AUTO_BUF signed_text = buf_new(1 << 20);
    buf_add(&signed_text, head->envelope.message_id);
    for (size_t i = 0; i < head->envelope.rcpt_count; i++) {
        buf_addc(&signed_text, '\0'); /* a forward path holds no NUL, so no two lists read alike */
        buf_add(&signed_text, head->envelope.rcpt_to[i].text);
    }
    buf_addf(&signed_text, "%c%lld", 0, (long long)head->envelope.received_ms);

    str key = { (const char *)stamp->receipt_key, sizeof stamp->receipt_key };
    unsigned char digest[SHA256_SIZE], inner[KEY_ID_SIZE + SHA256_SIZE];
    sha256_of(key, digest);
    memcpy(inner, digest, KEY_ID_SIZE);
    hmac_sha256(key, buf_str(&signed_text), inner + KEY_ID_SIZE);

    char outer[1 + BASE64_LEN(sizeof inner)] = { 0 };
    size_t len = 1 + base64_encode_to(outer + 1, (str) { (const char *)inner, sizeof inner });
    base64_encode(out, (str) { outer, len });
    out->failed = out->failed || signed_text.failed;
}

static void add_field(struct buf *out, str name, str value)
{
    buf_add(out, name);
    buf_add(out, STR(": "));
    buf_add(out, value);
    buf_add(out, STR("\r\n"));
}

/* Of a message that was not to be scanned they are absent, not DISABLED: spec 7.1. */
static void add_verdict(struct buf *out, str name, enum checked verdict)
{
    if (verdict != CHECKED_DISABLED)
        add_field(out, name, checked_name(verdict));
}

void stamp_write(const struct stamp *stamp, const struct stamped *of, struct buf *out)
{
    return_path_field(&of->head->envelope, out);
    received_field(&of->head->envelope, stamp->hostname, out);
    add_verdict(out, STR("X-SES-Spam-Verdict"), of->verdicts.spam);
    add_verdict(out, STR("X-SES-Virus-Verdict"), of->verdicts.virus);
    buf_add(out, STR("X-SES-RECEIPT: "));
    receipt_token(stamp, of->head, out);
    buf_add(out, STR("\r\n"));
    for (size_t i = 0; i < of->added_count; i++)
        add_field(out, of->added[i].name, of->added[i].value);
}

enum { CHUNK_SIZE = 256 * 1024 };

struct reading {
    struct body body;
    str block;
    bool block_given;
    struct spool *spool;
    const struct lease *lease;
    uint64_t at;
    struct arena *chunk; /* holds one chunk at a time */
};

static const struct fault *read_chunk(struct body *body, str *ret_chunk)
{
    struct reading *s = (struct reading *)body;
    if (!s->block_given) {
        s->block_given = true;
        *ret_chunk = s->block;
        return NULL;
    }
    if (s->at == s->lease->body_size) {
        *ret_chunk = STR("");
        return NULL;
    }
    uint64_t left = s->lease->body_size - s->at;
    arena_reset(s->chunk);
    TRY(s->spool->ops->read(s->lease, s->at, left < CHUNK_SIZE ? (size_t)left : CHUNK_SIZE,
                            s->chunk, ret_chunk));
    if (!ret_chunk->len) /* never an object that is shorter than what was received */
        return fault(s->chunk, FAULT_DEFECT, NULL,
                     "the spool holds %llu octets less than it promised", (unsigned long long)left);
    s->at += ret_chunk->len;
    return NULL;
}

static void free_chunk(void *chunk)
{
    arena_free(chunk);
}

struct body *stamp_body(str block, struct spool *spool, const struct lease *lease, struct arena *a)
{
    struct reading *s = ARENA_NEW(a, struct reading);
    struct arena *chunk = s ? arena_new(CHUNK_SIZE + (64 << 10)) : NULL;
    if (!chunk)
        return NULL;
    if (!arena_on_reset(a, free_chunk, chunk)) {
        arena_free(chunk);
        return NULL;
    }
    *s = (struct reading) { .body = { .read = read_chunk, .size = block.len + lease->body_size },
                            .block = block,
                            .spool = spool,
                            .lease = lease,
                            .chunk = chunk };
    return &s->body;
}

/* Adds of the chunk what the header section has of it. By doubling pieces, so that a long body behind a
 * short header section is not copied, and a long one is not searched again and again. */
static bool add_until_end(struct buf *front, str chunk)
{
    enum { PIECE = 2048 };
    static const struct field_limits bounds = { .count_max = MESSAGE_FIELDS_MAX,
                                                .size_max = MESSAGE_HEAD_MAX };
    while (chunk.len && !front->failed) {
        size_t end, piece = front->len > PIECE ? front->len : PIECE;
        piece = piece < chunk.len ? piece : chunk.len;
        buf_add(front, str_head(chunk, piece));
        chunk = str_from(chunk, piece);
        enum parse found = fields_end_find(buf_str(front), &bounds, &end);
        if (found == PARSE_DONE)
            front->len = end;
        if (found != PARSE_MORE)
            return true;
    }
    return false;
}

const struct fault *stamp_head(struct body *body, size_t whole, struct arena *a, str *ret_stored)
{
    bool all = body->size <= whole;
    AUTO_BUF front = buf_new((all ? whole : MESSAGE_HEAD_MAX) + CHUNK_SIZE);
    for (;;) {
        str chunk;
        TRY(body->read(body, &chunk));
        if (all)
            buf_add(&front, chunk);
        if (!chunk.len || front.failed || (!all && add_until_end(&front, chunk)))
            break;
    }
    *ret_stored = front.failed ? STR_NONE : arena_str(a, buf_str(&front));
    return ret_stored->ptr ? NULL : &fault_no_memory;
}
