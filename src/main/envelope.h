/* main/envelope.h - the metadata of an object that a client encrypted before it put it: the KMS
 * envelopes of the S3 encryption clients, version 1 ("kms", as SES writes it: ses-receiving spec
 * 9.3) and version 2 ("kms+context").
 *
 * Only what is strictly authenticated is taken: AES/GCM/NoPadding with a tag of 128 bits. */
#ifndef SESAME_MAIN_ENVELOPE_H
#define SESAME_MAIN_ENVELOPE_H

#include "base/fault.h"
#include "base/header.h"

enum { ENVELOPE_IV = 12, ENVELOPE_TAG = 16 };

struct envelope {
    str wrapped_key; /* octets: the data key's CiphertextBlob */
    unsigned char iv[ENVELOPE_IV];
    const struct header *context; /* what KMS is told beside it */
    size_t context_count;
    str key_arn;         /* kms_cmk_id, for the region in it; STR_NONE: not told */
    uint64_t plain_size; /* UINT64_MAX: not told */
};

/* From the object's user metadata; names with or without "x-amz-meta-" before them, in any case.
 * All in the arena. FAULT_SYNTAX says what it is instead of such an envelope. */
const struct fault *envelope_read(const struct header *metadata, size_t count, struct arena *,
                                  struct envelope *ret_envelope);

/* Opens the object's bytes in place: *ret_plain is their front. False: not what was encrypted; then
 * nothing but zeros is left of it. */
bool envelope_open(const struct envelope *, const unsigned char data_key[32], char *bytes,
                   size_t size, str *ret_plain);

#endif
