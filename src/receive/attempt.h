/* receive/attempt.h - what the parts of one attempt share: deliver.c, steps.c, telling.c, together.c. */
#ifndef SESAME_RECEIVE_ATTEMPT_H
#define SESAME_RECEIVE_ATTEMPT_H

#include "receive/actions.h"
#include "receive/deliver.h"

/* How a function's disposition bends the way through the plan: the rest of its rule, or all that
 * follows, has no turn. The notice of its own action has: the function was invoked. */
struct bend {
    enum flow flow;
    const struct step *by;
};

struct attempt {
    const struct delivery *d;
    struct lease *lease;
    struct arena *arena;
    struct arena *work; /* the running step's; reset behind it */
    const struct world *world;
    struct head head;
    const struct receipt_rule_set *set;
    struct plan plan;
    struct history history;
    struct outcome *outcomes; /* room for one a step */
    size_t count, noted;      /* of these, so many are written as notes */
    int64_t since_ms;         /* the four hours run from here */

    size_t at;               /* the step that has its turn */
    struct s3_begun *begun;  /* its put is under way; else NULL */
    int64_t began_ms;        /* it, and the share it took */
    struct share share;
    bool received_told, lost;
    bool effect_done; /* of the action whose notice may follow */
    struct bend bend;
};

/* deliver.c. Everything lives in the arena. NULL: the message cannot be read, and ends so. */
struct attempt *attempt_open(const struct delivery *, struct lease *, struct arena *,
                             struct delivered *ret_end);
/* What is left of its plan ends on this machine's own disk, within a put of few octets: it may stand there while others
 * begin theirs. */
bool attempt_is_quick(const struct attempt *);
/* Runs the steps that are left, and notes what must not be repeated; the caller settles. Where it may stand, false is
 * returned when a put is under way, or when a step would have to wait for its share: then it is called again, and
 * nobody is kept waiting by it until then. */
bool attempt_run(struct attempt *, bool may_stand, struct delivered *ret_end);

/* steps.c: what one step does. */
struct step_said {
    str says; /* of a step that is done; in t->work */
    enum flow flow;
    str taken, refused; /* as in struct outcome, also of a step that is not done; in t->work */
};
const struct fault *step_run(struct attempt *, size_t index, int64_t now_ms,
                             struct step_said *ret_said);
/* The same, but no put is waited for: while attempt->begun is set, step_await is still to come. */
const struct fault *step_begin(struct attempt *, size_t index, int64_t now_ms,
                               struct step_said *ret_said);
const struct fault *step_await(struct attempt *, size_t index, struct step_said *ret_said);
/* Whom the step may keep waiting; an empty target: nobody. */
struct share step_share(const struct step *, const struct ports *, struct arena *);
/* Does it do anything outside of the message itself? */
bool step_has_effect(const struct step *);

/* telling.c: metrics and log lines. */
void tell_received(const struct attempt *);
void tell_outcome(const struct attempt *, const struct outcome *);
void tell_settled(const struct delivery *, const struct lease *, const struct delivered *, str id);
void tell_trouble(const struct delivery *, const char *event, str id,
                  str says); /* an error of our own */
void tell_errand(const struct delivery *, const struct lease *, str target, const struct outcome *);

/* errands.c */
struct delivered errand_attempt_run(const struct delivery *, struct lease *, struct arena *);

/* How a step ended: done, to be tried again, refused for what it is, or given up with its hours. */
enum outcome_kind outcome_kind_of(const struct fault *, int64_t since_ms, int64_t began_ms);

#endif
