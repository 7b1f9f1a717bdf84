/* services/s3/checksums.h - the digests a put may be checked by: Content-MD5 and x-amz-checksum-*.
 */
#ifndef SESAME_SERVICES_S3_CHECKSUMS_H
#define SESAME_SERVICES_S3_CHECKSUMS_H

#include "base/digest.h"
#include "base/fault.h"

enum checksum_kind {
    CHECKSUM_MD5,
    CHECKSUM_CRC32,
    CHECKSUM_CRC32C,
    CHECKSUM_CRC64NVME,
    CHECKSUM_SHA1,
    CHECKSUM_SHA256,
    CHECKSUM_KINDS,
};

struct checksums { /* zeroed by its maker */
    struct {
        bool counted, expected;
        struct digest *digest;
        uint64_t crc;
        unsigned char wanted[DIGEST_SIZE_MAX];
    } of[CHECKSUM_KINDS];
};

/* "crc32", "sha256", ... in any case; "md5" for Content-MD5. False: none of ours. */
bool checksum_kind_of(str algorithm, enum checksum_kind *ret_kind);

bool checksums_count(struct checksums *, enum checksum_kind); /* before the first byte; false: no memory */
/* False: no base64 of the kind's size. */
bool checksums_expect(struct checksums *, enum checksum_kind, str base64);
void checksums_add(struct checksums *, str bytes);
/* NULL, or FAULT_SYNTAX with S3's code "BadDigest". Then all is freed. */
const struct fault *checksums_end(struct checksums *, struct arena *);
void checksums_free(struct checksums *);

#endif
