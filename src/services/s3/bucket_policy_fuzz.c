/* Any bytes as a bucket policy: refused with a code, or a policy that decides. */
#include "services/s3/bucket.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(64 << 20);
    str text = { (const char *)data, size };
    const struct fault *why = bucket_policy_check(STR("mail"), text, NULL, arena);
    struct document document;
    if (why ? why->kind == FAULT_SYNTAX && !why->code
            : policy_parse(text, arena, &document) != NULL)
        abort();
    arena_free(arena);
    return 0;
}
