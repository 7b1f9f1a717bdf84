/* api/sts.c - who am I? Needs no permission, as at AWS. */
#include "api/run.h"
#include "base/xml.h"
#include "services/iam/role.h"

const struct fault *run_sts_GetCallerIdentity(struct api *api, const struct api_call *call,
                                              struct api_answer *answer)
{
    (void)api;
    const struct caller *caller = call->call.caller;
    str user_id = caller->account;
    if (caller->kind == CALLER_ANONYMOUS)
        return fault_coded(call->call.arena, FAULT_DENIED, "MissingAuthenticationToken",
                           "Request is missing Authentication Token");
    if (caller->kind == CALLER_ASSUMED_ROLE) {
        /* AROA...:session, where the role still exists to say its id */
        const struct role *role = role_find_arn(call->call.world, caller->assumed_role.role.text);
        str resource = caller->assumed_role.session.resource;
        size_t at = resource.len;
        while (at > 0 && resource.ptr[at - 1] != '/')
            at--;
        user_id = arena_strf(call->call.arena, STR_FMT ":" STR_FMT,
                             STR_ARG(role ? role->role_id : STR("AROA")),
                             STR_ARG(str_from(resource, at)));
    }
    xml_leaf(&answer->text, "Arn", caller_name(caller, call->call.arena));
    xml_leaf(&answer->text, "UserId", user_id);
    xml_leaf(&answer->text, "Account", caller->account);
    return NULL;
}
