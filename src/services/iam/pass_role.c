#include "services/iam/pass_role.h"

#include "services/authorize.h"

const struct fault *pass_role(const struct call *call, str role_arn, str service, str for_arn)
{
    struct arn arn;
    if (arn_parse(role_arn, &arn) && !str_eq(arn.account, call->caller->account))
        return fault_coded(call->arena, FAULT_DENIED, "AccessDenied",
                           "Cross-account pass role is not allowed.");
    const struct context_key passed[] = {
        { .name = STR("iam:PassedToService"), .values = &service, .count = 1 },
        { .name = STR("iam:AssociatedResourceArn"), .values = &for_arn, .count = 1 },
    };
    return authorize(call, &(struct ask) { .action = STR("iam:PassRole"),
                                           .resource = role_arn,
                                           .resource_account = call->caller->account,
                                           .context = passed,
                                           .context_count = str_is_none(for_arn) ? 1 : 2 });
}
