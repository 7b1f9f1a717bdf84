/* policy/draft.h - a policy as people paste it: with comments, a comma too few or too many, statements
 * by themselves, the parameters of Lambda's AddPermission.
 *
 * It is mended until it can be read, so that what else is wrong with it can be told as well. What was
 * mended is told in hints. That a service refuses the text as it stands is policy_validate's to say. */
#ifndef SESAME_POLICY_DRAFT_H
#define SESAME_POLICY_DRAFT_H

#include "policy/hints.h"

struct draft {
    str original;
    str as_is;      /* what a service would be given: the original, statements with a policy around them */
    str text;       /* as_is, mended; the very same bytes when there was nothing to mend */
    uint32_t shift; /* bytes that stand before the original's first, in both */
    bool part;      /* a statement, or several, made into a policy */
    bool broken;    /* the original is no JSON: from this byte on */
    uint32_t broken_at;
    const struct spans *call, *made; /* the parameters of AddPermission, and the policy they would
                                        leave, which `text` then is; NULL: no call */
    const struct fault *refused;     /* the call is, by Lambda, with its code */
    struct span refused_at;          /* in the original */
};

/* `target`: the function's ARN, for a call; STR_NONE: any. False when the arena is full. */
bool draft_mend(str original, str target, struct arena *, struct hints *, struct draft *ret_draft);

/* A span of `text` or `as_is`, in the original: of what was put there, the nearest that was not; of what
 * a call makes, the parameter it is made of, else the whole call. */
struct span draft_span(const struct draft *, struct span of_text);

/* What kind of policy the text seems to be; false: it is no policy that could be read. */
bool draft_type(const struct draft *, struct arena *, enum policy_type *ret_type);

#endif
