/* api/iam_simulate.c - SimulateCustomPolicy and SimulatePrincipalPolicy: parameters in, the
 * simulator's answers out (permissions spec 7). */
#include "services/iam/simulate.h"
#include "api/api.h"
#include "api/run.h"
#include "base/xml.h"
#include "policy/values.h"
#include "services/authorize.h"
#include "services/iam/managed.h"
#include "services/iam/role.h"
#include "services/iam/user.h"

enum {
    ITEMS_MAX = 1000, /* of a page, and what one asks for when one does not say */
    ITEMS_USUAL = 100,
    LIST_MAX = 1024, /* of any list in the request */
    DOCUMENT_MAX = 131072,
    POLICIES_MAX = 128,
};

struct list {
    const str *values;
    size_t count;
};

struct asked_for { /* a request, read */
    const struct api_call *call;
    struct arena *arena;
    struct list actions, resources;
    struct simulated_policy *policies;
    struct caller caller;
    struct simulation simulation;
    size_t from, most; /* of the results: actions times resources */
};

static const struct fault *invalid(struct arena *a, const char *fmt, str what)
{
    str says = arena_strf(a, fmt, STR_ARG(what));
    return fault_coded(a, FAULT_SYNTAX, "InvalidInput", STR_FMT, STR_ARG(says));
}

static const struct fault *violates(struct arena *a, str value, const char *path, const char *rule)
{
    return fault_coded(a, FAULT_SYNTAX, "ValidationError",
                       "1 validation error detected: Value '" STR_FMT
                       "' at '%s' failed to satisfy constraint: %s",
                       STR_ARG(value), path, rule);
}

static const struct fault *is_missing(struct arena *a, const char *path)
{
    return fault_coded(a, FAULT_SYNTAX, "ValidationError",
                       "1 validation error detected: Value null at '%s' failed to satisfy "
                       "constraint: Member must not be null",
                       path);
}

/* NAME.member.1, NAME.member.2, ... until one is not there. */
static const struct fault *read_list(const struct asked_for *q, str name, struct list *ret_list)
{
    str *values = ARENA_ARRAY(q->arena, str, LIST_MAX);
    size_t count = 0;
    for (; values; count++) {
        str member = arena_strf(q->arena, STR_FMT ".member.%zu", STR_ARG(name), count + 1);
        const char *text = member.ptr ? arena_cstr(q->arena, member) : NULL;
        if (!text)
            return &fault_no_memory;
        str value = api_param(q->call, text);
        if (str_is_none(value))
            break;
        if (count == LIST_MAX)
            return invalid(q->arena, "The list " STR_FMT " is too long", name);
        values[count] = value;
    }
    *ret_list = (struct list) { values, count };
    return values ? NULL : &fault_no_memory;
}

/* ---- policies ---- */

static const struct fault *add_policy(struct asked_for *q, str id, enum exhibit_kind kind,
                                      unsigned level, const struct document *document)
{
    size_t *count = &q->simulation.policy_count;
    if (*count == POLICIES_MAX)
        return invalid(q->arena, "There are too many policies: " STR_FMT, id);
    q->policies[(*count)++] =
        (struct simulated_policy) { .id = id, .kind = kind, .level = level, .document = document };
    return NULL;
}

static const struct fault *add_text(struct asked_for *q, str id, enum exhibit_kind kind,
                                    unsigned level, str text)
{
    if (text.len > DOCUMENT_MAX)
        return violates(q->arena, id, "policyInputList",
                        "Member must have length less than or equal to 131072");
    struct document *document = ARENA_NEW(q->arena, struct document);
    if (!document)
        return &fault_no_memory;
    const struct fault *f = policy_parse(text, q->arena, document);
    if (f && f->kind == FAULT_SYNTAX)
        return invalid(q->arena, "Invalid policy " STR_FMT,
                       arena_strf(q->arena, STR_FMT ": " STR_FMT, STR_ARG(id),
                                  STR_ARG(fault_sentence(f, q->arena))));
    TRY(f);
    return add_policy(q, id, kind, level, document);
}

static const struct fault *add_texts(struct asked_for *q, const char *name, enum exhibit_kind kind,
                                     size_t most)
{
    struct list texts;
    TRY(read_list(q, str_of(name), &texts));
    if (texts.count > most)
        return invalid(q->arena, "There may be one policy in " STR_FMT, str_of(name));
    for (size_t i = 0; i < texts.count; i++) {
        str id = arena_strf(q->arena, "%s.%zu", name, i + 1);
        TRY(add_text(q, id, kind, 0, texts.values[i]));
    }
    return NULL;
}

/* From the organization's root down: a level is a list of policies. */
static const struct fault *add_organization(struct asked_for *q)
{
    for (unsigned level = 0;; level++) {
        struct list texts;
        str name = arena_strf(q->arena,
                              "OrderedOrganizationPolicyInputList.member.%u"
                              ".ServiceControlPolicyInputList",
                              level + 1);
        if (!name.ptr)
            return &fault_no_memory;
        TRY(read_list(q, name, &texts));
        if (!texts.count)
            return NULL;
        for (size_t i = 0; i < texts.count; i++) {
            str id =
                arena_strf(q->arena, "OrderedOrganizationPolicyInputList.%u.%zu", level + 1, i + 1);
            TRY(add_text(q, id, EXHIBIT_SCP, level, texts.values[i]));
        }
    }
}

static bool in_list(const struct list *list, str value)
{
    for (size_t i = 0; i < list->count; i++) {
        if (str_eq(list->values[i], value))
            return true;
    }
    return false;
}

/* Those of a user or role as a decision about it would find them, less the excluded; its boundary
 * too, unless the request brings another. */
static const struct fault *add_attached(struct asked_for *q, str source)
{
    struct caller named;
    struct list excluded;
    TRY(read_list(q, STR("PolicyExclusionList"), &excluded));
    if (!caller_named(source, q->arena, &named) || named.kind == CALLER_SERVICE ||
        named.kind == CALLER_ANONYMOUS)
        return invalid(q->arena, "Invalid Entity Arn: " STR_FMT, source);
    const struct world *world = q->call->call.world;
    const bool is_role =
        named.kind == CALLER_ASSUMED_ROLE && str_eq(named.assumed_role.role.text, source);
    const struct holder *holder =
        str_eq(named.account, q->call->call.caller->account)
            ? holder_find_arn(world, is_role ? &role_kind : &user_kind, source)
            : NULL;
    if (!holder)
        return fault_coded(q->arena, FAULT_ABSENT, "NoSuchEntity",
                           "The %s with name " STR_FMT " cannot be found.",
                           is_role ? "role" : "user", STR_ARG(source));
    for (size_t i = 0; i < holder->policy_count; i++) {
        if (!in_list(&excluded, holder->policies[i].name))
            TRY(add_policy(q, holder->policies[i].name, EXHIBIT_IDENTITY, 0,
                           holder->policies[i].document));
    }
    for (size_t i = 0; i < holder->attached_count; i++) {
        const struct managed_policy *policy = managed_find_arn(world, holder->attached[i]);
        if (policy && !in_list(&excluded, policy->name))
            TRY(add_policy(q, policy->name, EXHIBIT_IDENTITY, 0, policy->current->document));
    }
    if (str_is_none(holder->boundary) ||
        api_has_param(q->call, "PermissionsBoundaryPolicyInputList.member.1"))
        return NULL;
    const struct managed_policy *boundary = managed_find_arn(world, holder->boundary);
    return boundary ? add_policy(q, boundary->name, EXHIBIT_BOUNDARY, 0,
                                 boundary->current->document)
                    : NULL;
}

/* ---- the caller ---- */

static const struct fault *read_caller(struct asked_for *q, str source)
{
    str name = api_param(q->call, "CallerArn");
    const bool has_resource_policy = api_has_param(q->call, "ResourcePolicy");
    if (!name.len)
        name = source;
    q->simulation.caller_known = name.len > 0;
    if (!name.len && has_resource_policy)
        return invalid(q->arena, "CallerArn is required with " STR_FMT, STR("ResourcePolicy"));
    if (!name.len)
        q->caller =
            (struct caller) { .kind = CALLER_USER, .account = q->call->call.caller->account };
    else if (!caller_named(name, q->arena, &q->caller) ||
             (q->caller.kind == CALLER_ASSUMED_ROLE &&
              str_eq(q->caller.assumed_role.session.text, name)))
        return invalid(q->arena, "Invalid CallerArn: " STR_FMT, name);
    q->simulation.caller = &q->caller;

    struct arn owner;
    str owner_arn = api_param(q->call, "ResourceOwner");
    if (owner_arn.len && (!arn_parse(owner_arn, &owner) || !account_id_ok(owner.account)))
        return invalid(q->arena, "Invalid ResourceOwner: " STR_FMT, owner_arn);
    if (owner_arn.len)
        q->simulation.resource_owner = owner.account;
    return NULL;
}

/* ---- context ---- */

static bool is_decimal(str s)
{
    struct decimal d;
    return decimal_read(s, &d);
}
static bool is_truth(str s)
{
    bool truth;
    return truth_read(s, &truth);
}
static bool is_network(str s)
{
    struct network n;
    return network_read(s, &n);
}
static bool is_moment(str s)
{
    struct moment m;
    return moment_read(s, &m);
}
static bool is_anything(str s)
{
    (void)s;
    return true;
}

/* The types of API ContextEntry: each also as a list. */
static const struct {
    str name;
    bool (*fits)(str);
} context_types[] = {
    { STR_INIT("string"), is_anything }, { STR_INIT("numeric"), is_decimal },
    { STR_INIT("boolean"), is_truth },   { STR_INIT("ip"), is_network },
    { STR_INIT("binary"), base64_read }, { STR_INIT("date"), is_moment },
};

static const struct fault *check_values(struct arena *a, str type, const struct context_key *key,
                                        bool *ret_list)
{
    *ret_list = str_ends(type, STR("List"));
    str base = *ret_list ? str_head(type, type.len - 4) : type;
    for (size_t i = 0; i < sizeof context_types / sizeof context_types[0]; i++) {
        if (!str_eq(base, context_types[i].name))
            continue;
        for (size_t n = 0; n < key->count; n++) {
            if (!context_types[i].fits(key->values[n]))
                return invalid(a, "Invalid value for the context key " STR_FMT, key->name);
        }
        if (!*ret_list && key->count > 1)
            return invalid(a, "More than one value for the context key " STR_FMT, key->name);
        return NULL;
    }
    return violates(
        a, type, "contextEntries.member.contextKeyType",
        "Member must satisfy enum value set: [string, stringList, numeric, numericList, "
        "boolean, booleanList, ip, ipList, binary, binaryList, date, dateList]");
}

static const struct fault *read_entry(struct asked_for *q, str prefix, str name,
                                      struct context_key *to)
{
    struct list values;
    if (name.len < 5 || name.len > 256)
        return violates(q->arena, name, "contextEntries.member.contextKeyName",
                        "Member must have length between 5 and 256");
    TRY(read_list(q, arena_strf(q->arena, STR_FMT ".ContextKeyValues", STR_ARG(prefix)), &values));
    *to = (struct context_key) { .name = name, .values = values.values, .count = values.count };
    const char *type_name =
        arena_cstr(q->arena, arena_strf(q->arena, STR_FMT ".ContextKeyType", STR_ARG(prefix)));
    if (!type_name)
        return &fault_no_memory;
    str type = api_param(q->call, type_name);
    if (str_is_none(type))
        type = values.count == 1 ? STR("string") : STR("stringList");
    return check_values(q->arena, type, to, &to->multivalued);
}

static const struct fault *read_context(struct asked_for *q)
{
    struct context_key *keys = ARENA_ARRAY(q->arena, struct context_key, LIST_MAX);
    size_t count = 0;
    for (; keys; count++) {
        str prefix = arena_strf(q->arena, "ContextEntries.member.%zu", count + 1);
        const char *member =
            arena_cstr(q->arena, arena_strf(q->arena, STR_FMT ".ContextKeyName", STR_ARG(prefix)));
        if (!member)
            return &fault_no_memory;
        str name = api_param(q->call, member);
        if (str_is_none(name))
            break;
        if (count == LIST_MAX)
            return invalid(q->arena, "The list " STR_FMT " is too long", STR("ContextEntries"));
        TRY(read_entry(q, prefix, name, &keys[count]));
    }
    q->simulation.context = keys;
    q->simulation.context_count = count;
    return keys ? NULL : &fault_no_memory;
}

/* ---- the request ---- */

static const struct fault *read_actions(struct asked_for *q)
{
    TRY(read_list(q, STR("ActionNames"), &q->actions));
    if (!q->actions.count)
        return is_missing(q->arena, "actionNames");
    for (size_t i = 0; i < q->actions.count; i++) {
        str action = q->actions.values[i], service, name;
        if (action.len < 3 || action.len > 128)
            return violates(q->arena, action, "actionNames",
                            "Member must have length between 3 and 128");
        if (!str_cut(action, ':', &service, &name) || !service.len || !name.len ||
            str_has(action, '*') || str_has(action, '?'))
            return invalid(q->arena, "Invalid Action: " STR_FMT, action);
    }
    return NULL;
}

static const struct fault *read_resources(struct asked_for *q)
{
    static const str any[] = { STR_INIT("*") };
    TRY(read_list(q, STR("ResourceArns"), &q->resources));
    if (!q->resources.count)
        q->resources = (struct list) { any, 1 };
    for (size_t i = 0; i < q->resources.count; i++) {
        struct arn arn;
        if (!str_eq(q->resources.values[i], STR("*")) && !arn_parse(q->resources.values[i], &arn))
            return invalid(q->arena, "Invalid Resource ARN: " STR_FMT, q->resources.values[i]);
    }
    return NULL;
}

/* A marker is the number of results that came before. */
static const struct fault *read_page(struct asked_for *q)
{
    uint64_t from = 0, most = ITEMS_USUAL;
    str marker = api_param(q->call, "Marker"), items = api_param(q->call, "MaxItems");
    if (marker.ptr && (!str_u64(marker, &from) || from > LIST_MAX * LIST_MAX))
        return invalid(q->arena, "Invalid Marker: " STR_FMT, marker);
    if (items.ptr && (!str_u64(items, &most) || most < 1 || most > ITEMS_MAX))
        return violates(q->arena, items, "maxItems", "Member must have value between 1 and 1000");
    q->from = (size_t)from;
    q->most = (size_t)most;
    return NULL;
}

static const struct fault *read_question(struct asked_for *q, str source)
{
    q->policies = ARENA_ARRAY(q->arena, struct simulated_policy, POLICIES_MAX);
    if (!q->policies)
        return &fault_no_memory;
    q->simulation.policies = q->policies;
    q->simulation.now_ms = q->call->call.now_ms;
    TRY(read_actions(q));
    TRY(read_resources(q));
    TRY(read_caller(q, source));
    TRY(read_context(q));
    TRY(read_page(q));
    if (source.len)
        TRY(add_attached(q, source));
    TRY(add_texts(q, "PolicyInputList", EXHIBIT_IDENTITY, POLICIES_MAX));
    TRY(add_texts(q, "PermissionsBoundaryPolicyInputList", EXHIBIT_BOUNDARY, 1));
    TRY(add_organization(q));
    str resource_policy = api_param(q->call, "ResourcePolicy");
    return resource_policy.ptr
               ? add_text(q, STR("ResourcePolicy"), EXHIBIT_RESOURCE, 0, resource_policy)
               : NULL;
}

/* ---- the answer ---- */

static str verdict_word(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_ALLOW:
        return STR("allowed");
    case VERDICT_EXPLICIT_DENY:
        return STR("explicitDeny");
    case VERDICT_IMPLICIT_DENY:
        return STR("implicitDeny");
    }
    return STR_NONE;
}

static void write_position(struct buf *out, const char *name, struct spans_place place)
{
    xml_open(out, name);
    xml_leaf_int(out, "Line", place.line);
    xml_leaf_int(out, "Column", place.column);
    xml_close(out, name);
}

static void write_matched(struct buf *out, const struct simulated *r)
{
    xml_open(out, "MatchedStatements");
    for (size_t i = 0; i < r->matched_count; i++) {
        const struct simulated_statement *m = &r->matched[i];
        xml_open(out, "member");
        xml_leaf(out, "SourcePolicyId", m->policy_id);
        xml_leaf(out, "SourcePolicyType",
                 m->kind == EXHIBIT_RESOURCE || m->kind == EXHIBIT_TRUST ? STR("resource")
                                                                         : STR("IAM Policy"));
        write_position(out, "StartPosition", m->start);
        write_position(out, "EndPosition", m->end);
        xml_close(out, "member");
    }
    xml_close(out, "MatchedStatements");
}

static void write_missing(struct buf *out, const struct simulated *r, bool here)
{
    xml_open(out, "MissingContextValues");
    for (size_t i = 0; here && i < r->missing_count; i++)
        xml_leaf(out, "member", r->missing[i]);
    xml_close(out, "MissingContextValues");
}

static void write_detail(struct buf *out, str key, enum verdict verdict)
{
    xml_open(out, "entry");
    xml_leaf(out, "key", key);
    xml_leaf(out, "value", verdict_word(verdict));
    xml_close(out, "entry");
}

static void write_details(struct buf *out, const struct simulated *r)
{
    xml_open(out, "EvalDecisionDetails");
    if (r->cross_account) {
        write_detail(out, STR("IAM Policy"), r->by_identity);
        write_detail(out, STR("Resource Policy"), r->by_resource);
    }
    xml_close(out, "EvalDecisionDetails");
    if (r->has_boundary) {
        xml_open(out, "PermissionsBoundaryDecisionDetail");
        xml_leaf_bool(out, "AllowedByPermissionsBoundary", r->boundary_allows);
        xml_close(out, "PermissionsBoundaryDecisionDetail");
    }
}

static void write_result(struct buf *out, str action, str resource, const struct simulated *r)
{
    const bool any = str_eq(resource, STR("*"));
    xml_open(out, "member");
    xml_leaf(out, "EvalActionName", action);
    xml_leaf(out, "EvalResourceName", resource);
    xml_leaf(out, "EvalDecision", verdict_word(r->verdict));
    write_matched(out, r);
    write_missing(out, r, any);
    if (r->has_organization) {
        xml_open(out, "OrganizationsDecisionDetail");
        xml_leaf_bool(out, "AllowedByOrganizations", r->organization_allows);
        xml_close(out, "OrganizationsDecisionDetail");
    }
    write_details(out, r);
    if (!any) {
        xml_open(out, "ResourceSpecificResults");
        xml_open(out, "member");
        xml_leaf(out, "EvalResourceName", resource);
        xml_leaf(out, "EvalResourceDecision", verdict_word(r->verdict));
        write_matched(out, r);
        write_missing(out, r, true);
        write_details(out, r);
        xml_close(out, "member");
        xml_close(out, "ResourceSpecificResults");
    }
    xml_close(out, "member");
}

static const struct fault *write_page(struct asked_for *q, struct buf *out)
{
    const size_t all = q->actions.count * q->resources.count;
    size_t at = q->from;
    xml_open(out, "EvaluationResults");
    for (; at < all && at - q->from < q->most; at++) {
        str action = q->actions.values[at / q->resources.count];
        str resource = q->resources.values[at % q->resources.count];
        struct simulated result;
        TRY(simulate(&q->simulation, action, resource, q->arena, &result));
        write_result(out, action, resource, &result);
    }
    xml_close(out, "EvaluationResults");
    xml_leaf_bool(out, "IsTruncated", at < all);
    if (at < all)
        xml_leaf_int(out, "Marker", (int64_t)at);
    return NULL;
}

static const struct fault *may(const struct api_call *call, str action, str resource)
{
    return authorize(&call->call, &(struct ask) { .action = action,
                                                  .resource = resource,
                                                  .resource_account = call->call.caller->account });
}

const struct fault *run_iam_SimulateCustomPolicy(struct api *api, const struct api_call *call,
                                                 struct api_answer *answer)
{
    (void)api;
    struct asked_for q = { .call = call, .arena = call->call.arena };
    TRY(may(call, STR("iam:SimulateCustomPolicy"), STR("*")));
    if (!api_has_param(call, "PolicyInputList.member.1") && !api_has_param(call, "PolicyInputList"))
        return is_missing(q.arena, "policyInputList");
    TRY(read_question(&q, STR_NONE));
    return write_page(&q, &answer->text);
}

const struct fault *run_iam_SimulatePrincipalPolicy(struct api *api, const struct api_call *call,
                                                    struct api_answer *answer)
{
    (void)api;
    struct asked_for q = { .call = call, .arena = call->call.arena };
    str source = api_param(call, "PolicySourceArn");
    TRY(may(call, STR("iam:SimulatePrincipalPolicy"), source.len ? source : STR("*")));
    if (!source.len)
        return is_missing(q.arena, "policySourceArn");
    TRY(read_question(&q, source));
    return write_page(&q, &answer->text);
}
