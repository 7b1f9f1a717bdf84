/* policy/question.h - a request and the policies that govern it, read from JSON.
 *
 * The words are those of the vectors (vectors/policy/README.md): {"principal","action","resource",
 * "resource_account","context"} and {"identity","resource","trust","boundary","session","endpoint",
 * "scp","rcp"}. What has no place in them is refused with line and column, because skipping it
 * would answer another question. The documents themselves are taken as they are: a service's own
 * checks at saving are not made. */
#ifndef SESAME_POLICY_QUESTION_H
#define SESAME_POLICY_QUESTION_H

#include "base/spans.h"
#include "policy/decision.h"

struct question {
    struct caller caller;
    struct request request;
    struct exhibit *exhibits;
    size_t exhibit_count;
};

struct written { /* an object, and the text it stands in */
    str text;
    const struct spans *object;
};

/* Everything lives in the arena; the texts are viewed. The result stays where it is: its request
 * points to its caller. `policies.object` NULL: none govern. */
const struct fault *question_read(struct written request, struct written policies, struct arena *,
                                  struct question **ret_question);

#endif
