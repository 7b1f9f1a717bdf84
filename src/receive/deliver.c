/* receive/deliver.c - one attempt: the steps not yet noted, in order, and how it ends. */
#include "receive/deliver.h"

#include "policy/decision.h"
#include "receive/attempt.h"
#include "receive/header_section.h"
#include "receive/retry.h"
#include "receive/shares.h"
#include "receive/timeline.h"

enum {
    STEP_ARENA = 8 << 20,        /* bodies pass through in chunks of their own */
    QUICK_BODY_MAX = 256 * 1024, /* of a message whose put takes no time but the disk's */
};

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

/* Passed over, ended in an earlier attempt, or the notice of what did not happen. */
static bool has_no_turn(struct attempt *t, const struct step *step)
{
    if (passes_over(&t->bend, step))
        return true;
    const struct step_history before = history_of(&t->history, t->at);
    if (before.ended) {
        t->effect_done = before.kind == OUTCOME_DONE;
        t->lost = t->lost || !t->effect_done;
        bend_by(&t->bend, step, before.last->flow);
        return true;
    }
    return step->part == STEP_NOTICE &&
           !t->effect_done; /* nobody is told of what did not happen; a redrive asks again */
}

static void tell_received_once(struct attempt *t)
{
    if (!t->received_told)
        tell_received(t);
    t->received_told = true;
}

/* False: it holds up the later steps of its message (spec 10, U11). */
static bool end_step(struct attempt *t, const struct step *step, const struct fault *f,
                     const struct step_said *said)
{
    give_share(t, &t->share, t->at + 1 == t->plan.count);
    const struct outcome *o = add_outcome(t, t->at, t->began_ms, f, said);
    arena_reset(
        t->work); /* a message may have hundreds of steps; each holds a piece of the body */
    if (o->kind == OUTCOME_RETRY)
        return false;
    t->effect_done = o->kind == OUTCOME_DONE;
    t->lost = t->lost || !t->effect_done;
    bend_by(&t->bend, step, o->flow);
    return true;
}

static struct delivered to_be_retried(const struct attempt *t)
{
    struct clock *clock = t->d->outside->clock;
    return (struct delivered) {
        .settlement = SETTLE_RETRY,
        .retry_at_ms = retry_next_ms(t->d->waits ? t->d->waits : &retry_waits_usual,
                                     history_of(&t->history, t->at).failures + 1, t->since_ms,
                                     clock->wall_ms(clock)),
    };
}

/* False: it stands, as attempt_run says. */
static bool run_plan(struct attempt *t, bool may_stand, struct delivered *ret_end)
{
    struct clock *clock = t->d->outside->clock;
    for (; t->at < t->plan.count; t->at++) {
        const struct step *step = &t->plan.steps[t->at];
        struct step_said said;
        const struct fault *f;
        if (t->begun) {
            f = step_await(t, t->at, &said);
        } else if (has_no_turn(t, step)) {
            continue;
        } else {
            if (!take_share(t, step, &t->share)) {
                *ret_end = (struct delivered) { .waits = true, .share = t->share };
                return !may_stand;
            }
            tell_received_once(t);
            note_before(t, step);
            t->began_ms = clock->wall_ms(clock);
            f = may_stand ? step_begin(t, t->at, t->began_ms, &said)
                          : step_run(t, t->at, t->began_ms, &said);
            if (t->begun)
                return false;
        }
        if (!end_step(t, step, f, &said)) {
            *ret_end = to_be_retried(t);
            return true;
        }
    }
    tell_received_once(t);
    *ret_end = (struct delivered) { .settlement = t->lost ? SETTLE_DEAD : SETTLE_DONE };
    return true;
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

struct attempt *attempt_open(const struct delivery *d, struct lease *lease, struct arena *a,
                             struct delivered *ret_end)
{
    struct attempt *t = ARENA_NEW(a, struct attempt);
    struct attempt small = { .d = d, .lease = lease, .arena = a };
    if (!t) {
        *ret_end = unreadable(&small, &fault_no_memory);
        return NULL;
    }
    *t = small;
    const struct fault *f = take_means(t);
    if (!f)
        f = open_attempt(t);
    if (!f)
        return t;
    *ret_end = unreadable(t, f);
    return NULL;
}

bool attempt_is_quick(const struct attempt *t)
{
    if (t->lease->body_size > QUICK_BODY_MAX || !s3_action_has_halves(t->d->ports))
        return false;
    for (size_t i = t->at; i < t->plan.count; i++) {
        const struct step *step = &t->plan.steps[i];
        const enum action_kind kind = step->action->kind;
        if (step->part == STEP_NOTICE ||
            (kind != ACTION_S3 && kind != ACTION_ADD_HEADER && kind != ACTION_STOP))
            return false;
    }
    return true;
}

bool attempt_run(struct attempt *t, bool may_stand, struct delivered *ret_end)
{
    if (!run_plan(t, may_stand, ret_end))
        return false;
    ret_end->outcomes = t->outcomes;
    ret_end->outcome_count = t->count;
    const bool delivered = !ret_end->waits && ret_end->settlement == SETTLE_DONE;
    ret_end->note = note_since(t, delivered);
    if (delivered)
        keep_header_section(t);
    return true;
}
