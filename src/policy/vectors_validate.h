/* policy/vectors_validate.h - the vectors of class `validate`: would the call take the document? */
#ifndef SESAME_POLICY_VECTORS_VALIDATE_H
#define SESAME_POLICY_VECTORS_VALIDATE_H

#include "base/spans.h"

enum validated {
    VALIDATED_SAME,
    VALIDATED_IN_OTHER_WORDS, /* the code is right, the message is another */
    VALIDATED_WRONG,
};

/* Whatever is not the same is put in words, in the arena. */
enum validated vectors_validate(const struct spans *vector, struct arena *, str *ret_difference);

#endif
