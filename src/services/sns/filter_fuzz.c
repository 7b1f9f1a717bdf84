/* Any text as a filter policy, and the text behind its first line as the body of a message: what was
 * taken when it was saved is decided about without a fault, in both scopes, and the same each time. */
#include "services/sns/filter.h"
#include "services/sns/message.h"

#include <assert.h>

static void decide(str policy, enum filter_scope scope, const struct sns_message *message)
{
    AUTO_ARENA *arena = arena_new(32 * 1024 * 1024);
    const struct filter *filter;
    if (!arena || filter_read(policy, scope, arena, &filter))
        return;
    bool first = filter_admits(filter, message, arena);
    assert(first == filter_admits(filter, message, arena) && "one message, one answer");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str policy, body;
    str_cut((str) { (const char *)data, size }, '\n', &policy, &body);
    const struct message_attribute attributes[] = {
        { STR("a"), STR("String"), body },
        { STR("b"), STR("Number"), body },
        { STR("c"), STR("String.Array"), body },
        { STR("d"), STR("Binary"), STR("AAE=") },
    };
    struct sns_message message = { .message = body,
                                   .attributes = attributes,
                                   .attribute_count = sizeof attributes / sizeof attributes[0] };
    decide(policy, FILTER_ATTRIBUTES, &message);
    decide(policy, FILTER_BODY, &message);
    return 0;
}
