/* policy/document.h - one policy, parsed once, remembering where each word stood.
 *
 * The grammar is the IAM policy grammar (IAM User Guide, reference_policies_grammar); what is read
 * here is a policy of any kind, identity, resource or trust. Saving a policy through a service
 * applies that service's own stricter checks on top. */
#ifndef SESAME_POLICY_DOCUMENT_H
#define SESAME_POLICY_DOCUMENT_H

#include "aws/caller.h"
#include "base/fault.h"
#include "base/spans.h"

struct span {
    uint32_t from, to; /* bytes of the original JSON */
};

struct terms { /* Action | NotAction, Resource | NotResource, a condition's values */
    const str *values;
    size_t count;
    bool negated;
    struct span span; /* the value, one or a list, as it stands in the source */
};

enum principal_kind {
    PRINCIPAL_ANYONE,
    PRINCIPAL_AWS,
    PRINCIPAL_SERVICE,
    PRINCIPAL_FEDERATED,
    PRINCIPAL_CANONICAL_USER
};
struct principal {
    enum principal_kind kind;
    str name;
};

struct operator; /* a row of policy/operators.c */

struct condition {
    const struct operator* operator; /* StringEquals, ArnLike, ... */
    str operator_text;               /* as written, qualifier and IfExists included */
    enum { EVERY_ABSENT, FOR_ANY_VALUE, FOR_ALL_VALUES } quantifier;
    bool if_exists;
    str key; /* as written; compared without case */
    struct terms wanted;
    struct span span;
};

enum effect { EFFECT_ALLOW, EFFECT_DENY };

struct statement {
    str sid; /* STR_NONE when unnamed */
    enum effect effect;
    struct terms actions, resources; /* resources.count 0: the element is absent (trust policies) */
    const struct principal *principals;
    size_t principal_count; /* 0: the element is absent (identity policies) */
    bool principals_negated;
    struct span principals_span;
    const struct condition *conditions;
    size_t condition_count;
    struct span span;
};

struct compiled; /* masks, classed patterns, typed values: permissions spec 11 */

struct document {
    str version, source;                /* source: the JSON, for quoting */
    const struct statement *statements; /* for explaining */
    size_t statement_count;
    const struct compiled *compiled; /* for deciding */
};

/* Everything lives in the arena, the source included. FAULT_SYNTAX says line, column and what the
 * grammar wanted. An unknown operator or element is refused, never skipped; an operator without a
 * key says nothing, whatever its name, and IAM lets it stand. */
const struct fault *policy_parse(str json, struct arena *, struct document *ret_document);
/* The same, and for those who point at the fault: its bytes in json, written on a FAULT_SYNTAX. What
 * the grammar refuses is then said without line and column. */
const struct fault *policy_parse_at(str json, struct arena *, struct document *ret_document,
                                    struct span *ret_bad_at);

/* Where a statement stands, as IAM's simulator counts: just behind its opening and its closing
 * brace (permissions spec 7). */
void statement_place(const struct document *, const struct statement *,
                     struct spans_place *ret_start, struct spans_place *ret_end);

#endif
