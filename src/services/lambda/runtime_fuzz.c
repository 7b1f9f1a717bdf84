/* Whole, and cut in two at every place: both say the same, and what is MORE stays MORE or ends. */
#include "services/lambda/runtime.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct runtime_request whole, part;
    size_t used = 0, part_used = 0;
    bool expects;
    if (size > 4096)
        return 0;
    for (size_t cut = 0; cut <= size; cut++) {
        char *bytes = malloc(size + 1), *some = malloc(cut + 1);
        memcpy(bytes, data, size);
        memcpy(some, data, cut);
        enum parse how = runtime_parse(bytes, size, &whole, &used, &expects);
        enum parse before = runtime_parse(some, cut, &part, &part_used, &expects);
        if (how == PARSE_DONE)
            assert(used <= size && whole.body.len <= size);
        if (before == PARSE_BAD)
            assert(how == PARSE_BAD);
        if (before == PARSE_DONE && !part.too_large)
            assert(how == PARSE_DONE && used == part_used && str_eq(whole.body, part.body));
        free(bytes);
        free(some);
    }
    return 0;
}
