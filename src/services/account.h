/* services/account.h - the accounts that exist: an account begins with its first use.
 *
 * State: account/<id> = {"created_ms":N}. */
#ifndef SESAME_SERVICES_ACCOUNT_H
#define SESAME_SERVICES_ACCOUNT_H

#include "services/ports.h"
#include "services/world_kinds.h"

struct account {
    str id;
    int64_t created_ms;
};

/* NULL: nobody has used it yet. */
const struct account *account_find(const struct world *, str id);

/* Lets the account of the call's caller begin, if it has not; costs one look-up when it has. */
const struct fault *account_begin(struct state *, const struct call *);

aggregate_compile_fn account_compile;

#endif
