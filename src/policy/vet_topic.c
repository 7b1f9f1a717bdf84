/* What SNS refuses when a topic's policy is saved (permissions spec 9). Most faults it answers with
 * the same three words, and says nothing of where. */
#include "policy/vetting.h"

#include "base/glob.h"
#include "policy/actions.h"

enum { TOPIC_MAX = 30 * 1024, STATEMENTS_MAX = 100, PRINCIPALS_MAX = 200 };

static const char error_null[] = "Invalid parameter: Policy Error: null";

const struct fault *vet_topic_text(struct vetting *v)
{
    return v->text.len > TOPIC_MAX
               ? fault_coded(v->arena, FAULT_SYNTAX, v->code,
                             "Invalid parameter: Policy is larger than %d bytes", TOPIC_MAX)
               : NULL;
}

/* What may be done to one topic. Listing all of them, or making one, is about none. */
static bool in_scope(str item)
{
    static const str known[] = {
        STR_INIT("sns:AddPermission"),
        STR_INIT("sns:DeleteTopic"),
        STR_INIT("sns:GetTopicAttributes"),
        STR_INIT("sns:ListSubscriptionsByTopic"),
        STR_INIT("sns:Publish"),
        STR_INIT("sns:Receive"),
        STR_INIT("sns:RemovePermission"),
        STR_INIT("sns:SetTopicAttributes"),
        STR_INIT("sns:Subscribe"),
    };
    uint64_t topic = 0;
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        topic |= action_of(known[i]).bit;
    str service, name;
    if (!str_cut(item, ':', &service, &name) || !str_eq_nocase(service, STR("sns")))
        return false;
    AUTO_ARENA *arena = arena_new(64 * 1024);
    uint64_t masks[ACTION_SERVICES] = { 0 };
    struct action_pattern pattern;
    if (!arena || !action_pattern_compile(item, arena, &pattern))
        return false;
    action_pattern_mask(&pattern, masks);
    /* sns:* reaches past the topic, and is refused for it. */
    return masks[ACTION_SNS] && !(masks[ACTION_SNS] & ~topic);
}

/* Could it be the topic that nobody names? */
static bool names_topic(str resource)
{
    struct arn arn;
    return arn_parse(resource, &arn) && str_eq(arn.service, STR("sns")) && arn.region.len &&
           arn.account.len && arn.resource.len && !glob_has_wildcard(resource) &&
           !str_has(arn.resource, ':');
}

static const struct fault *vet_resource(struct vetting *v, const struct spans *statement)
{
    const struct spans *value = vet_either(statement, "Resource", "NotResource");
    const struct spans *item = items_first(value);
    if (!value || items_no_text(value))
        return vet_refuse(v, value ? value : statement, error_null);
    if (items_count(value) != 1 ||
        (str_is_none(v->home->target) ? !names_topic(item->text)
                                      : !str_eq(item->text, v->home->target)))
        return vet_refuse(v, value,
                          "Invalid parameter: Policy statement must apply to a single resource!");
    return NULL;
}

static const struct fault *vet_statement(struct vetting *v, const struct spans *s,
                                         size_t *principals)
{
    str type;
    if (s->kind != SPANS_OBJECT)
        return vet_refuse(v, s, error_null);
    const struct spans *stranger = vet_statement_stranger(v, s),
                       *effect = spans_get(s, STR("Effect")),
                       *principal = vet_either(s, "Principal", "NotPrincipal"),
                       *actions = vet_either(s, "Action", "NotAction");
    if (stranger)
        return vet_refuse(v, stranger, error_null);
    if (!effect || (!str_eq(effect->text, STR("Allow")) && !str_eq(effect->text, STR("Deny"))))
        return vet_refuse(v, effect ? effect : s, error_null);
    if (!principal)
        return vet_refuse(v, s, error_null);
    const struct spans *nobody = vet_principal_nobody(v, principal, &type);
    if (nobody)
        return vet_refuse(v, nobody, "Invalid parameter: Policy Error: PrincipalNotFound");
    for (const struct spans *t = principal->first; t; t = t->next)
        *principals += items_count(t);
    if (items_count(actions) == 0)
        return vet_refuse(v, actions ? actions : s, error_null);
    for (const struct spans *i = items_first(actions); i; i = items_next(actions, i)) {
        if (i->kind != SPANS_STRING || !in_scope(i->text))
            return vet_refuse(v, i,
                              "Invalid parameter: Policy statement action out of service scope!");
    }
    TRY(vet_resource(v, s));
    const struct spans *odd = vet_condition_oddity(v, spans_get(s, STR("Condition")));
    return odd ? vet_refuse(v, odd, error_null) : NULL;
}

const struct fault *vet_topic(struct vetting *v, const struct spans *root)
{
    const struct spans *statements = spans_get(root, STR("Statement"));
    size_t principals = 0;
    if (root->kind != SPANS_OBJECT)
        return vet_refuse(v, root, error_null);
    const struct spans *stranger = vet_document_stranger(v, root);
    if (stranger) /* no matter in which order: the words are the same */
        return vet_refuse(v, stranger, error_null);
    if (items_count(statements) == 0)
        return vet_refuse(v, statements ? statements : root, error_null);
    if (!vet_version_ok(root))
        return vet_refuse(v, spans_get(root, STR("Version")), error_null);
    if (items_count(statements) > STATEMENTS_MAX)
        return vet_refuse(v, statements, "Invalid parameter: Policy has more than %d statements",
                          STATEMENTS_MAX);
    for (const struct spans *s = items_first(statements); s; s = items_next(statements, s))
        TRY(vet_statement(v, s, &principals));
    return principals > PRINCIPALS_MAX
               ? vet_refuse(v, statements, "Invalid parameter: Policy has more than %d principals",
                            PRINCIPALS_MAX)
               : NULL;
}
