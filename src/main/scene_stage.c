/* main/scene_stage.c - everything a story needs, opened, restarted and closed. */
#include "main/scene_suite.h"

#include "services/sts/sts.h"
#include "services/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <cmocka.h>

void scene_wrong(const struct scene *s, const char *what, str about)
{
    str journal = s->journal ? captured_journal_text(s->journal, s->arena) : STR("");
    fprintf(stderr, STR_FMT "\n", STR_ARG(journal));
    fail_msg("%s line %u: %s: " STR_FMT, s->file, s->line, what, STR_ARG(about));
}

void scene_must(const struct scene *s, const struct fault *f, const char *what)
{
    if (f)
        scene_wrong(s, what, fault_sentence(f, s->arena));
}

/* Takes the next blank-separated word off the text. */
str scene_word(str *text)
{
    str first;
    *text = str_trim(*text);
    str_cut(*text, ' ', &first, text);
    *text = str_trim(*text);
    return first;
}

bool scene_take(str *text, const char *expected)
{
    str rest = str_trim(*text);
    if (!str_starts(rest, str_of(expected)))
        return false;
    *text = str_trim(str_from(rest, strlen(expected)));
    return true;
}

static str in_folder(const struct scene *s, const char *name)
{
    char path[512];
    return arena_str(s->arena, str_of(temp_dir_path(&s->folder, name, path)));
}

static void stores_open(struct scene *s)
{
    struct arena *a = s->arena;
    struct spool_limits limits = { .segment_bytes = 1 << 20 };
    scene_must(s, state_sqlite_open(in_folder(s, "state.sqlite"), &s->outside, a, &s->state),
               "state");
    scene_must(s, worlds_open(s->state, &s->outside, a, &s->worlds), "worlds");
    scene_must(s, objects_files_open(in_folder(s, "objects"), &s->outside, a, &s->objects),
               "objects");
    scene_must(s, s3_embedded_open(s->objects, s->state, s->worlds, &s->outside, a, &s->s3), "s3");
    scene_must(s, spool_log_open(in_folder(s, "spool"), &limits, &s->outside, a, &s->spool),
               "spool");
    s->sts = sts_embedded_open(&s->root_key, &s->outside, a);
    assert_non_null(s->sts);
    s->ports = (struct ports) { .s3 = &s->s3->port, .sts = &s->sts->port };
    s->delivery = (struct delivery) { .spool = s->spool,
                                      .ports = &s->ports,
                                      .outside = &s->outside,
                                      .stamp = &s->stamp,
                                      .worlds = s->worlds,
                                      .now = worlds_now };
}

static void stores_close(struct scene *s)
{
    if (s->session)
        smtp_close(s->session);
    s->session = NULL;
    arena_free(s->work); /* and with it the world of an open transaction */
    s->work = NULL;
    s->spool->ops->stop(s->spool);
    s->spool->ops->close(s->spool);
    s->objects->ops->close(s->objects);
    worlds_close(s->worlds);
    s->state->ops->close(s->state);
}

void stage_open(struct scene *s)
{
    s->folder = temp_dir_make();
    s->clock = fake_clock_at("2026-03-02T09:15:42Z");
    s->entropy = seeded_entropy(11);
    s->journal = captured_journal_new();
    s->outside = (struct outside) { .clock = &s->clock.clock,
                                    .entropy = &s->entropy.entropy,
                                    .journal = captured_journal(s->journal),
                                    .disk = disk_real() };
    s->stamp.hostname = STR("mx.example");
    s->account = STR("111122223333");
    s->region = STR("us-east-1");
    stores_open(s);
}

void stage_close(struct scene *s)
{
    stores_close(s);
    captured_journal_free(s->journal);
    temp_dir_remove(&s->folder);
}

void stage_restart(struct scene *s)
{
    stores_close(s);
    stores_open(s);
}

/* A settlement is written behind our back; the story goes on when it is. */
static void wait_for_settlement(struct scene *s)
{
    struct spool_health health;
    for (unsigned tries = 0; tries < 5000; tries++) {
        s->spool->ops->health(s->spool, &health);
        if (!health.leased)
            return;
        nanosleep(&(struct timespec) { .tv_nsec = 200 * 1000 }, NULL);
    }
    scene_wrong(s, "a lease did not end", s->id);
}

void stage_deliver(struct scene *s)
{
    for (bool any = true; any;) {
        AUTO_ARENA *a = arena_new(8 << 20);
        scene_must(s, deliver_one(&s->delivery, 0, a, &any), "delivery");
        if (any)
            wait_for_settlement(s);
    }
}
