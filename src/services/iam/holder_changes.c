/* services/iam/holder_changes.c - the changes that roles and users alike can undergo: policies
 * inline and attached, boundaries, tags. Each makes another holder of a copy; holder.c stores it.
 */
#include "services/iam/holder.h"
#include "services/iam/managed.h"
#include "services/world.h"

#include <stdlib.h>

enum { ATTACHED_MOST = 10 }; /* managed policies; IAM quotas */

/* ---- inline policies ---- */

struct policy_change {
    struct holder_change base;
    str name, document;
};

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct inline_policy *)a)->name,
                   ((const struct inline_policy *)b)->name);
}

/* The holder's policies less `name`, with room for one more. */
static struct inline_policy *policies_without(const struct holder *holder, str name,
                                              struct arena *arena, size_t *ret_count)
{
    struct inline_policy *policies =
        ARENA_ARRAY(arena, struct inline_policy, holder->policy_count + 1);
    size_t count = 0;
    for (size_t i = 0; policies && i < holder->policy_count; i++)
        if (!str_eq(holder->policies[i].name, name))
            policies[count++] = holder->policies[i];
    *ret_count = count;
    return policies;
}

static const struct fault *make_put_policy(struct holder_change *base, const struct call *call,
                                           const struct holder_kind *kind, struct holder *holder)
{
    const struct policy_change *change = (const struct policy_change *)base;
    const struct policy_home home = { .type = POLICY_IDENTITY,
                                      .holder = kind->holder,
                                      .target = holder->name };
    size_t count, size = policy_size(change->document);
    TRY(policy_validate(change->document, &home, call->arena, NULL));
    struct inline_policy *policies = policies_without(holder, change->name, call->arena, &count);
    if (!policies)
        return &fault_no_memory;
    for (size_t k = 0; k < count; k++)
        size += policy_size(policies[k].text);
    if (size > kind->inline_most)
        return fault_coded(call->arena, FAULT_LIMIT, "LimitExceeded",
                           "Maximum policy size of %zu bytes exceeded for %s " STR_FMT,
                           kind->inline_most, kind->word, STR_ARG(holder->name));
    policies[count++] = (struct inline_policy) { .name = change->name, .text = change->document };
    qsort(policies, count, sizeof(*policies), by_name);
    holder->policies = policies;
    holder->policy_count = count;
    return NULL;
}

const struct fault *holder_put_policy(struct state *state, const struct call *call,
                                      const struct holder_kind *kind, str name, str policy_name,
                                      str document)
{
    struct policy_change change = { { make_put_policy }, policy_name, document };
    TRY(iam_check_name(call->arena, kind->name_path, name, IAM_NAME_MOST));
    TRY(iam_check_name(call->arena, "policyName", policy_name, IAM_POLICY_NAME_MOST));
    TRY(iam_check_document(call->arena, "policyDocument", document));
    return holder_change(state, call, kind, name, &change.base);
}

static const struct fault *make_delete_policy(struct holder_change *base, const struct call *call,
                                              const struct holder_kind *kind, struct holder *holder)
{
    const struct policy_change *change = (const struct policy_change *)base;
    size_t count;
    holder->policies = policies_without(holder, change->name, call->arena, &count);
    if (!holder->policies)
        return &fault_no_memory;
    if (count == holder->policy_count)
        return fault_coded(call->arena, FAULT_ABSENT, "NoSuchEntity",
                           "The %s policy with name " STR_FMT " cannot be found.", kind->word,
                           STR_ARG(change->name));
    holder->policy_count = count;
    return NULL;
}

const struct fault *holder_delete_policy(struct state *state, const struct call *call,
                                         const struct holder_kind *kind, str name, str policy_name)
{
    struct policy_change change = { { make_delete_policy }, policy_name, STR_NONE };
    TRY(iam_check_name(call->arena, "policyName", policy_name, IAM_POLICY_NAME_MOST));
    return holder_change(state, call, kind, name, &change.base);
}

/* ---- managed policies ---- */

struct arn_change {
    struct holder_change base;
    str arn;
};

static str *attached_without(const struct holder *holder, str arn, struct arena *arena,
                             size_t *ret_count)
{
    str *attached = ARENA_ARRAY(arena, str, holder->attached_count + 1);
    size_t count = 0;
    for (size_t i = 0; attached && i < holder->attached_count; i++)
        if (!str_eq(holder->attached[i], arn))
            attached[count++] = holder->attached[i];
    *ret_count = count;
    return attached;
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const str *)a, *(const str *)b);
}

static const struct fault *make_attach(struct holder_change *base, const struct call *call,
                                       const struct holder_kind *kind, struct holder *holder)
{
    const struct arn_change *change = (const struct arn_change *)base;
    size_t count;
    str *attached = attached_without(holder, change->arn, call->arena, &count);
    if (!attached)
        return &fault_no_memory;
    if (count == holder->attached_count && count == ATTACHED_MOST)
        return fault_coded(call->arena, FAULT_LIMIT, "LimitExceeded",
                           "Cannot exceed quota for %s: %d", kind->attach_quota, ATTACHED_MOST);
    attached[count++] = change->arn;
    qsort(attached, count, sizeof(*attached), by_text);
    holder->attached = attached;
    holder->attached_count = count;
    return NULL;
}

static const struct fault *not_attachable(struct arena *arena, str arn)
{
    return fault_coded(arena, FAULT_ABSENT, "NoSuchEntity",
                       "Policy " STR_FMT " does not exist or is not attachable.", STR_ARG(arn));
}

/* Another account's policy is no more attachable than one that does not exist. */
static bool attachable(const struct world *world, str account, str arn)
{
    const struct managed_policy *policy = managed_find_arn(world, arn);
    return policy && (str_eq(policy->account, account) || str_eq(policy->account, STR("aws")));
}

const struct fault *holder_attach(struct state *state, struct worlds *worlds,
                                  const struct call *call, const struct holder_kind *kind, str name,
                                  str policy_arn)
{
    struct arn_change change = { { make_attach }, policy_arn };
    if (!attachable(call->world, call->caller->account, policy_arn)) {
        TRY(iam_check_name(call->arena, kind->name_path, name, IAM_NAME_MOST));
        if (!holder_find(call->world, kind, call->caller->account, name))
            return holder_absent(call->arena, kind, name);
        return not_attachable(call->arena, policy_arn);
    }
    TRY(holder_change(state, call, kind, name, &change.base));
    /* Its deletion looks for holders before it takes place, and we looked for it before: one of the
     * two sees the other. */
    const struct world *now = worlds_now(worlds);
    bool there = attachable(now, call->caller->account, policy_arn);
    world_unref(now);
    if (there)
        return NULL;
    TRY(holder_detach(state, call, kind, name, policy_arn));
    return not_attachable(call->arena, policy_arn);
}

static const struct fault *make_detach(struct holder_change *base, const struct call *call,
                                       const struct holder_kind *kind, struct holder *holder)
{
    (void)kind;
    const struct arn_change *change = (const struct arn_change *)base;
    size_t count;
    holder->attached = attached_without(holder, change->arn, call->arena, &count);
    if (!holder->attached)
        return &fault_no_memory;
    if (count == holder->attached_count)
        return managed_absent(call->arena, change->arn);
    holder->attached_count = count;
    return NULL;
}

const struct fault *holder_detach(struct state *state, const struct call *call,
                                  const struct holder_kind *kind, str name, str policy_arn)
{
    struct arn_change change = { { make_detach }, policy_arn };
    return holder_change(state, call, kind, name, &change.base);
}

static const struct fault *make_boundary(struct holder_change *base, const struct call *call,
                                         const struct holder_kind *kind, struct holder *holder)
{
    const struct arn_change *change = (const struct arn_change *)base;
    if (str_is_none(change->arn) && str_is_none(holder->boundary))
        return fault_coded(call->arena, FAULT_ABSENT, "NoSuchEntity",
                           "%s with name " STR_FMT " does not have a permissions boundary.",
                           kind->title, STR_ARG(holder->name));
    holder->boundary = change->arn;
    return NULL;
}

const struct fault *holder_check_boundary(const struct call *call, str policy_arn)
{
    if (str_is_none(policy_arn) || attachable(call->world, call->caller->account, policy_arn))
        return NULL;
    return fault_coded(call->arena, FAULT_ABSENT, "NoSuchEntity",
                       "Scope ARN: " STR_FMT " does not exist or is not attachable.",
                       STR_ARG(policy_arn));
}

const struct fault *holder_set_boundary(struct state *state, const struct call *call,
                                        const struct holder_kind *kind, str name, str policy_arn)
{
    struct arn_change change = { { make_boundary }, policy_arn };
    TRY(holder_check_boundary(call, policy_arn));
    return holder_change(state, call, kind, name, &change.base);
}

/* ---- tags ---- */

struct tag_change {
    struct holder_change base;
    const struct tag *tags;
    const str *keys;
    size_t count;
};

static int by_key(const void *a, const void *b)
{
    return str_cmp(((const struct tag *)a)->key, ((const struct tag *)b)->key);
}

static bool takes_away(const struct tag_change *change, str key)
{
    for (size_t i = 0; i < change->count; i++)
        if (str_eq_nocase(change->tags ? change->tags[i].key : change->keys[i], key))
            return true;
    return false;
}

static const struct fault *make_tags(struct holder_change *base, const struct call *call,
                                     const struct holder_kind *kind, struct holder *holder)
{
    (void)kind;
    const struct tag_change *change = (const struct tag_change *)base;
    struct tag *tags = ARENA_ARRAY(call->arena, struct tag, holder->tag_count + change->count + 1);
    size_t count = 0;
    if (!tags)
        return &fault_no_memory;
    for (size_t i = 0; i < holder->tag_count; i++)
        if (!takes_away(change, holder->tags[i].key))
            tags[count++] = holder->tags[i];
    for (size_t i = 0; change->tags && i < change->count; i++)
        tags[count++] = change->tags[i];
    if (count > IAM_TAGS_MOST)
        return fault_coded(call->arena, FAULT_LIMIT, "LimitExceeded",
                           "The number of tags has reached the maximum limit.");
    qsort(tags, count, sizeof(*tags), by_key);
    holder->tags = tags;
    holder->tag_count = count;
    return NULL;
}

const struct fault *holder_tag(struct state *state, const struct call *call,
                               const struct holder_kind *kind, str name, const struct tag *tags,
                               size_t count)
{
    struct tag_change change = { .base = { make_tags }, .tags = tags, .count = count };
    TRY(iam_check_tags(call->arena, tags, count));
    return holder_change(state, call, kind, name, &change.base);
}

const struct fault *holder_untag(struct state *state, const struct call *call,
                                 const struct holder_kind *kind, str name, const str *keys,
                                 size_t count)
{
    struct tag_change change = { .base = { make_tags }, .keys = keys, .count = count };
    return holder_change(state, call, kind, name, &change.base);
}
