/* services/s3/checksums.c - one table of algorithms, counted as the bytes pass. */
#include "services/s3/checksums.h"

#include "base/base64.h"
#include "base/crc.h"

/* clang-format off */
static const struct row {
    str name;
    size_t size;
    bool is_digest;
    enum digest_kind digest;
    const char *says; /* S3's words for a mismatch */
} rows[CHECKSUM_KINDS] = {
    [CHECKSUM_MD5]       = { STR_INIT("md5"),       MD5_SIZE,    true,  DIGEST_MD5,    "The Content-MD5 you specified did not match what we received." },
    [CHECKSUM_CRC32]     = { STR_INIT("crc32"),     4,           false, 0,             "The CRC32 you specified did not match the calculated checksum." },
    [CHECKSUM_CRC32C]    = { STR_INIT("crc32c"),    4,           false, 0,             "The CRC32C you specified did not match the calculated checksum." },
    [CHECKSUM_CRC64NVME] = { STR_INIT("crc64nvme"), 8,           false, 0,             "The CRC64NVME you specified did not match the calculated checksum." },
    [CHECKSUM_SHA1]      = { STR_INIT("sha1"),      SHA1_SIZE,   true,  DIGEST_SHA1,   "The SHA1 you specified did not match the calculated checksum." },
    [CHECKSUM_SHA256]    = { STR_INIT("sha256"),    SHA256_SIZE, true,  DIGEST_SHA256, "The SHA256 you specified did not match the calculated checksum." },
};
/* clang-format on */

bool checksum_kind_of(str algorithm, enum checksum_kind *ret_kind)
{
    for (int k = 0; k < CHECKSUM_KINDS; k++) {
        if (str_eq_nocase(algorithm, rows[k].name)) {
            *ret_kind = (enum checksum_kind)k;
            return true;
        }
    }
    return false;
}

bool checksums_count(struct checksums *c, enum checksum_kind kind)
{
    if (!c->of[kind].counted && rows[kind].is_digest) {
        c->of[kind].digest = digest_new(rows[kind].digest);
        if (!c->of[kind].digest)
            return false;
    }
    c->of[kind].counted = true;
    return true;
}

bool checksums_expect(struct checksums *c, enum checksum_kind kind, str base64)
{
    unsigned char bytes[DIGEST_SIZE_MAX + 3];
    size_t size;
    if (base64.len != BASE64_LEN(rows[kind].size) ||
        !base64_decode_to((char *)bytes, base64, &size) || size != rows[kind].size)
        return false;
    memcpy(c->of[kind].wanted, bytes, size);
    c->of[kind].expected = true;
    return true;
}

void checksums_add(struct checksums *c, str bytes)
{
    for (int k = 0; k < CHECKSUM_KINDS; k++) {
        if (!c->of[k].counted)
            continue;
        uint64_t *crc = &c->of[k].crc;
        switch ((enum checksum_kind)k) {
        case CHECKSUM_CRC32:
            *crc = crc32_ieee((uint32_t)*crc, bytes.ptr, bytes.len);
            break;
        case CHECKSUM_CRC32C:
            *crc = crc32c((uint32_t)*crc, bytes.ptr, bytes.len);
            break;
        case CHECKSUM_CRC64NVME:
            *crc = crc64_nvme(*crc, bytes.ptr, bytes.len);
            break;
        case CHECKSUM_MD5:
        case CHECKSUM_SHA1:
        case CHECKSUM_SHA256:
            digest_add(c->of[k].digest, bytes);
            break;
        case CHECKSUM_KINDS:
            break;
        }
    }
}

static bool matches(struct checksums *c, int k)
{
    unsigned char got[DIGEST_SIZE_MAX];
    if (rows[k].is_digest) {
        digest_end(c->of[k].digest, got);
    } else {
        for (size_t i = 0; i < rows[k].size; i++) /* big-endian */
            got[i] = (unsigned char)(c->of[k].crc >> (8 * (rows[k].size - 1 - i)));
    }
    return memcmp(got, c->of[k].wanted, rows[k].size) == 0;
}

const struct fault *checksums_end(struct checksums *c, struct arena *arena)
{
    const struct fault *why = NULL;
    for (int k = 0; k < CHECKSUM_KINDS && !why; k++)
        if (c->of[k].expected && (!c->of[k].counted || !matches(c, k)))
            why = fault_coded(arena, FAULT_SYNTAX, "BadDigest", "%s", rows[k].says);
    checksums_free(c);
    return why;
}

void checksums_free(struct checksums *c)
{
    for (int k = 0; k < CHECKSUM_KINDS; k++)
        digest_free(c->of[k].digest);
    *c = (struct checksums) { 0 };
}
