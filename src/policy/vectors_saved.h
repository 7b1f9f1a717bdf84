/* policy/vectors_saved.h - the vectors that ask what a call makes of a policy, not whether it allows:
 * classes `add-permission` and `simulate-position`. */
#ifndef SESAME_POLICY_VECTORS_SAVED_H
#define SESAME_POLICY_VECTORS_SAVED_H

#include "base/spans.h"

/* False: *ret_difference says in the arena what came and what was wanted. */
bool vectors_add_permission(const struct spans *vector, str line, struct arena *,
                            str *ret_difference);
bool vectors_positions(const struct spans *vector, struct arena *, str *ret_difference);

#endif
