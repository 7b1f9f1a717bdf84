/* api/query.h - pairs of a query string or a form: a=1&b=&c, and looking them up. */
#ifndef SESAME_API_QUERY_H
#define SESAME_API_QUERY_H

#include "base/fault.h"
#include "base/header.h"

enum { PAIRS_MAX = 4096 };

/* Names and values decoded ('+' is a blank); a pair without `=` has the value STR_NONE; empty pairs
 * are skipped. FAULT_SYNTAX: a bad escape, coded MalformedQueryString; FAULT_LIMIT: too many. */
const struct fault *pairs_read(str text, struct arena *, const struct header **ret_pairs,
                               size_t *ret_count);

/* The first pair or field so named; NULL when absent. Case counts for the first alone. */
const struct header *pair_find(const struct header *, size_t count, str name);
const struct header *fields_find(const struct header *, size_t count, str name);

#endif
