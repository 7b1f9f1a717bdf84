/* main/scene_given.c - the configuration of a story, made through the services as the API makes it.
 */
#include "main/scene_suite.h"

#include "services/account.h"
#include "services/iam/role.h"
#include "services/ses/identities.h"
#include "services/ses/rule_sets.h"
#include "services/world.h"

enum { ACTIONS_MAX_HERE = 8 };

typedef const struct fault *change_fn(struct scene *, const struct call *, void *what);

/* Each change is made by the account's root in the world as it then is, as the API would. */
static void change(struct scene *s, str account, change_fn *fn, void *what)
{
    struct caller root = caller_root(account);
    const struct world *world = worlds_now(s->worlds);
    struct call call = { .caller = &root,
                         .world = world,
                         .region = s->region,
                         .now_ms = s->clock.wall_ms,
                         .arena = s->arena };
    const struct fault *f = fn(s, &call, what);
    str says = f ? fault_sentence(f, s->arena) : STR_NONE;
    world_unref(world);
    fake_clock_turn(&s->clock, 1);
    if (f)
        scene_wrong(s, "given", says);
}

static const struct fault *make_domain(struct scene *s, const struct call *call, void *what)
{
    str token;
    TRY(account_begin(s->state, call));
    return identity_verify_domain(s->state, call, &s->entropy.entropy, *(str *)what, true, &token);
}

struct named {
    str name, second, text;
};

static const struct fault *make_bucket(struct scene *s, const struct call *call, void *what)
{
    const struct named *b = what;
    str region = str_eq(s->region, STR("us-east-1")) ? STR_NONE : s->region;
    return s3_create_bucket(s->s3, call, b->name, region);
}

static const struct fault *make_bucket_policy(struct scene *s, const struct call *call, void *what)
{
    const struct named *b = what;
    return s3_put_bucket_policy(s->s3, call, b->name, b->text);
}

/* "bucket NAME [of ACCOUNT] [policy JSON]" */
static void given_bucket(struct scene *s, str text)
{
    struct named b = { .name = scene_word(&text) };
    str owner = scene_take(&text, "of") ? scene_word(&text) : s->account;
    const struct world *world = worlds_now(s->worlds);
    bool there = bucket_find(world, b.name) != NULL;
    world_unref(world);
    if (!there)
        change(s, owner, make_bucket, &b);
    if (scene_take(&text, "policy")) {
        b.text = text;
        change(s, owner, make_bucket_policy, &b);
    }
}

static const struct fault *make_role(struct scene *s, const struct call *call, void *what)
{
    const struct named *r = what;
    struct role_draft draft = { .name = r->name, .trust = r->text };
    return role_create(s->state, call, &s->entropy.entropy, &draft, NULL);
}

static const struct fault *make_role_policy(struct scene *s, const struct call *call, void *what)
{
    const struct named *r = what;
    return role_put_policy(s->state, call, r->name, r->second, r->text);
}

/* "role NAME trust JSON" or "role NAME policy POLICY JSON" */
static void given_role(struct scene *s, str text)
{
    struct named r = { .name = scene_word(&text) };
    bool trust = scene_take(&text, "trust");
    if (!trust) {
        if (!scene_take(&text, "policy"))
            scene_wrong(s, "a role has trust or policy", text);
        r.second = scene_word(&text);
    }
    r.text = text;
    change(s, s->account, trust ? make_role : make_role_policy, &r);
}

struct rule_line {
    str set;
    struct receipt_rule rule;
    struct action actions[ACTIONS_MAX_HERE];
    str recipients[ACTIONS_MAX_HERE];
};

static const struct fault *make_rule_set(struct scene *s, const struct call *call, void *what)
{
    const struct fault *f = rule_set_create(s->state, call, ((struct rule_line *)what)->set);
    return f && f->kind == FAULT_CONFLICT ? NULL : f;
}

static const struct fault *make_rule(struct scene *s, const struct call *call, void *what)
{
    const struct rule_line *r = what;
    const struct receipt_rule_set *set = rule_set_find(call->world, s->account, s->region, r->set);
    str after = set && set->rule_count ? set->rules[set->rule_count - 1].name
                                       : STR_NONE; /* in the order written */
    return rule_create(s->state, call, r->set, after, &r->rule, NULL);
}

static const struct fault *activate(struct scene *s, const struct call *call, void *what)
{
    return rule_set_activate(s->state, call, ((struct rule_line *)what)->set);
}

static str role_arn(const struct scene *s, str name)
{
    return arena_strf(s->arena, "arn:aws:iam::" STR_FMT ":role/" STR_FMT, STR_ARG(s->account),
                      STR_ARG(name));
}

/* "s3 BUCKET [prefix P] [role NAME] [topic ARN] [key ARN]", "header NAME: VALUE", "stop", "lambda
 * ARN" */
static struct action read_action(struct scene *s, str text)
{
    struct action a = { .kind = ACTION_STOP };
    if (scene_take(&text, "s3 ")) {
        a.kind = ACTION_S3;
        a.s3.bucket_name = scene_word(&text);
        while (text.len) {
            str name = scene_word(&text);
            if (str_eq(name, STR("prefix")))
                a.s3.object_key_prefix = scene_word(&text);
            else if (str_eq(name, STR("role")))
                a.s3.iam_role_arn = role_arn(s, scene_word(&text));
            else if (str_eq(name, STR("topic")))
                a.topic_arn = scene_word(&text);
            else if (str_eq(name, STR("key")))
                a.s3.kms_key_arn = scene_word(&text);
            else
                scene_wrong(s, "an s3 action has no", name);
        }
    } else if (scene_take(&text, "header ")) {
        a.kind = ACTION_ADD_HEADER;
        str_cut(text, ':', &a.add_header.header_name, &a.add_header.header_value);
        a.add_header.header_value = str_trim(a.add_header.header_value);
    } else if (scene_take(&text, "lambda ")) {
        a.kind = ACTION_LAMBDA;
        a.lambda.function_arn = scene_word(&text);
    } else if (!scene_take(&text, "stop")) {
        scene_wrong(s, "no such action", text);
    }
    return a;
}

/* "rule set SET, rule RULE[, disabled][, tls][, to A[ B...]]: ACTION[; ACTION...]" */
static void given_rule(struct scene *s, str text)
{
    struct rule_line r = { .rule = { .enabled = true } };
    str head, actions, part;
    size_t colon = str_find_str(text, STR(": "));
    head = str_head(text, colon);
    actions = str_from(text, colon + 2);
    str_cut(head, ',', &r.set, &head);
    while (head.len) {
        str_cut(head, ',', &part, &head);
        part = str_trim(part);
        if (scene_take(&part, "rule "))
            r.rule.name = part;
        else if (scene_take(&part, "disabled"))
            r.rule.enabled = false;
        else if (scene_take(&part, "tls"))
            r.rule.tls_required = true;
        else if (scene_take(&part, "to "))
            while (part.len && r.rule.recipient_count < ACTIONS_MAX_HERE)
                r.recipients[r.rule.recipient_count++] = scene_word(&part);
        else
            scene_wrong(s, "a rule has no", part);
    }
    while (actions.len && r.rule.action_count < ACTIONS_MAX_HERE) {
        str_cut(actions, ';', &part, &actions);
        r.actions[r.rule.action_count++] = read_action(s, str_trim(part));
    }
    r.rule.actions = r.actions;
    r.rule.recipients = r.recipients;
    /* Whoever names a recipient in a story owns its domain. */
    for (size_t i = 0; i < r.rule.recipient_count; i++) {
        str domain = r.recipients[i];
        size_t at = str_find(domain, '@');
        domain = at < domain.len ? str_from(domain, at + 1) : domain;
        if (domain.len && domain.ptr[0] == '.')
            domain = str_from(domain, 1);
        change(s, s->account, make_domain, &domain);
    }
    change(s, s->account, make_rule_set, &r);
    change(s, s->account, make_rule, &r);
    change(s, s->account, activate, &r);
}

void scene_given(struct scene *s, str text)
{
    if (scene_take(&text, "account ")) {
        s->account = scene_word(&text);
        if (scene_take(&text, "region "))
            s->region = scene_word(&text);
    } else if (scene_take(&text, "domain ")) {
        change(s, s->account, make_domain, &text);
    } else if (scene_take(&text, "bucket ")) {
        given_bucket(s, text);
    } else if (scene_take(&text, "role ")) {
        given_role(s, text);
    } else if (scene_take(&text, "rule set ")) {
        given_rule(s, text);
    } else {
        scene_wrong(s, "nobody knows how to give", text);
    }
}
