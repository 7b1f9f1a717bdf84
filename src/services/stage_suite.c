#include "services/stage_suite.h"

#include <assert.h>
#include <stdio.h>

static void count_errors(struct journal *journal, enum journal_level level, str room, str event,
                         str members)
{
    struct stage *stage = (struct stage *)((char *)journal - offsetof(struct stage, journal));
    (void)room, (void)event, (void)members;
    stage->errors += level == JOURNAL_ERROR;
}

static void must(const struct fault *why)
{
    if (why)
        fprintf(stderr, STR_FMT "\n", STR_ARG(why->says));
    assert(!why && "the stage is set");
}

void stage_begin(struct stage *stage)
{
    *stage = (struct stage) {
        .folder = temp_dir_make(),
        .arena = arena_new(512 * 1024 * 1024),
        .journal = { count_errors },
        .outside = { .clock = clock_real(), .entropy = entropy_real(), .disk = disk_real() },
        .caller = caller_root(STR("111122223333")),
        .now_ms = 1772442942000,
    };
    stage->outside.journal = &stage->journal;
    str path = arena_strf(stage->arena, "%s/state.sqlite", stage->folder.path);
    must(state_sqlite_open(path, &stage->outside, stage->arena, &stage->state));
    must(worlds_open(stage->state, &stage->outside, stage->arena, &stage->worlds));
}

void stage_end(struct stage *stage)
{
    world_unref(stage->held);
    stage->state->ops->close(stage->state);
    worlds_close(stage->worlds);
    arena_free(stage->arena);
    temp_dir_remove(&stage->folder);
}

struct call stage_call_as(struct stage *stage, const struct caller *caller)
{
    world_unref(stage->held);
    stage->held = worlds_now(stage->worlds);
    return (struct call) {
        .caller = caller,
        .world = stage->held,
        .region = STR("us-east-1"),
        .now_ms = stage->now_ms,
        .arena = stage->arena,
    };
}

struct call stage_call(struct stage *stage)
{
    return stage_call_as(stage, &stage->caller);
}

static uint64_t revision_of(struct stage *stage, const char *key)
{
    struct record record;
    const struct fault *why =
        stage->state->ops->get(stage->state, str_of(key), stage->arena, &record);
    return why ? (uint64_t)REVISION_NEW : record.revision;
}

void stage_put(struct stage *stage, const char *key, str value)
{
    uint64_t revision;
    must(stage->state->ops->put(stage->state, str_of(key), value, revision_of(stage, key),
                                stage->arena, &revision));
}

void stage_remove(struct stage *stage, const char *key)
{
    must(stage->state->ops->remove(stage->state, str_of(key), revision_of(stage, key),
                                   stage->arena));
}

const char *stage_says(struct stage *stage, const struct fault *why)
{
    if (!why)
        return "";
    return arena_strf(stage->arena, "%s: " STR_FMT, why->code ? why->code : "-", STR_ARG(why->says))
        .ptr;
}
