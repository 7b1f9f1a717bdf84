/* receive/deliver.c - one attempt: the steps not yet noted, in order, and how it ends. */
#include "receive/deliver.h"

#include "policy/decision.h"
#include "receive/attempt.h"
#include "receive/header_section.h"
#include "receive/retry.h"
#include "receive/shares.h"
#include "receive/timeline.h"

enum { STEP_ARENA = 8 << 20 }; /* bodies pass through in chunks of their own */

/* A full disk and an arena at its end are FAULT_LIMITs too, and both pass; so here only what is
 * wrong in itself is refused. */
static enum fate fate_of(const struct fault *f)
{
    return f && f->kind == FAULT_LIMIT ? FATE_RETRY : fault_fate(f);
}

enum outcome_kind outcome_kind_of(const struct fault *f, int64_t since_ms, int64_t began_ms)
{
    switch (fate_of(f)) {
    case FATE_DONE:
        return OUTCOME_DONE;
    case FATE_REFUSE:
        return OUTCOME_REFUSED;
    case FATE_RETRY:
        return retry_is_over(since_ms, began_ms) ? OUTCOME_EXPIRED : OUTCOME_RETRY;
    }
    return OUTCOME_RETRY;
}

/* ---- outcomes ---- */

static struct outcome *add_outcome(struct attempt *t, size_t index, int64_t began_ms,
                                   const struct fault *f, const struct step_said *said)
{
    const struct denial *denial = f ? denial_of(f) : NULL;
    struct outcome *o = &t->outcomes[t->count++];
    *o = (struct outcome) {
        .step = index,
        .at_ms = began_ms,
        .rule = t->plan.steps[index].rule->name,
        .action = step_name(&t->plan.steps[index]),
        .kind = outcome_kind_of(f, t->since_ms, began_ms),
        .says = arena_str(t->arena, f ? fault_sentence(f, t->work) : said->says),
        .denial = denial ? arena_str(t->arena, denial_json(denial, t->work)) : STR_NONE,
        .flow = f ? FLOW_ON : said->flow,
        .taken = arena_str(t->arena, said->taken),
        .refused = arena_str(t->arena, said->refused),
    };
    tell_outcome(t, o);
    return o;
}

/* What is not noted yet; of a message that is delivered, also how its rules matched. */
static str note_since(const struct attempt *t, bool delivered)
{
    if (t->count == t->noted && !delivered)
        return STR_NONE;
    AUTO_BUF text = buf_new(1 << 20), rules = buf_new(1 << 20);
    struct history_note note = { .outcomes = t->outcomes + t->noted, .count = t->count - t->noted };
    if (delivered && !timeline_rules_kept(t->set, &t->head.envelope, t->arena, &rules)) {
        note.rule_set = t->set->name;
        note.rules = buf_str(&rules);
    }
    history_write(&t->history, &note, &text);
    return text.failed ? STR_NONE : arena_str(t->arena, buf_str(&text));
}

/* ---- the attempt ---- */

/* What has an effect outside is noted before the next such step runs: a crash in that one must not
 * repeat this one. A message with a single effect needs no note but the one that settles it. */
static void note_before(struct attempt *t, const struct step *next)
{
    bool effects = false;
    for (size_t i = t->noted; i < t->count; i++)
        effects = effects || step_has_effect(&t->plan.steps[t->outcomes[i].step]);
    if (!effects || !step_has_effect(next))
        return;
    str note = note_since(t, false);
    const struct fault *f = note.ptr ? t->d->spool->ops->note(t->lease, note) : &fault_no_memory;
    if (f) /* the step may be run again then: the same object under the same key */
        journal_notef(t->d->outside->journal, JOURNAL_ERROR, STR("receive"), STR("note-lost"),
                      "\"id\":\"" STR_FMT "\"", STR_ARG(t->lease->entry.id));
    else
        t->noted = t->count;
}

/* The message's own rule set. Hardly ever is it another than the one that is active now, and that one
 * lies in the world as it was read. */
static const struct fault *find_set(struct attempt *t)
{
    str text = t->lease->entry.rules;
    uint64_t number = t->lease->entry.rules_number;
    t->set = t->world ? rule_set_active(t->world, t->head.account, t->head.region) : NULL;
    if (t->set && ((number && number == t->set->number) || str_eq(t->set->text, text)))
        return NULL;
    struct receipt_rule_set *own = ARENA_NEW(t->arena, struct receipt_rule_set);
    t->set = own;
    return own ? rule_set_read(text, t->arena, own) : &fault_no_memory;
}

static const struct fault *open_attempt(struct attempt *t)
{
    TRY(head_decode(t->lease->entry.head, t->arena, &t->head));
    TRY(find_set(t));
    TRY(plan_make(t->set, &t->head.envelope, t->arena, &t->plan));
    TRY(history_read(t->lease->notes, t->arena, &t->history));
    t->outcomes = ARENA_ARRAY(t->arena, struct outcome, t->plan.count ? t->plan.count : 1);
    if (!t->outcomes)
        return &fault_no_memory;
    t->since_ms = t->history.redriven_ms ? t->history.redriven_ms : t->head.envelope.received_ms;
    return NULL;
}

static void let_go(void *world)
{
    world_unref(world);
}

static void free_work(void *work)
{
    arena_free(work);
}

/* What an attempt takes besides memory of its own: both go when its arena is reset. */
static const struct fault *take_means(struct attempt *t)
{
    t->work = arena_new(STEP_ARENA);
    if (!t->work)
        return &fault_no_memory;
    if (!arena_on_reset(t->arena, free_work, t->work)) {
        arena_free(t->work);
        return &fault_no_memory;
    }
    t->world = t->d->now(t->d->worlds);
    if (arena_on_reset(t->arena, let_go, (void *)(uintptr_t)t->world))
        return NULL;
    world_unref(t->world);
    return &fault_no_memory;
}

/* A message that cannot even be read is kept whole for a person to look at. */
static struct delivered unreadable(const struct attempt *t, const struct fault *f)
{
    tell_trouble(t->d, "unreadable", t->lease->entry.id, fault_sentence(f, t->arena));
    struct clock *clock = t->d->outside->clock;
    int64_t received_ms = t->head.envelope.received_ms;
    /* Our memory, not the message; but what it has too little of for four hours it will not get. */
    bool passes = f->kind == FAULT_LIMIT &&
                  !(received_ms && retry_is_over(received_ms, clock->wall_ms(clock)));
    return (struct delivered) { .settlement = passes ? SETTLE_RETRY : SETTLE_DEAD,
                                .retry_at_ms = clock->wall_ms(clock) + 60000 };
}

/* How a function's disposition bends the way through the plan: the rest of its rule, or all that
 * follows, has no turn. The notice of its own action has: the function was invoked. */
struct bend {
    enum flow flow;
    const struct step *by;
};

static void bend_by(struct bend *bend, const struct step *step, enum flow flow)
{
    if (flow != FLOW_ON && bend->flow != FLOW_STOP_RULE_SET)
        *bend = (struct bend) { flow, step };
}

static bool passes_over(const struct bend *bend, const struct step *step)
{
    if (bend->flow == FLOW_ON || step->action == bend->by->action)
        return false;
    return bend->flow == FLOW_STOP_RULE_SET || step->rule == bend->by->rule;
}

/* False: the step's target has all the workers it may have; *ret_share is what it waits for. */
static bool take_share(struct attempt *t, const struct step *step, struct share *ret_share)
{
    *ret_share = step_share(step, t->d->ports, t->arena);
    if (!t->d->shares || !ret_share->target.len)
        return true;
    const bool resumed = t->lease->resumed; /* for the step that it was held at */
    t->lease->resumed = false;
    return share_take(t->d->shares, ret_share, resumed);
}

/* Between a message's last step and the worker's next lease there is nothing that takes time. */
static void give_share(struct attempt *t, const struct share *share, bool last)
{
    if (t->d->shares && share->target.len)
        share_give(t->d->shares, share, last ? GIVER_LEASES_NEXT : GIVER_GOES_ON);
}

static struct delivered run_plan(struct attempt *t)
{
    struct clock *clock = t->d->outside->clock;
    bool lost = false, effect_done = false; /* of the action whose notice may follow */
    bool first = true;
    struct bend bend = { .flow = FLOW_ON };
    for (size_t i = 0; i < t->plan.count; i++) {
        const struct step *step = &t->plan.steps[i];
        bool notice = step->part == STEP_NOTICE;
        if (passes_over(&bend, step))
            continue;
        struct step_history before = history_of(&t->history, i);
        if (before.ended) {
            effect_done = before.kind == OUTCOME_DONE;
            lost = lost || !effect_done;
            bend_by(&bend, step, before.last->flow);
            continue;
        }
        if (notice &&
            !effect_done) /* nobody is told of what did not happen; a redrive asks again */
            continue;
        struct share share;
        if (!take_share(t, step, &share))
            return (struct delivered) { .waits = true, .share = share };
        if (first)
            tell_received(t);
        first = false;
        note_before(t, step);
        int64_t began_ms = clock->wall_ms(clock);
        struct step_said said;
        const struct fault *f = step_run(t, i, began_ms, &said);
        give_share(t, &share, i + 1 == t->plan.count);
        struct outcome *o = add_outcome(t, i, began_ms, f, &said);
        arena_reset(
            t->work); /* a message may have hundreds of steps; each holds a piece of the body */
        if (o->kind == OUTCOME_RETRY) /* it holds up the later steps of its message: spec 10, U11 */
            return (struct delivered) {
                .settlement = SETTLE_RETRY,
                .retry_at_ms =
                    retry_next_ms(t->d->waits ? t->d->waits : &retry_waits_usual, before.failures + 1,
                                  t->since_ms, clock->wall_ms(clock)),
            };
        effect_done = o->kind == OUTCOME_DONE;
        lost = lost || !effect_done;
        bend_by(&bend, step, o->flow);
    }
    if (first)
        tell_received(t);
    return (struct delivered) { .settlement = lost ? SETTLE_DEAD : SETTLE_DONE };
}

/* For SendBounce, which may come a day later: the header section goes with the timeline. Without it the
 * notification tells less, and nothing else is lost. */
static void keep_header_section(const struct attempt *t)
{
    str front, kept = STR_NONE;
    if (!t->d->spool->ops->read(t->lease, 0, HEADER_FRONT, t->arena, &front))
        kept = header_section_of(front);
    t->lease->kept = kept;
}

struct delivered deliver_attempt(const struct delivery *d, struct lease *lease, struct arena *a)
{
    struct attempt *t = ARENA_NEW(a, struct attempt);
    struct attempt small = { .d = d, .lease = lease, .arena = a };
    if (!t)
        return unreadable(&small, &fault_no_memory);
    *t = small;
    const struct fault *f = take_means(t);
    if (!f)
        f = open_attempt(t);
    if (f)
        return unreadable(t, f);
    struct delivered done = run_plan(t);
    done.outcomes = t->outcomes;
    done.outcome_count = t->count;
    const bool delivered = !done.waits && done.settlement == SETTLE_DONE;
    done.note = note_since(t, delivered);
    if (delivered)
        keep_header_section(t);
    return done;
}

/* What was done before the step that waits is noted, so that it is not done again. */
static void wait_for_share(const struct delivery *d, struct lease *lease,
                           const struct delivered *done)
{
    str id = lease->entry.id;
    const struct fault *f = done->note.len ? d->spool->ops->note(lease, done->note) : NULL;
    if (f)
        tell_trouble(d, "note-lost", id, f->says);
    share_wait(d->shares, &done->share, lease);
}

const struct fault *deliver_one(const struct delivery *d, int64_t wait_ms, struct arena *a,
                                bool *ret_any)
{
    struct lease lease = { 0 };
    *ret_any = false;
    TRY(d->spool->ops->lease(d->spool, wait_ms, a, &lease));
    if (!lease.impl) {
        if (d->shares)
            shares_nudge(d->shares);
        return NULL;
    }
    *ret_any = true;
    str id = arena_str(a, lease.entry.id);
    struct delivered done = lease.entry.kind == SPOOL_MAIL ? deliver_attempt(d, &lease, a)
                                                           : errand_attempt_run(d, &lease, a);
    if (done.waits) {
        wait_for_share(d, &lease, &done);
        return NULL;
    }
    const struct fault *f =
        d->spool->ops->settle(&lease, done.settlement, done.retry_at_ms, done.note);
    if (f) /* after a restart the message is there again, and its noted steps are not repeated */
        tell_trouble(d, "settle-lost", id, fault_sentence(f, a));
    else
        tell_settled(d, &lease, &done, id);
    return NULL;
}
