/* receive/rehearse.c - each step of a rule, asked and not done. */
#include "receive/rehearse.h"

#include "base/json.h"
#include "policy/explanation.h"
#include "receive/bounce_reply.h"
#include "receive/clerk.h"

static const struct fault *read_nothing(struct body *body, str *ret_chunk)
{
    (void)body;
    *ret_chunk = STR("");
    return NULL;
}

static struct rehearsed failed(const struct acting *as, const struct fault *f)
{
    return (struct rehearsed) { denial_of(f) ? "denied" : "failed", fault_sentence(f, as->arena) };
}

static struct rehearsed allowed(str says)
{
    return (struct rehearsed) { "allowed", says };
}

static struct rehearsed rehearse_s3(const struct acting *as, const struct action *action)
{
    struct body nothing = { .read = read_nothing };
    const struct fault *f = s3_action_fault(action, s3_action_put(as, action, &nothing), as->arena);
    if (f)
        return failed(as, f);
    const str key = s3_action_key(action->s3.object_key_prefix, STR(REHEARSAL_ID), as->arena);
    const str role = action->s3.iam_role_arn;
    return allowed(arena_strf(as->arena,
                              "would write s3://" STR_FMT "/" STR_FMT " as " STR_FMT "%s",
                              STR_ARG(action->s3.bucket_name), STR_ARG(key),
                              STR_ARG(role.len ? role : STR("ses.amazonaws.com")),
                              action->s3.kms_key_arn.len ? ", encrypted" : ""));
}

static struct rehearsed rehearse_publish(const struct acting *as, const struct action *action)
{
    const struct fault *f = sns_action_publish(as, action, STR("{}"), STR_NONE);
    return f ? failed(as, f)
             : allowed(
                   arena_strf(as->arena, "would publish to " STR_FMT, STR_ARG(action->topic_arn)));
}

static struct rehearsed rehearse_lambda(const struct acting *as, const struct action *action)
{
    const struct fault *f = lambda_action_may(as, action);
    return f ? failed(as, f)
             : allowed(arena_strf(as->arena, "would invoke " STR_FMT,
                                  STR_ARG(action->lambda.function_arn)));
}

static struct rehearsed rehearse_bounce(const struct acting *as, const struct action *action)
{
    const struct fault *f = bounce_action_may(as, action);
    struct bounce_reply reply;
    if (f)
        return failed(as, f);
    str later = arena_strf(as->arena, "would %s a bounce as " STR_FMT "%s",
                           as->ports->mailer ? "send" : "write", STR_ARG(action->bounce.sender),
                           as->ports->mailer ? "" : ", kept and not sent: outgoing mail is off");
    if (!as->bounce_in_session || action != as->rule->actions ||
        !bounce_reply_of(action, as->arena, &reply))
        return allowed(later);
    return allowed(arena_strf(as->arena,
                              "would refuse the recipient at RCPT (%d " STR_FMT " " STR_FMT
                              "); where another rule or account has something to do with the "
                              "message first, " STR_FMT,
                              reply.code, STR_ARG(reply.status), STR_ARG(reply.text),
                              STR_ARG(later)));
}

static struct rehearsed rehearse_workmail(const struct acting *as, const struct action *action)
{
    str target;
    const struct fault *f = workmail_action_may(as, action, &target);
    return f ? failed(as, f)
             : allowed(arena_strf(as->arena, "would deliver to " STR_FMT, STR_ARG(target)));
}

static struct rehearsed rehearse_connect(const struct acting *as, const struct action *action)
{
    const struct fault *f = connect_action_start(as, action, STR("{}"), STR_NONE);
    return f ? failed(as, f)
             : allowed(arena_strf(as->arena, "would start a contact in " STR_FMT " as " STR_FMT,
                                  STR_ARG(action->connect.instance_arn),
                                  STR_ARG(action->connect.iam_role_arn)));
}

static struct rehearsed unbuilt(const struct acting *as, const struct step *step)
{
    return (struct rehearsed) { "unbuilt",
                                fault_sentence(action_unbuilt(step, as->arena), as->arena) };
}

static struct rehearsed ask_step(const struct acting *as, const struct step *step)
{
    if (!action_is_built(as->ports, step))
        return unbuilt(as, step);
    if (step->part == STEP_NOTICE)
        return rehearse_publish(as, step->action);
    switch (step->action->kind) {
    case ACTION_S3:
        return rehearse_s3(as, step->action);
    case ACTION_SNS:
        return rehearse_publish(as, step->action);
    case ACTION_LAMBDA:
        return rehearse_lambda(as, step->action);
    case ACTION_ADD_HEADER:
    case ACTION_STOP:
        return (struct rehearsed) { "asks nobody", STR("needs no permission") };
    case ACTION_BOUNCE:
        return rehearse_bounce(as, step->action);
    case ACTION_WORKMAIL:
        return rehearse_workmail(as, step->action);
    case ACTION_CONNECT:
        return rehearse_connect(as, step->action);
    }
    return unbuilt(as, step);
}

const struct fault *rehearse_step(const struct acting *as, const struct step *step,
                                  struct rehearsed *ret_rehearsed)
{
    AUTO_CLERK clerk = clerk_new(as->arena);
    struct acting heard = *as;
    heard.witness = &clerk.witness;
    heard.message_id = STR(REHEARSAL_ID);
    struct rehearsed r = ask_step(&heard, step);
    r.decisions = arena_str(as->arena, buf_str(&clerk.decisions));
    *ret_rehearsed = r;
    return clerk.failed || str_is_none(r.says) || str_is_none(r.decisions) ? &fault_no_memory
                                                                           : NULL;
}

bool rehearsed_well(const struct rehearsed *r)
{
    return str_eq(str_of(r->outcome), STR("allowed")) ||
           str_eq(str_of(r->outcome), STR("asks nobody"));
}

static const struct fault *write_steps(const struct acting *as, struct buf *out, bool *ret_allowed)
{
    struct plan plan;
    TRY(plan_rule(as->rule, as->arena, &plan));
    struct json_writer json = json_writer(out);
    json_open(&json, '[');
    for (size_t i = 0; i < plan.count; i++) {
        struct rehearsed r;
        TRY(rehearse_step(as, &plan.steps[i], &r));
        *ret_allowed = *ret_allowed && rehearsed_well(&r);
        json_open(&json, '{');
        json_add_str(&json, "action", step_name(&plan.steps[i]));
        json_add_str(&json, "outcome", str_of(r.outcome));
        json_add_str(&json, "says", r.says);
        json_name(&json, STR("decisions"));
        json_open(&json, '[');
        if (r.decisions.len)
            json_put_raw(&json, r.decisions);
        json_close(&json, ']');
        json_close(&json, '}');
    }
    json_close(&json, ']');
    return out->failed ? &fault_no_memory : NULL;
}

const struct fault *rehearse_rule(const struct acting *as, bool active, struct buf *out)
{
    AUTO_BUF steps = buf_new(out->max);
    bool allowed = true;
    const str arn =
        receipt_rule_arn(as->arena, as->region, as->account, as->rule_set, as->rule->name);
    TRY(write_steps(as, &steps, &allowed));
    if (str_is_none(arn))
        return &fault_no_memory;
    struct json_writer json = json_writer(out);
    json_open(&json, '{');
    json_add_str(&json, "account", as->account);
    json_add_str(&json, "region", as->region);
    json_add_str(&json, "ruleSet", as->rule_set);
    json_add_bool(&json, "active", active);
    json_add_str(&json, "rule", as->rule->name);
    json_add_bool(&json, "enabled", as->rule->enabled);
    json_add_str(&json, "arn", arn);
    json_add_bool(&json, "allowed", allowed);
    json_add_raw(&json, "actions", buf_str(&steps));
    json_close(&json, '}');
    return out->failed ? &fault_no_memory : NULL;
}

/* ---- for a person ---- */

static str text_at(const struct spans *object, const char *name)
{
    const struct spans *member = spans_get(object, str_of(name));
    return member && member->text.ptr ? member->text : STR("");
}

static void print_action(const struct spans *action, size_t number, str text, struct buf *out)
{
    const struct spans *decisions = spans_get(action, STR("decisions"));
    buf_addf(out, "  action %zu, " STR_FMT ": " STR_FMT "\n", number,
             STR_ARG(text_at(action, "action")), STR_ARG(text_at(action, "outcome")));
    /* A denial is told by its decision. */
    if (!str_eq(text_at(action, "outcome"), STR("denied")))
        buf_addf(out, "    " STR_FMT "\n", STR_ARG(text_at(action, "says")));
    for (const struct spans *one = decisions ? decisions->first : NULL; one; one = one->next)
        explanation_print(one, text, "    ", out);
}

const struct fault *rehearsal_print(str json, struct arena *a, struct buf *out)
{
    const struct spans *root;
    TRY(spans_parse(json, SPANS_STRICT, a, &root));
    buf_addf(out,
             "rule " STR_FMT " of rule set " STR_FMT ", account " STR_FMT ", " STR_FMT ": %s\n",
             STR_ARG(text_at(root, "rule")), STR_ARG(text_at(root, "ruleSet")),
             STR_ARG(text_at(root, "account")), STR_ARG(text_at(root, "region")),
             spans_true(spans_get(root, STR("allowed"))) ? "every action is allowed"
                                                         : "not every action would succeed");
    if (!spans_true(spans_get(root, STR("active"))))
        buf_add(out, STR("  the rule set is not the active one, so no mail comes to this rule\n"));
    if (!spans_true(spans_get(root, STR("enabled"))))
        buf_add(out, STR("  the rule is disabled, so no mail comes to it\n"));
    const struct spans *actions = spans_get(root, STR("actions"));
    size_t number = 1;
    for (const struct spans *one = actions ? actions->first : NULL; one; one = one->next)
        print_action(one, number++, json, out);
    return out->failed ? &fault_no_memory : NULL;
}
