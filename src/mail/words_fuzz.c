/* mail/words_fuzz.c - any bytes as a field body: what comes out is UTF-8 without NUL, and no octet
 * of an address list makes more mailboxes than it has octets. */
#include "mail/words.h"

#include "base/utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(str text)
{
    if (str_is_none(text) || !utf8_valid(text) || memchr(text.ptr, 0, text.len))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str in = { (const char *)data, size };
    AUTO_ARENA *a = arena_new(64 << 20);
    struct listed *listed;
    size_t count;
    if (size == 0)
        return 0;
    check(words_mend(in, a));
    check(words_decode(in, a));
    if (words_addresses(in, a, &listed, &count) || count > size)
        abort();
    for (size_t i = 0; i < count; i++)
        check(listed_text(&listed[i], a));
    return 0;
}
