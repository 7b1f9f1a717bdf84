/* What Lambda lets a function's policy be. It is never saved whole: AddPermission adds statement by
 * statement, so a document that no such calls can make is refused (permissions spec 8 and 9). */
#include "policy/vetting.h"

enum { FUNCTION_MAX = 20480, SID_MAX = 100 };

const struct fault *vet_function_text(struct vetting *v)
{
    return v->text.len > FUNCTION_MAX
               ? fault_coded(v->arena, FAULT_LIMIT, "PolicyLengthExceededException",
                             "The final policy size (%zu) is bigger than the limit (%d).",
                             v->text.len, FUNCTION_MAX)
               : NULL;
}

static const struct fault *constraint(struct vetting *v, const struct spans *at, const char *member,
                                      const char *pattern)
{
    return vet_refuse(v, at,
                      "1 validation error detected: Value '" STR_FMT "' at '%s' failed to satisfy "
                      "constraint: Member must satisfy regular expression pattern: %s",
                      STR_ARG(at->text), member, pattern);
}

static bool sid_ok(str sid)
{
    for (size_t i = 0; i < sid.len; i++) {
        const char c = sid.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '_')
            return false;
    }
    return sid.len >= 1 && sid.len <= SID_MAX;
}

/* lambda:*, one action by its whole name, or everything. */
static bool action_ok(str action)
{
    str service, name;
    if (str_eq(action, STR("*")) || str_eq(action, STR("lambda:*")))
        return true;
    if (!str_cut(action, ':', &service, &name) || !str_eq(service, STR("lambda")))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!ascii_is_alpha(name.ptr[i]))
            return false;
    return name.len > 0;
}

/* This function, or a version or alias of it. */
static bool resource_ok(const struct vetting *v, str resource)
{
    struct arn arn;
    const str target = v->home->target;
    if (!arn_parse(resource, &arn) || !str_eq(arn.service, STR("lambda")) ||
        !str_starts(arn.resource, STR("function:")))
        return false;
    return str_is_none(target) || str_eq(resource, target) ||
           (str_starts(resource, target) && resource.ptr[target.len] == ':');
}

static const struct fault *vet_statement(struct vetting *v, const struct spans *s)
{
    str type;
    if (s->kind != SPANS_OBJECT)
        return vet_refuse(v, s, "A statement is an object");
    const struct spans *sid = spans_get(s, STR("Sid")), *effect = spans_get(s, STR("Effect")),
                       *principal = spans_get(s, STR("Principal")),
                       *action = spans_get(s, STR("Action")),
                       *resource = spans_get(s, STR("Resource"));
    if (!sid || sid->kind != SPANS_STRING || !sid_ok(sid->text))
        return sid ? constraint(v, sid, "statementId", "([a-zA-Z0-9-_]+)")
                   : vet_refuse(v, s, "AddPermission gives every statement a StatementId");
    if (!effect || !str_eq(effect->text, STR("Allow")))
        return vet_refuse(v, effect ? effect : s,
                          "AddPermission makes statements of Effect Allow only");
    if (!action || action->kind != SPANS_STRING || !action_ok(action->text))
        return action ? constraint(v, action, "action", "(lambda:[*]|lambda:[a-zA-Z]+|[*])")
                      : vet_refuse(v, s, "AddPermission wants an Action");
    if (!principal)
        return vet_refuse(v, s, "AddPermission wants a Principal");
    const struct spans *nobody = vet_principal_nobody(v, principal, &type);
    if (nobody)
        return vet_refuse(v, nobody,
                          "The provided principal was invalid. Please check the principal "
                          "and try again.");
    if (!resource || resource->kind != SPANS_STRING || !resource_ok(v, resource->text))
        return vet_refuse(v, resource ? resource : s,
                          "The Resource of a function's policy is the function, a version or an "
                          "alias of it");
    return NULL;
}

const struct fault *vet_function(struct vetting *v, const struct spans *root)
{
    const struct spans *statements = spans_get(root, STR("Statement"));
    if (root->kind != SPANS_OBJECT)
        return vet_refuse(v, root, "This policy contains invalid Json");
    for (const struct spans *s = items_first(statements); s; s = items_next(statements, s))
        TRY(vet_statement(v, s));
    const struct spans *twice = vet_sid_twice(statements);
    return twice ? vet_refuse(v, twice,
                              "The statement id (" STR_FMT ") provided already exists. Please "
                              "provide a new statement id, or remove the existing statement.",
                              STR_ARG(twice->text))
                 : NULL;
}
