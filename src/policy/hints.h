/* policy/hints.h - what a policy says that its author hardly meant, and what a decision shows of it.
 *
 * AWS takes these documents; they are wider than they look, or can never match. Each hint has an
 * identifier that stays, a severity, and a page: docs/hints.md. The table below is the whole list. */
#ifndef SESAME_POLICY_HINTS_H
#define SESAME_POLICY_HINTS_H

#include "base/json.h"
#include "base/spans.h"
#include "policy/decision.h"
#include "policy/validate.h"

enum severity { SEVERITY_ERROR, SEVERITY_WARNING, SEVERITY_NOTE };
const char *severity_name(enum severity); /* "error", "warning", "note" */

/* kind, identifier, severity. A warning grants more than it should, or can grant nothing; a note works
 * and could be better. An error is what a service refuses, and the validator's to say. */
/* clang-format off */
#define HINTS(X) \
    X(OTHER_RULE,         "source-arn-names-another-rule",  WARNING) /* another rule, set, region or account */ \
    X(CLONED_RULE_SET,    "cloned-rule-set",                WARNING) /* only the name of the set differs */ \
    X(SOURCE_ARN_SHAPE,   "source-arn-names-no-rule",       WARNING) /* no rule can have this ARN */ \
    X(SOURCES_DISAGREE,   "source-account-is-not-the-arns", WARNING) /* both wanted, never met together */ \
    X(WILDCARD_IN_EQUALS, "wildcard-in-string-equals",      WARNING) /* there a * is a star */ \
    X(BUCKET_NO_OBJECTS,  "bucket-arn-without-objects",     WARNING) /* object action, no "/..." behind the bucket */ \
    X(DOUBLED_COLON,      "arn-one-colon-too-many",         WARNING) /* arn:aws:kms:region::account:... */ \
    X(NO_SOURCE_ACCOUNT,  "missing-source-account",         WARNING) /* confused deputy: any account's rules */ \
    X(NO_SOURCE_ARN,      "missing-source-arn",             WARNING) /* confused deputy: any rule */ \
    X(LEGACY_REFERER,     "legacy-referer",                 NOTE)    /* aws:Referer for aws:SourceAccount */ \
    X(SES_CONTEXT_ON_SSE, "ses-context-on-bucket-key",      WARNING) /* a bucket's own key never sees it */ \
    X(NEVER_MET,          "service-cannot-meet-condition",  WARNING) /* aws:PrincipalOrgID and its like */ \
    X(DENIES_SERVICE,     "deny-catches-the-service",       WARNING) /* unless aws:PrincipalOrgID = ... */ \
    X(DENIES_UNENCRYPTED, "deny-without-encryption-header", WARNING) /* SES sends none */ \
    X(SOURCE_OF_ROLE,     "source-keys-after-a-role",       WARNING) /* a role's calls carry none */ \
    X(OLD_VARIABLES,      "variables-need-2012-10-17",      WARNING) /* ${...} taken literally */ \
    X(NO_KEEPER,          "key-policy-without-keeper",      WARNING) /* nobody may change it again */ \
    X(DEFAULT_REPLACED,   "default-topic-policy-replaced",  WARNING) /* its own account's rules are shut out */ \
    X(MISSPELT,           "misspelt-name",                  WARNING) /* a letter or two from a known one */ \
    X(PLACEHOLDER,        "placeholder-left",               WARNING) /* of the page it was pasted from */ \
    X(COMMENTS,           "comments-in-json",               WARNING) /* drafts only, see policy/draft.h */ \
    X(MISSING_COMMA,      "missing-comma",                  WARNING) /* drafts only */ \
    X(TRAILING_COMMA,     "trailing-comma",                 WARNING) /* drafts only */ \
    X(BARE_STATEMENT,     "statement-without-policy",       WARNING) /* drafts only */
/* clang-format on */

#define HINT_KIND(kind, id, severity) HINT_##kind,
enum hint_kind { HINTS(HINT_KIND) HINT_KINDS };
#undef HINT_KIND

str hint_id(enum hint_kind);
enum severity hint_severity(enum hint_kind);

struct hint {
    enum hint_kind kind;
    str says;         /* one sentence for a person, no trailing period */
    str source;       /* the JSON that `span` is in */
    struct span span; /* what to look at */
    str sid;          /* of the statement meant; STR_NONE: unnamed, or the whole document */
    str policy;       /* of a decision: "trust", "identity[0]", as in denial_json; else STR_NONE */
};
struct spans_place hint_place(const struct hint *); /* line and column, both from 1 */

enum { HINTS_MAX = 512 }; /* what is found behind them is not listed */
struct hints {
    struct hint *of; /* in the order of the document; in the arena */
    size_t count, room;
};

/* Adds the hints of a document by itself. `rule_arn`: the receipt rule it is meant for; STR_NONE:
 * unknown, then a SourceArn is compared with nothing. False when the arena is full. */
bool hints_of_document(const struct document *, const struct policy_home *, str rule_arn,
                       struct arena *, struct hints *);

/* Adds the hints of a decision, allowed or not: of the statement that decided and of those that came
 * nearest, seen with the request in hand. They borrow the exhibits. False when the arena is full. */
bool hints_of_decision(const struct request *, const struct decision *, struct arena *,
                       struct hints *);

/* Adds one hint; for those who find them elsewhere (policy/draft.h), and sort them in. */
bool hints_add(struct hints *, struct arena *, const struct hint *);
/* All of one text: by their place in it, those of one place as they are. */
void hints_sort(struct hints *);

/* {"id","severity","policy","sid","line","column","says"}: the absent left out. */
void hint_put_json(struct json_writer *, const struct hint *);
/* Writes the list of a decision's hints, each as above. False when the arena is full. */
bool hints_put_decision(struct json_writer *, const struct request *, const struct decision *,
                        struct arena *);

#endif
