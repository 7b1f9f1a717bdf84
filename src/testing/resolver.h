/* testing/resolver.h - DNS from a table. Any thread. */
#ifndef SESAME_TESTING_RESOLVER_H
#define SESAME_TESTING_RESOLVER_H

#include "base/outside.h"

struct table_row {
    const char *name;
    enum dns_kind kind;
    enum dns_outcome outcome; /* FOUND: of the rows of this name and kind, all that are found */
    const char *data;         /* "10 mx.test", "0 ." or an address */
};
struct table_resolver {
    struct resolver resolver; /* first: pass &table.resolver */
    const struct table_row *rows;
    size_t row_count;
    _Atomic unsigned asked;
};
/* A name without any row is not there; one without a row of the kind has nothing of it. */
struct table_resolver table_resolver(const struct table_row *, size_t count);

#endif
