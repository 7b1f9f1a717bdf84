#include "services/sts/sts.h"

#include "services/authorize.h"
#include "services/iam/role.h"

enum { SESSION_NAME_MOST = 64 };

static bool session_char_ok(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || (c != '\0' && strchr("=,.@_-", c));
}

str sts_session_name(struct arena *arena, str wish)
{
    str name = arena_str(arena, str_head(wish, SESSION_NAME_MOST));
    for (size_t i = 0; i < name.len; i++)
        if (!session_char_ok(name.ptr[i]))
            ((char *)name.ptr)[i] = '-'; /* our own copy */
    return name.len > 0 ? name : STR("-");
}

static const struct fault *refuse(const struct call *call, const struct fault *because,
                                  const char *why, str role_arn)
{
    struct fault *f = ARENA_NEW(call->arena, struct fault);
    if (!f)
        return &fault_no_memory;
    *f = (struct fault) {
        .kind = FAULT_DENIED,
        .says = arena_strf(call->arena, STR_FMT " %s", STR_ARG(role_arn), why),
        .code = "AccessDenied",
        .because = because,
    };
    return f;
}

static const struct fault *assume_role(struct sts_port *port, const struct call *call, str role_arn,
                                       str session_name, struct caller *ret_session)
{
    (void)port;
    const struct caller *caller = call->caller;
    struct arn arn;
    if (!arn_parse(role_arn, &arn) || !str_eq(arn.service, STR("iam")) ||
        !str_starts(arn.resource, STR("role/")))
        return refuse(call, NULL, "is not the ARN of a role", role_arn);
    /* A service acts for an account; it takes no role of another one (ses-receiving spec 13.3). */
    if (caller->kind == CALLER_SERVICE && !str_eq(caller->service.source_account, arn.account))
        return refuse(call, NULL, "is a role of another account than the rule's", role_arn);

    const struct role *role = role_find_arn(call->world, role_arn);
    str name = arena_strf(call->arena, "trust policy of role " STR_FMT,
                          STR_ARG(role ? role->name : str_from(arn.resource, sizeof("role/") - 1)));
    if (str_is_none(name))
        return &fault_no_memory;
    const struct fault *denied = authorize(call, &(struct ask) {
                                                     .action = STR("sts:AssumeRole"),
                                                     .resource = role_arn,
                                                     .resource_account = arn.account,
                                                     .resource_policy = role ? role->trust : NULL,
                                                     .resource_kind = EXHIBIT_TRUST,
                                                     .resource_policy_name = name,
                                                 });
    if (!role) /* even for a root user, whom nothing else would stop */
        return refuse(call, denied, "does not exist", role_arn);
    TRY(denied);

    str session = arena_strf(call->arena,
                             "arn:" STR_FMT ":sts::" STR_FMT ":assumed-role/" STR_FMT "/" STR_FMT,
                             STR_ARG(arn.partition), STR_ARG(arn.account), STR_ARG(role->name),
                             STR_ARG(sts_session_name(call->arena, session_name)));
    struct caller made = {
        .kind = CALLER_ASSUMED_ROLE,
        .account = arena_str(call->arena, role->account),
        .secure_transport = caller->secure_transport,
        .source_ip = caller->source_ip,
    };
    if (str_is_none(session) || str_is_none(made.account) ||
        !arn_parse(arena_str(call->arena, role_arn), &made.assumed_role.role) ||
        !arn_parse(session, &made.assumed_role.session))
        return &fault_no_memory;
    *ret_session = made;
    return NULL;
}

struct sts_port *sts_embedded_open(struct arena *arena)
{
    struct sts_port *port = ARENA_NEW(arena, struct sts_port);
    if (port)
        port->assume_role = assume_role;
    return port;
}
