#include "services/sns/delivery_policy.h"

#include "services/sns/pace.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct schedule_case {
    const char *says, *policy;
    const char *delays; /* in seconds, rounded to tenths, one after the other */
};

/* clang-format off */
static const struct schedule_case schedules[] = {
    { "nothing said: three times, 20 s apart", "{}", "20.0 20.0 20.0" },
    { "no retries at all", "{\"healthyRetryPolicy\":{\"numRetries\":0}}", "" },
    { "all four phases",
      "{\"healthyRetryPolicy\":{\"minDelayTarget\":1,\"maxDelayTarget\":9,\"numRetries\":9,\"numNoDelayRetries\":2,"
      "\"numMinDelayRetries\":2,\"numMaxDelayRetries\":2}}", "0.0 0.0 1.0 1.0 1.0 5.0 9.0 9.0 9.0" },
    { "linear",
      "{\"healthyRetryPolicy\":{\"minDelayTarget\":10,\"maxDelayTarget\":50,\"numRetries\":5,\"backoffFunction\":\"linear\"}}",
      "10.0 20.0 30.0 40.0 50.0" },
    { "arithmetic: steps of 4, 8, 12, 16",
      "{\"healthyRetryPolicy\":{\"minDelayTarget\":10,\"maxDelayTarget\":50,\"numRetries\":5,\"backoffFunction\":\"arithmetic\"}}",
      "10.0 14.0 22.0 34.0 50.0" },
    { "geometric: each three times the one before",
      "{\"healthyRetryPolicy\":{\"minDelayTarget\":1,\"maxDelayTarget\":81,\"numRetries\":5,\"backoffFunction\":\"geometric\"}}",
      "1.0 3.0 9.0 27.0 81.0" },
    { "exponential: steps of 2, 4, 8, 16",
      "{\"healthyRetryPolicy\":{\"minDelayTarget\":1,\"maxDelayTarget\":31,\"numRetries\":5,\"backoffFunction\":\"exponential\"}}",
      "1.0 3.0 7.0 15.0 31.0" },
    { "one retry of backoff comes after the minimum",
      "{\"healthyRetryPolicy\":{\"minDelayTarget\":2,\"maxDelayTarget\":8,\"numRetries\":1}}", "2.0" },
};

static const struct { const char *policy; bool of_topic; const char *says; } refusals[] = {
    { "{\"healthyRetryPolicy\":{\"numRetries\":101}}", false, "DeliveryPolicy: numRetries must be a whole number from 0 to 100" },
    { "{\"healthyRetryPolicy\":{\"minDelayTarget\":0}}", false, "DeliveryPolicy: minDelayTarget must be a whole number from 1 to 3600" },
    { "{\"healthyRetryPolicy\":{\"minDelayTarget\":30}}", false, "DeliveryPolicy: minDelayTarget must not exceed maxDelayTarget" },
    { "{\"healthyRetryPolicy\":{\"numNoDelayRetries\":4}}", false, "DeliveryPolicy: numRetries must cover the retries of all phases" },
    { "{\"healthyRetryPolicy\":{\"maxDelayTarget\":3600,\"minDelayTarget\":3600,\"numRetries\":2}}", false,
      "DeliveryPolicy: the retries must not take longer than 3600 seconds in all" },
    { "{\"healthyRetryPolicy\":{\"backoffFunction\":\"sinus\"}}", false,
      "DeliveryPolicy: backoffFunction must be linear, arithmetic, geometric or exponential" },
    { "{\"http\":{}}", false, "DeliveryPolicy: Unknown attribute http" },
    { "{\"healthyRetryPolicy\":{}}", true, "DeliveryPolicy: the one protocol with a policy is http" },
    { "{\"throttlePolicy\":{\"maxReceivesPerSecond\":0}}", false, "DeliveryPolicy: maxReceivesPerSecond must be a whole number from 1 to 1000000" },
    { "{\"requestPolicy\":{\"headerContentType\":\"text/x\\r\\nA: b\"}}", false, "DeliveryPolicy: headerContentType is malformed" },
    { "{\"requestPolicy\":{\"headerContentType\":\"image/png\"}}", false, "DeliveryPolicy: headerContentType is not one of those that are supported" },
    { "[]", false, "DeliveryPolicy: failed to parse JSON." },
};
/* clang-format on */

static void test_retries_come_as_the_policy_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof schedules / sizeof schedules[0]; i++) {
        AUTO_ARENA *arena = arena_new(1 << 20);
        struct delivery_policy policy;
        char got[512] = "";
        int64_t delay_ms;
        const struct fault *why =
            delivery_policy_read(str_of(schedules[i].policy), false, arena, &policy);
        if (why)
            fail_msg("%s: " STR_FMT, schedules[i].says, STR_ARG(why->says));
        struct delivery_policy effective = delivery_policy_effective(NULL, &policy);
        for (int n = 1; retry_after(&effective.retry, n, &delay_ms); n++)
            snprintf(got + strlen(got), sizeof got - strlen(got), "%s%.1f", n > 1 ? " " : "",
                     (double)delay_ms / 1000);
        if (strcmp(got, schedules[i].delays) != 0)
            fail_msg("%s: %s", schedules[i].says, got);
    }
}

static void test_queues_and_functions_are_tried_for_23_days(void **state)
{
    (void)state;
    int64_t delay_ms, total_ms = 0;
    int count = 0;
    while (retry_after(&retry_managed, count + 1, &delay_ms)) {
        if (count < 3)
            assert_int_equal(delay_ms, 0);
        else if (count < 6) /* two of the pre-backoff phase, and the first of the backoff */
            assert_int_equal(delay_ms, 1000);
        else if (count >= 14)
            assert_int_equal(delay_ms, 20000);
        total_ms += delay_ms;
        count++;
    }
    assert_int_equal(count, 100015);
    assert_in_range(total_ms / 86400000, 23, 23);
}

static void test_what_aws_refuses_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        AUTO_ARENA *arena = arena_new(1 << 20);
        struct delivery_policy policy;
        const struct fault *why = delivery_policy_read(str_of(refusals[i].policy),
                                                       refusals[i].of_topic, arena, &policy);
        if (!why)
            fail_msg("taken: %s", refusals[i].policy);
        assert_string_equal(why->says.ptr, refusals[i].says);
    }
}

static void test_a_subscriptions_own_lies_over_its_topics(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(1 << 20);
    struct delivery_policy topic, own, both;
    assert_null(delivery_policy_read(
        STR("{\"http\":{\"defaultHealthyRetryPolicy\":{\"numRetries\":7},"
            "\"defaultThrottlePolicy\":{\"maxReceivesPerSecond\":5}}}"),
        true, arena, &topic));
    assert_null(
        delivery_policy_read(STR("{\"healthyRetryPolicy\":{\"numRetries\":9}}"), false, arena, &own));
    both = delivery_policy_effective(&topic, &own);
    assert_int_equal(both.retry.retries, 9);
    assert_int_equal(both.per_second, 5);
    topic.no_overrides = true;
    assert_int_equal(delivery_policy_effective(&topic, &own).retry.retries, 7);
}

static void test_each_delivery_gets_its_moment(void **state)
{
    (void)state;
    struct sns_pace *pace = sns_pace_new();
    assert_int_equal(sns_pace_slot(pace, STR("a"), 4, 0, 1000), 0); /* at once */
    assert_int_equal(sns_pace_slot(pace, STR("a"), 4, 0, 1000), 1250);
    assert_int_equal(sns_pace_slot(pace, STR("a"), 4, 0, 1000), 1500);
    assert_int_equal(sns_pace_slot(pace, STR("b"), 4, 0, 1000), 0);    /* another's own */
    assert_int_equal(sns_pace_slot(pace, STR("a"), 4, 2000, 1100), 2000); /* a retry keeps its delay */
    assert_int_equal(sns_pace_slot(pace, STR("a"), 4, 0, 9000), 0);    /* what was not used is not saved */
    assert_int_equal(sns_pace_slot(pace, STR("a"), 0, 77, 9000), 77);  /* no pace */
    sns_pace_free(pace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_retries_come_as_the_policy_says),
        cmocka_unit_test(test_queues_and_functions_are_tried_for_23_days),
        cmocka_unit_test(test_what_aws_refuses_is_refused),
        cmocka_unit_test(test_a_subscriptions_own_lies_over_its_topics),
        cmocka_unit_test(test_each_delivery_gets_its_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
