/* policy/oracle.h - the policy language once more, slow and obvious, for the tests alone.
 *
 * Written from the User Guide's rules and not from the engine: it reads the JSON of a vector with
 * jansson, keeps nothing between statements, compares code point by code point, and shares no line
 * with compile.c, match.c, values.c or tally.c. What both say independently is likely so. */
#ifndef SESAME_POLICY_ORACLE_H
#define SESAME_POLICY_ORACLE_H

#include "base/arena.h"
#include "policy/oracle_features.h"

#include <jansson.h>

enum { ORACLE_STATEMENTS = 256 };

struct oracle_statement {
    bool applies, denies;
};
struct oracle_answer {
    const char *verdict; /* "Allow", "ExplicitDeny", "ImplicitDeny": the vectors' words */
    struct oracle_statement statements[ORACLE_STATEMENTS]; /* in the order of oracle_kinds */
    size_t count;
};

/* The members of a vector's `policies`, in the order in which statements are counted. */
extern const char *const oracle_kinds[];
enum { ORACLE_KINDS = 8 };

/* `step` is a vector or a step of one: {"request", "policies"}. The sight is told what is met. */
void oracle_answer(const json_t *step, struct oracle_sight *, struct arena *,
                   struct oracle_answer *ret_answer);

/* Adds to `met` each feature that the case has, and to `decisive` each whose blind answer differs.
 */
void oracle_measure(const json_t *step, unsigned met[ORACLE_FEATURE_COUNT],
                    unsigned decisive[ORACLE_FEATURE_COUNT], struct arena *);

/* The documents of one kind: alone, as a list, or as a list of levels. Calls back for each;
 * NULL for a list, or a level, that is there and empty. */
typedef void oracle_document_fn(void *context, const json_t *document, unsigned level);
void oracle_documents(const json_t *policies, const char *kind, oracle_document_fn *,
                      void *context);

#endif
