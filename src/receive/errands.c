/* receive/errands.c - one attempt of what a service does later: leased and noted as mail is, done
 * by its service's runner. */
#include "policy/decision.h"
#include "receive/attempt.h"
#include "receive/outgoing.h"
#include "receive/retry.h"
#include "receive/shares.h"

/* An errand has one step; what could not be tried is noted as another, so that it counts apart. */
enum { TRIED, UNTRIED };
enum { BODY_PIECE = 1 << 20 };

struct errand_work {
    const struct delivery *d;
    struct lease *lease;
    struct arena *arena;
    struct errand errand;
    struct history history;
    int64_t taken_ms, began_ms;
};

/* All of the body. What is larger than a piece is put together beside the attempt's arena, which is
 * for what an attempt says; *room holds it then. */
static const struct fault *read_body(struct errand_work *w, struct buf *room, str *ret_body)
{
    const uint64_t size = w->lease->body_size;
    if (size <= BODY_PIECE)
        return w->d->spool->ops->read(w->lease, 0, size, w->arena, ret_body);
    AUTO_ARENA *pieces = arena_new(2 * BODY_PIECE);
    if (!pieces)
        return &fault_no_memory;
    *room = buf_new(size);
    while (room->len < size) {
        str piece;
        const struct fault *why =
            w->d->spool->ops->read(w->lease, room->len, BODY_PIECE, pieces, &piece);
        if (why)
            return fault_keep(w->arena, why);
        if (!piece.len)
            return fault(w->arena, FAULT_DEFECT, NULL, "the spool holds less than it promised");
        buf_add(room, piece);
        arena_reset(pieces);
    }
    *ret_body = buf_str(room);
    return room->failed ? &fault_no_memory : NULL;
}

static const struct fault *open_errand(struct errand_work *w, struct buf *room, str *ret_body)
{
    TRY(errand_read(&w->lease->entry, w->arena, &w->errand, &w->taken_ms));
    TRY(history_read(w->lease->notes, w->arena, &w->history));
    TRY(read_body(w, room, ret_body));
    if (ret_body->len != w->lease->body_size)
        return fault(w->arena, FAULT_DEFECT, NULL, "the spool holds less than it promised");
    return NULL;
}

static struct errand_end try_it(const struct errand_work *w, struct errand_runner *runner, str body,
                                const struct world *world)
{
    const struct errand_attempt attempt = {
        .errand = w->errand,
        .number = (int)history_of(&w->history, TRIED).failures + 1,
        .waits = (int)history_of(&w->history, UNTRIED).failures,
        .since_ms = w->history.redriven_ms ? w->history.redriven_ms : w->taken_ms,
        .body = body,
        .world = world,
        .now_ms = w->began_ms,
        .arena = w->arena,
    };
    return runner->run(runner, &attempt);
}

static struct outcome outcome_of(const struct errand_work *w, const struct errand_end *end)
{
    static const enum outcome_kind kinds[] = { [SETTLE_DONE] = OUTCOME_DONE,
                                               [SETTLE_RETRY] = OUTCOME_RETRY,
                                               [SETTLE_DEAD] = OUTCOME_EXPIRED };
    const struct denial *denial = end->why ? denial_of(end->why) : NULL;
    return (struct outcome) {
        .step = end->untried ? UNTRIED : TRIED,
        .at_ms = w->began_ms,
        .rule = w->errand.target,
        .action = errand_kind_name(w->lease->entry.kind),
        .kind = kinds[end->settlement],
        .says = end->why ? fault_sentence(end->why, w->arena) : end->says,
        .denial = denial ? denial_json(denial, w->arena) : STR_NONE,
    };
}

static struct delivered cannot(const struct errand_work *w, const struct fault *f)
{
    tell_trouble(w->d, "unreadable", w->lease->entry.id, fault_sentence(f, w->arena));
    bool passes = f->kind == FAULT_LIMIT || f->kind == FAULT_UNBUILT;
    bool over = w->taken_ms && retry_is_over(w->taken_ms, w->began_ms);
    return (struct delivered) { .settlement = passes && !over ? SETTLE_RETRY : SETTLE_DEAD,
                                .retry_at_ms = w->began_ms + 60000 };
}

static str note_of(const struct errand_work *w, const struct outcome *o)
{
    AUTO_BUF text = buf_new(1 << 20);
    const struct history_note note = { .outcomes = o, .count = 1 };
    history_write(&w->history, &note, &text);
    return text.failed ? STR_NONE : arena_str(w->arena, buf_str(&text));
}

struct delivered errand_attempt_run(const struct delivery *d, struct lease *lease, struct arena *a)
{
    struct clock *clock = d->outside->clock;
    struct errand_work w = {
        .d = d, .lease = lease, .arena = a, .began_ms = clock->wall_ms(clock)
    };
    struct errand_runner *runner = d->runners[lease->entry.kind];
    str body = STR("");
    AUTO_BUF room = buf_new(0);
    const struct fault *f = open_errand(&w, &room, &body);
    if (!f && !runner)
        f = fault(a, FAULT_UNBUILT, NULL, "this program does no errands of the kind " STR_FMT,
                  STR_ARG(errand_kind_name(lease->entry.kind)));
    if (f)
        return cannot(&w, f);

    const struct world *world = d->now(d->worlds);
    struct share share = { .target = w.errand.target, .weight = 1 };
    if (runner->share)
        share.most = runner->share(runner, world, share.target);
    if (d->shares && !share_take(d->shares, &share, lease->resumed)) {
        world_unref(world);
        return (struct delivered) { .waits = true, .share = share };
    }
    struct errand_end end = try_it(&w, runner, body, world);
    if (end.settlement == SETTLE_DONE && lease->entry.kind == SPOOL_OUTGOING)
        lease->kept = body.len <= OUTGOING_KEPT_MAX ? body : STR_NONE;
    struct outcome o = outcome_of(&w, &end); /* a denial quotes the world that decided */
    world_unref(world);
    if (d->shares)
        share_give(d->shares, &share, GIVER_LEASES_NEXT);
    tell_errand(d, lease, w.errand.target, &o);
    return (struct delivered) { .settlement = end.settlement,
                                .retry_at_ms = end.retry_at_ms,
                                .note = note_of(&w, &o) };
}
