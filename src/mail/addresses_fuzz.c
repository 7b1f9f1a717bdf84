/* mail/addresses_fuzz.c - any bytes as an address list: no more mailboxes than octets, none without
 * an address, each of them UTF-8 without NUL. */
#include "mail/addresses.h"

#include "base/utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(str text)
{
    if (!utf8_valid(text) || (text.len && memchr(text.ptr, 0, text.len)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str in = { (const char *)data, size };
    AUTO_ARENA *a = arena_new(64 << 20);
    struct listed *listed;
    size_t count;
    if (addresses_read(in, &(unsigned) { 100000 }, a, &listed, &count) || count > size)
        abort();
    for (size_t i = 0; i < count; i++) {
        check(listed_text(&listed[i], a));
        if (!listed[i].address.len)
            abort();
    }
    return 0;
}
