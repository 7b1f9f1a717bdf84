#include "store/spool_story_suite.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

const struct spool_limits small = { .segment_bytes = 128 << 10,
                                    .spill_bytes = 8 << 10,
                                    .ahead_bytes = 4 << 10,
                                    .history_bytes = 512 << 10,
                                    .wait_ms = 4 * 3600 * 1000 };

void story_on(struct story *s, struct disk_sim *sim)
{
    *s = (struct story) { .sim = sim,
                          .clock = fake_clock_at("2026-03-02T09:15:42.317Z"),
                          .entropy = seeded_entropy(7),
                          .journal = captured_journal_new(),
                          .arena = arena_new((size_t)256 << 20) };
    s->outside = (struct outside) { .clock = &s->clock.clock,
                                    .entropy = &s->entropy.entropy,
                                    .journal = captured_journal(s->journal),
                                    .disk = disk_sim_disk(sim) };
}

const struct fault *story_open(struct story *s)
{
    s->spool = NULL;
    return spool_log_open(STR("/spool"), &small, &s->outside, s->arena, &s->spool);
}

void story_close(struct story *s)
{
    if (s->spool)
        s->spool->ops->close(s->spool);
    s->spool = NULL;
}

void story_end(struct story *s)
{
    story_close(s);
    captured_journal_free(s->journal);
    arena_free(s->arena);
    disk_sim_free(s->sim);
}

size_t size_of(unsigned n)
{
    return n % 7 == 3 || n % 7 == 4 ? 20000 + n * 100 : 300 + (n * 977) % 5000;
}

struct step commit(struct story *s, unsigned n)
{
    char id[16];
    snprintf(id, sizeof id, "m%03u", n);
    s->messages[n].begun = true;
    struct step step = step_commit(s->spool, id, step_body(s->arena, size_of(n), n));
    if (step.committed)
        s->messages[n].acked_at = disk_sim_steps(s->sim);
    return step;
}
