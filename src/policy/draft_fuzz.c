/* Any bytes as a draft: what is said of it lies within it, and what was mended in place has kept its
 * length and its strings. */
#include "policy/draft.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA *arena = arena_new(64 << 20);
    const str original = { (const char *)data, size };
    struct hints hints = { 0 };
    struct draft draft;
    if (!draft_mend(original, STR_NONE, arena, &hints, &draft))
        return 0;
    if (!draft.call)
        assert(draft.text.len == draft.as_is.len && (draft.part || draft.text.len == size));
    for (size_t i = 0; i < hints.count; i++)
        assert(hints.of[i].span.from <= hints.of[i].span.to && hints.of[i].span.to <= size);
    assert(draft.refused_at.from <= draft.refused_at.to && draft.refused_at.to <= size);
    enum policy_type type;
    struct document document;
    if (!draft_type(&draft, arena, &type) || policy_parse(draft.text, arena, &document))
        return 0;
    const struct policy_home home = { .type = type, .target = STR_NONE, .caller = STR_NONE, .part = draft.part };
    const size_t before = hints.count;
    if (!hints_of_document(&document, &home,
                           STR("arn:aws:ses:us-east-1:111122223333:receipt-rule-set/s:receipt-rule/r"), arena,
                           &hints))
        return 0;
    for (size_t i = before; i < hints.count; i++) {
        const struct span at = draft_span(&draft, hints.of[i].span);
        assert(at.from <= at.to && at.to <= size);
    }
    return 0;
}
