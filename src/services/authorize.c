#include "services/authorize.h"

#include "base/when.h"
#include "services/iam/managed.h"
#include "services/iam/role.h"
#include "services/iam/user.h"
#include "services/mishaps.h"
#include "services/sts/session.h"
#include "services/world.h"

/* One that was deleted since the caller signed in has no policies left, which denies; one that was
 * made again under its name is another. */
static const struct holder *holder_of(const struct call *call)
{
    const struct caller *caller = call->caller;
    const struct holder *holder = NULL;
    if (caller->kind == CALLER_ASSUMED_ROLE)
        holder = holder_find_arn(call->world, &role_kind, caller->assumed_role.role.text);
    else if (caller->kind == CALLER_USER)
        holder = holder_find_arn(call->world, &user_kind, caller->user.arn.text);
    return holder && (str_is_none(caller->user_id) || str_starts(caller->user_id, holder->id))
               ? holder
               : NULL;
}

/* ---- the policies ---- */

/* A managed policy that is gone allows nothing any more, but a ceiling it remains. */
static size_t session_exhibits(const struct world *world, const struct session *session,
                               struct exhibit *to)
{
    size_t count = 0;
    if (session->document)
        to[count++] = (struct exhibit) { .kind = EXHIBIT_SESSION,
                                         .name = STR("session policy"),
                                         .document = session->document };
    for (size_t i = 0; i < session->policy_arn_count; i++) {
        const struct managed_policy *policy = managed_find_arn(world, session->policy_arns[i]);
        to[count++] = policy ? policy->as_session
                             : (struct exhibit) { .kind = EXHIBIT_SESSION,
                                                  .name = STR("session policy that is gone") };
    }
    return count;
}

static const struct fault *gather(const struct call *call, const struct ask *ask,
                                  const struct holder *holder, struct exhibit **ret_exhibits,
                                  size_t *ret_count)
{
    const struct session *session = call->caller->session;
    size_t most = holder_exhibits_most(holder) + (session ? 1 + session->policy_arn_count : 0) + 2;
    struct exhibit *exhibits = ARENA_ARRAY(call->arena, struct exhibit, most);
    size_t count = 0;
    if (!exhibits)
        return &fault_no_memory;
    if (holder)
        count += holder_exhibits(call->world, holder, exhibits);
    if (session)
        count += session_exhibits(call->world, session, exhibits + count);
    if (ask->resource_policy)
        exhibits[count++] = (struct exhibit) { .kind = ask->resource_kind,
                                               .name = ask->resource_policy_name,
                                               .document = ask->resource_policy,
                                               .fixed = ask->resource_policy_fixed };
    if (ask->grants)
        exhibits[count++] = (struct exhibit) { .kind = ask->resource_kind,
                                               .name = ask->grants_name,
                                               .document = ask->grants };
    *ret_exhibits = exhibits;
    *ret_count = count;
    return NULL;
}

/* ---- the condition keys of holders and sessions ---- */

struct extra {
    struct context_key *keys;
    size_t count;
    struct arena *arena;
    bool failed;
};

static void add(struct extra *extra, str name, str value)
{
    str *kept = ARENA_NEW(extra->arena, str);
    if (!kept || str_is_none(name) || str_is_none(value)) {
        extra->failed = true;
        return;
    }
    *kept = value;
    extra->keys[extra->count++] = (struct context_key) { .name = name, .values = kept, .count = 1 };
}

/* A denial is told when whoever asked has returned: the list of values, and the caller, may have
 * been on its stack. */
static void add_key(struct extra *extra, const struct context_key *key)
{
    str *kept = ARENA_ARRAY(extra->arena, str, key->count + 1);
    struct context_key *to = &extra->keys[extra->count++];
    *to = *key;
    to->values = kept;
    extra->failed = extra->failed || !kept;
    for (size_t i = 0; kept && i < key->count; i++)
        kept[i] = key->values[i];
}

static void add_tag(struct extra *extra, str key, str value)
{
    add(extra, arena_strf(extra->arena, "aws:PrincipalTag/" STR_FMT, STR_ARG(key)), value);
}

static bool session_has_tag(const struct session *session, str key)
{
    for (size_t i = 0; session && i < session->tag_count; i++)
        if (str_eq_nocase(session->tags[i].key, key))
            return true;
    return false;
}

/* A session's tags stand before the role's own: User Guide, "Pass session tags". */
static void add_holder(struct extra *extra, const struct holder *holder,
                       const struct session *session)
{
    for (size_t i = 0; i < holder->tag_count; i++)
        if (!session_has_tag(session, holder->tags[i].key))
            add_tag(extra, holder->tags[i].key, holder->tags[i].value);
}

static void add_session(struct extra *extra, const struct session *session)
{
    char when[WHEN_SIZE];
    add(extra, STR("aws:TokenIssueTime"),
        arena_str(extra->arena, when_iso(when, session->issued_ms)));
    add(extra, STR("aws:MultiFactorAuthPresent"), STR("false"));
    if (!str_is_none(session->source_identity))
        add(extra, STR("aws:SourceIdentity"), session->source_identity);
    for (size_t i = 0; i < session->tag_count; i++)
        add_tag(extra, session->tags[i].key, session->tags[i].value);
}

enum { SESSION_KEYS = 3 };

static const struct fault *make_context(const struct call *call, const struct ask *ask,
                                        const struct holder *holder, struct request *request)
{
    const struct session *session = call->caller->session;
    struct extra extra = { .arena = call->arena };
    size_t most = ask->context_count + (session ? SESSION_KEYS + session->tag_count : 0) +
                  (holder ? holder->tag_count : 0);
    extra.keys = ARENA_ARRAY(call->arena, struct context_key, most + 1);
    if (!extra.keys)
        return &fault_no_memory;
    for (size_t i = 0; i < ask->context_count; i++)
        add_key(&extra, &ask->context[i]);
    if (holder)
        add_holder(&extra, holder, session);
    if (session)
        add_session(&extra, session);
    if (extra.failed)
        return &fault_no_memory;
    return request_context(call->caller, call->now_ms, extra.keys, extra.count, call->arena,
                           &request->context, &request->context_count);
}

const struct fault *authorize(const struct call *call, const struct ask *ask)
{
    struct request request = {
        .caller = call->caller,
        .action = ask->action,
        .resource_account = ask->resource_account,
        .remedy_resource = ask->remedy_resource,
    };
    if (!arn_parse(ask->resource, &request.resource))
        request.resource =
            (struct arn) { .text = ask->resource }; /* "*": the operation names no resource */
    const struct holder *holder = holder_of(call);
    TRY(make_context(call, ask, holder, &request));
    struct exhibit *exhibits;
    size_t count;
    TRY(gather(call, ask, holder, &exhibits, &count));
    if (call->witness)
        call->witness->saw(call->witness, &request, exhibits, count);

    uint32_t codes[64];
    struct trace trace = { .codes = codes, .room = sizeof(codes) / sizeof(codes[0]) };
    if (policy_decide(&request, exhibits, count, &trace) == VERDICT_ALLOW)
        return mishap_of_call(call, ask->action, ask->resource);
    struct decision decision = policy_explain(&request, exhibits, count, &trace, call->arena);
    struct caller *kept = ARENA_NEW(call->arena, struct caller); /* see add_key */
    if (!kept)
        return &fault_no_memory;
    *kept = *call->caller;
    request.caller = kept;
    return denial_fault(&request, &decision, call->arena);
}
