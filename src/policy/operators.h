/* policy/operators.h - the condition operators: one row each.
 *
 * IAM User Guide, reference_policies_elements_condition_operators. */
#ifndef SESAME_POLICY_OPERATORS_H
#define SESAME_POLICY_OPERATORS_H

#include "policy/document.h"
#include "policy/pattern.h"
#include "policy/values.h"

enum comparison { /* the first three compare texts with patterns */
    COMPARE_STRING,
    COMPARE_STRING_NOCASE,
    COMPARE_STRING_LIKE,
    COMPARE_NUMBER,
    COMPARE_DATE,
    COMPARE_BOOL,
    COMPARE_BINARY,
    COMPARE_ADDRESS,
    COMPARE_ARN,
    COMPARE_NULL,
};
enum relation {
    EQUAL,
    LESS,
    LESS_OR_EQUAL,
    GREATER,
    GREATER_OR_EQUAL
}; /* the request's value to the policy's */

struct operator{
    str name;
    enum comparison compares;
    enum relation relation; /* for numbers and dates */
    bool negated;           /* holds when none of the values compares */
    const char *says;       /* for a person: key SAYS value */
};

/* "ForAnyValue:StringLikeIfExists" taken apart. NULL: not in the language. Names are spelled
 * exactly; Null takes neither qualifier nor IfExists. */
const struct operator*
    operator_find(str text, bool *ret_if_exists, bool *ret_for_any, bool *ret_for_all);

/* A value of the policy, read once. */
struct wanted {
    bool valid; /* false: not of the operator's type, compares with nothing */
    union {
        struct pattern pattern;
        struct decimal number;
        struct moment moment;
        struct network network;
        bool truth;
        str base64;
    };
};
/* False only when the arena is full. */
bool operator_prepare(const struct operator*, str value, bool variables, struct arena *,
                      struct wanted *ret_wanted);

/* Does the request's value compare with the policy's, negation aside? Not for Null. */
bool operator_compares(const struct operator*, const struct wanted *, str got,
                       const struct asked *);

#endif
