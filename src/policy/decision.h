/* policy/decision.h - may this caller do this, and if not, what exactly is missing.
 *
 * Evaluation as permissions spec section 5 (IAM User Guide, reference_policies_evaluation-logic).
 */
#ifndef SESAME_POLICY_DECISION_H
#define SESAME_POLICY_DECISION_H

#include "policy/document.h"

struct context_key {
    str name;
    const str *values;
    size_t count;
    bool multivalued; /* a list, even with one item or none */
    uint32_t hash;    /* key_hash of the name (policy/asked.h); 0: not worked out yet */
};

struct request {
    const struct caller *caller;
    str action; /* "s3:PutObject" */
    struct arn resource;
    str resource_account;
    const struct context_key
        *context; /* everything but what the caller itself says; see request_context */
    size_t context_count;
    str remedy_resource; /* what a mending statement should name, wider than this one object: an ARN
                            in which only a * at its very end is a wildcard; or STR_NONE */
};

/* The keys every request of this caller carries: aws:SourceAccount, aws:SourceArn,
 * aws:SecureTransport, aws:PrincipalArn, ... as permissions spec 5 and ses-receiving spec 13.1 list
 * them, followed by `extra`. The result lives in the arena and goes into request.context. */
const struct fault *request_context(const struct caller *, int64_t now_ms,
                                    const struct context_key *extra, size_t extra_count,
                                    struct arena *, const struct context_key **ret_keys,
                                    size_t *ret_count);

enum exhibit_kind {
    EXHIBIT_IDENTITY,
    EXHIBIT_RESOURCE,
    EXHIBIT_TRUST,
    EXHIBIT_SESSION,
    EXHIBIT_BOUNDARY,
    EXHIBIT_ENDPOINT,
    EXHIBIT_SCP,
    EXHIBIT_RCP,
};
struct exhibit {
    enum exhibit_kind kind;
    str name; /* for people: "bucket policy of demo-mail", "inline policy p of role r" */
    const struct document *document; /* NULL: a ceiling that is present and silent */
    str fixed; /* nobody can change it: what to do instead; STR_NONE: whoever keeps it can */
    unsigned level;                  /* SCP, RCP: levels from the organization's root down */
};

/* Ordered: later means nearer to a yes. */
enum lack_kind {
    LACK_POLICY,
    LACK_STATEMENT,
    LACK_ACTION,
    LACK_RESOURCE,
    LACK_PRINCIPAL,
    LACK_CONDITION,
};
struct lack {
    enum lack_kind kind;
    enum exhibit_kind where;           /* in which kind of policy a yes would have to stand */
    const struct exhibit *exhibit;     /* the policy that comes nearest; NULL: none is attached */
    size_t exhibit_index;              /* among those of its kind: identity[0] */
    const struct statement *statement; /* the nearest one, if any */
    const struct condition *condition;
    const str
        *got; /* for a condition: the request's values; count 0 and NULL: the key was absent */
    size_t got_count;
};

enum verdict { VERDICT_ALLOW, VERDICT_EXPLICIT_DENY, VERDICT_IMPLICIT_DENY };
str verdict_name(enum verdict); /* "Allow", "ExplicitDeny", "ImplicitDeny": the vectors' words */

struct denier { /* a Deny that applies */
    const struct exhibit *exhibit;
    size_t exhibit_index;
    const struct statement *statement;
};

struct decision {
    enum verdict verdict;
    const struct exhibit *exhibit; /* who decided: for ALLOW and EXPLICIT_DENY */
    size_t exhibit_index;
    const struct statement *statement;
    const struct lack *lacks; /* for IMPLICIT_DENY: all of them needed, nearest first */
    size_t lack_count;
    const struct denier *deniers; /* for EXPLICIT_DENY: every one, each enough alone */
    size_t denier_count;
};

/* One code a statement, in the order of the exhibits, as far as there is room: its first failing
 * element. */
struct trace {
    uint32_t *codes;
    size_t room, used;
};

/* Pure, and without allocation: same question, same exhibits, same answer. NULL: no trace wanted.
 */
enum verdict policy_decide(const struct request *, const struct exhibit *, size_t count,
                           struct trace *);

/* The codes made into what a person needs; only for denials and for those who ask. Decides again,
 * with room in the arena, when the trace was too short. */
struct decision policy_explain(const struct request *, const struct exhibit *, size_t count,
                               const struct trace *, struct arena *);

/* A denial is kept beside its fault (fault->denial). It borrows request, exhibits and documents:
 * it lives as long as the world and the arena of the attempt. */
struct denial {
    struct request request;
    struct decision decision;
};

/* The first denial in the chain; NULL when it is no denial of our own engine. */
const struct denial *denial_of(const struct fault *);

/* FAULT_DENIED with the denial beside it, saying denial_sentence. */
const struct fault *denial_fault(const struct request *, const struct decision *, struct arena *);

/* One sentence for a person, and AWS's own ("User: X is not authorized to perform: ..."). */
str denial_sentence(const struct denial *, struct arena *);
str denial_aws_sentence(const struct denial *, struct arena *);

/* What mends one lack: the smallest statement that helps, and where it belongs. */
struct remedy {
    str policy;      /* "resource", "identity[0]", "scp[1][0]": in the vectors' words */
    str attached_to; /* ARN of the bucket, role, key that has the policy; STR_NONE: none is known */
    str statement;   /* JSON */
    str document;    /* a whole policy around it, where there is none to put it into; or STR_NONE */
    str says;        /* where to put it, and who can, for a person */
};
/* One for each lack, in their order; all of them together allow the request, and each is needed.
 * None where no statement can help, or none can be put where it would: see denial_instead. False: the arena is full. */
bool denial_remedies(const struct denial *, struct arena *, const struct remedy **ret_remedies,
                     size_t *ret_count);
str denial_remedy(const struct denial *, struct arena *); /* the first one's statement */
/* What must be removed or changed where no statement can help; STR_NONE where one can. */
str denial_instead(const struct denial *, struct arena *);

/* All of it as the JSON object of the timeline:
 * {"action","resource","principal","policy","sid","element","operator","key","wanted","got",
 *  "sentence","remedy"}, with the words of the vectors' `blame` ("trust", "resource",
 * "identity[0]", ...; absent members left out, got null when the key was absent). Beside
 * them "remedies", the list of {"policy","attached_to","says","statement","document"}, or "instead"
 * and "denies", the list of {"policy","sid","statement","attached_to"}; and "hints", as
 * policy/hints.h writes them. */
str denial_json(const struct denial *, struct arena *);

#endif
