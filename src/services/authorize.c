#include "services/authorize.h"

#include "base/when.h"
#include "services/iam/role.h"
#include "services/sts/session.h"
#include "services/world.h"

/* A role that was deleted since the session began has no policies left, which denies; one that was
 * made again under its name is another role. */
static const struct role *role_of(const struct call *call)
{
    const struct caller *caller = call->caller;
    if (caller->kind != CALLER_ASSUMED_ROLE)
        return NULL;
    const struct role *role = role_find_arn(call->world, caller->assumed_role.role.text);
    return role && (str_is_none(caller->user_id) || str_starts(caller->user_id, role->role_id))
               ? role
               : NULL;
}

/* ---- the policies ---- */

static const struct fault *gather(const struct call *call, const struct ask *ask,
                                  struct exhibit **ret_exhibits, size_t *ret_count)
{
    const struct role *role = role_of(call);
    const struct session *session = call->caller->session;
    size_t most = (role ? role->policy_count : 0) + 3, count = 0;
    struct exhibit *exhibits = ARENA_ARRAY(call->arena, struct exhibit, most);
    if (!exhibits)
        return &fault_no_memory;
    for (size_t i = 0; role && i < role->policy_count; i++)
        exhibits[count++] = role->exhibits[i];
    if (session && session->document)
        exhibits[count++] = (struct exhibit) { .kind = EXHIBIT_SESSION,
                                               .name = STR("session policy"),
                                               .document = session->document };
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

/* ---- the condition keys of a session ---- */

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

static void add_session(struct extra *extra, const struct session *session)
{
    char when[WHEN_SIZE];
    add(extra, STR("aws:TokenIssueTime"),
        arena_str(extra->arena, when_iso(when, session->issued_ms)));
    add(extra, STR("aws:MultiFactorAuthPresent"), STR("false"));
    if (!str_is_none(session->source_identity))
        add(extra, STR("aws:SourceIdentity"), session->source_identity);
    for (size_t i = 0; i < session->tag_count; i++)
        add(extra,
            arena_strf(extra->arena, "aws:PrincipalTag/" STR_FMT, STR_ARG(session->tags[i].key)),
            session->tags[i].value);
}

enum { SESSION_KEYS = 3 };

static const struct fault *make_context(const struct call *call, const struct ask *ask,
                                        struct request *request)
{
    const struct session *session = call->caller->session;
    struct extra extra = { .arena = call->arena };
    size_t most = ask->context_count + (session ? SESSION_KEYS + session->tag_count : 0);
    extra.keys = ARENA_ARRAY(call->arena, struct context_key, most + 1);
    if (!extra.keys)
        return &fault_no_memory;
    for (size_t i = 0; i < ask->context_count; i++)
        extra.keys[extra.count++] = ask->context[i];
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
    TRY(make_context(call, ask, &request));
    struct exhibit *exhibits;
    size_t count;
    TRY(gather(call, ask, &exhibits, &count));
    if (call->witness)
        call->witness->saw(call->witness, &request, exhibits, count);

    uint32_t codes[64];
    struct trace trace = { .codes = codes, .room = sizeof(codes) / sizeof(codes[0]) };
    if (policy_decide(&request, exhibits, count, &trace) == VERDICT_ALLOW)
        return NULL;
    struct decision decision = policy_explain(&request, exhibits, count, &trace, call->arena);
    return denial_fault(&request, &decision, call->arena);
}
