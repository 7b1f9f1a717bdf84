/* services/lambda/function.h - a function as the world knows it: its versions, its aliases, and who
 * may call which of them.
 *
 * State: function/<account>/<region>/<name> holds all of it, so that each change is one
 * compare-and-set. The code itself is a file named by its SHA-256 (code.h). */
#ifndef SESAME_SERVICES_LAMBDA_FUNCTION_H
#define SESAME_SERVICES_LAMBDA_FUNCTION_H

#include "aws/arn.h"
#include "base/buf.h"
#include "base/header.h"
#include "policy/document.h"
#include "services/world.h"
#include "services/world_kinds.h"

enum { CODE_HASH_LEN = 64 }; /* SHA-256 in hex */

struct function_version { /* what UpdateFunctionConfiguration changes, and PublishVersion freezes */
    str version;          /* "$LATEST", "1", "2", ... */
    str runtime, handler, role, description;
    str code_hash; /* 64 hex digits: which file of code.h */
    int64_t code_size;
    int64_t timeout_s, memory_mb;
    int64_t modified_ms;
    str revision_id;
    str dead_letter_arn; /* STR_NONE: none */
    const struct header *environment;
    size_t environment_count;
};

struct function_alias {
    str name, version, description, revision_id;
};

struct function_policy {         /* of the function, of one version or of one alias */
    str qualifier;               /* empty: the function's own */
    str revision_id;
    const str *statements;       /* JSON, in the order they were added */
    const str *sids;
    size_t count;                /* 0: the policy is gone */
    str text;                    /* the document they make */
    const struct document *document;
};

struct function_async { /* PutFunctionEventInvokeConfig */
    str qualifier;      /* "$LATEST" where none was given */
    int64_t attempts;   /* MaximumRetryAttempts; -1: not set */
    int64_t age_s;      /* MaximumEventAgeInSeconds; -1: not set */
    int64_t modified_ms;
};

struct function {
    str account, region, name;
    struct arn arn; /* without a qualifier */
    int64_t next_version;
    int64_t reserved; /* concurrency; -1: none reserved */
    const struct function_version *versions; /* $LATEST first, then by number */
    size_t version_count;
    const struct function_alias *aliases; /* by name */
    size_t alias_count;
    const struct function_policy *policies;
    size_t policy_count;
    const struct function_async *asyncs;
    size_t async_count;
    const struct header *tags;
    size_t tag_count;
};

/* What FunctionName and Qualifier mean: a name, 111122223333:function:name or a whole ARN, each with
 * or without :QUALIFIER. */
struct function_ref {
    str account, region, name;
    str qualifier; /* empty: none */
};
/* account, region: of the call, where the text names none. False: it is none of these. */
bool function_ref_parse(str text, str qualifier, str account, str region,
                        struct function_ref *ret_ref);
/* arn:P:lambda:R:A:function:NAME[:QUALIFIER] */
str function_ref_arn(const struct function_ref *, struct arena *);
bool function_name_ok(str name);

/* NULL: there is none. They live as long as the world. */
const struct function *function_find(const struct world *, const struct function_ref *);
const struct function_alias *function_alias(const struct function *, str name);
/* The version that a qualifier leads to: a number, an alias, "$LATEST" or nothing. */
const struct function_version *function_version(const struct function *, str qualifier);
/* $LATEST has no policy of its own: the function's is meant. */
const struct function_policy *function_policy(const struct function *, str qualifier);
const struct function_async *function_async(const struct function *, str qualifier);

str function_state_key(const struct function_ref *, struct arena *);
void function_encode(const struct function *, struct buf *out);
/* {"Version":"2012-10-17","Id":"default","Statement":[...]}; STR_NONE: the arena is full. */
str function_policy_text(const str *statements, size_t count, struct arena *);
aggregate_compile_fn function_compile;

#endif
