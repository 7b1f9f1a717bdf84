/* store/little.h - whole numbers as they lie on the disk: little-endian, at any address. */
#ifndef SESAME_STORE_LITTLE_H
#define SESAME_STORE_LITTLE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline void put_u16(char *to, uint16_t v)
{
    v = htole16(v);
    memcpy(to, &v, sizeof v);
}
static inline void put_u32(char *to, uint32_t v)
{
    v = htole32(v);
    memcpy(to, &v, sizeof v);
}
static inline void put_u64(char *to, uint64_t v)
{
    v = htole64(v);
    memcpy(to, &v, sizeof v);
}
static inline uint16_t get_u16(const char *at)
{
    uint16_t v;
    memcpy(&v, at, sizeof v);
    return le16toh(v);
}
static inline uint32_t get_u32(const char *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof v);
    return le32toh(v);
}
static inline uint64_t get_u64(const char *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof v);
    return le64toh(v);
}

#endif
