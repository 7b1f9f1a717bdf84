/* base/crc.h - checksums, all incremental: start with 0, pass the last answer to go on. No bytes
 * may be NULL, and change nothing.
 *
 * CRC-32C is computed by the processor (SSE4.2) where it can, else by table; the other two come with S3's
 * x-amz-checksum fields. Values are the plain numbers, as in RFC 3720 B.4. */
#ifndef SESAME_BASE_CRC_H
#define SESAME_BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t so_far, const void *bytes, size_t size);
uint32_t crc32c_by_table(uint32_t so_far, const void *bytes, size_t size); /* the same, for any processor */
uint32_t crc32_ieee(uint32_t so_far, const void *bytes, size_t size);      /* as zlib */
uint64_t crc64_nvme(uint64_t so_far, const void *bytes, size_t size);

#endif
