/* services/s3/sealed.h - object bytes encrypted at rest, in pieces that can be read alone.
 *
 *   piece 0 | tag | piece 1 | tag | ... | last piece | tag
 *
 * Each piece is 64 KB of the object (the last one what is left, an empty object one empty piece),
 * sealed with AES-256-GCM under a key that no other object has. Its nonce is its number and whether
 * it is the last, so pieces can be neither exchanged nor cut off, and a range is read from the
 * piece it begins in. Nothing of a piece is given out before its tag was checked. */
#ifndef SESAME_SERVICES_S3_SEALED_H
#define SESAME_SERVICES_S3_SEALED_H

#include "base/cipher.h"
#include "base/fault.h"

enum { SEALED_PIECE = 64 * 1024, SEALED_WHOLE = SEALED_PIECE + CIPHER_TAG_SIZE };

uint64_t sealed_size(uint64_t size); /* of an object of so many octets, as it lies on the disk */

/* Where sealed bytes go, and where they come from. */
struct sealed_sink {
    const struct fault *(*write)(struct sealed_sink *, str bytes);
};
struct sealed_source {
    /* exactly `size` octets, or a fault */
    const struct fault *(*read)(struct sealed_source *, uint64_t offset, void *to, size_t size);
};

struct sealer { /* holds its key: wiped by sealer_end */
    unsigned char key[CIPHER_KEY_SIZE];
    uint64_t piece, size; /* octets taken so far */
    size_t held;
    unsigned char held_bytes[SEALED_PIECE], out[SEALED_WHOLE];
};
const struct fault *sealer_add(struct sealer *, str chunk, struct sealed_sink *);
const struct fault *sealer_last(struct sealer *, struct sealed_sink *); /* the last piece */
void sealer_end(struct sealer *);

struct opener {
    unsigned char key[CIPHER_KEY_SIZE];
    uint64_t size;  /* of the object */
    uint64_t piece; /* whose octets are in `bytes`; UINT64_MAX: none yet */
    unsigned char sealed[SEALED_WHOLE], bytes[SEALED_PIECE];
};
/* The octets from `offset` to the end of the piece it lies in; they live until the next call.
 * FAULT_DEFECT: the bytes on the disk are not what was written. */
const struct fault *opener_read(struct opener *, uint64_t offset, struct sealed_source *,
                                struct arena *, str *ret_bytes);
void opener_end(struct opener *); /* wipes */

#endif
