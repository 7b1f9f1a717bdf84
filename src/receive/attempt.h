/* receive/attempt.h - what the parts of one attempt share: deliver.c, steps.c, telling.c. */
#ifndef SESAME_RECEIVE_ATTEMPT_H
#define SESAME_RECEIVE_ATTEMPT_H

#include "receive/actions.h"
#include "receive/deliver.h"

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
};

/* steps.c: what one step does. */
struct step_said {
    str says; /* of a step that is done; in t->work */
    enum flow flow;
    str taken, refused; /* as in struct outcome, also of a step that is not done; in t->work */
};
const struct fault *step_run(struct attempt *, size_t index, int64_t now_ms,
                             struct step_said *ret_said);
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
