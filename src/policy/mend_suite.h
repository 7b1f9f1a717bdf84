/* policy/mend_suite.h - for tests: a question as it is after its remedies were carried out. */
#ifndef SESAME_POLICY_MEND_SUITE_H
#define SESAME_POLICY_MEND_SUITE_H

#include "policy/question.h"

struct remedies {
    const struct remedy *of;
    size_t count;
};
/* Of a denial that was explained. False: the arena is full. */
bool mend_remedies(const struct question *, const struct decision *, struct arena *,
                   struct remedies *ret_remedies);

/* The same question, each remedy's statement put into the document that it names, or its document
 * where there was none. NULL when a remedy names no such place, or what comes out is no policy;
 * then *ret_says tells why. */
struct question *mend(const struct question *, const struct remedy *, size_t count, struct arena *,
                      str *ret_says);

/* The same question without the statements that deny. */
struct question *mend_remove(const struct question *, const struct decision *, struct arena *);

enum verdict mend_decide(const struct question *, struct arena *, struct decision *ret_decision);

#endif
