/* receive/deliver.c - one attempt: the steps not yet noted, in order, and how it ends. */
#include "receive/deliver.h"

#include "base/json.h"
#include "mail/field.h"
#include "policy/decision.h"
#include "receive/actions.h"
#include "receive/retry.h"
#include "receive/timeline.h"

enum { STEP_ARENA = 4 << 20 }; /* bodies pass through in chunks of their own */

struct attempt {
    const struct delivery *d;
    struct lease *lease;
    struct arena *arena;
    struct arena *work; /* the running step's; reset behind it */
    const struct world *world;
    struct head head;
    struct receipt_rule_set set;
    struct plan plan;
    struct history history;
    struct outcome *outcomes; /* room for one a step */
    size_t count, noted;      /* of these, so many are written as notes */
    int64_t since_ms;         /* the four hours run from here */
};

/* ---- what one step does ---- */

/* What AddHeader actions before this step have added: visible to later actions only (spec 7.1). */
static const struct fault *added_before(const struct attempt *t, size_t step,
                                        struct header **ret_added, size_t *ret_count)
{
    struct header *added = ARENA_ARRAY(t->work, struct header, step ? step : 1);
    if (!added)
        return &fault_no_memory;
    size_t count = 0;
    for (size_t i = 0; i < step; i++) {
        const struct action *action = t->plan.steps[i].action;
        if (action->kind == ACTION_ADD_HEADER && field_name_valid(action->add_header.header_name) &&
            field_value_valid(action->add_header.header_value))
            added[count++] =
                (struct header) { action->add_header.header_name, action->add_header.header_value };
    }
    *ret_added = added;
    *ret_count = count;
    return NULL;
}

static const struct fault *run_s3(struct attempt *t, size_t index, int64_t now_ms, str *ret_says)
{
    const struct step *step = &t->plan.steps[index];
    struct header *added;
    size_t added_count;
    TRY(added_before(t, index, &added, &added_count));
    struct stamp stamp = *t->d->stamp;
    if (!stamp.hostname.ptr)
        stamp.hostname =
            arena_strf(t->work, "inbound-smtp." STR_FMT ".amazonaws.com", STR_ARG(t->head.region));
    AUTO_BUF block = buf_new(1 << 20);
    stamp_write(&stamp, &t->head, added, added_count, &block);
    str text = block.failed ? STR_NONE : arena_str(t->work, buf_str(&block));
    struct body *body = text.ptr ? stamp_body(text, t->d->spool, t->lease, t->work) : NULL;
    if (!body)
        return &fault_no_memory;
    struct acting as = { .ports = t->d->ports,
                         .world = t->world,
                         .account = t->head.account,
                         .region = t->head.region,
                         .rule_set = t->set.name,
                         .rule = step->rule,
                         .now_ms = now_ms,
                         .arena = t->work };
    TRY(s3_action_fault(step->action, s3_action_put(&as, step->action, t->lease->entry.id, body),
                        t->work));
    str key = s3_action_key(step->action->s3.object_key_prefix, t->lease->entry.id, t->work);
    *ret_says = arena_strf(t->work, "wrote s3://" STR_FMT "/" STR_FMT,
                           STR_ARG(step->action->s3.bucket_name), STR_ARG(key));
    return NULL;
}

static const struct fault *run_add_header(const struct attempt *t, const struct step *step,
                                          str *ret_says)
{
    str name = step->action->add_header.header_name, value = step->action->add_header.header_value;
    if (!field_name_valid(name) || !field_value_valid(value))
        return fault(t->work, FAULT_SYNTAX, NULL,
                     "the header field " STR_FMT " cannot stand in a message", STR_ARG(name));
    *ret_says = arena_strf(t->work, "added the header field " STR_FMT, STR_ARG(name));
    return NULL;
}

static const struct fault *run_step(struct attempt *t, size_t index, int64_t now_ms, str *ret_says)
{
    const struct step *step = &t->plan.steps[index];
    if (!action_is_built(step))
        return action_unbuilt(step, t->work);
    switch (step->action->kind) {
    case ACTION_S3:
        return run_s3(t, index, now_ms, ret_says);
    case ACTION_ADD_HEADER:
        return run_add_header(t, step, ret_says);
    case ACTION_STOP:
        *ret_says =
            STR("ended the evaluation of the rule set"); /* the plan holds nothing behind it */
        return NULL;
    case ACTION_SNS:
    case ACTION_LAMBDA:
    case ACTION_BOUNCE:
    case ACTION_WORKMAIL:
    case ACTION_CONNECT:
        break;
    }
    return action_unbuilt(step, t->work);
}

/* A full disk and an arena at its end are FAULT_LIMITs too, and both pass; so here only what is
 * wrong in itself is refused. */
static enum fate fate_of(const struct fault *f)
{
    return f && f->kind == FAULT_LIMIT ? FATE_RETRY : fault_fate(f);
}

static enum outcome_kind kind_of(const struct fault *f, int64_t since_ms, int64_t began_ms)
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

/* ---- telling about it ---- */

static void count_step(const struct attempt *t, const struct outcome *o)
{
    if (!t->d->metrics)
        return;
    AUTO_BUF labels = buf_new(4096);
    metric_label(&labels, "rule_set", t->set.name);
    metric_label(&labels, "rule", o->rule);
    metric_label(&labels, "action", o->action);
    str l = buf_str(&labels);
    if (o->kind == OUTCOME_DONE) {
        metric_add(metrics_counter(t->d->metrics, STR("sesame_publish_success_total"),
                                   STR("Actions done: PublishSuccess."), l),
                   1);
        return;
    }
    metric_add(metrics_counter(t->d->metrics, STR("sesame_publish_failure_total"),
                               STR("Attempts of actions that failed: PublishFailure."), l),
               1);
    if (o->kind == OUTCOME_EXPIRED || o->kind == OUTCOME_REFUSED)
        metric_add(metrics_counter(t->d->metrics, STR("sesame_publish_expired_total"),
                                   STR("Actions given up: PublishExpired."), l),
                   1);
}

static void count_received(const struct attempt *t)
{
    if (!t->d->metrics || t->lease->attempt > 1 || t->history.count > 0) /* also of a redrive */
        return;
    for (size_t i = 0; i < t->plan.count; i++) {
        const struct step *s = &t->plan.steps[i];
        if (s->part == STEP_NOTICE)
            continue;
        AUTO_BUF labels = buf_new(4096);
        metric_label(&labels, "rule_set", t->set.name);
        metric_label(&labels, "rule", s->rule->name);
        metric_label(&labels, "action", step_name(s));
        metric_add(metrics_counter(t->d->metrics, STR("sesame_received_total"),
                                   STR("Messages that met an action: Received."), buf_str(&labels)),
                   1);
    }
}

/* A line of the log has its bound, and policies may be longer than that: then what names the
 * message and the step is told, and the rest is left to the timeline. */
enum { LOG_MEMBERS_MAX = 60 * 1024, LOG_SAYS_MAX = 4 * 1024 };

static void write_outcome(const struct attempt *t, const struct outcome *o, bool in_brief,
                          struct buf *line)
{
    struct json_writer w = json_writer(line);
    json_add_str(&w, "id", t->lease->entry.id);
    json_add_str(&w, "account", t->head.account);
    json_add_str(&w, "ruleSet", t->set.name);
    json_add_str(&w, "rule", o->rule);
    json_add_str(&w, "action", o->action);
    json_add_int(&w, "attempt", t->lease->attempt);
    json_add_str(&w, "outcome", str_of(outcome_name(o->kind)));
    if (o->says.ptr)
        json_add_str(&w, "says", in_brief ? str_head(o->says, LOG_SAYS_MAX) : o->says);
    if (in_brief)
        json_add_bool(&w, "cut", true);
    else if (o->denial.ptr)
        json_add_raw(&w, "denial", o->denial);
}

static void log_outcome(const struct attempt *t, const struct outcome *o)
{
    AUTO_BUF line = buf_new(LOG_MEMBERS_MAX);
    write_outcome(t, o, false, &line);
    if (line.failed) {
        buf_clear(&line);
        write_outcome(t, o, true, &line);
    }
    bool well = o->kind == OUTCOME_DONE;
    t->d->outside->journal->note(t->d->outside->journal, well ? JOURNAL_DEBUG : JOURNAL_WARNING,
                                 STR("receive"), STR("action"), buf_str(&line));
}

static struct outcome *add_outcome(struct attempt *t, size_t index, int64_t began_ms,
                                   const struct fault *f, str says)
{
    const struct denial *denial = f ? denial_of(f) : NULL;
    struct outcome *o = &t->outcomes[t->count++];
    *o = (struct outcome) {
        .step = index,
        .at_ms = began_ms,
        .rule = t->plan.steps[index].rule->name,
        .action = step_name(&t->plan.steps[index]),
        .kind = kind_of(f, t->since_ms, began_ms),
        .says = arena_str(t->arena, f ? fault_sentence(f, t->work) : says),
        .denial = denial ? arena_str(t->arena, denial_json(denial, t->work)) : STR_NONE,
    };
    count_step(t, o);
    log_outcome(t, o);
    return o;
}

/* What is not noted yet; of a message that is delivered, also how its rules matched. */
static str note_since(const struct attempt *t, bool delivered)
{
    if (t->count == t->noted && !delivered)
        return STR_NONE;
    AUTO_BUF text = buf_new(1 << 20), rules = buf_new(1 << 20);
    struct history_note note = { .outcomes = t->outcomes + t->noted, .count = t->count - t->noted };
    if (delivered && !timeline_rules(&t->set, &t->head.envelope, t->arena, &rules)) {
        note.rule_set = t->set.name;
        note.rules = buf_str(&rules);
    }
    history_write(&t->history, &note, &text);
    return text.failed ? STR_NONE : arena_str(t->arena, buf_str(&text));
}

/* ---- the attempt ---- */

static bool has_effect(const struct step *step)
{
    return step->part == STEP_NOTICE ||
           (step->action->kind != ACTION_ADD_HEADER && step->action->kind != ACTION_STOP);
}

/* What has an effect outside is noted before the next such step runs: a crash in that one must not
 * repeat this one. A message with a single effect needs no note but the one that settles it. */
static void note_before(struct attempt *t, const struct step *next)
{
    bool effects = false;
    for (size_t i = t->noted; i < t->count; i++)
        effects = effects || has_effect(&t->plan.steps[t->outcomes[i].step]);
    if (!effects || !has_effect(next))
        return;
    str note = note_since(t, false);
    const struct fault *f = note.ptr ? t->d->spool->ops->note(t->lease, note) : &fault_no_memory;
    if (f) /* the step may be run again then: the same object under the same key */
        journal_notef(t->d->outside->journal, JOURNAL_ERROR, STR("receive"), STR("note-lost"),
                      "\"id\":\"" STR_FMT "\"", STR_ARG(t->lease->entry.id));
    else
        t->noted = t->count;
}

static const struct fault *open_attempt(struct attempt *t)
{
    TRY(head_decode(t->lease->entry.head, t->arena, &t->head));
    TRY(rule_set_read(t->lease->entry.rules, t->arena, &t->set));
    TRY(plan_make(&t->set, &t->head.envelope, t->arena, &t->plan));
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
    AUTO_BUF line = buf_new(1 << 16);
    struct json_writer w = json_writer(&line);
    json_add_str(&w, "id", t->lease->entry.id);
    json_add_str(&w, "says", fault_sentence(f, t->arena));
    struct journal *journal = t->d->outside->journal;
    journal->note(journal, JOURNAL_ERROR, STR("receive"), STR("unreadable"), buf_str(&line));
    struct clock *clock = t->d->outside->clock;
    int64_t received_ms = t->head.envelope.received_ms;
    /* Our memory, not the message; but what it has too little of for four hours it will not get. */
    bool passes = f->kind == FAULT_LIMIT &&
                  !(received_ms && retry_is_over(received_ms, clock->wall_ms(clock)));
    return (struct delivered) { .settlement = passes ? SETTLE_RETRY : SETTLE_DEAD,
                                .retry_at_ms = clock->wall_ms(clock) + 60000 };
}

static struct delivered run_plan(struct attempt *t)
{
    struct clock *clock = t->d->outside->clock;
    bool lost = false, effect_done = false; /* of the action whose notice may follow */
    for (size_t i = 0; i < t->plan.count; i++) {
        bool notice = t->plan.steps[i].part == STEP_NOTICE;
        struct step_history before = history_of(&t->history, i);
        if (before.ended) {
            effect_done = before.kind == OUTCOME_DONE;
            lost = lost || !effect_done;
            continue;
        }
        if (notice &&
            !effect_done) /* nobody is told of what did not happen; a redrive asks again */
            continue;
        note_before(t, &t->plan.steps[i]);
        int64_t began_ms = clock->wall_ms(clock);
        str says = STR_NONE;
        const struct fault *f = run_step(t, i, began_ms, &says);
        struct outcome *o = add_outcome(t, i, began_ms, f, says);
        arena_reset(
            t->work); /* a message may have hundreds of steps; each holds a piece of the body */
        if (o->kind == OUTCOME_RETRY) /* it holds up the later steps of its message: spec 10, U11 */
            return (struct delivered) {
                .settlement = SETTLE_RETRY,
                .retry_at_ms =
                    retry_next_ms(before.failures + 1, t->since_ms, clock->wall_ms(clock)),
            };
        effect_done = o->kind == OUTCOME_DONE;
        lost = lost || !effect_done;
    }
    return (struct delivered) { .settlement = lost ? SETTLE_DEAD : SETTLE_DONE };
}

struct delivered deliver_attempt(const struct delivery *d, struct lease *lease, struct arena *a)
{
    struct attempt *t = ARENA_NEW(a, struct attempt);
    struct attempt small = { .d = d, .lease = lease, .arena = a };
    if (!t)
        return unreadable(&small, &fault_no_memory);
    *t = small;
    const struct fault *f = open_attempt(t);
    if (!f)
        f = take_means(t);
    if (f)
        return unreadable(t, f);
    count_received(t);
    struct delivered done = run_plan(t);
    done.outcomes = t->outcomes;
    done.outcome_count = t->count;
    done.note = note_since(t, done.settlement == SETTLE_DONE);
    return done;
}

static void log_settled(const struct delivery *d, const struct lease *lease,
                        const struct delivered *done, str id)
{
    static const char *const events[] = {
        [SETTLE_DONE] = "delivered", [SETTLE_RETRY] = "retrying", [SETTLE_DEAD] = "dead"
    };
    AUTO_BUF line = buf_new(4096);
    struct json_writer w = json_writer(&line);
    json_add_str(&w, "id", id);
    json_add_int(&w, "attempt", lease->attempt);
    if (done->settlement == SETTLE_RETRY)
        json_add_int(&w, "retryAtMs", done->retry_at_ms);
    d->outside->journal->note(d->outside->journal,
                              done->settlement == SETTLE_DEAD ? JOURNAL_WARNING : JOURNAL_INFO,
                              STR("receive"), str_of(events[done->settlement]), buf_str(&line));
}

const struct fault *deliver_one(const struct delivery *d, int64_t wait_ms, struct arena *a,
                                bool *ret_any)
{
    struct lease lease = { 0 };
    *ret_any = false;
    TRY(d->spool->ops->lease(d->spool, wait_ms, a, &lease));
    if (!lease.impl)
        return NULL;
    *ret_any = true;
    str id = arena_str(a, lease.entry.id);
    struct delivered done = deliver_attempt(d, &lease, a);
    const struct fault *f =
        d->spool->ops->settle(&lease, done.settlement, done.retry_at_ms, done.note);
    if (f) { /* after a restart the message is there again, and its noted steps are not repeated */
        AUTO_BUF line = buf_new(4096);
        struct json_writer w = json_writer(&line);
        json_add_str(&w, "id", id);
        json_add_str(&w, "says", fault_sentence(f, a));
        d->outside->journal->note(d->outside->journal, JOURNAL_ERROR, STR("receive"),
                                  STR("settle-lost"), buf_str(&line));
        return NULL;
    }
    log_settled(d, &lease, &done, id);
    return NULL;
}
