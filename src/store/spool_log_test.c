/* The conformance suite of a spool, run on the local log on a real disk. */
#include "store/spool_suite.h"

#include "testing/clock.h"
#include "testing/entropy.h"
#include "testing/journal.h"
#include "testing/temp_dir.h"

#include <stdio.h>

struct made {
    struct temp_dir dir;
    struct fake_clock clock;
    struct outside outside;
    int opened;
};

static const struct fault *made_open(void *context, struct arena *arena, struct spool **ret_spool)
{
    struct made *made = context;
    char path[512];
    struct spool_limits limits = { .segment_bytes = 2 << 20, .history_bytes = 2 << 20 };
    snprintf(path, sizeof path, "%s/spool%d", made->dir.path, made->opened);
    return spool_log_open(str_of(path), &limits, &made->outside, arena, ret_spool);
}

static void made_clear(void *context)
{
    ((struct made *)context)->opened++;
}
static void made_turn(void *context, int64_t ms)
{
    fake_clock_turn(&((struct made *)context)->clock, ms);
}
static int64_t made_now(void *context)
{
    return ((struct made *)context)->clock.wall_ms;
}

int main(void)
{
    AUTO_TEMP_DIR dir = temp_dir_make();
    struct captured_journal *journal = captured_journal_new();
    struct made made = { .dir = dir, .clock = fake_clock_at("2026-03-02T09:15:42.317Z") };
    made.outside = (struct outside) { .clock = &made.clock.clock,
                                      .entropy = entropy_real(),
                                      .journal = captured_journal(journal),
                                      .disk = disk_real() };
    struct spool_maker maker = { made_open, made_clear, made_turn, made_now, &made };
    int failed = spool_suite_run(&maker) + spool_asked_suite_run(&maker);
    captured_journal_free(journal);
    return failed;
}
