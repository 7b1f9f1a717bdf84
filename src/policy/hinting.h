/* policy/hinting.h - what those who look for hints share; policy/hints.h is for the rest of the
 * program. */
#ifndef SESAME_POLICY_HINTING_H
#define SESAME_POLICY_HINTING_H

#include "policy/hints.h"
#include "policy/operators.h"

/* A document, and what is known about its place and its use. */
struct reading {
    const struct document *document;
    const struct policy_home *home;
    str rule_arn; /* of the receipt rule that asks, or is meant; STR_NONE: unknown */
    str policy;   /* of a decision: "trust", "identity[0]" */
    bool catches; /* the Deny looked at applies to what SES asks here */
    struct arena *arena;
    struct hints *to;
    bool full; /* the arena is */
};

/* Each looks at one statement for hints of its kind. */
typedef void look_fn(struct reading *, const struct statement *);
/* hints_source.c: whose rule may ask */
look_fn look_at_sources, look_for_sources, look_at_role_sources;
/* hints_arn.c: names that match nothing */
look_fn look_at_wildcards, look_at_colons, look_at_buckets, look_at_variables, look_at_placeholders;
/* hints_name.c: names a letter or two from those that are meant */
look_fn look_at_names;
/* hints_service.c: what a service cannot say of itself */
look_fn look_at_principal_keys, look_at_ses_context, look_at_denies;

void hint(struct reading *, enum hint_kind, const struct statement *, struct span, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* Where an item stands in the span of its list; the whole span when it is not found as it is. */
struct span hint_item_span(const struct reading *, struct span of_list, str item);

bool names_service(const struct statement *, str service); /* by name; "*" does not count */
bool names_everyone(const struct statement *);
bool names_only(const struct statement *, enum principal_kind);
bool covers_action(const struct statement *, str action);
/* The value has a wildcard, variables aside: a ${*} is none. */
bool has_wildcard(str value);
/* In its values a wildcard is one. */
bool has_patterns(const struct condition *);
/* Of the names the one that is at most two letters off, in any case of letters; STR_NONE: it is one of
 * them, or near none. */
str name_meant(str name, const str *names, size_t count);
/* The ARN less the colon that it has too many; STR_NONE: it has not. */
str one_colon_less(str arn, struct arena *);
/* The condition asks for the key to be there with one of its values: the statement as a whole says
 * "only if it is", be it as an Allow if or a Deny unless. */
bool demands(const struct statement *, const struct condition *);

#endif
