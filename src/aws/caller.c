/* Who is asking. */
#include "aws/caller.h"

str caller_name(const struct caller *caller, struct arena *arena) {
    switch (caller->kind) {
    case CALLER_ANONYMOUS:
        return STR("anonymous");
    case CALLER_ROOT:
        return arena_strf(arena, "arn:aws:iam::" STR_FMT ":root", STR_ARG(caller->account));
    case CALLER_USER:
        return caller->user.arn.text;
    case CALLER_ASSUMED_ROLE:
        return caller->assumed_role.session.text;
    case CALLER_FEDERATED:
        return caller->federated.session.text;
    case CALLER_SERVICE:
        return caller->service.principal;
    }
    return STR_NONE;
}

static str last_part(str resource)
{
    size_t at = resource.len;
    while (at && resource.ptr[at - 1] != '/')
        at--;
    return str_from(resource, at);
}

static bool session_of_role(struct arn role, struct arena *arena, struct caller *caller)
{
    const str name = last_part(role.resource);
    const str session = arena_strf(arena, "arn:" STR_FMT ":sts::" STR_FMT ":assumed-role/" STR_FMT
                                   "/session", STR_ARG(role.partition), STR_ARG(role.account),
                                   STR_ARG(name));
    caller->kind = CALLER_ASSUMED_ROLE;
    caller->assumed_role.role = role;
    return name.len && session.ptr && arn_parse(session, &caller->assumed_role.session);
}

/* A session's ARN has no path, so the role's is told without one. */
static bool role_of_session(struct arn session, str rest, struct arena *arena,
                            struct caller *caller)
{
    str name, session_name;
    if (!str_cut(rest, '/', &name, &session_name) || !name.len || !session_name.len)
        return false;
    const str role = arena_strf(arena, "arn:" STR_FMT ":iam::" STR_FMT ":role/" STR_FMT,
                                STR_ARG(session.partition), STR_ARG(session.account),
                                STR_ARG(name));
    caller->kind = CALLER_ASSUMED_ROLE;
    caller->assumed_role.session = session;
    return role.ptr && arn_parse(role, &caller->assumed_role.role);
}

static bool is_service_name(str name)
{
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '.' && c != '-')
            return false;
    }
    return str_has(name, '.');
}

bool caller_named(str name, struct arena *arena, struct caller *ret_caller)
{
    struct caller caller = { .kind = CALLER_ANONYMOUS };
    struct arn arn;
    str kind, rest;
    if (!arn_parse(name, &arn)) {
        if (is_service_name(name)) {
            caller.kind = CALLER_SERVICE;
            caller.service.principal = name;
        } else if (!str_eq(name, STR("*")) && !str_eq(name, STR("anonymous"))) {
            return false;
        }
        *ret_caller = caller;
        return true;
    }
    caller.account = arn.account;
    const bool parts = str_cut(arn.resource, '/', &kind, &rest) && rest.len;
    bool known = parts;
    if (str_eq(arn.service, STR("iam")) && str_eq(arn.resource, STR("root"))) {
        caller.kind = CALLER_ROOT;
        known = true;
    } else if (str_eq(arn.service, STR("iam")) && str_eq(kind, STR("user"))) {
        caller.kind = CALLER_USER;
        caller.user.arn = arn;
    } else if (str_eq(arn.service, STR("iam")) && str_eq(kind, STR("role"))) {
        known = known && session_of_role(arn, arena, &caller);
    } else if (str_eq(arn.service, STR("sts")) && str_eq(kind, STR("assumed-role"))) {
        known = known && role_of_session(arn, rest, arena, &caller);
    } else if (str_eq(arn.service, STR("sts")) && str_eq(kind, STR("federated-user"))) {
        caller.kind = CALLER_FEDERATED;
        caller.federated.session = arn;
    } else {
        known = false;
    }
    if (known && account_id_ok(arn.account))
        *ret_caller = caller;
    return known && account_id_ok(arn.account);
}

/* The rule's own account is the source account even if the ARN were to name another: the two are
 * separate facts, and a policy may ask for either. */
struct caller caller_ses(str account, struct arn rule_arn) {
    return (struct caller){
        .kind = CALLER_SERVICE,
        .account = account,
        .secure_transport = true,
        .service = {
            .principal = STR("ses.amazonaws.com"),
            .source_account = account,
            .source_arn = rule_arn,
        },
    };
}

struct caller caller_root(str account) {
    return (struct caller) { .kind = CALLER_ROOT, .account = account, .secure_transport = true };
}
