/* api/ses.c - the SES v1 Query operations: parameters in, the service, XML out. */
#include "api/api.h"
#include "api/query.h"
#include "api/run.h"
#include "api/ses_list.h"
#include "api/ses_rule.h"
#include "base/base64.h"
#include "base/when.h"
#include "base/xml.h"
#include "receive/setup.h"
#include "services/authorize.h"
#include "services/ses/rule_sets.h"

enum { LIST_PAGE = 100 };

/* Receipt operations have no resources of their own: a policy must name "*". */
static const struct fault *may(const struct api_call *call, str action)
{
    return authorize(&call->call, &(struct ask) {
                                      .action = action,
                                      .resource = STR("*"),
                                      .resource_account = call->call.caller->account,
                                  });
}

static const struct fault *check_names(const struct api_call *call, const char *first,
                                       const char *first_path, const char *second,
                                       const char *second_path)
{
    AUTO_VIOLATIONS v = violations_new();
    violations_of_name(&v, first_path, api_param(call, first));
    if (second)
        violations_of_name(&v, second_path, api_param(call, second));
    return violations_fault(&v, call->call.arena);
}

/* ---- rule sets ---- */

static void write_metadata(struct buf *out, const char *element, const struct receipt_rule_set *set)
{
    char when[WHEN_SIZE];
    xml_open(out, element);
    xml_leaf(out, "Name", set->name);
    xml_leaf(out, "CreatedTimestamp", when_iso_ms(when, set->created_ms));
    xml_close(out, element);
}

static void write_set(struct buf *out, const struct receipt_rule_set *set)
{
    write_metadata(out, "Metadata", set);
    xml_open(out, "Rules");
    for (size_t i = 0; i < set->rule_count; i++) {
        xml_open(out, "member");
        ses_rule_write(out, &set->rules[i]);
        xml_close(out, "member");
    }
    xml_close(out, "Rules");
}

const struct fault *run_ses_CreateReceiptRuleSet(struct api *api, const struct api_call *call,
                                                 struct api_answer *answer)
{
    (void)answer;
    TRY(may(call, STR("ses:CreateReceiptRuleSet")));
    TRY(check_names(call, "RuleSetName", "ruleSetName", NULL, NULL));
    return rule_set_create(api->state, &call->call, api_param(call, "RuleSetName"));
}

const struct fault *run_ses_DeleteReceiptRuleSet(struct api *api, const struct api_call *call,
                                                 struct api_answer *answer)
{
    (void)answer;
    TRY(may(call, STR("ses:DeleteReceiptRuleSet")));
    TRY(check_names(call, "RuleSetName", "ruleSetName", NULL, NULL));
    return rule_set_delete(api->state, &call->call, api_param(call, "RuleSetName"));
}

const struct fault *run_ses_DescribeReceiptRuleSet(struct api *api, const struct api_call *call,
                                                   struct api_answer *answer)
{
    (void)api;
    const struct receipt_rule_set *set;
    TRY(may(call, STR("ses:DescribeReceiptRuleSet")));
    TRY(check_names(call, "RuleSetName", "ruleSetName", NULL, NULL));
    TRY(rule_set_describe(&call->call, api_param(call, "RuleSetName"), &set));
    write_set(&answer->text, set);
    return NULL;
}

const struct fault *run_ses_SetActiveReceiptRuleSet(struct api *api, const struct api_call *call,
                                                    struct api_answer *answer)
{
    (void)answer;
    TRY(may(call, STR("ses:SetActiveReceiptRuleSet")));
    str name = api_param(call, "RuleSetName");
    if (name.len > 0) /* empty or absent: none shall be active */
        TRY(check_names(call, "RuleSetName", "ruleSetName", NULL, NULL));
    return rule_set_activate(api->state, &call->call, name);
}

const struct fault *run_ses_DescribeActiveReceiptRuleSet(struct api *api,
                                                         const struct api_call *call,
                                                         struct api_answer *answer)
{
    (void)api;
    TRY(may(call, STR("ses:DescribeActiveReceiptRuleSet")));
    const struct receipt_rule_set *set =
        rule_set_active(call->call.world, call->call.caller->account, call->call.region);
    if (set)
        write_set(&answer->text, set);
    return NULL;
}

/* A token is the last name of the page before, in base64, so that nobody builds on its look. */
static const struct fault *read_token(const struct api_call *call, str *ret_after)
{
    struct arena *arena = call->call.arena;
    str token = api_param(call, "NextToken");
    *ret_after = STR_NONE;
    if (str_is_none(token))
        return NULL;
    char *bytes = ARENA_ARRAY(arena, char, token.len + 1);
    size_t len;
    if (!bytes)
        return &fault_no_memory;
    if (token.len == 0 || !base64_decode_to(bytes, token, &len) || len == 0)
        return fault_coded(arena, FAULT_SYNTAX, "InvalidParameterValue", "Invalid token: " STR_FMT,
                           STR_ARG(token));
    *ret_after = (str) { bytes, len };
    return NULL;
}

const struct fault *run_ses_ListReceiptRuleSets(struct api *api, const struct api_call *call,
                                                struct api_answer *answer)
{
    (void)api;
    str after;
    const struct receipt_rule_set *const *sets;
    size_t count;
    bool more;
    TRY(may(call, STR("ses:ListReceiptRuleSets")));
    TRY(read_token(call, &after));
    TRY(rule_sets_list(&call->call, after, LIST_PAGE, &sets, &count, &more));
    xml_open(&answer->text, "RuleSets");
    for (size_t i = 0; i < count; i++)
        write_metadata(&answer->text, "member", sets[i]);
    xml_close(&answer->text, "RuleSets");
    if (more) {
        AUTO_BUF token = buf_new(1024);
        base64_encode(&token, sets[count - 1]->name);
        xml_leaf(&answer->text, "NextToken", buf_str(&token));
    }
    return NULL;
}

const struct fault *run_ses_CloneReceiptRuleSet(struct api *api, const struct api_call *call,
                                                struct api_answer *answer)
{
    (void)answer;
    const struct receipt_rule_set *clone = NULL;
    str original = api_param(call, "OriginalRuleSetName");
    TRY(may(call, STR("ses:CloneReceiptRuleSet")));
    TRY(check_names(call, "OriginalRuleSetName", "originalRuleSetName", "RuleSetName",
                    "ruleSetName"));
    TRY(rule_set_clone(api->state, &call->call, api_param(call, "RuleSetName"), original, &clone));
    if (api->setup)
        setup_cloned(api->setup, &call->call, original, clone);
    return NULL;
}

static bool order_name_ok(str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '_' && c != '.' && c != '-')
            return false;
    }
    return name.len >= 1 && name.len <= 100;
}

const struct fault *run_ses_ReorderReceiptRuleSet(struct api *api, const struct api_call *call,
                                                  struct api_answer *answer)
{
    (void)answer;
    AUTO_VIOLATIONS v = violations_new();
    const str *names;
    struct ses_list list;
    TRY(may(call, STR("ses:ReorderReceiptRuleSet")));
    TRY(ses_list_texts(call, STR("RuleNames"), &list, &names));
    violations_of_name(&v, "ruleSetName", api_param(call, "RuleSetName"));
    bool fine = !list.unplaced;
    for (size_t i = 0; i < list.count; i++) /* a number left out is a name left empty */
        fine = fine && order_name_ok(names[i]);
    if (!fine)
        violation(&v, STR("ruleNames"),
                  STR("Member must satisfy constraint: [Member must have length less than or equal "
                      "to 100, Member must have length greater than or equal to 1, Member must "
                      "satisfy regular expression pattern: ^[a-zA-Z0-9_.-]+$]"));
    TRY(violations_fault(&v, call->call.arena));
    return rule_set_reorder(api->state, &call->call, api_param(call, "RuleSetName"), names,
                            list.count);
}

/* ---- rules ---- */

static const struct fault *read_rule(const struct api_call *call, bool with_after,
                                     struct receipt_rule *ret_rule)
{
    AUTO_VIOLATIONS v = violations_new();
    violations_of_name(&v, "ruleSetName", api_param(call, "RuleSetName"));
    if (with_after)
        violations_of_name(&v, "after", api_param(call, "After"));
    TRY(ses_rule_read(call, &v, ret_rule));
    return violations_fault(&v, call->call.arena);
}

typedef const struct fault *change_fn(struct api *, const struct api_call *,
                                      const struct receipt_rule *, struct rule_test *);

/* The change of a rule, with its targets tried on the way and the story kept. */
static const struct fault *change_rule(struct api *api, const struct api_call *call,
                                       const char *operation, const struct receipt_rule *rule,
                                       change_fn *change)
{
    if (!api->setup)
        return change(api, call, rule, NULL);
    struct setup_trial trial =
        setup_begin(api->setup, &call->call, operation, api_param(call, "RuleSetName"));
    const struct fault *why = change(api, call, rule, &trial.test);
    setup_end(&trial, rule, why);
    return why;
}

static const struct fault *create(struct api *api, const struct api_call *call,
                                  const struct receipt_rule *rule, struct rule_test *test)
{
    return rule_create(api->state, &call->call, api_param(call, "RuleSetName"),
                       api_param(call, "After"), rule, test);
}

const struct fault *run_ses_CreateReceiptRule(struct api *api, const struct api_call *call,
                                              struct api_answer *answer)
{
    (void)answer;
    struct receipt_rule rule;
    TRY(may(call, STR("ses:CreateReceiptRule")));
    TRY(read_rule(call, true, &rule));
    return change_rule(api, call, "CreateReceiptRule", &rule, create);
}

static const struct fault *update(struct api *api, const struct api_call *call,
                                  const struct receipt_rule *rule, struct rule_test *test)
{
    return rule_update(api->state, &call->call, api_param(call, "RuleSetName"), rule, test);
}

const struct fault *run_ses_UpdateReceiptRule(struct api *api, const struct api_call *call,
                                              struct api_answer *answer)
{
    (void)answer;
    struct receipt_rule rule;
    TRY(may(call, STR("ses:UpdateReceiptRule")));
    TRY(read_rule(call, false, &rule));
    return change_rule(api, call, "UpdateReceiptRule", &rule, update);
}

const struct fault *run_ses_DeleteReceiptRule(struct api *api, const struct api_call *call,
                                              struct api_answer *answer)
{
    (void)answer;
    TRY(may(call, STR("ses:DeleteReceiptRule")));
    TRY(check_names(call, "RuleSetName", "ruleSetName", "RuleName", "ruleName"));
    return rule_delete(api->state, &call->call, api_param(call, "RuleSetName"),
                       api_param(call, "RuleName"));
}

const struct fault *run_ses_DescribeReceiptRule(struct api *api, const struct api_call *call,
                                                struct api_answer *answer)
{
    (void)api;
    const struct receipt_rule *rule;
    TRY(may(call, STR("ses:DescribeReceiptRule")));
    TRY(check_names(call, "RuleSetName", "ruleSetName", "RuleName", "ruleName"));
    TRY(rule_describe(&call->call, api_param(call, "RuleSetName"), api_param(call, "RuleName"),
                      &rule));
    xml_open(&answer->text, "Rule");
    ses_rule_write(&answer->text, rule);
    xml_close(&answer->text, "Rule");
    return NULL;
}

const struct fault *run_ses_SetReceiptRulePosition(struct api *api, const struct api_call *call,
                                                   struct api_answer *answer)
{
    (void)answer;
    AUTO_VIOLATIONS v = violations_new();
    TRY(may(call, STR("ses:SetReceiptRulePosition")));
    violations_of_name(&v, "ruleSetName", api_param(call, "RuleSetName"));
    violations_of_name(&v, "ruleName", api_param(call, "RuleName"));
    violations_of_name(&v, "after", api_param(call, "After"));
    TRY(violations_fault(&v, call->call.arena));
    return rule_set_position(api->state, &call->call, api_param(call, "RuleSetName"),
                             api_param(call, "RuleName"), api_param(call, "After"));
}
