/* policy/actions.h - the actions of the services we serve, numbered, so that a statement's actions
 * become one mask a service. Actions not in the table are compared as text. */
#ifndef SESAME_POLICY_ACTIONS_H
#define SESAME_POLICY_ACTIONS_H

#include "policy/pattern.h"

enum action_service {
    ACTION_S3,
    ACTION_KMS,
    ACTION_SNS,
    ACTION_LAMBDA,
    ACTION_IAM,
    ACTION_STS,
    ACTION_SES,
    ACTION_SERVICES,
};

struct action {
    str service, name;            /* "s3", "PutObject", as the request spells them */
    enum action_service in_table; /* where bit is not 0 */
    uint64_t bit;
};
struct action action_of(str text); /* a concrete action, in any case */

/* One item of Action: "*", "s3:*", "s3:Put*". The service part takes no wildcards. */
struct action_pattern {
    bool any; /* "*" */
    str service;
    struct pattern name;
};
bool action_pattern_compile(str text, struct arena *, struct action_pattern *ret_pattern);
bool action_pattern_matches(const struct action_pattern *, const struct action *);

/* Adds every action of the table that the pattern matches. */
void action_pattern_mask(const struct action_pattern *, uint64_t masks[ACTION_SERVICES]);

#endif
