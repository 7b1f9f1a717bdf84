#include "services/iam/simulate.h"

#include "policy/match.h"
#include "policy/variables.h"

enum { MISSING_MAX = 256 };

struct simulating {
    const struct simulation *s;
    struct arena *arena;
    struct request request;
    struct exhibit *exhibits; /* one a policy, in the same order */
    struct trace trace;       /* one code a statement, in the order of the policies */
};

/* ---- the request ---- */

static bool is_given(const struct simulation *s, str name)
{
    for (size_t i = 0; i < s->context_count; i++) {
        if (str_eq_nocase(s->context[i].name, name))
            return true;
    }
    return false;
}

/* What follows from the caller and the clock, unless the question says otherwise. A simulation
 * travels over no connection: how it came is unknown, not insecure. */
static bool follows(const struct simulation *s, str name)
{
    static const str always[] = { STR_INIT("aws:CurrentTime"), STR_INIT("aws:EpochTime") };
    if (is_given(s, name) || str_eq_nocase(name, STR("aws:SecureTransport")))
        return false;
    for (size_t i = 0; i < 2; i++) {
        if (str_eq_nocase(name, always[i]))
            return true;
    }
    return s->caller_known;
}

static const struct fault *make_context(struct simulating *at)
{
    const struct simulation *s = at->s;
    const struct context_key *own;
    size_t own_count, count = 0;
    TRY(request_context(s->caller, s->now_ms, NULL, 0, at->arena, &own, &own_count));
    struct context_key *keys =
        ARENA_ARRAY(at->arena, struct context_key, own_count + s->context_count + 1);
    if (!keys)
        return &fault_no_memory;
    for (size_t i = 0; i < own_count; i++) {
        if (follows(s, own[i].name))
            keys[count++] = own[i];
    }
    for (size_t i = 0; i < s->context_count; i++)
        keys[count++] = s->context[i];
    at->request.context = keys;
    at->request.context_count = count;
    return NULL;
}

static const struct fault *make_request(struct simulating *at, str action, str resource)
{
    const struct simulation *s = at->s;
    at->request = (struct request) { .caller = s->caller, .action = action };
    if (!arn_parse(resource, &at->request.resource))
        at->request.resource = (struct arn) { .text = resource };
    at->request.resource_account = at->request.resource.account.len ? at->request.resource.account
                                   : s->resource_owner.len          ? s->resource_owner
                                                                    : s->caller->account;
    return make_context(at);
}

/* A role's own policy is its trust policy. */
static enum exhibit_kind kind_of(const struct simulating *at, const struct simulated_policy *p)
{
    const bool role = str_eq(at->request.resource.service, STR("iam")) &&
                      str_starts(at->request.resource.resource, STR("role/")) &&
                      str_starts_nocase(at->request.action, STR("sts:"));
    return p->kind == EXHIBIT_RESOURCE && role ? EXHIBIT_TRUST : p->kind;
}

static const struct fault *make_exhibits(struct simulating *at)
{
    const struct simulation *s = at->s;
    size_t statements = 0;
    at->exhibits = ARENA_ARRAY(at->arena, struct exhibit, s->policy_count + 1);
    for (size_t i = 0; at->exhibits && i < s->policy_count; i++) {
        const struct simulated_policy *p = &s->policies[i];
        at->exhibits[i] = (struct exhibit) {
            .kind = kind_of(at, p), .name = p->id, .document = p->document, .level = p->level
        };
        statements += p->document->statement_count;
    }
    at->trace.room = statements;
    at->trace.codes = ARENA_ARRAY(at->arena, uint32_t, statements + 1);
    return at->exhibits && at->trace.codes ? NULL : &fault_no_memory;
}

/* ---- what the codes say ---- */

typedef bool exhibit_test(enum exhibit_kind);
static bool is_identity(enum exhibit_kind k)
{
    return k == EXHIBIT_IDENTITY;
}
static bool is_resource(enum exhibit_kind k)
{
    return k == EXHIBIT_RESOURCE || k == EXHIBIT_TRUST;
}
static bool is_boundary(enum exhibit_kind k)
{
    return k == EXHIBIT_BOUNDARY;
}
static bool is_scp(enum exhibit_kind k)
{
    return k == EXHIBIT_SCP;
}
static bool grants(enum exhibit_kind k)
{
    return is_identity(k) || is_resource(k);
}

/* The policies of one sort, at one level, for themselves. */
static enum verdict side(const struct simulating *at, exhibit_test *test, unsigned level)
{
    bool allowed = false, denied = false;
    size_t code = 0;
    for (size_t i = 0; i < at->s->policy_count; i++) {
        const struct exhibit *e = &at->exhibits[i];
        for (size_t n = 0; n < e->document->statement_count; n++, code++) {
            const uint32_t c = at->trace.codes[code];
            if (!test(e->kind) || e->level != level || !trace_applies(c))
                continue;
            denied = denied || trace_denies(c);
            allowed = allowed || !trace_denies(c);
        }
    }
    return denied ? VERDICT_EXPLICIT_DENY : allowed ? VERDICT_ALLOW : VERDICT_IMPLICIT_DENY;
}

static bool has(const struct simulating *at, exhibit_test *test, unsigned *ret_levels)
{
    *ret_levels = 0;
    for (size_t i = 0; i < at->s->policy_count; i++) {
        if (test(at->exhibits[i].kind) && at->exhibits[i].level >= *ret_levels)
            *ret_levels = at->exhibits[i].level + 1;
    }
    return *ret_levels > 0;
}

static const struct fault *list_matched(const struct simulating *at, struct simulated *to)
{
    const bool denied = to->verdict == VERDICT_EXPLICIT_DENY;
    struct simulated_statement *matched =
        ARENA_ARRAY(at->arena, struct simulated_statement, at->trace.room + 1);
    if (!matched)
        return &fault_no_memory;
    size_t code = 0;
    for (size_t i = 0; i < at->s->policy_count; i++) {
        const struct exhibit *e = &at->exhibits[i];
        for (size_t n = 0; n < e->document->statement_count; n++, code++) {
            const uint32_t c = at->trace.codes[code];
            if (!trace_applies(c) || trace_denies(c) != denied || (!denied && !grants(e->kind)))
                continue;
            struct simulated_statement *m = &matched[to->matched_count++];
            *m = (struct simulated_statement) { .policy_id = e->name, .kind = e->kind };
            statement_place(e->document, &e->document->statements[n], &m->start, &m->end);
        }
    }
    to->matched = matched;
    return NULL;
}

/* ---- the keys nobody gave ---- */

struct missing {
    const struct simulating *at;
    str *names;
    size_t count;
};

static void miss(struct missing *m, str name)
{
    const struct request *request = &m->at->request;
    for (size_t i = 0; i < request->context_count; i++) {
        if (str_eq_nocase(request->context[i].name, name))
            return;
    }
    for (size_t i = 0; i < m->count; i++) {
        if (str_eq_nocase(m->names[i], name))
            return;
    }
    if (m->count < MISSING_MAX)
        m->names[m->count++] = name;
}

static void miss_variables(struct missing *m, const struct terms *terms)
{
    for (size_t i = 0; i < terms->count; i++) {
        for (str rest = terms->values[i]; rest.len;) {
            rest = str_from(rest, str_find(rest, '$'));
            struct token token;
            size_t len;
            if (!str_starts(rest, STR("${")) || !variable_read(rest, &token, &len)) {
                rest = str_from(rest, 1);
                continue;
            }
            if (token.kind == TOKEN_VARIABLE)
                miss(m, token.text);
            rest = str_from(rest, len);
        }
    }
}

static const struct fault *list_missing(const struct simulating *at, struct simulated *to)
{
    struct missing m = { .at = at, .names = ARENA_ARRAY(at->arena, str, MISSING_MAX) };
    if (!m.names)
        return &fault_no_memory;
    for (size_t i = 0; i < at->s->policy_count; i++) {
        const struct document *d = at->s->policies[i].document;
        const bool variables = str_eq(d->version, STR("2012-10-17"));
        for (size_t n = 0; n < d->statement_count; n++) {
            const struct statement *statement = &d->statements[n];
            if (variables)
                miss_variables(&m, &statement->resources);
            for (size_t c = 0; c < statement->condition_count; c++) {
                miss(&m, statement->conditions[c].key);
                if (variables)
                    miss_variables(&m, &statement->conditions[c].wanted);
            }
        }
    }
    to->missing = m.names;
    to->missing_count = m.count;
    return NULL;
}

const struct fault *simulate(const struct simulation *s, str action, str resource,
                             struct arena *arena, struct simulated *ret_simulated)
{
    struct simulating at = { .s = s, .arena = arena };
    TRY(make_request(&at, action, resource));
    TRY(make_exhibits(&at));
    struct simulated to = { .verdict = policy_decide(&at.request, at.exhibits, s->policy_count,
                                                     &at.trace) };
    unsigned levels;
    to.has_boundary = has(&at, is_boundary, &levels);
    to.boundary_allows = side(&at, is_boundary, 0) == VERDICT_ALLOW;
    to.has_organization = has(&at, is_scp, &levels);
    to.organization_allows = to.has_organization;
    for (unsigned level = 0; level < levels; level++)
        to.organization_allows =
            to.organization_allows && side(&at, is_scp, level) == VERDICT_ALLOW;
    to.cross_account = has(&at, is_resource, &levels) && s->caller->account.len &&
                       s->caller->kind != CALLER_SERVICE &&
                       !str_eq(s->caller->account, at.request.resource_account);
    to.by_identity = side(&at, is_identity, 0);
    to.by_resource = side(&at, is_resource, 0);
    TRY(list_matched(&at, &to));
    TRY(list_missing(&at, &to));
    *ret_simulated = to;
    return NULL;
}
