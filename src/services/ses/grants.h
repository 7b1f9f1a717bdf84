/* services/ses/grants.h - the policies that one receipt rule needs, no wider than it needs them.
 *
 * The documents of the page "Giving permissions to Amazon SES for email receiving" with their
 * placeholders filled: role permission policy and trust policy, bucket policy, key policies, topic
 * policy, and the parameters of Lambda's AddPermission. Pure: what the rule does not say itself
 * (who owns a bucket, which keys stand behind it) is asked of the caller. */
#ifndef SESAME_SERVICES_SES_GRANTS_H
#define SESAME_SERVICES_SES_GRANTS_H

#include "base/buf.h"
#include "services/ses/ruleset.h"

enum grant_kind {
    GRANT_TRUST,     /* who may assume the role: SES, for this rule */
    GRANT_ROLE,      /* what the role may do */
    GRANT_BUCKET,    /* the bucket policy */
    GRANT_KEY,       /* of the key that SES encrypts mail with */
    GRANT_SSE_KEY,   /* of the key that the bucket encrypts its objects with */
    GRANT_TOPIC,     /* the topic policy */
    GRANT_TOPIC_KEY, /* of the key that the topic encrypts with */
    GRANT_FUNCTION,  /* the call of AddPermission */
};
#define GRANT_KINDS (GRANT_FUNCTION + 1)

/* "trust", "role", "bucket", "key", "sse-key", "topic", "topic-key", "function". */
str grant_kind_name(enum grant_kind);
bool grant_kind_named(str name, enum grant_kind *ret_kind);

struct grant {
    enum grant_kind kind; /* the first one, where one key serves several ends */
    unsigned kinds;       /* all of them: bits 1 << kind */
    str target;           /* what it is attached to: a bucket's name, else an ARN */
    str document;         /* JSON: a policy document, or the parameters of AddPermission */
};

struct grants_question {
    str account, region, rule_set;
    const struct receipt_rule *rule;
    str (*bucket_owner)(void *context, str bucket); /* an account; NULL, STR_NONE: the rule's own */
    /* ARNs of the keys that a bucket and a topic encrypt with, and of the key that an alias stands
     * for; any may be NULL or answer STR_NONE: there is none, or it is as it is named. */
    str (*bucket_encrypts_with)(void *context, str bucket);
    str (*topic_encrypts_with)(void *context, str topic_arn);
    str (*key_named)(void *context, str kms_key_arn);
    void *context;
    str bucket_key, topic_key; /* the same for all buckets and topics of the rule; STR_NONE: ask */
    str only; /* a kind's name: just the documents that serve it, and also those of topics whose
                 default policy admits SES already; STR_NONE: all that is needed */
};

/* In the arena: trust first, each target once. A document replaces the one its target has, so that
 * of a key keeps the key's own account in charge of it. */
const struct fault *grants_of(const struct grants_question *, struct arena *,
                              const struct grant **ret_grants, size_t *ret_count);

/* The same as JSON: [{"kind","kinds":[...],"target","document":{...}}, ...]. */
const struct fault *grants_write(const struct grants_question *, struct arena *, struct buf *out);

/* arn:aws:s3:::bucket/prefix/ and *: what a rule may ever write. What a policy would read as a
 * wildcard or a variable in the prefix is written as the character it is. */
str rule_objects_arn(struct arena *, str bucket, str object_key_prefix);

#endif
