/* receive/actions/connect.c - the Connect action: ses-receiving spec 9.9. */
#include "policy/decision.h"
#include "receive/actions.h"

static const struct fault *told(const struct acting *as, const struct fault *f, const char *what,
                                str of)
{
    return !f || denial_of(f)
               ? f
               : fault(as->arena, f->kind, f, "could not %s " STR_FMT, what, STR_ARG(of));
}

const struct fault *connect_action_start(const struct acting *as, const struct action *action,
                                         str document, str request_id)
{
    const struct caller *caller;
    const str role = action->connect.iam_role_arn, instance = action->connect.instance_arn;
    const struct fault *why = acting_caller(as, role, &caller);
    if (why)
        return told(as, why, "assume the role", role);
    const struct call call = acting_call(as, caller);
    const struct email_contact contact = { .instance_arn = instance,
                                           .document = document,
                                           .request_id = request_id };
    return told(as, as->ports->connect->start_email_contact(as->ports->connect, &call, &contact),
                "start a contact in", instance);
}
