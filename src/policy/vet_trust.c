/* What IAM refuses when a role's trust policy is saved: statement by statement, from the effect to
 * the resources it must not have (permissions spec 9). */
#include "policy/vetting.h"

#include "base/glob.h"

enum { TRUST_MAX = 2048 };

const struct fault *vet_trust_text(struct vetting *v)
{
    return policy_size(v->text) > TRUST_MAX
               ? fault_coded(v->arena, FAULT_LIMIT, "LimitExceeded",
                             "Cannot exceed quota for ACLSizePerRole: %d", TRUST_MAX)
               : NULL;
}

static bool is_assume_action(str item)
{
    static const str known[] = {
        STR_INIT("sts:AssumeRole"),
        STR_INIT("sts:AssumeRoleWithSAML"),
        STR_INIT("sts:AssumeRoleWithWebIdentity"),
        STR_INIT("sts:TagSession"),
        STR_INIT("sts:SetSourceIdentity"),
        STR_INIT("sts:SetContext"),
    };
    for (size_t i = 0; str_starts_nocase(item, STR("sts:")) && i < sizeof(known) / sizeof(*known);
         i++) {
        if (glob_match(item, known[i], GLOB_NOCASE))
            return true;
    }
    return false;
}

/* What lacks something may have it by a name that is no element: that name is to blame. */
static const struct spans *lacking(const struct spans *stranger, const struct spans *whole)
{
    return stranger ? stranger : whole;
}

static const struct fault *vet_principal(struct vetting *v, const struct spans *statement)
{
    const struct spans *principal = spans_get(statement, STR("Principal")),
                       *others = spans_get(statement, STR("NotPrincipal"));
    str type;
    if (others)
        return vet_refuse(v, others,
                          str_eq(spans_get(statement, STR("Effect"))->text, STR("Allow"))
                              ? "Allow with NotPrincipal is not allowed."
                              : "AssumeRole policy must not contain NotPrincipal field.");
    if (!principal)
        return vet_refuse(v, lacking(vet_statement_stranger(v, statement), statement),
                          "Missing required field Principal");
    if (principal->kind == SPANS_OBJECT && principal->count == 0)
        return vet_refuse(v, principal, "Missing required field Principal cannot be empty!");
    const struct spans *nobody = vet_principal_nobody(v, principal, &type);
    if (!nobody)
        return NULL;
    if (str_is_none(type))
        return vet_refuse(v, nobody, "Principal must be a JSON object.");
    if (nobody->kind != SPANS_STRING)
        return vet_refuse(v, nobody, "Invalid principal in policy: \"" STR_FMT "\"", STR_ARG(type));
    const str shown = str_eq(type, STR("Service")) ? STR("SERVICE") : type;
    return vet_refuse(v, nobody, "Invalid principal in policy: \"" STR_FMT "\":\"" STR_FMT "\"",
                      STR_ARG(shown), STR_ARG(nobody->text));
}

static const struct fault *vet_statement(struct vetting *v, const struct spans *statement)
{
    if (statement->kind != SPANS_OBJECT)
        return vet_refuse(v, statement, "Could not parse the policy: Statement is empty!");
    const struct spans *effect = spans_get(statement, STR("Effect"));
    if (!effect)
        return vet_refuse(v, lacking(vet_statement_stranger(v, statement), statement),
                          "Missing required field Effect");
    if (!str_eq(effect->text, STR("Allow")) && !str_eq(effect->text, STR("Deny")))
        return vet_refuse(v, effect, "Invalid effect: " STR_FMT, STR_ARG(effect->text));
    TRY(vet_principal(v, statement));
    const struct spans *actions = vet_either(statement, "Action", "NotAction");
    if (items_count(actions) == 0)
        return vet_refuse(
            v, actions ? actions : lacking(vet_statement_stranger(v, statement), statement),
            "Missing required field Action");
    for (const struct spans *i = items_first(actions); i; i = items_next(actions, i)) {
        if (!is_assume_action(i->text))
            return vet_refuse(v, i, "AssumeRole policy may only specify STS AssumeRole actions.");
    }
    const struct spans *resource = spans_get(statement, STR("Resource")),
                       *others = spans_get(statement, STR("NotResource"));
    if (resource)
        return vet_refuse(v, resource, "Has prohibited field Resource");
    return others ? vet_refuse(v, others, "AssumeRole policy must not contain resources.") : NULL;
}

const struct fault *vet_trust(struct vetting *v, const struct spans *root)
{
    if (root->kind != SPANS_OBJECT)
        return vet_refuse(v, root, "This policy contains invalid Json");
    if (!vet_version_ok(root))
        return vet_refuse(v, spans_get(root, STR("Version")),
                          "The policy must contain a valid version string");
    const struct spans *statements = spans_get(root, STR("Statement"));
    if (items_count(statements) == 0)
        return vet_refuse(v,
                          statements ? statements : lacking(vet_document_stranger(v, root), root),
                          "Could not parse the policy: Statement is empty!");
    for (const struct spans *s = items_first(statements); s; s = items_next(statements, s))
        TRY(vet_statement(v, s));
    const struct spans *twice = vet_sid_twice(statements);
    return twice ? vet_refuse(v, twice, "The Statement Ids in the policy are not unique") : NULL;
}
