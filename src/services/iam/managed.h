/* services/iam/managed.h - managed policies: documents that users and roles attach, with up to five
 * versions, of which one is in force.
 *
 * State: policy/<account>/<name in small letters> holds the policy with all its versions. Those of AWS
 * itself, as far as they are about what is served here, are in every world under the account "aws"
 * and in no state. */
#ifndef SESAME_SERVICES_IAM_MANAGED_H
#define SESAME_SERVICES_IAM_MANAGED_H

#include "policy/decision.h"
#include "services/iam/checks.h"
#include "services/ports.h"
#include "services/world_kinds.h"

struct policy_version {
    str id; /* "v1" */
    str text;
    const struct document *document;
    int64_t created_ms;
};

struct managed_policy {
    struct arn arn; /* arn:aws:iam::ACCOUNT:policy/PATH/NAME */
    str name, path, id, account;
    str description; /* STR_NONE: none given */
    int64_t created_ms, updated_ms;
    const struct policy_version *versions; /* oldest first */
    size_t version_count;
    const struct policy_version *current; /* one of them: the default version */
    int64_t last_version;                 /* the number of the newest there ever was */
    const struct tag *tags;
    size_t tag_count;
    struct exhibit as_identity, as_boundary, as_session; /* the current version, as a decision takes it */
};

/* By its ARN, path included; NULL: there is none. Lives as long as the world. */
const struct managed_policy *managed_find_arn(const struct world *, str arn);
/* The next one of the account ("aws": AWS's own) behind state key `after`; false at the end. */
bool managed_next(const struct world *, str account, str after, str *ret_key,
                  const struct managed_policy **ret_policy);
const struct policy_version *managed_version(const struct managed_policy *, str id);
/* How many users and roles of the account have it attached, or as their boundary. */
size_t managed_attachments(const struct world *, str account, str arn, bool as_boundary);
struct holder;
bool managed_is_attached(const struct holder *, str arn);

struct managed_draft {
    str name, path, description, document; /* path STR_NONE: "/"; description STR_NONE: none */
    const struct tag *tags;
    size_t tag_count;
};
struct entropy;
struct worlds;
/* In the account of the call's caller; the others by ARN. Results live in the call's arena. */
const struct fault *managed_create(struct state *, const struct call *, struct entropy *,
                                   const struct managed_draft *, const struct managed_policy **ret_policy);
const struct fault *managed_delete(struct state *, struct worlds *, const struct call *, str arn);
const struct fault *managed_create_version(struct state *, const struct call *, str arn, str document,
                                           bool set_as_default, struct policy_version *ret_version,
                                           bool *ret_is_default);
const struct fault *managed_set_default(struct state *, const struct call *, str arn, str version);
const struct fault *managed_delete_version(struct state *, const struct call *, str arn, str version);
/* NoSuchEntity: "Policy ARN was not found." and its like for a version. */
const struct fault *managed_absent(struct arena *, str arn);
const struct fault *managed_no_version(struct arena *, str arn, str version);

/* AWS's own, as records for the world. NULL at the end: ret_record is not written. */
const struct fault *aws_managed_record(size_t index, struct arena *, struct record *ret_record,
                                       bool *ret_end);

aggregate_compile_fn managed_compile;

#endif
