/* mail/words_fuzz.c - any bytes as the text of a field: what comes out is UTF-8 without NUL. */
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
    if (size == 0)
        return 0;
    check(words_mend(in, a));
    check(words_decode(in, &(unsigned) { 100000 }, a));
    check(words_decode_phrase(in, &(unsigned) { 100000 }, a));
    return 0;
}
