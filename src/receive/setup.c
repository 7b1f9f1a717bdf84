/* receive/setup.c - a rule's targets tried with the actions' own code, and what came of it. */
#include "receive/setup.h"

#include "base/json.h"
#include "base/spans.h"
#include "base/when.h"
#include "policy/decision.h"
#include "policy/explanation.h"
#include "receive/clerk.h"
#include "receive/rehearse.h"
#include "receive/setup_target.h"

#include <pthread.h>
#include <stdlib.h>

/* Policies may be longer than a line of the log or an item of the list: then what quotes them is
 * left out, and at last the reason is cut. */
enum { RECENT_MAX = 64, DESCRIBED_MAX = 60 * 1024, ITEM_MAX = 256 * 1024, SAYS_MAX = 4 * 1024 };
enum { TARGETS_MAX = 4 << 20, WARNED_STEPS_MAX = 32, COMPARED_MAX = 64 << 20 };
/* What SES's documents allow and its API does not enforce: spec 1.1, 9.1. */
enum { RECIPIENTS_TOLD = 100, HEADER_NAME_TOLD = 50 };

struct item {
    struct buf json; /* an object */
    struct buf key;  /* account/region/set/rule; a clone has no rule */
};

struct setup {
    const struct ports *ports, *rehearsal;
    struct outside *outside;
    struct metrics *metrics;
    pthread_mutex_t lock;
    struct item recent[RECENT_MAX]; /* a ring; guarded by lock */
    size_t next;
};

const struct fault *setup_open(const struct ports *ports, const struct ports *rehearsal,
                               struct outside *outside, struct metrics *metrics, struct arena *a,
                               struct setup **ret_setup)
{
    struct setup *s = ARENA_NEW(a, struct setup);
    if (!s)
        return &fault_no_memory;
    *s = (struct setup) {
        .ports = ports, .rehearsal = rehearsal, .outside = outside, .metrics = metrics
    };
    pthread_mutex_init(&s->lock, NULL);
    *ret_setup = s;
    return NULL;
}

static void item_free(struct item *item)
{
    buf_free(&item->json);
    buf_free(&item->key);
}

void setup_close(struct setup *s)
{
    for (size_t i = 0; s && i < RECENT_MAX; i++)
        item_free(&s->recent[i]);
}

/* ---- trying ---- */

static struct acting acting_for(const struct setup *s, const struct ports *ports,
                                const struct call *call, str rule_set,
                                const struct receipt_rule *rule)
{
    return (struct acting) { .ports = ports,
                             .world = call->world,
                             .entropy = s->outside->entropy,
                             .account = call->caller->account,
                             .region = call->region,
                             .rule_set = rule_set,
                             .rule = rule,
                             .message_id = STR(SETUP_MESSAGE_ID),
                             .now_ms = call->now_ms,
                             .arena = call->arena };
}

/* Absent where there is nothing to say. */
static void add_known(struct json_writer *w, const char *name, str value)
{
    if (!str_is_none(value))
        json_add_str(w, name, value);
}

static void add_decisions(struct json_writer *w, str decisions)
{
    json_name(w, STR("decisions"));
    json_open(w, '[');
    if (decisions.len)
        json_put_raw(w, decisions);
    json_close(w, ']');
}

static void write_target(struct setup_trial *t, enum rule_target target,
                         const struct setup_tried *tried, const struct clerk *clerk)
{
    static const char *const names[] = { [RULE_TARGET_TOPIC] = "topic", [RULE_TARGET_OWN] = "own" };
    const struct fault *why = tried->fault ? tried->fault->because : NULL;
    const char *outcome = !tried->fault ? "allowed" : why && denial_of(why) ? "denied" : "failed";
    if (t->targets.len)
        buf_addc(&t->targets, ',');
    struct json_writer w = json_writer(&t->targets);
    json_open(&w, '{');
    json_add_int(&w, "action", (int64_t)t->number);
    json_add_str(&w, "kind", action_kind_name(t->action->kind));
    json_add_str(&w, "target", str_of(names[target]));
    json_add_str(&w, "outcome", str_of(outcome));
    json_add_str(&w, "says",
                 tried->fault ? fault_sentence(why ? why : tried->fault, t->call->arena)
                              : tried->did);
    add_decisions(&w, clerk->failed ? STR("") : buf_str(&clerk->decisions));
    json_close(&w, '}');
}

/* A target that refuses is the request's fault, whatever stands beneath: SES answers 400, never
 * 403. */
static const struct fault *as_answer(const struct fault *why, struct arena *arena)
{
    if (!why || !why->code)
        return why;
    struct fault *answer = ARENA_NEW(arena, struct fault);
    if (!answer)
        return &fault_no_memory;
    *answer = *why;
    answer->kind = FAULT_SYNTAX;
    return answer;
}

static const struct fault *run(struct rule_test *test, const struct receipt_rule *rule,
                               const struct action *action, enum rule_target target)
{
    struct setup_trial *t = (struct setup_trial *)test;
    struct acting as = acting_for(t->setup, t->setup->ports, t->call, t->rule_set, rule);
    AUTO_CLERK clerk = clerk_new(t->call->arena);
    as.witness = &clerk.witness;
    t->action = action;
    t->number = (size_t)(action - rule->actions) + 1;
    const struct setup_tried tried = setup_try_target(&as, action, target);
    if (tried.ran)
        write_target(t, target, &tried, &clerk);
    return as_answer(tried.fault, t->call->arena);
}

struct setup_trial setup_begin(struct setup *s, const struct call *call, const char *operation,
                               str rule_set)
{
    return (struct setup_trial) { .test = { run },
                                  .setup = s,
                                  .call = call,
                                  .operation = operation,
                                  .rule_set = rule_set,
                                  .targets = buf_new(TARGETS_MAX) };
}

/* ---- remembering ---- */

struct story { /* of one set-up */
    const struct call *call;
    const char *operation;
    str rule_set, rule; /* rule STR_NONE: a clone */
    str original;       /* of a clone */
    const struct action *action;
    const struct fault *outcome;
    str targets, warnings; /* JSON objects, separated by commas */
};

enum detail { IN_FULL, WITHOUT_DECISIONS, IN_BRIEF };

static void describe_outcome(const struct story *story, enum detail detail, struct json_writer *w)
{
    struct arena *a = story->call->arena;
    const struct fault *f = story->outcome, *why = f->because ? f->because : f;
    const struct denial *denial = denial_of(f);
    str says = fault_sentence(why, a);
    if (story->action)
        json_add_str(w, "action", action_kind_name(story->action->kind));
    json_add_str(w, "answered", f->says);
    json_add_str(w, "says", detail == IN_BRIEF ? str_head(says, SAYS_MAX) : says);
    if (detail == IN_BRIEF)
        json_add_bool(w, "cut", true);
    else if (denial)
        json_add_raw(w, "denial", denial_json(denial, a));
}

static void describe(const struct story *story, enum detail detail, struct json_writer *w)
{
    json_add_str(w, "operation", str_of(story->operation));
    json_add_str(w, "account", story->call->caller->account);
    json_add_str(w, "region", story->call->region);
    json_add_str(w, "ruleSet", story->rule_set);
    add_known(w, "rule", story->rule);
    add_known(w, "original", story->original);
    if (story->outcome)
        describe_outcome(story, detail, w);
}

static void add_list(struct json_writer *w, const char *name, str items)
{
    json_name(w, str_of(name));
    json_open(w, '[');
    if (items.len)
        json_put_raw(w, items);
    json_close(w, ']');
}

static void write_item(const struct story *story, enum detail detail, struct buf *out)
{
    char when[WHEN_SIZE];
    struct json_writer w = json_writer(out);
    json_open(&w, '{');
    json_add_str(&w, "at", when_iso_ms(when, story->call->now_ms));
    json_add_str(&w, "outcome", story->outcome ? STR("refused") : STR("made"));
    describe(story, detail, &w);
    add_list(&w, "targets", detail == IN_FULL ? story->targets : STR(""));
    add_list(&w, "warnings", detail == IN_FULL ? story->warnings : STR(""));
    json_close(&w, '}');
}

static void remember(struct setup *s, const struct story *story)
{
    struct item item = { .json = buf_new(ITEM_MAX), .key = buf_new(1024) };
    for (int detail = IN_FULL; detail <= IN_BRIEF; detail++) {
        buf_clear(&item.json);
        write_item(story, (enum detail)detail, &item.json);
        if (!item.json.failed)
            break;
    }
    buf_addf(&item.key, STR_FMT "/" STR_FMT "/" STR_FMT "/" STR_FMT,
             STR_ARG(story->call->caller->account), STR_ARG(story->call->region),
             STR_ARG(story->rule_set), STR_ARG(story->rule));
    if (item.json.failed || item.key.failed) {
        item_free(&item);
        return;
    }
    pthread_mutex_lock(&s->lock);
    struct item *place = &s->recent[s->next];
    s->next = (s->next + 1) % RECENT_MAX;
    item_free(place);
    *place = item;
    pthread_mutex_unlock(&s->lock);
}

static void note(struct setup *s, enum journal_level level, str event, const struct story *story,
                 str warnings)
{
    AUTO_BUF members = buf_new(DESCRIBED_MAX);
    for (int detail = IN_FULL; detail <= IN_BRIEF; detail++) {
        buf_clear(&members);
        struct json_writer w = json_writer(&members);
        describe(story, (enum detail)detail, &w);
        if (warnings.len && detail == IN_FULL)
            add_list(&w, "warnings", warnings);
        if (!members.failed)
            break;
    }
    s->outside->journal->note(s->outside->journal, level, STR("receive"), event, buf_str(&members));
}

/* ---- warnings ---- */

static void warn(struct buf *warnings, str rule, str action, str says, str decisions)
{
    if (warnings->len)
        buf_addc(warnings, ',');
    struct json_writer w = json_writer(warnings);
    json_open(&w, '{');
    json_add_str(&w, "rule", rule);
    add_known(&w, "action", action);
    json_add_str(&w, "says", says);
    if (decisions.ptr)
        add_decisions(&w, decisions);
    json_close(&w, '}');
}

static bool header_name_told(str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!ascii_is_alpha(name.ptr[i]) && !ascii_is_digit(name.ptr[i]) && name.ptr[i] != '-')
            return false;
    return name.len <= HEADER_NAME_TOLD;
}

static void warn_of_rule(const struct receipt_rule *rule, struct arena *a, struct buf *warnings)
{
    if (rule->recipient_count > RECIPIENTS_TOLD)
        warn(warnings, rule->name, STR_NONE,
             arena_strf(a,
                        "the rule has %zu recipients: SES's documents allow %d, though its API "
                        "takes more",
                        rule->recipient_count, RECIPIENTS_TOLD),
             STR_NONE);
    for (size_t i = 0; i < rule->action_count; i++) {
        const struct action *action = &rule->actions[i];
        if (action->kind == ACTION_ADD_HEADER && !header_name_told(action->add_header.header_name))
            warn(warnings, rule->name, action_kind_name(action->kind),
                 arena_strf(a,
                            "the header name " STR_FMT ": SES's documents allow up to %d letters, "
                            "digits and dashes, though its API takes more",
                            STR_ARG(str_head(action->add_header.header_name, 256)),
                            HEADER_NAME_TOLD),
                 STR_NONE);
    }
}

void setup_end(struct setup_trial *t, const struct receipt_rule *rule, const struct fault *outcome)
{
    AUTO_BUF warnings = buf_new(DESCRIBED_MAX / 2);
    if (!outcome)
        warn_of_rule(rule, t->call->arena, &warnings);
    const struct story story = {
        .call = t->call,
        .operation = t->operation,
        .rule_set = t->rule_set,
        .rule = rule->name,
        .action = outcome ? t->action : NULL,
        .outcome = outcome,
        .targets = t->targets.failed ? STR("") : buf_str(&t->targets),
        .warnings = buf_str(&warnings),
    };
    const bool has_reason = outcome && (outcome->because || denial_of(outcome));
    if (has_reason) {
        note(t->setup, JOURNAL_WARNING, STR("setup-failed"), &story, STR_NONE);
        if (t->setup->metrics)
            metric_add(metrics_counter(t->setup->metrics, STR("sesame_setup_failures_total"),
                                       STR("Rules whose targets failed their test."), STR("")),
                       1);
    }
    if (warnings.len)
        note(t->setup, JOURNAL_WARNING, STR("setup-warned"), &story, buf_str(&warnings));
    if (has_reason || warnings.len || t->targets.len)
        remember(t->setup, &story);
    buf_free(&t->targets);
}

/* ---- clones ---- */

/* What the original's step may and the clone's may not. Both are asked in the same world. */
static const struct fault *compare(struct setup *s, const struct call *call, str original,
                                   str clone, const struct receipt_rule *rule, struct buf *warnings,
                                   size_t *count)
{
    struct plan plan;
    TRY(plan_rule(rule, call->arena, &plan));
    const struct acting before = acting_for(s, s->rehearsal, call, original, rule);
    const struct acting after = acting_for(s, s->rehearsal, call, clone, rule);
    for (size_t i = 0; i < plan.count && *count < WARNED_STEPS_MAX; i++) {
        struct rehearsed may, may_not;
        TRY(rehearse_step(&before, &plan.steps[i], &may));
        if (!rehearsed_well(&may))
            continue;
        TRY(rehearse_step(&after, &plan.steps[i], &may_not));
        if (rehearsed_well(&may_not))
            continue;
        warn(warnings, rule->name, step_name(&plan.steps[i]), may_not.says, may_not.decisions);
        (*count)++;
    }
    return NULL;
}

void setup_cloned(struct setup *s, const struct call *call, str original,
                  const struct receipt_rule_set *clone)
{
    AUTO_BUF warnings = buf_new(ITEM_MAX / 2);
    size_t count = 0;
    const struct fault *f = NULL;
    for (size_t i = 0; !f && i < clone->rule_count; i++) {
        /* Of two thousand steps the call's own arena could not hold what is thought of each. */
        AUTO_ARENA *arena = arena_new(COMPARED_MAX);
        struct call scratch = *call;
        scratch.arena = arena;
        f = arena ? compare(s, &scratch, original, clone->name, &clone->rules[i], &warnings, &count)
                  : &fault_no_memory;
    }
    const struct story story = {
        .call = call,
        .operation = "CloneReceiptRuleSet",
        .rule_set = clone->name,
        .original = original,
        .warnings = f || warnings.failed ? STR("") : buf_str(&warnings),
    };
    AUTO_BUF members = buf_new(DESCRIBED_MAX);
    struct json_writer w = json_writer(&members);
    json_add_str(&w, "original", original);
    json_add_str(&w, "clone", clone->name);
    json_add_str(&w, "account", call->caller->account);
    json_add_str(&w, "region", call->region);
    json_add_str(&w, "says",
                 count ? STR("policies that name the rules of the original in aws:SourceArn do not "
                             "admit those of the clone")
                       : STR("what the rules of the original may, those of the clone may too"));
    const size_t told = members.len;
    if (count)
        add_list(&w, "warnings", story.warnings);
    if (members.failed) { /* the list has it all */
        members.failed = false;
        members.len = told;
    }
    s->outside->journal->note(s->outside->journal, count ? JOURNAL_WARNING : JOURNAL_INFO,
                              STR("receive"), STR("rule-set-cloned"), buf_str(&members));
    if (count)
        remember(s, &story);
}

/* ---- showing ---- */

/* account/region/set/rule; what is not asked about fits, and so does a clone without a rule. */
static bool answers(const struct item *item, const struct setup_question *q)
{
    const str asked[] = { q->account, q->region, q->rule_set, q->rule };
    str rest = buf_str(&item->key), part;
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        str_cut(rest, '/', &part, &rest);
        const bool clone = i == 3 && !part.len;
        if (!str_is_none(asked[i]) && !clone && !str_eq(asked[i], part))
            return false;
    }
    return true;
}

void setup_write_recent(struct setup *s, const struct setup_question *q, struct buf *out)
{
    struct json_writer w = json_writer(out);
    size_t count = 0;
    json_open(&w, '[');
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < RECENT_MAX && (!q->max || count < q->max); i++) {
        const struct item *item = &s->recent[(s->next + RECENT_MAX - 1 - i) % RECENT_MAX];
        if (!item->json.len || !answers(item, q))
            continue;
        json_put_raw(&w, buf_str(&item->json));
        count++;
    }
    pthread_mutex_unlock(&s->lock);
    json_close(&w, ']');
}

/* ---- for a person ---- */

static str text_at(const struct spans *object, const char *name)
{
    const struct spans *member = spans_get(object, str_of(name));
    return member && member->text.ptr ? member->text : STR("");
}

static void print_decisions(const struct spans *object, str text, struct buf *out)
{
    const struct spans *decisions = spans_get(object, STR("decisions"));
    for (const struct spans *one = decisions ? decisions->first : NULL; one; one = one->next)
        explanation_print(one, text, "    ", out);
}

static void print_target(const struct spans *target, str text, struct buf *out)
{
    const bool topic = str_eq(text_at(target, "target"), STR("topic"));
    buf_addf(out, "  action " STR_FMT ", " STR_FMT "%s: " STR_FMT "\n",
             STR_ARG(text_at(target, "action")), STR_ARG(text_at(target, "kind")),
             topic ? ", its topic" : "", STR_ARG(text_at(target, "outcome")));
    /* A denial is told by its decision. */
    if (!str_eq(text_at(target, "outcome"), STR("denied")))
        buf_addf(out, "    " STR_FMT "\n", STR_ARG(text_at(target, "says")));
    print_decisions(target, text, out);
}

const struct fault *setup_print(str json, struct arena *a, struct buf *out, bool *ret_refused)
{
    const struct spans *root;
    TRY(spans_parse(json, SPANS_STRICT, a, &root));
    const str rule = text_at(root, "rule");
    *ret_refused = str_eq(text_at(root, "outcome"), STR("refused"));
    buf_addf(out, STR_FMT " " STR_FMT ": ", STR_ARG(text_at(root, "at")),
             STR_ARG(text_at(root, "operation")));
    if (rule.len)
        buf_addf(out, "rule " STR_FMT " of ", STR_ARG(rule));
    buf_addf(out, "rule set " STR_FMT ", account " STR_FMT ", " STR_FMT ": " STR_FMT "\n",
             STR_ARG(text_at(root, "ruleSet")), STR_ARG(text_at(root, "account")),
             STR_ARG(text_at(root, "region")), STR_ARG(text_at(root, "outcome")));
    if (*ret_refused)
        buf_addf(out, "  answered: " STR_FMT "\n  because: " STR_FMT "\n",
                 STR_ARG(text_at(root, "answered")), STR_ARG(text_at(root, "says")));
    const struct spans *list = spans_get(root, STR("targets"));
    for (const struct spans *one = list ? list->first : NULL; one; one = one->next)
        print_target(one, json, out);
    list = spans_get(root, STR("warnings"));
    for (const struct spans *one = list ? list->first : NULL; one; one = one->next) {
        buf_addf(out, "  warning: rule " STR_FMT "%s" STR_FMT ": " STR_FMT "\n",
                 STR_ARG(text_at(one, "rule")), text_at(one, "action").len ? ", " : "",
                 STR_ARG(text_at(one, "action")), STR_ARG(text_at(one, "says")));
        print_decisions(one, json, out);
    }
    return out->failed ? &fault_no_memory : NULL;
}
