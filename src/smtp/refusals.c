/* smtp/refusals.c - the ring: one block of memory for each refusal, the oldest given back for the
 * newest.
 *
 * The rate is counted by whole seconds of the steady clock. What a second left out becomes one
 * entry when the next refusal comes, or when somebody looks: so a flood of a second is one line,
 * and a quiet server does not owe one. */
#include "smtp/refusals.h"

#include <inttypes.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

str refused_thing_name(enum refused_thing thing)
{
    static const str names[] = {
#define X(name, word) [REFUSED_##name] = STR_INIT(word),
        REFUSED_THINGS(X)
#undef X
    };
    return names[thing];
}

/* ---- a copy ---- */

/* clang-format off */
static const struct {
    size_t at, max;
} texts[] = {
#define TEXT(member, max) { offsetof(struct refusal, member), max }
    TEXT(peer, 64),       TEXT(region, 32),    TEXT(ehlo, 255), TEXT(mail_from, 320),
    TEXT(rcpt_to, 320),   TEXT(accounts, 207), TEXT(reply, 512), TEXT(reason, 32),
    TEXT(why, 1024), /* and accounts: 16 whole ones */
#undef TEXT
};
/* clang-format on */
enum { TEXTS = sizeof texts / sizeof *texts };

static str *text_of(struct refusal *r, size_t i)
{
    return (str *)(void *)((char *)r + texts[i].at);
}

static size_t size_of(const struct refusal *r)
{
    size_t size = 0;
    for (size_t i = 0; i < TEXTS; i++)
        size += str_head(*text_of((struct refusal *)r, i), texts[i].max).len;
    return size;
}

/* *to becomes *from, with its texts in `room`, which has size_of(from). */
static void copy(struct refusal *to, const struct refusal *from, char *room)
{
    *to = *from;
    for (size_t i = 0; i < TEXTS; i++) {
        str text = str_head(*text_of(to, i), texts[i].max);
        if (text.len)
            memcpy(room, text.ptr, text.len);
        *text_of(to, i) = (str) { room, text.len };
        room += text.len;
    }
}

/* ---- the ring ---- */

struct kept {
    struct refusal refusal;
    char room[];
};

struct refusals {
    struct clock *clock;
    pthread_mutex_t lock;
    uint64_t per_second, last_number;
    int64_t second; /* the one that `noted` counts in */
    uint64_t noted, left_out;
    int64_t left_out_ms; /* when the last of them came */
    size_t room, count, next;
    struct kept *ring[];
};

struct refusals *refusals_new(size_t kept, uint64_t per_second, struct clock *clock)
{
    struct refusals *r = calloc(1, sizeof *r + kept * sizeof *r->ring);
    if (!r)
        return NULL;
    r->clock = clock;
    r->room = kept;
    r->per_second = per_second;
    r->second = clock->steady_ms(clock) / 1000;
    pthread_mutex_init(&r->lock, NULL);
    return r;
}

void refusals_free(struct refusals *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->room; i++)
        free(r->ring[i]);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static bool put(struct refusals *r, const struct refusal *refusal)
{
    struct kept *kept = malloc(sizeof *kept + size_of(refusal));
    if (!kept)
        return false;
    copy(&kept->refusal, refusal, kept->room);
    kept->refusal.number = ++r->last_number;
    free(r->ring[r->next]);
    r->ring[r->next] = kept;
    r->next = (r->next + 1) % r->room;
    r->count += r->count < r->room;
    return true;
}

/* What an earlier second left out. */
static void settle(struct refusals *r)
{
    int64_t second = r->clock->steady_ms(r->clock) / 1000;
    if (second == r->second)
        return;
    r->second = second;
    r->noted = 0;
    const struct refusal gap = { .thing = REFUSED_LEFT_OUT,
                                 .at_ms = r->left_out_ms,
                                 .left_out = r->left_out };
    if (r->left_out && put(r, &gap))
        r->left_out = 0;
}

bool refusals_note(struct refusals *r, const struct refusal *refusal)
{
    pthread_mutex_lock(&r->lock);
    settle(r);
    struct refusal now = *refusal;
    now.at_ms = r->clock->wall_ms(r->clock);
    bool noted = r->noted < r->per_second && put(r, &now);
    if (noted) {
        r->noted++;
    } else {
        r->left_out++;
        r->left_out_ms = now.at_ms;
    }
    pthread_mutex_unlock(&r->lock);
    return noted;
}

/* ---- looking ---- */

static bool is_wanted(const struct refusals_wanted *w, const struct refusal *refusal)
{
    return refusal->thing == REFUSED_LEFT_OUT || !w->wants || w->wants(w->context, refusal);
}

static const struct fault *gather(const struct refusals *r, const struct refusals_wanted *w,
                                  struct arena *a, struct refusal *list, size_t *count)
{
    for (size_t i = 0; i < r->count && *count < w->max; i++) {
        const struct refusal *refusal = &r->ring[(r->next + r->room - 1 - i) % r->room]->refusal;
        if (refusal->number <= w->after)
            break;
        if (!is_wanted(w, refusal))
            continue;
        char *room = arena_alloc(a, size_of(refusal) + 1, 1);
        if (!room)
            return &fault_no_memory;
        copy(&list[(*count)++], refusal, room);
    }
    return NULL;
}

const struct fault *refusals_list(struct refusals *r, const struct refusals_wanted *w,
                                  struct arena *a, struct refusal **ret_list, size_t *ret_count,
                                  uint64_t *ret_next)
{
    size_t count = 0;
    pthread_mutex_lock(&r->lock);
    settle(r);
    size_t most = r->count < w->max ? r->count : w->max;
    struct refusal *list = ARENA_ARRAY(a, struct refusal, most + 1);
    const struct fault *f = list ? gather(r, w, a, list, &count) : &fault_no_memory;
    *ret_next = r->last_number;
    pthread_mutex_unlock(&r->lock);
    *ret_list = list;
    *ret_count = count;
    return f;
}
