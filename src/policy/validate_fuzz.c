/* Any bytes as a policy of every kind: refused with a code and a place within them, or a policy
 * that decides. The first byte says what is known of its home. */
#include "policy/validate.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const str targets[POLICY_TYPES] = {
        [POLICY_BUCKET] = STR_INIT("arn:aws:s3:::mail"),
        [POLICY_TRUST] = STR_INIT("r"),
        [POLICY_IDENTITY] = STR_INIT("r"),
        [POLICY_KEY] = STR_INIT("arn:aws:kms:us-east-1:111122223333:key/k"),
        [POLICY_TOPIC] = STR_INIT("arn:aws:sns:us-east-1:111122223333:t"),
        [POLICY_FUNCTION] = STR_INIT("arn:aws:lambda:us-east-1:111122223333:function:f"),
    };
    AUTO_ARENA *arena = arena_new(64 << 20);
    if (size == 0)
        return 0;
    const bool at_home = data[0] & 1;
    const str text = arena_str(arena, (str) { (const char *)data, size });
    for (int type = 0; type < POLICY_TYPES; type++) {
        const struct policy_home home = {
            .type = (enum policy_type)type,
            .holder = (enum policy_holder)(data[0] >> 1 & 3),
            .target = at_home ? targets[type] : STR_NONE,
            .caller = at_home ? STR("arn:aws:iam::111122223333:user/u") : STR_NONE,
        };
        struct span at = { 1, 0 };
        struct document document;
        const struct fault *why = policy_validate(text, &home, arena, &at);
        if (!why) {
            assert(!policy_parse(text, arena, &document) && "taken, and nobody can judge by it");
            continue;
        }
        assert((why->code || why->kind == FAULT_LIMIT) && "a service refuses with a code");
        assert(at.from <= at.to && at.to <= text.len && "and means a place in the text");
    }
    assert(policy_size(text) <= size);
    return 0;
}
