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
