/* receive/actions.h - what one step of a plan does; one action, one file in actions/. */
#ifndef SESAME_RECEIVE_ACTIONS_H
#define SESAME_RECEIVE_ACTIONS_H

#include "base/outside.h"
#include "receive/head.h"
#include "receive/history.h"
#include "receive/notice.h"
#include "receive/plan.h"
#include "services/ports.h"

struct world;

/* For whom an action acts: one rule of one account, in one world. */
struct acting {
    const struct ports *ports;
    const struct world *world;
    struct entropy *entropy;
    str account, region, rule_set;
    const struct receipt_rule *rule;
    str message_id;
    int64_t now_ms;
    struct arena *arena;
    bool bounce_in_session;  /* a rehearsal: the gate would say it at RCPT (bounce_reply.h) */
    struct witness *witness; /* told of each decision; NULL: none */
};

/* actions/acting.c: the service in the rule's name; or, with a role, the role and only the role.
 * Both live in the arena, since a denial goes on pointing to who was denied. */
const struct fault *acting_caller(const struct acting *, str iam_role_arn,
                                  const struct caller **ret_caller);
struct call acting_call(const struct acting *, const struct caller *);

/* actions/s3.c: puts a body as the S3 action does, encrypted where the action says so; also the
 * set-up test's way. What it was about when it failed is told beside the fault. */
enum s3_part { S3_PART_ROLE, S3_PART_KEY, S3_PART_BUCKET };
struct s3_put_answer {
    const struct fault *fault;
    enum s3_part part;
};
struct s3_put_answer s3_action_put(const struct acting *, const struct action *, struct body *);

/* The same in two halves, where the port has them: judged, read and on its way to the disk, so that somebody
 * else's can follow before it is waited for. Lives in the arena. *ret_begun is NULL with every fault. */
struct s3_begun;
bool s3_action_has_halves(const struct ports *);
struct s3_put_answer s3_action_begin(const struct acting *, const struct action *, struct body *,
                                     struct s3_begun **ret_begun);
struct s3_put_answer s3_action_await(struct s3_begun *);

/* What a put that failed is told as: a denial names everything, other words may name nothing. */
const struct fault *s3_action_fault(const struct action *, struct s3_put_answer, struct arena *);

/* prefix rule of ses-receiving spec 9.2: ("mail", id) -> mail/id. */
str s3_action_key(str object_key_prefix, str message_id, struct arena *);

/* actions/sns.c: publishes to a topic of the rule's region, as the service, or as the role where
 * the action has one (spec 13.2 row 13). `sns_message_id`: the same at each attempt. */
const struct fault *sns_action_publish(const struct acting *, const struct action *, str message,
                                       str sns_message_id);

/* actions/lambda.c: invokes the function of a LambdaAction. Of a RequestResponse the answer's
 * disposition says how to go on (spec 9.5). */
const struct fault *lambda_action_invoke(const struct acting *, const struct action *, str event,
                                         str request_id, enum flow *ret_flow);
/* The permission alone, as the set-up test and rehearsals ask it. */
const struct fault *lambda_action_may(const struct acting *, const struct action *);
/* CONTINUE, STOP_RULE and STOP_RULE_SET; anything else goes on. */
enum flow lambda_disposition(str payload, struct arena *);

/* actions/bounce.c: the sender is verified. */
const struct fault *bounce_action_may(const struct acting *, const struct action *);

/* actions/connect.c: as the action's role. `request_id`: the same at each attempt. */
const struct fault *connect_action_start(const struct acting *, const struct action *, str document,
                                         str request_id);

/* actions/workmail.c: the organization is the rule's own account's and Region's, and a mail store is
 * mapped to it: *ret_target. */
const struct fault *workmail_action_may(const struct acting *, const struct action *,
                                        str *ret_target);
/* Delivers to each recipient that no earlier attempt served. *ret_said is written whatever is answered:
 * FAULT_UNAVAILABLE while somebody is to be tried again, FAULT_SYNTAX when nobody is and one was refused. */
struct workmail_said {
    str says, taken, refused; /* as struct outcome has them */
};
const struct fault *workmail_action_deliver(const struct acting *, const struct action *,
                                            const struct workmail_mail *,
                                            const struct step_history *before,
                                            struct workmail_said *ret_said);

/* actions/missing.c: are the services among these ports that it calls? A program that is put together
 * without one neither delivers nor rehearses the step. */
bool action_is_built(const struct ports *, const struct step *);
/* What it says instead. Always a FAULT_UNBUILT. */
const struct fault *action_unbuilt(const struct step *, struct arena *);

#endif
