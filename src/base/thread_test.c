/* What the kernel knows of a thread once it has begun. */
#include "base/thread.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

struct begun {
    const char *name;
    enum thread_haste haste;
    int made_under; /* the policy it has when it begins */
    char heard_name[16];
    int heard_nice, heard_policy;
    uint64_t heard_slice_ns; /* 0: this kernel does not tell */
};

static void *begin(void *context)
{
    struct begun *b = context;
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime_ns, deadline_ns, period_ns;
    } is = { 0 };
    if (b->made_under != SCHED_OTHER)
        (void)sched_setscheduler(0, b->made_under, &(struct sched_param){ 0 });
    thread_begins(b->name, b->haste);
    pthread_getname_np(pthread_self(), b->heard_name, sizeof b->heard_name);
    b->heard_nice = getpriority(PRIO_PROCESS, 0);
    b->heard_policy = sched_getscheduler(0);
    if (syscall(SYS_sched_getattr, 0, &is, sizeof is, 0) == 0)
        b->heard_slice_ns = is.runtime_ns;
    return NULL;
}

static struct begun begun_under(int policy, const char *name, enum thread_haste haste)
{
    struct begun b = { .name = name, .haste = haste, .made_under = policy };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, begin, &b), 0);
    pthread_join(thread, NULL);
    assert_string_equal(b.heard_name, name);
    return b;
}

static struct begun begun(const char *name, enum thread_haste haste)
{
    return begun_under(SCHED_OTHER, name, haste);
}

static void haste_is_a_matter_of_nice_values_and_slices(void **state)
{
    (void)state;
    const int own = getpriority(PRIO_PROCESS, 0), behind = own + 5 < 19 ? own + 5 : 19;
    const struct begun plain = begun("plain", THREAD_PLAIN), soon = begun("soon", THREAD_AWAITED),
                       later = begun("later", THREAD_BEHIND);
    assert_int_equal(plain.heard_nice, own);
    assert_int_equal(soon.heard_nice, own);
    assert_int_equal(later.heard_nice, behind);
    if (!plain.heard_slice_ns) /* before Linux 6.12 */
        return;
    assert_true(soon.heard_slice_ns < plain.heard_slice_ns);
    assert_true(later.heard_slice_ns > soon.heard_slice_ns);
}

/* Who was told to be modest stays so: nothing is asked for that would be refused as a whole. */
static void the_process_s_own_nice_value_stands(void **state)
{
    (void)state;
    assert_int_equal(setpriority(PRIO_PROCESS, 0, 17), 0); /* threads begin with their maker's */
    assert_int_equal(begun("soon", THREAD_AWAITED).heard_nice, 17);
    assert_int_equal(begun("later", THREAD_BEHIND).heard_nice, 19);
}

static void who_gathers_interrupts_nobody(void **state)
{
    (void)state;
    const int own = sched_getscheduler(0);
    assert_int_equal(begun("soon", THREAD_AWAITED).heard_policy, own);
    assert_int_equal(begun("plain", THREAD_PLAIN).heard_policy, own);
    const struct begun gathers = begun("gathers", THREAD_GATHERS);
    assert_int_equal(gathers.heard_policy, SCHED_BATCH);
    assert_int_equal(gathers.heard_nice, getpriority(PRIO_PROCESS, 0));
    assert_int_equal(begun("later", THREAD_BEHIND).heard_policy, SCHED_BATCH);
}

static void an_operator_s_own_policy_stands(void **state)
{
    (void)state;
    const struct begun later = begun_under(SCHED_IDLE, "later", THREAD_BEHIND);
    assert_int_equal(later.heard_policy, SCHED_IDLE);
    assert_int_equal(later.heard_nice, getpriority(PRIO_PROCESS, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_gathers_interrupts_nobody),
        cmocka_unit_test(an_operator_s_own_policy_stands),
        cmocka_unit_test(haste_is_a_matter_of_nice_values_and_slices),
        cmocka_unit_test(the_process_s_own_nice_value_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
