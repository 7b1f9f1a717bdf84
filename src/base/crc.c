/* base/crc.c - three reflected checksums. Tables are made by the compiler from one macro, so there
 * is nothing to initialise and nothing to mistype. */
#include "base/crc.h"

#include <stdbool.h>
#include <string.h>

#define STEP(c, poly)  ((c)&1 ? (c) >> 1 ^ (poly) : (c) >> 1)
#define STEP2(c, poly) STEP(STEP(c, poly), poly)

/* Half a byte at a time: 16 entries are few enough for the compiler to fold the macro. */
#define NIBBLE(n, type, poly) STEP2(STEP2((type)(n), (type)(poly)), (type)(poly))
#define NIBBLES(type, poly)                                                                        \
    {                                                                                              \
        NIBBLE(0, type, poly), NIBBLE(1, type, poly), NIBBLE(2, type, poly),                       \
            NIBBLE(3, type, poly), NIBBLE(4, type, poly), NIBBLE(5, type, poly),                   \
            NIBBLE(6, type, poly), NIBBLE(7, type, poly), NIBBLE(8, type, poly),                   \
            NIBBLE(9, type, poly), NIBBLE(10, type, poly), NIBBLE(11, type, poly),                 \
            NIBBLE(12, type, poly), NIBBLE(13, type, poly), NIBBLE(14, type, poly),                \
            NIBBLE(15, type, poly)                                                                 \
    }

uint32_t crc32c_by_table(uint32_t so_far, const void *bytes, size_t size)
{
    static const uint32_t table[16] = NIBBLES(uint32_t, 0x82F63B78u);
    const unsigned char *at = bytes;
    uint32_t c = ~so_far;
    for (size_t i = 0; i < size; i++) {
        c ^= at[i];
        c = c >> 4 ^ table[c & 15];
        c = c >> 4 ^ table[c & 15];
    }
    return ~c;
}

uint32_t crc32_ieee(uint32_t so_far, const void *bytes, size_t size)
{
    static const uint32_t table[16] = NIBBLES(uint32_t, 0xEDB88320u);
    const unsigned char *at = bytes;
    uint32_t c = ~so_far;
    for (size_t i = 0; i < size; i++) {
        c ^= at[i];
        c = c >> 4 ^ table[c & 15];
        c = c >> 4 ^ table[c & 15];
    }
    return ~c;
}

uint64_t crc64_nvme(uint64_t so_far, const void *bytes, size_t size)
{
    static const uint64_t table[16] = NIBBLES(uint64_t, 0x9A6C9329AC4BC9B5u);
    const unsigned char *at = bytes;
    uint64_t c = ~so_far;
    for (size_t i = 0; i < size; i++) {
        c ^= at[i];
        c = c >> 4 ^ table[c & 15];
        c = c >> 4 ^ table[c & 15];
    }
    return ~c;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint64_t one_stream(uint64_t c, const unsigned char *at,
                                                             size_t words)
{
    for (size_t i = 0; i < words; i++) {
        uint64_t word;
        memcpy(&word, at + 8 * i, 8);
        c = __builtin_ia32_crc32di(c, word);
    }
    return c;
}

/* The instruction takes three cycles but one can begin in each, so three stretches of the bytes are
 * run through side by side and joined: the sum of a stretch with n bits behind it is itself times
 * x^n. Reflected, the product of two sums is short of one x, and reducing it by the instruction
 * multiplies by x^32, so the factor is x^(n-33) mod P, reflected. */
enum { STRETCH = 1024 };
#define BEHIND_ONE 0x170076fau /* n = 8 * STRETCH */
#define BEHIND_TWO 0xa51b6135u /* n = 16 * STRETCH */

__attribute__((target("sse4.2,pclmul"))) static uint64_t with_behind(uint64_t c, uint32_t factor)
{
    typedef long long pair __attribute__((vector_size(16)));
    const pair product =
        __builtin_ia32_pclmulqdq128((pair) { (long long)c }, (pair) { (long long)factor }, 0);
    return __builtin_ia32_crc32di(0, (uint64_t)product[0]);
}

__attribute__((target("sse4.2,pclmul"))) static uint64_t three_streams(uint64_t c,
                                                                       const unsigned char *at)
{
    uint64_t second = 0, third = 0;
    for (size_t i = 0; i < STRETCH; i += 8) {
        uint64_t word[3];
        memcpy(&word[0], at + i, 8);
        memcpy(&word[1], at + i + STRETCH, 8);
        memcpy(&word[2], at + i + 2 * STRETCH, 8);
        c = __builtin_ia32_crc32di(c, word[0]);
        second = __builtin_ia32_crc32di(second, word[1]);
        third = __builtin_ia32_crc32di(third, word[2]);
    }
    return with_behind(c, BEHIND_TWO) ^ with_behind(second, BEHIND_ONE) ^ third;
}

__attribute__((target("sse4.2"))) static uint32_t by_processor(uint32_t so_far, const void *bytes,
                                                               size_t size)
{
    const unsigned char *at = bytes;
    uint64_t c = ~so_far;
    for (; size >= 3 * STRETCH && __builtin_cpu_supports("pclmul");
         size -= 3 * STRETCH, at += 3 * STRETCH)
        c = three_streams(c, at);
    c = one_stream(c, at, size / 8);
    at += size / 8 * 8;
    uint32_t low = (uint32_t)c;
    for (size %= 8; size; size--, at++)
        low = __builtin_ia32_crc32qi(low, *at);
    return ~low;
}

uint32_t crc32c(uint32_t so_far, const void *bytes, size_t size)
{
    if (!size)
        return so_far;
    return __builtin_cpu_supports("sse4.2") ? by_processor(so_far, bytes, size)
                                            : crc32c_by_table(so_far, bytes, size);
}
#else
uint32_t crc32c(uint32_t so_far, const void *bytes, size_t size)
{
    return crc32c_by_table(so_far, bytes, size);
}
#endif
