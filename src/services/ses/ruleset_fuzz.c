/* Any text as a rule set: what can be read can be written, and reads the same again. */
#include "services/ses/recipients.h"
#include "services/ses/ruleset.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA *arena = arena_new(32 * 1024 * 1024);
    struct receipt_rule_set set, again;
    if (!arena || rule_set_read((str) { (const char *)data, size }, arena, &set))
        return 0;
    AUTO_BUF first = buf_new(8 * 1024 * 1024), second = buf_new(8 * 1024 * 1024);
    rule_set_write(&set, &first);
    assert(!first.failed && !rule_set_read(buf_str(&first), arena, &again));
    rule_set_write(&again, &second);
    assert(str_eq(buf_str(&first), buf_str(&second)) && "a second trip changes nothing");
    /* A rule means its own conditions. */
    for (size_t r = 0; r < set.rule_count; r++)
        for (size_t i = 0; i < set.rules[r].recipient_count; i++) {
            str condition = set.rules[r].recipients[i];
            struct mailbox box = { .local_part = STR("user"), .domain = condition };
            recipient_matches(condition, &box);
            rule_matches(&set.rules[r], &box);
        }
    return 0;
}
