/* Any text as a policy of a role: what is taken must parse, and saying no needs only words. */
#include "policy/document.h"
#include "services/iam/vet.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA *arena = arena_new(32 * 1024 * 1024);
    str text = arena_str(arena, (str) { (const char *)data, size });
    if (str_is_none(text))
        return 0;
    struct document document;
    if (!vet_identity_policy(text, arena))
        assert(!policy_parse(text, arena, &document) && "IAM took what nobody can judge by");
    if (!vet_trust_policy(text, arena))
        assert(!policy_parse(text, arena, &document) && "IAM took what nobody can judge by");
    assert(policy_size(text) <= size);
    return 0;
}
