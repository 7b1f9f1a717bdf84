/* What KMS refuses when a key policy is saved (permissions spec 9). */
#include "policy/vetting.h"

#include "policy/hinting.h"

enum { KEY_MAX = 32768 };

const struct fault *vet_key_text(struct vetting *v)
{
    return v->text.len > KEY_MAX
               ? fault_coded(v->arena, FAULT_LIMIT, "LimitExceededException",
                             "The policy exceeds the maximum size of %d bytes.", KEY_MAX)
               : NULL;
}

static const struct fault *vet_statement(struct vetting *v, const struct spans *s)
{
    str type;
    TRY(vet_statement_head(v, s));
    const struct spans *principal = vet_either(s, "Principal", "NotPrincipal");
    if (!principal || (principal->kind == SPANS_OBJECT && principal->count == 0))
        return vet_refuse(v, principal ? principal : s,
                          "Policy contains a statement with no principal.");
    const struct spans *nobody = vet_principal_nobody(v, principal, &type);
    if (nobody)
        return vet_refuse(v, nobody,
                          nobody->kind == SPANS_ARRAY && nobody->count == 0
                              ? "Policy contains a statement with no principal."
                              : "Policy contains a statement with one or more invalid principals.");
    if (items_count(vet_either(s, "Action", "NotAction")) == 0)
        return vet_refuse(v, s, "Missing required field Action");
    if (items_count(vet_either(s, "Resource", "NotResource")) == 0)
        return vet_refuse(v, s, "Missing required field Resource");
    return NULL;
}

const struct fault *vet_key(struct vetting *v, const struct spans *root)
{
    if (root->kind != SPANS_OBJECT)
        return vet_refuse(v, root, "This policy contains invalid Json");
    const struct spans *stranger = vet_document_stranger(v, root),
                       *statements = spans_get(root, STR("Statement"));
    if (stranger)
        return vet_refuse(v, stranger, "Unknown field " STR_FMT, STR_ARG(stranger->name));
    if (!vet_version_ok(root))
        return vet_refuse(v, spans_get(root, STR("Version")),
                          "The policy must contain a valid version string");
    if (!statements)
        return vet_refuse(v, root, "Missing required field Statement");
    if (items_count(statements) == 0)
        return vet_refuse(v, statements, "Could not parse the policy: Statement is empty!");
    for (const struct spans *s = items_first(statements); s; s = items_next(statements, s))
        TRY(vet_statement(v, s));
    return NULL;
}

static struct caller caller_of(struct arn arn, struct arena *arena)
{
    struct caller caller = { .kind = CALLER_USER,
                             .account = arn.account,
                             .secure_transport = true };
    str kind, rest, name, session;
    str_cut(arn.resource, '/', &kind, &rest);
    if (str_eq(arn.resource, STR("root")))
        return (struct caller) { .kind = CALLER_ROOT, .account = arn.account };
    caller.user.arn = arn;
    if (str_eq(kind, STR("assumed-role")) && str_cut(rest, '/', &name, &session)) {
        caller.kind = CALLER_ASSUMED_ROLE;
        caller.assumed_role.session = arn;
        const str role = arena_strf(arena, "arn:" STR_FMT ":iam::" STR_FMT ":role/" STR_FMT,
                                    STR_ARG(arn.partition), STR_ARG(arn.account), STR_ARG(name));
        if (!arn_parse(role, &caller.assumed_role.role))
            caller.assumed_role.role = arn;
    }
    return caller;
}

bool key_policy_keeps(const struct document *policy)
{
    for (size_t i = 0; i < policy->statement_count; i++) {
        const struct statement *s = &policy->statements[i];
        if (s->effect == EFFECT_ALLOW && !names_only(s, PRINCIPAL_SERVICE) &&
            covers_action(s, STR("kms:PutKeyPolicy")))
            return true;
    }
    return false;
}

static const struct fault *locked_out(const struct vetting *v)
{
    return fault_coded(
        v->arena, FAULT_SYNTAX, v->code,
        "The new key policy will not allow you to update the key policy in the future.");
}

/* Who saves a key policy must be able to save the next one. What the caller's own policies say is
 * not asked: with all that they could grant, is it enough? When nobody says who saves it, it is
 * enough that somebody could. */
const struct fault *vet_key_lockout(struct vetting *v, const struct document *policy)
{
    static const char everything[] =
        "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\","
        "\"Resource\":\"*\"}}";
    struct arn who;
    if (v->home->part)
        return NULL;
    if (!arn_parse(v->home->caller, &who))
        return key_policy_keeps(policy) ? NULL : locked_out(v);
    const struct caller caller = caller_of(who, v->arena);
    struct request request = {
        .caller = &caller,
        .action = STR("kms:PutKeyPolicy"),
        .resource = { .text = v->home->target },
        .resource_account = who.account,
    };
    if (arn_parse(v->home->target, &request.resource))
        request.resource_account = request.resource.account;
    struct document own;
    TRY(policy_parse(str_of(everything), v->arena, &own));
    const struct exhibit exhibits[] = {
        { .kind = EXHIBIT_RESOURCE, .document = policy },
        { .kind = EXHIBIT_IDENTITY, .document = &own },
    };
    /* No clock: a policy that lets its keeper in at certain hours is taken for one that does not.
     */
    TRY(request_context(&caller, 0, NULL, 0, v->arena, &request.context, &request.context_count));
    return policy_decide(&request, exhibits, 2, NULL) == VERDICT_ALLOW ? NULL : locked_out(v);
}
