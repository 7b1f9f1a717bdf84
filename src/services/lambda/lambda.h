/* services/lambda/lambda.h - the embedded Lambda: functions in the state, code in files, processes by
 * the runner, permissions decided here.
 *
 * Every function takes the call first, asks services/authorize.h with the IAM action and ARN of its
 * operation, and answers in Lambda's own codes. Any thread. */
#ifndef SESAME_SERVICES_LAMBDA_LAMBDA_H
#define SESAME_SERVICES_LAMBDA_LAMBDA_H

#include "base/metrics.h"
#include "services/errand.h"
#include "services/lambda/function.h"
#include "services/lambda/log.h"
#include "services/lambda/pool.h"
#include "services/ports.h"
#include "services/told.h"
#include "store/state.h"

#include <pthread.h>

struct context_key; /* policy/decision.h */
struct lambda_service;
struct lambda_rehearsal {
    struct lambda_port port;
    struct lambda_service *service;
};
struct lambda_errands {
    struct errand_runner runner; /* first */
    struct lambda_service *service;
};

struct lambda_service {
    struct lambda_port port;           /* &service->port */
    struct lambda_rehearsal rehearsal; /* the same call judged and not made */
    struct lambda_errands errands;     /* asynchronous invocations: &service->errands.runner */
    struct state *state;
    struct worlds *worlds;
    struct outside *outside;
    struct spool *spool;
    const struct ports *ports; /* sts for the execution role; sqs and sns for dead letters */
    struct runner *runner;
    struct pool *pool;
    struct function_log *log;
    str directory;  /* of code and logs */
    struct told endpoint; /* "http://127.0.0.1:4566": what AWS_ENDPOINT_URL says inside */
    unsigned first_uid; /* as runner_settings; 0: not root, all are one user */
    /* Held from a package that is kept to the record that names it, and while packages that no
     * record names are looked for. */
    pthread_mutex_t code_lock;
};

struct lambda_settings {
    struct state *state;
    struct worlds *worlds;
    struct outside *outside;
    struct spool *spool;
    const struct ports *ports;
    struct runner *runner;
    str directory;
    unsigned slots, first_uid;
};
const struct fault *lambda_open(const struct lambda_settings *, struct arena *,
                                struct lambda_service **ret_service);
/* Calls that run get until deadline_ms (steady clock); then every process is killed and none started. */
void lambda_stop(struct lambda_service *, int64_t deadline_ms);
void lambda_close(struct lambda_service *); /* after lambda_stop, when nobody calls any more; NULL is fine */

/* ---- functions: functions.c ---- */

struct function_code { /* one of the two */
    str zip;
    str bucket, key; /* read as the caller */
};
struct function_draft { /* what a request sets; STR_NONE and -1: not mentioned */
    str runtime, handler, role, description, dead_letter_arn;
    int64_t timeout_s, memory_mb;
    const struct header *environment; /* NULL: not mentioned */
    size_t environment_count;
    str revision_id; /* must be the current one, where given */
};
/* The aggregate as it is after the change, in the call's arena. */
const struct fault *lambda_create(struct lambda_service *, const struct call *, const struct function_ref *,
                                  const struct function_draft *, const struct header *tags, size_t tag_count,
                                  str zip, const struct function **ret_function);
const struct fault *lambda_update_code(struct lambda_service *, const struct call *,
                                       const struct function_ref *, str revision_id, str zip, bool dry_run,
                                       const struct function **ret_function);
const struct fault *lambda_update_configuration(struct lambda_service *, const struct call *,
                                                const struct function_ref *, const struct function_draft *,
                                                const struct function **ret_function);
const struct fault *lambda_delete(struct lambda_service *, const struct call *, const struct function_ref *);
const struct fault *lambda_get(struct lambda_service *, const struct call *, const struct function_ref *,
                               str action, const struct function **ret_function,
                               const struct function_version **ret_version);
/* May the caller do this to this function (or to "*", where ref is NULL)? */
const struct fault *lambda_ask(const struct call *, const struct function_ref *, const struct function *,
                               str action, const struct context_key *, size_t context_count);
/* The bytes of a code, for GetFunction and UpdateFunctionCode's S3Bucket there is s3. */
const struct fault *lambda_not_found(const struct call *, const struct function_ref *);

/* ---- versions and aliases: versions.c ---- */

const struct fault *lambda_publish(struct lambda_service *, const struct call *, const struct function_ref *,
                                   str description, str code_hash, str revision_id,
                                   const struct function **ret_function,
                                   const struct function_version **ret_version);
struct alias_draft {
    str name, version, description, revision_id; /* STR_NONE: not mentioned */
};
const struct fault *lambda_put_alias(struct lambda_service *, const struct call *, const struct function_ref *,
                                     const struct alias_draft *, bool create, const struct function **ret_function,
                                     const struct function_alias **ret_alias);
const struct fault *lambda_delete_alias(struct lambda_service *, const struct call *,
                                        const struct function_ref *, str name);

/* ---- who may: permissions.c ---- */

struct permission; /* policy/permission.h */
const struct fault *lambda_add_permission(struct lambda_service *, const struct call *,
                                          const struct function_ref *, const struct permission *,
                                          str *ret_statement);
const struct fault *lambda_remove_permission(struct lambda_service *, const struct call *,
                                             const struct function_ref *, str sid, str revision_id);
const struct fault *lambda_get_policy(struct lambda_service *, const struct call *, const struct function_ref *,
                                      const struct function_policy **ret_policy);

/* ---- concurrency, asynchronous calls, tags: settings.c ---- */

const struct fault *lambda_set_reserved(struct lambda_service *, const struct call *,
                                        const struct function_ref *, int64_t reserved /* -1: none */);
/* change: members not set keep what they were, else what is not set is the default. */
const struct fault *lambda_put_async(struct lambda_service *, const struct call *, const struct function_ref *,
                                     const struct function_async *, bool change,
                                     const struct function_async **ret_async);
const struct fault *lambda_delete_async(struct lambda_service *, const struct call *, const struct function_ref *);
const struct fault *lambda_tag(struct lambda_service *, const struct call *, const struct function_ref *,
                               const struct header *tags, size_t tag_count);
const struct fault *lambda_untag(struct lambda_service *, const struct call *, const struct function_ref *,
                                 const str *keys, size_t key_count);

#endif
