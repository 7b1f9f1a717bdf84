/* Anything at all is a tree whose spans lie inside the text and inside each other, or a fault. */
#include "base/spans.h"

#include <assert.h>

static void walk(const struct spans *node, uint32_t from, uint32_t to)
{
    assert(from <= node->from && node->from < node->to && node->to <= to);
    uint32_t count = 0, at = node->from;
    for (const struct spans *child = node->first; child; child = child->next, count++) {
        assert(child->name_from == 0 || (at < child->name_from && child->name_to < child->from));
        walk(child, at, node->to);
        at = child->to;
    }
    assert(count == node->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    AUTO_ARENA *arena = arena_new(1 << 20);
    const struct spans *root = NULL;
    str text = { (const char *)bytes, size };
    if (size && !spans_parse(text, bytes[0] == '/' ? SPANS_COMMENTS : SPANS_STRICT, arena, &root))
        walk(root, 0, (uint32_t)size);
    return 0;
}
