/* receive/plan.c - envelope x rule set -> steps. */
#include "receive/plan.h"

#include "services/ses/recipients.h"

/* The recipients of the envelope that the rule means; *ret_list has room for all of them. */
static size_t recipients_of(const struct receipt_rule *rule, const struct envelope *e,
                            const struct forward_path **list)
{
    size_t count = 0;
    for (size_t i = 0; i < e->rcpt_count; i++) {
        if (rule_matches(rule, &e->rcpt_to[i].mailbox))
            list[count++] = &e->rcpt_to[i];
    }
    return count;
}

/* A notice follows the effect of every kind with a TopicArn but SNS's, whose topic is its target.
 */
static bool has_notice(const struct action *action)
{
    return action->topic_arn.len && action->kind != ACTION_SNS;
}

/* Whatever happens: a function that is waited for may pass over the Stop behind it, which then has
 * no say; so what follows is planned, and the attempt sees to it that the Stop ends it. */
static bool stops(const struct receipt_rule *rule)
{
    for (size_t i = 0; i < rule->action_count; i++) {
        const struct action *action = &rule->actions[i];
        if (action->kind == ACTION_LAMBDA &&
            action->lambda.invocation_type == INVOCATION_REQUEST_RESPONSE)
            return false;
        if (action->kind == ACTION_STOP)
            return true;
    }
    return false;
}

/* The actions of the step's rule, each with its notice; the API lets nothing stand behind a Stop. */
static void add_steps(struct step step, struct step *steps, size_t *count)
{
    bool stopped = false;
    for (size_t i = 0; i < step.rule->action_count && !stopped; i++) {
        step.action = &step.rule->actions[i];
        step.part = STEP_EFFECT;
        steps[(*count)++] = step;
        if (has_notice(step.action)) {
            step.part = STEP_NOTICE;
            steps[(*count)++] = step;
        }
        stopped = step.action->kind == ACTION_STOP;
    }
}

static size_t steps_at_most(const struct receipt_rule_set *set)
{
    size_t steps = 0;
    for (size_t r = 0; r < set->rule_count; r++)
        steps += 2 * set->rules[r].action_count;
    return steps;
}

const struct fault *plan_make(const struct receipt_rule_set *set, const struct envelope *e,
                              struct arena *a, struct plan *ret_plan)
{
    size_t room = steps_at_most(set);
    struct step *steps = ARENA_ARRAY(a, struct step, room ? room : 1);
    if (!steps)
        return &fault_no_memory;
    size_t count = 0;
    bool stopped = false, scan = false;
    for (size_t r = 0; r < set->rule_count && !stopped; r++) {
        const struct receipt_rule *rule = &set->rules[r];
        if (!rule->enabled || !rule->action_count)
            continue;
        const struct forward_path **matched =
            ARENA_ARRAY(a, const struct forward_path *, e->rcpt_count ? e->rcpt_count : 1);
        if (!matched)
            return &fault_no_memory;
        size_t matched_count = recipients_of(rule, e, matched);
        if (!matched_count)
            continue;
        const struct step step = { .part = STEP_EFFECT,
                                   .rule = rule,
                                   .recipients = matched,
                                   .recipient_count = matched_count };
        add_steps(step, steps, &count);
        stopped = stops(rule);
        scan = scan || rule->scan_enabled;
    }
    *ret_plan = (struct plan) { .steps = steps, .count = count, .scan = scan };
    return NULL;
}

const struct fault *plan_rule(const struct receipt_rule *rule, struct arena *a,
                              struct plan *ret_plan)
{
    struct step *steps = ARENA_ARRAY(a, struct step, 2 * rule->action_count + 1);
    if (!steps)
        return &fault_no_memory;
    size_t count = 0;
    add_steps((struct step) { .rule = rule }, steps, &count);
    *ret_plan = (struct plan) { .steps = steps, .count = count, .scan = rule->scan_enabled };
    return NULL;
}

static struct match match_of(const struct receipt_rule *rule, const struct envelope *e,
                             str stopped_by)
{
    struct match m = { .rule = rule, .reason = PASSED_NOBODY };
    if (!rule->enabled) {
        m.reason = PASSED_DISABLED;
        return m;
    }
    if (stopped_by.ptr) {
        m.reason = PASSED_STOPPED;
        m.stopped_by = stopped_by;
        return m;
    }
    if (!rule->recipient_count) {
        if (e->rcpt_count)
            m.reason = MATCH_ANYBODY;
        return m;
    }
    for (size_t i = 0; i < e->rcpt_count; i++) {
        if (!rule_matches(rule, &e->rcpt_to[i].mailbox)) /* soon said, of most rules */
            continue;
        for (size_t c = 0; c < rule->recipient_count; c++) {
            if (!recipient_matches(rule->recipients[c], &e->rcpt_to[i].mailbox))
                continue;
            m.reason = MATCH_RECIPIENT;
            m.recipient = &e->rcpt_to[i];
            m.condition = rule->recipients[c];
            return m;
        }
    }
    return m;
}

const struct fault *plan_matches(const struct receipt_rule_set *set, const struct envelope *e,
                                 struct arena *a, struct match **ret_matches)
{
    struct match *matches = ARENA_ARRAY(a, struct match, set->rule_count ? set->rule_count : 1);
    if (!matches)
        return &fault_no_memory;
    str stopped_by = STR_NONE;
    for (size_t r = 0; r < set->rule_count; r++) {
        matches[r] = match_of(&set->rules[r], e, stopped_by);
        if (match_runs(&matches[r]) && stops(&set->rules[r]))
            stopped_by = set->rules[r].name;
    }
    *ret_matches = matches;
    return NULL;
}

bool match_runs(const struct match *m)
{
    return m->reason == MATCH_ANYBODY || m->reason == MATCH_RECIPIENT;
}

str match_why(const struct match *m, const struct envelope *e, bool in_brief, struct arena *a)
{
    switch (m->reason) {
    case MATCH_ANYBODY:
        return STR("the rule has no recipient conditions, so it takes every recipient");
    case MATCH_RECIPIENT:
        return arena_strf(a, "recipient " STR_FMT " matches the condition " STR_FMT,
                          STR_ARG(m->recipient->text), STR_ARG(m->condition));
    case PASSED_DISABLED:
        return STR("the rule is disabled");
    case PASSED_STOPPED:
        return in_brief ? STR("a Stop action ended the evaluation")
                        : arena_strf(a, "the Stop action of rule " STR_FMT " ended the evaluation",
                                     STR_ARG(m->stopped_by));
    case PASSED_NOBODY:
        break;
    }
    const struct receipt_rule *rule = m->rule;
    if (in_brief)
        return STR("no recipient matches");
    if (e->rcpt_count == 1 && rule->recipient_count == 1)
        return arena_strf(a, "recipient " STR_FMT " does not match the condition " STR_FMT,
                          STR_ARG(e->rcpt_to[0].text), STR_ARG(rule->recipients[0]));
    return arena_strf(a, "none of the %zu recipients matches any of the rule's %zu conditions",
                      e->rcpt_count, rule->recipient_count);
}

str step_name(const struct step *step)
{
    /* action_kind_name gives the effect's; a notice is told apart by one word behind it. */
    static const str notices[] = {
        [ACTION_S3] = STR_INIT("S3 notice"),
        [ACTION_SNS] = STR_INIT("SNS notice"),
        [ACTION_LAMBDA] = STR_INIT("Lambda notice"),
        [ACTION_BOUNCE] = STR_INIT("Bounce notice"),
        [ACTION_STOP] = STR_INIT("Stop notice"),
        [ACTION_ADD_HEADER] = STR_INIT("AddHeader notice"),
        [ACTION_WORKMAIL] = STR_INIT("WorkMail notice"),
        [ACTION_CONNECT] = STR_INIT("Connect notice"),
    };
    return step->part == STEP_NOTICE ? notices[step->action->kind]
                                     : action_kind_name(step->action->kind);
}
