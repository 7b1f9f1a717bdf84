/* services/iam/holder.h - what holds policies: what roles and users have in common.
 *
 * State: <kind>/<account>/<name in small letters> is one record with all that the role or user has,
 * so that each change is one compare-and-set, and names are one whatever their case (API CreateUser:
 * "Names are not distinguished by case"). Mutations read the state itself, not the call's world;
 * when they return, worlds_now knows. Faults carry IAM's codes (NoSuchEntity, ...). None of them
 * asks whether the caller may: the operation does. */
#ifndef SESAME_SERVICES_IAM_HOLDER_H
#define SESAME_SERVICES_IAM_HOLDER_H

#include "base/json.h"
#include "policy/decision.h"
#include "policy/validate.h"
#include "services/iam/checks.h"
#include "services/ports.h"
#include "services/world_kinds.h"

struct inline_policy {
    str name;
    str text; /* as it was put */
    const struct document *document;
};

struct holder {                     /* the first member of struct role and struct user */
    struct arn arn;                 /* arn:aws:iam::ACCOUNT:role/PATH/NAME */
    str name, path;                 /* path begins and ends with a slash */
    str id;                         /* AROA..., AIDA...: made again under its name, it has another */
    str account;
    int64_t created_ms;
    const struct inline_policy *policies; /* by name */
    const struct exhibit *exhibits;       /* the same, as a decision takes them */
    size_t policy_count;
    const str *attached; /* ARNs of managed policies, in their order */
    size_t attached_count;
    str boundary; /* ARN of the permissions boundary; STR_NONE: none */
    const struct tag *tags; /* by key */
    size_t tag_count;
};

struct holder_kind {
    enum policy_holder holder;
    str prefix;              /* of its state keys: "role/" */
    const char *word, *title; /* in sentences: "role", "Role" */
    const char *name_path;   /* "roleName" */
    str arn_kind;            /* "role" */
    size_t inline_most;      /* of all inline policies together */
    const char *attach_quota; /* "PoliciesPerRole" */
    size_t size;             /* of the whole struct */
    aggregate_compile_fn *compile;
    void (*write)(const struct holder *, struct json_writer *); /* what it has beside a holder's */
};
extern const struct holder_kind role_kind, user_kind;

/* NULL when there is none. Each lives as long as the world, and is a struct role or user. */
const struct holder *holder_find(const struct world *, const struct holder_kind *, str account, str name);
/* By its ARN, path and case included; NULL when the ARN is no such holder's. */
const struct holder *holder_find_arn(const struct world *, const struct holder_kind *, str arn);
/* The next one of the account behind state key `after` (STR(""): the first); false at the end. */
bool holder_next(const struct world *, const struct holder_kind *, str account, str after, str *ret_key,
                 const struct holder **ret_holder);
const struct fault *holder_absent(struct arena *, const struct holder_kind *, str name); /* NoSuchEntity */

/* For the kinds' own compile functions: the members of a holder; the record's key names it. */
const struct fault *holder_read(const struct holder_kind *, const struct record *, const struct json *,
                                struct arena *, struct holder *ret_holder);

/* Creates the record; `holder` is the first member of the whole. *ret_made, which may be NULL, lives
 * in the call's arena. EntityAlreadyExists. */
const struct fault *holder_create(struct state *, const struct call *, const struct holder_kind *,
                                  const struct holder *, const struct holder **ret_made);

/* A change of one record: `make` is given a copy of the whole, and again when others were faster. */
struct holder_change {
    const struct fault *(*make)(struct holder_change *, const struct call *, const struct holder_kind *,
                                struct holder *);
};
const struct fault *holder_change(struct state *, const struct call *, const struct holder_kind *, str name,
                                  struct holder_change *);

const struct fault *holder_put_policy(struct state *, const struct call *, const struct holder_kind *,
                                      str name, str policy_name, str document);
const struct fault *holder_delete_policy(struct state *, const struct call *, const struct holder_kind *,
                                         str name, str policy_name);
/* Managed policies are those of the world: worlds says whether one is still there afterwards. */
struct worlds;
const struct fault *holder_attach(struct state *, struct worlds *, const struct call *,
                                  const struct holder_kind *, str name, str policy_arn);
const struct fault *holder_detach(struct state *, const struct call *, const struct holder_kind *, str name,
                                  str policy_arn);
/* May the policy of this ARN be a boundary? STR_NONE: yes. */
const struct fault *holder_check_boundary(const struct call *, str policy_arn);
/* STR_NONE: none any more. */
const struct fault *holder_set_boundary(struct state *, const struct call *, const struct holder_kind *,
                                        str name, str policy_arn);
const struct fault *holder_tag(struct state *, const struct call *, const struct holder_kind *, str name,
                               const struct tag *, size_t count);
const struct fault *holder_untag(struct state *, const struct call *, const struct holder_kind *, str name,
                                 const str *keys, size_t count);
/* DeleteConflict while it holds policies; `also`, which may be NULL, has a say too. */
typedef const struct fault *holder_free_fn(const struct call *, const struct holder *);
const struct fault *holder_delete(struct state *, const struct call *, const struct holder_kind *, str name,
                                  holder_free_fn *also);

/* The policies that speak for a holder: inline, attached, and its boundary, which denies when it is
 * gone. Appends to exhibits, which has room for holder_exhibits_most(). */
size_t holder_exhibits_most(const struct holder *);
size_t holder_exhibits(const struct world *, const struct holder *, struct exhibit *to);

#endif
