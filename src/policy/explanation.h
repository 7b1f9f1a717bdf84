/* policy/explanation.h - one decision told whole, allowed or denied, for somebody who asks why.
 *
 * {"expect","principal","action","resource","matched":{"allow","deny"},"blame","sentence",
 *  "aws_sentence","remedy","remedies","instead","denies","lacks","hints","trace"}
 *
 * `expect`, `matched` and `blame` are the vectors' words and mean what they mean there. `lacks` is
 * everything that is missing, nearest first, each as `blame` is the first; `trace` tells of each
 * statement of each policy whether it applies, and if not, its first element that does not fit.
 * Members that have nothing to say are left out: `blame` to `lacks` when the request is allowed. */
#ifndef SESAME_POLICY_EXPLANATION_H
#define SESAME_POLICY_EXPLANATION_H

#include "base/buf.h"
#include "base/spans.h"
#include "policy/decision.h"

/* Decides, and writes the object. *ret_verdict may not be NULL. False: the arena or the buffer is
 * full. */
bool explanation_write(const struct request *, const struct exhibit *, size_t count, struct arena *,
                       struct buf *out, enum verdict *ret_verdict);

/* That object as text for a person, each line behind `indent`. `text` is what it was read from. */
void explanation_print(const struct spans *object, str text, const char *indent, struct buf *out);

#endif
