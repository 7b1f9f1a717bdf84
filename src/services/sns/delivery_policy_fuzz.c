/* Any text as a delivery policy, of a topic and of a subscription: what is taken gives a schedule that
 * ends, keeps within an hour and reads again as what it is written as. */
#include "services/sns/delivery_policy.h"

#include <assert.h>

static void walk(str text, bool of_topic)
{
    AUTO_ARENA *arena = arena_new(8 * 1024 * 1024);
    struct delivery_policy policy, again;
    AUTO_BUF out = buf_new(64 * 1024);
    int64_t delay_ms, total_ms = 0;
    if (!arena || delivery_policy_read(text, of_topic, arena, &policy))
        return;
    struct delivery_policy effective =
        delivery_policy_effective(of_topic ? &policy : NULL, of_topic ? NULL : &policy);
    for (int attempt = 1; retry_after(&effective.retry, attempt, &delay_ms); attempt++) {
        assert(attempt <= effective.retry.retries && delay_ms >= 0 &&
               delay_ms <= (int64_t)effective.retry.max_delay_s * 1000 && "within its bounds");
        total_ms += delay_ms;
    }
    assert(total_ms <= 3601 * 1000 && "an hour at most");
    delivery_policy_write(&effective, of_topic, &out);
    assert(!out.failed && !delivery_policy_read(buf_str(&out), of_topic, arena, &again));
    assert(again.retry.retries == effective.retry.retries &&
           again.per_second == effective.per_second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str text = { (const char *)data, size };
    walk(text, true);
    walk(text, false);
    return 0;
}
