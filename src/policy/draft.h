/* policy/draft.h - a policy as people paste it: with comments, without a comma, a statement by itself,
 * the parameters of Lambda's AddPermission.
 *
 * It is mended until it can be read, so that what else is wrong with it can be told as well. What was
 * mended is told in hints. That a service refuses the text as it stands is policy_validate's to say. */
#ifndef SESAME_POLICY_DRAFT_H
#define SESAME_POLICY_DRAFT_H

#include "policy/hints.h"

struct draft {
    str original, text; /* text: mended; the very same bytes when there was nothing to mend */
    uint32_t shift;     /* bytes that stand before the original's first */
    bool part;          /* a statement, or a list of them, made into a policy */
    bool call;          /* the parameters of AddPermission, made into the policy they would leave */
    bool broken;        /* the original is no JSON: from this byte on */
    uint32_t broken_at;
    const struct fault *refused; /* the call is, by Lambda, with its code */
};

/* `target`: the function's ARN, for a call; STR_NONE: any. False when the arena is full. */
bool draft_mend(str original, str target, struct arena *, struct hints *, struct draft *ret_draft);

/* A span of the mended text, in the original; of what was put there, the nearest that was not. */
struct span draft_span(const struct draft *, struct span of_text);

/* What kind of policy the text seems to be; false: it is no policy that could be read. */
bool draft_type(const struct draft *, struct arena *, enum policy_type *ret_type);

#endif
