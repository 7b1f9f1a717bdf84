#include "services/s3/sealed.h"

#include "base/digest.h"

/* Piece number and a mark for the last one: unique under a key of its own. */
static void nonce_of(uint64_t piece, bool last, unsigned char to[CIPHER_NONCE_SIZE])
{
    memset(to, 0, CIPHER_NONCE_SIZE);
    to[0] = last;
    for (int i = 0; i < 8; i++)
        to[CIPHER_NONCE_SIZE - 1 - i] = (unsigned char)(piece >> 8 * i);
}

static uint64_t pieces_of(uint64_t size)
{
    return size ? (size - 1) / SEALED_PIECE + 1 : 1;
}

uint64_t sealed_size(uint64_t size)
{
    return size + pieces_of(size) * CIPHER_TAG_SIZE;
}

static const struct fault *seal_held(struct sealer *s, bool last, struct sealed_sink *sink)
{
    unsigned char nonce[CIPHER_NONCE_SIZE];
    nonce_of(s->piece++, last, nonce);
    cipher_seal(s->key, nonce, STR(""), (str) { (const char *)s->held_bytes, s->held }, s->out);
    str sealed = { (const char *)s->out, s->held + CIPHER_TAG_SIZE };
    s->held = 0;
    return sink->write(sink, sealed);
}

const struct fault *sealer_add(struct sealer *s, str chunk, struct sealed_sink *sink)
{
    while (chunk.len) {
        if (s->held == SEALED_PIECE) /* more comes, so it is not the last */
            TRY(seal_held(s, false, sink));
        size_t room = SEALED_PIECE - s->held, take = chunk.len < room ? chunk.len : room;
        memcpy(s->held_bytes + s->held, chunk.ptr, take);
        s->held += take;
        s->size += take;
        chunk = str_from(chunk, take);
    }
    return NULL;
}

const struct fault *sealer_last(struct sealer *s, struct sealed_sink *sink)
{
    return seal_held(s, true, sink);
}

void sealer_end(struct sealer *s)
{
    bytes_forget(s, sizeof *s);
}

static const struct fault *open_piece(struct opener *o, uint64_t piece,
                                      struct sealed_source *source, struct arena *a)
{
    unsigned char nonce[CIPHER_NONCE_SIZE];
    const bool last = piece + 1 == pieces_of(o->size);
    const size_t size = last ? (size_t)(o->size - piece * SEALED_PIECE) : SEALED_PIECE;
    o->piece = UINT64_MAX;
    TRY(source->read(source, piece * SEALED_WHOLE, o->sealed, size + CIPHER_TAG_SIZE));
    nonce_of(piece, last, nonce);
    if (!cipher_open(o->key, nonce, STR(""),
                     (str) { (const char *)o->sealed, size + CIPHER_TAG_SIZE }, o->bytes))
        return fault(a, FAULT_DEFECT, NULL,
                     "an encrypted object is damaged: piece %llu is not what was written",
                     (unsigned long long)piece);
    o->piece = piece;
    return NULL;
}

const struct fault *opener_read(struct opener *o, uint64_t offset, struct sealed_source *source,
                                struct arena *a, str *ret_bytes)
{
    *ret_bytes = STR("");
    if (offset >= o->size && o->size)
        return NULL;
    const uint64_t piece = offset / SEALED_PIECE;
    if (o->piece != piece)
        TRY(open_piece(o, piece, source, a));
    const uint64_t left = o->size - piece * SEALED_PIECE;
    const size_t end = left < SEALED_PIECE ? (size_t)left : SEALED_PIECE;
    const size_t from = (size_t)(offset % SEALED_PIECE);
    *ret_bytes = (str) { (const char *)o->bytes + from, end - from };
    return NULL;
}

void opener_end(struct opener *o)
{
    bytes_forget(o, sizeof *o);
}
