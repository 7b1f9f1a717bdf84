/* services/world.c - the tree of compiled aggregates, and the watch that makes the next one.
 *
 *     state --record--> compile (own arena) --> aggregate --+
 *                                                           v
 *     worlds: [lock] current ----> world N+1 = world N with one path copied
 *                                    ^ readers hold N or N+1, each by its reference
 *
 * Records are compiled outside the lock that readers take: state calls the watch one change at a
 * time, so there is one writer, and readers wait at most for a pointer to be exchanged. */
#include "services/world.h"

#include "base/json.h"
#include "base/outside.h"
#include "base/pmap.h"
#include "services/account.h"
#include "services/iam/managed.h"
#include "services/iam/role.h"
#include "services/iam/user.h"
#include "services/kms/key.h"
#include "services/lambda/function.h"
#include "services/s3/bucket.h"
#include "services/ses/filters.h"
#include "services/ses/identities.h"
#include "services/ses/rule_sets.h"
#include "services/sns/subscription.h"
#include "services/sns/topic.h"
#include "services/sqs/queue.h"
#include "services/world_kinds.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* clang-format off */
static const struct world_kind kinds[] = {
    { STR_INIT("access-key/"),      access_key_use_compile  },
    { STR_INIT("account/"),         account_compile         },
    { STR_INIT("active-rule-set/"), active_rule_set_compile },
    { STR_INIT("bucket/"),          bucket_compile          },
    { STR_INIT("function/"),        function_compile        },
    { STR_INIT("identity/"),        identity_compile        },
    { STR_INIT("kms-alias/"),       kms_alias_compile       },
    { STR_INIT("kms-key/"),         kms_key_compile         },
    { STR_INIT("policy/"),          managed_compile         },
    { STR_INIT("queue/"),           queue_compile           },
    { STR_INIT("receipt-filters/"), filters_compile         },
    { STR_INIT("role/"),            role_compile            },
    { STR_INIT("rule-set/"),        rule_set_compile        },
    { STR_INIT("subscription/"),    subscription_compile    },
    { STR_INIT("topic/"),           topic_compile           },
    { STR_INIT("user/"),            user_compile            },
};
/* clang-format on */

enum {
    AGGREGATE_MAX = 64 * 1024 * 1024, /* one compiled record; the state itself bounds its text */
    LOAD_PAGE = 256,
};

struct aggregate {
    atomic_uint holders;
    struct arena *arena;
    uint64_t revision;
    const void *content;
};

struct world {
    atomic_uint holders;
    struct pmap *map; /* state key -> struct aggregate */
};

struct worlds {
    pthread_mutex_t lock; /* guards `current` alone, never held across work */
    const struct world *current;
    struct outside *outside;
};

static void aggregate_retain(const void *value)
{
    struct aggregate *a = (struct aggregate *)value;
    atomic_fetch_add_explicit(&a->holders, 1, memory_order_relaxed);
}

static void aggregate_release(const void *value)
{
    struct aggregate *a = (struct aggregate *)value;
    if (atomic_fetch_sub_explicit(&a->holders, 1, memory_order_acq_rel) == 1) {
        arena_free(a->arena);
        free(a);
    }
}

static const struct pmap_values aggregates = { aggregate_retain, aggregate_release };

static const struct world_kind *kind_of(str key)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (str_starts(key, kinds[i].prefix))
            return &kinds[i];
    return NULL;
}

/* One holder: the caller. The fault, if any, is in `arena`. */
static const struct fault *aggregate_make(const struct world_kind *kind,
                                          const struct record *record, struct arena *arena,
                                          struct aggregate **ret_aggregate)
{
    struct aggregate *a = calloc(1, sizeof(*a));
    if (!a)
        return &fault_no_memory;
    atomic_init(&a->holders, 1);
    a->revision = record->revision;
    a->arena = arena_new(AGGREGATE_MAX);
    const struct fault *why =
        a->arena ? kind->compile(record, a->arena, &a->content) : &fault_no_memory;
    if (why) {
        why = fault_keep(arena, why);
        aggregate_release(a);
        return why;
    }
    *ret_aggregate = a;
    return NULL;
}

static struct world *world_new(struct pmap *map)
{
    struct world *w = calloc(1, sizeof(*w));
    if (!w)
        return NULL;
    atomic_init(&w->holders, 1);
    w->map = map;
    return w;
}

const struct world *world_ref(const struct world *world)
{
    atomic_fetch_add_explicit(&((struct world *)world)->holders, 1, memory_order_relaxed);
    return world;
}

void world_unref(const struct world *world)
{
    struct world *w = (struct world *)world;
    if (w && atomic_fetch_sub_explicit(&w->holders, 1, memory_order_acq_rel) == 1) {
        pmap_unref(w->map);
        free(w);
    }
}

/* The map after this record. A record that its kind cannot read leaves no aggregate behind: what
 * cannot be understood must not go on granting what it granted before. */
static const struct fault *map_with(struct worlds *worlds, const struct pmap *map,
                                    const struct record *record, struct arena *arena,
                                    struct pmap **ret_map)
{
    const struct world_kind *kind = kind_of(record->key);
    struct aggregate *a = NULL;
    if (kind && !str_is_none(record->value)) {
        const struct fault *why = aggregate_make(kind, record, arena, &a);
        if (why && why->kind == FAULT_SYNTAX) {
            AUTO_BUF members = buf_new(8192);
            buf_addf(&members, "\"key\":");
            json_quote(&members, record->key);
            buf_addf(&members, ",\"why\":");
            json_quote(&members, fault_sentence(why, arena));
            worlds->outside->journal->note(worlds->outside->journal, JOURNAL_ERROR, STR("services"),
                                           STR("record-unreadable"), buf_str(&members));
        } else if (why) {
            return why;
        }
    }
    struct pmap *next = a ? pmap_put(map, record->key, a) : pmap_remove(map, record->key);
    if (a)
        aggregate_release(a);
    if (!next)
        return &fault_no_memory;
    *ret_map = next;
    return NULL;
}

static void publish(struct worlds *worlds, const struct world *next)
{
    pthread_mutex_lock(&worlds->lock);
    const struct world *before = worlds->current;
    worlds->current = next;
    pthread_mutex_unlock(&worlds->lock);
    world_unref(before);
}

static const struct fault *prepare(void *context, const struct record *record, struct arena *arena,
                                   void **ret_ready)
{
    struct worlds *worlds = context;
    struct pmap *map;
    TRY(map_with(worlds, worlds->current->map, record, arena, &map));
    *ret_ready = world_new(map);
    if (*ret_ready)
        return NULL;
    pmap_unref(map);
    return &fault_no_memory;
}

static void show(void *context, void *ready)
{
    publish(context, ready);
}

static void drop(void *context, void *ready)
{
    (void)context;
    world_unref(ready);
}

static const struct fault *load(struct worlds *worlds, struct state *state, struct arena *arena,
                                struct pmap **map)
{
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        AUTO_BUF after = buf_new(64 * 1024);
        size_t at_once = LOAD_PAGE;
        for (;;) {
            AUTO_ARENA *page = arena_new(AGGREGATE_MAX);
            if (!page)
                return &fault_no_memory;
            struct record *records;
            size_t count;
            const struct fault *why =
                state->ops->list(state, kinds[k].prefix, after.len ? buf_str(&after) : STR_NONE,
                                 at_once, page, &records, &count);
            for (size_t i = 0; !why && i < count; i++) {
                struct pmap *next;
                why = map_with(worlds, *map, &records[i], page, &next);
                if (!why) {
                    pmap_unref(*map);
                    *map = next;
                }
            }
            if (why && why->kind == FAULT_LIMIT && at_once > 1) { /* large ones: fewer, and again */
                at_once /= 2;
                continue;
            }
            if (why)
                return fault_keep(arena, why);
            if (count == 0)
                break;
            buf_clear(&after);
            buf_add(&after, records[count - 1].key);
            if (after.failed)
                return &fault_no_memory;
        }
    }
    return NULL;
}

/* What every world has, and no state. */
static const struct fault *give(struct worlds *worlds, struct arena *arena, struct pmap **map)
{
    for (size_t i = 0;; i++) {
        AUTO_ARENA *page = arena_new(1024 * 1024);
        struct record record;
        struct pmap *next;
        bool end;
        if (!page)
            return &fault_no_memory;
        const struct fault *why = aws_managed_record(i, page, &record, &end);
        if (!why && !end)
            why = map_with(worlds, *map, &record, page, &next);
        if (why || end)
            return why ? fault_keep(arena, why) : NULL;
        pmap_unref(*map);
        *map = next;
    }
}

const struct fault *worlds_open(struct state *state, struct outside *outside, struct arena *arena,
                                struct worlds **ret_worlds)
{
    uint64_t seed;
    outside->entropy->fill(outside->entropy, &seed, sizeof(seed));
    struct worlds *worlds = calloc(1, sizeof(*worlds));
    struct pmap *map = pmap_new(&aggregates, seed);
    if (!worlds || !map || pthread_mutex_init(&worlds->lock, NULL) != 0) {
        free(worlds);
        pmap_unref(map);
        return &fault_no_memory;
    }
    worlds->outside = outside;
    const struct fault *why = load(worlds, state, arena, &map);
    if (!why)
        why = give(worlds, arena, &map);
    struct world *first = why ? NULL : world_new(map);
    if (!first) {
        pmap_unref(map);
        pthread_mutex_destroy(&worlds->lock);
        free(worlds);
        return why ? why : &fault_no_memory;
    }
    worlds->current = first;
    /* Nobody writes yet: whoever opens the world does so before the services start. */
    static const struct state_watcher watcher = { prepare, show, drop };
    why = state->ops->watch(state, STR(""), &watcher, worlds);
    if (why) {
        worlds_close(worlds);
        return why;
    }
    *ret_worlds = worlds;
    return NULL;
}

void worlds_close(struct worlds *worlds)
{
    if (!worlds)
        return;
    world_unref(worlds->current);
    pthread_mutex_destroy(&worlds->lock);
    free(worlds);
}

const struct world *worlds_now(struct worlds *worlds)
{
    pthread_mutex_lock(&worlds->lock);
    const struct world *now = world_ref(worlds->current);
    pthread_mutex_unlock(&worlds->lock);
    return now;
}

const void *world_find(const struct world *world, str key)
{
    const struct aggregate *a = pmap_find(world->map, key);
    return a ? a->content : NULL;
}

uint64_t world_revision(const struct world *world, str key)
{
    const struct aggregate *a = pmap_find(world->map, key);
    return a ? a->revision : (uint64_t)REVISION_NEW;
}

bool world_next(const struct world *world, str prefix, str after, str *ret_key,
                const void **ret_aggregate)
{
    const void *value;
    if (!pmap_next(world->map, prefix, after, ret_key, &value))
        return false;
    *ret_aggregate = ((const struct aggregate *)value)->content;
    return true;
}
