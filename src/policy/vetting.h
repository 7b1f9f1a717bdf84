/* policy/vetting.h - what the validators of the kinds of policy share; policy/validate.h is for the
 * rest of the program.
 *
 * A validator reads the JSON tree, not the document: it has to speak about text that is no policy.
 * It returns at its first complaint, as the services do, and leaves in `at` what it is about. */
#ifndef SESAME_POLICY_VETTING_H
#define SESAME_POLICY_VETTING_H

#include "base/spans.h"
#include "policy/validate.h"

struct vetting {
    str text;
    const struct policy_home *home;
    const char *code; /* of this kind of policy: "MalformedPolicy" */
    struct arena *arena;
    struct span at;
};

/* FAULT_SYNTAX with the kind's code, about this piece of the document. */
const struct fault *vet_refuse(struct vetting *, const struct spans *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Before the text is read: its size, and for some its first bytes. */
typedef const struct fault *vet_text_fn(struct vetting *);
typedef const struct fault *vet_tree_fn(struct vetting *, const struct spans *root);
/* What only the finished policy shows. */
typedef const struct fault *vet_document_fn(struct vetting *, const struct document *);

vet_text_fn vet_identity_text, vet_trust_text, vet_bucket_text, vet_key_text, vet_topic_text,
    vet_function_text;
vet_tree_fn vet_identity, vet_trust, vet_bucket, vet_key, vet_topic, vet_function;
vet_document_fn vet_key_lockout;

/* Somebody other than a service may put the next key policy. */
bool key_policy_keeps(const struct document *);

/* One value or a list of them, as policies allow nearly everywhere:
 * for (item = items_first(value); item; item = items_next(value, item)). NULL has none. */
static inline const struct spans *items_first(const struct spans *value) {
    return value && value->kind == SPANS_ARRAY ? value->first : value;
}
static inline const struct spans *items_next(const struct spans *value, const struct spans *item) {
    return value->kind == SPANS_ARRAY ? item->next : NULL;
}
size_t items_count(const struct spans *value);
const struct spans *items_no_text(const struct spans *value); /* the first that is no string */

/* Either of a pair: Action | NotAction. */
const struct spans *vet_either(const struct spans *statement, const char *name, const char *other);
/* A member whose name is to blame, as its name: `at` of vet_refuse. */
const struct spans *vet_name(struct vetting *, const struct spans *member);
/* The first member that is no element of a policy, or of a statement, as its name. */
const struct spans *vet_document_stranger(struct vetting *, const struct spans *root);
const struct spans *vet_statement_stranger(struct vetting *, const struct spans *statement);
/* In S3's and KMS's words: a statement is an object of known members, and its Effect one of two. */
const struct fault *vet_statement_head(struct vetting *, const struct spans *statement);
bool vet_version_ok(const struct spans *root); /* absent, or one of the two */
/* The first operator, key or value of a Condition that is not in the grammar; an operator or a key as
 * its name. */
const struct spans *vet_condition_oddity(struct vetting *, const struct spans *condition);
/* The second statement of two with one Sid; empty ones do not count. */
const struct spans *vet_sid_twice(const struct spans *statements);

/* What an item of Action reaches in S3; 0: nothing known. */
enum s3_reach { S3_BUCKET = 1, S3_OBJECT = 2 };
unsigned s3_action_reach(str item);

/* The principal that is nobody, or the name of a type there is none of; NULL: all are somebody, as far
 * as is known. */
const struct spans *vet_principal_nobody(struct vetting *, const struct spans *principal,
                                         str *ret_type);

#endif
