/* From trace codes to what is missing. The codes are the decision's own: nothing is asked twice. */
#include "policy/denial.h"
#include "policy/tally.h"

struct case_ { /* one question and all that is known about it */
    const struct request *request;
    const struct exhibit *exhibits;
    size_t count;
    const uint32_t *codes;
    struct arena *arena;
};

static size_t statement_total(const struct exhibit *exhibits, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += exhibits[i].document ? exhibits[i].document->statement_count : 0;
    return total;
}

static bool same_level(const struct exhibit *a, const struct exhibit *b)
{
    const bool levelled = a->kind == EXHIBIT_SCP || a->kind == EXHIBIT_RCP;
    return a->kind == b->kind && (!levelled || a->level == b->level);
}

size_t exhibit_index(const struct exhibit *exhibits, size_t at)
{
    size_t index = 0;
    for (size_t i = 0; i < at; i++)
        index += same_level(&exhibits[i], &exhibits[at]);
    return index;
}

static bool service_named(const struct terms *actions, str action)
{
    str service, name, item_service;
    if (!str_cut(action, ':', &service, &name))
        return true;
    for (size_t i = 0; i < actions->count; i++) {
        if (!str_cut(actions->values[i], ':', &item_service, &name) ||
            str_eq_nocase(item_service, service))
            return true;
    }
    return false;
}

static bool names_an_aws_principal(const struct statement *statement)
{
    for (size_t i = 0; i < statement->principal_count; i++) {
        if (statement->principals[i].kind == PRINCIPAL_AWS)
            return true;
    }
    return false;
}

static bool is_for_everybody(const struct statement *statement)
{
    for (size_t i = 0; i < statement->principal_count; i++) {
        if (statement->principals[i].kind == PRINCIPAL_ANYONE)
            return true;
    }
    return false;
}

/* The services that have a part in receiving mail. */
static bool names_a_neighbour(const struct statement *statement)
{
    static const str neighbours[] = {
        STR_INIT("ses.amazonaws.com"),    STR_INIT("sns.amazonaws.com"),
        STR_INIT("s3.amazonaws.com"),     STR_INIT("kms.amazonaws.com"),
        STR_INIT("lambda.amazonaws.com"),
    };
    for (size_t i = 0; i < statement->principal_count; i++) {
        for (size_t n = 0; n < sizeof(neighbours) / sizeof(*neighbours); n++) {
            if (statement->principals[i].kind == PRINCIPAL_SERVICE &&
                str_eq(statement->principals[i].name, neighbours[n]))
                return true;
        }
    }
    return false;
}

/* Is this statement an attempt at the yes that is missing, or is it about something else? A reader
 * told "it names somebody else" about every other statement would learn nothing. */
static bool is_near(const struct case_ *c, const struct exhibit *exhibit,
                    const struct statement *statement, uint32_t code)
{
    if (statement->effect != EFFECT_ALLOW || trace_applies(code))
        return false;
    if (trace_fails(code, ELEMENT_ACTION) && !statement->actions.negated &&
        !service_named(&statement->actions, c->request->action))
        return false;
    if (!trace_fails(code, ELEMENT_PRINCIPAL) || !exhibit_names_principals(exhibit->kind))
        return true;
    if (trace_fails(code, ELEMENT_ACTION) || trace_fails(code, ELEMENT_RESOURCE))
        return false;
    if (c->request->caller->kind == CALLER_SERVICE)
        /* Written for this very rule, or for a service that people take for the one that calls. */
        return !trace_fails(code, ELEMENT_CONDITION) &&
               (statement->condition_count > 0 || names_a_neighbour(statement));
    /* A key or role of the caller's account first has to give that account something. */
    const bool own = str_eq(c->request->caller->account, c->request->resource_account);
    return !own || names_an_aws_principal(statement);
}

static unsigned failing(uint32_t code)
{
    return (unsigned)__builtin_popcount(code >> 8 & 0xFF);
}

static enum lack_kind lack_kind_of(enum element element)
{
    switch (element) {
    case ELEMENT_ACTION:
        return LACK_ACTION;
    case ELEMENT_RESOURCE:
        return LACK_RESOURCE;
    case ELEMENT_PRINCIPAL:
        return LACK_PRINCIPAL;
    case ELEMENT_CONDITION:
        return LACK_CONDITION;
    case ELEMENT_NONE:
        break;
    }
    return LACK_STATEMENT;
}

static void lack_condition(const struct request *request, uint32_t code, struct lack *lack)
{
    lack->condition = &lack->statement->conditions[trace_condition(code)];
    for (size_t i = 0; i < request->context_count; i++) {
        const struct context_key *key = &request->context[i];
        if (str_eq_nocase(key->name, lack->condition->key)) {
            lack->got = key->values;
            lack->got_count = key->count;
            return;
        }
    }
}

struct lack lack_of(const struct request *request, const struct exhibit *exhibit, size_t index,
                    const struct statement *statement, uint32_t code)
{
    struct lack lack = {
        .kind = lack_kind_of(trace_element(code)),
        .where = exhibit->kind,
        .exhibit = exhibit,
        .exhibit_index = index,
        .statement = statement,
    };
    if (lack.kind == LACK_CONDITION)
        lack_condition(request, code, &lack);
    return lack;
}

/* The nearest statement in the policies of a kind: fewest elements that do not fit, then the one
 * that failed latest, then the first. */
static struct lack lack_in(const struct case_ *c, enum exhibit_kind kind, unsigned level)
{
    struct lack lack = { .kind = LACK_POLICY, .where = kind };
    uint32_t best = 0;
    size_t at = 0;
    for (size_t i = 0; i < c->count; i++) {
        const struct exhibit *exhibit = &c->exhibits[i];
        const size_t statements = exhibit->document ? exhibit->document->statement_count : 0;
        const size_t first = at;
        at += statements;
        if (exhibit->kind != kind || (kind == EXHIBIT_SCP && exhibit->level != level))
            continue;
        if (!lack.exhibit) {
            lack.kind = LACK_STATEMENT;
            lack.exhibit = exhibit;
            lack.exhibit_index = exhibit_index(c->exhibits, i);
        }
        for (size_t s = 0; s < statements; s++) {
            const struct statement *statement = &exhibit->document->statements[s];
            const uint32_t code = c->codes[first + s];
            if (!is_near(c, exhibit, statement, code))
                continue;
            if (lack.statement &&
                (failing(code) > failing(best) ||
                 (failing(code) == failing(best) && trace_element(code) <= trace_element(best))))
                continue;
            best = code;
            lack.exhibit = exhibit;
            lack.exhibit_index = exhibit_index(c->exhibits, i);
            lack.statement = statement;
        }
    }
    return lack.statement
               ? lack_of(c->request, lack.exhibit, lack.exhibit_index, lack.statement, best)
               : lack;
}

/* Would the statement that a remedy writes name the caller itself? Then it is final in the caller's
 * own account, and the ceilings are not asked (reference_policies_evaluation-logic). */
static bool remedy_names_the_caller(const struct request *request)
{
    if (!str_eq(request->caller->account, request->resource_account))
        return false;
    switch (request->caller->kind) {
    case CALLER_USER:
    case CALLER_FEDERATED:
        return true;
    case CALLER_ROOT:         /* its ARN means the account */
    case CALLER_ASSUMED_ROLE: /* the role is named, not the session */
    case CALLER_ANONYMOUS:
    case CALLER_SERVICE:
        break;
    }
    return false;
}

/* Every level of service control policies has to allow, so each silent one lacks something. */
static size_t lacks_of_levels(const struct case_ *c, const struct tally *tally, struct lack *lacks)
{
    size_t count = 0;
    const uint64_t silent = tally->scp_present & ~tally->scp_allowed;
    for (unsigned level = 0; level < TALLY_LEVELS; level++) {
        if (silent >> level & 1)
            lacks[count++] = lack_in(c, EXHIBIT_SCP, level);
    }
    if (tally->scp_too_deep)
        lacks[count++] = (struct lack) { .kind = LACK_POLICY, .where = EXHIBIT_SCP };
    return count;
}

/* Has somebody all but written the yes into the resource's policy? Not when everybody is let in who
 * carries a key that this request has not: a topic's default policy says so (aws:SourceOwner), and
 * no role will ever carry it. */
static bool all_but_written(const struct lack *resource)
{
    return resource->kind == LACK_CONDITION &&
           (resource->got_count > 0 || !is_for_everybody(resource->statement));
}

static void explain_lacks(const struct case_ *c, const struct tally *tally, unsigned missing,
                          bool either, struct decision *decision)
{
    const size_t levels = (size_t)__builtin_popcountll(tally->scp_present) + 1;
    struct lack *lacks = ARENA_ARRAY(c->arena, struct lack, EXHIBIT_RCP + 1 + levels);
    if (!lacks)
        return;
    const enum exhibit_kind own = request_assumes(c->request) ? EXHIBIT_TRUST : EXHIBIT_RESOURCE;
    bool by_own = missing & 1U << own;
    size_t count = 0;
    if (either) {
        /* One of two would do: the one somebody has all but written, else the caller's own. */
        const struct lack identity = lack_in(c, EXHIBIT_IDENTITY, 0), resource = lack_in(c, own, 0);
        const bool nearer = all_but_written(&resource) && identity.kind <= LACK_STATEMENT;
        lacks[count++] = nearer ? resource : identity;
        missing &= ~(1U << EXHIBIT_IDENTITY | 1U << own);
        by_own = nearer;
    }
    if (by_own && remedy_names_the_caller(c->request))
        missing &= ~(1U << EXHIBIT_BOUNDARY | 1U << EXHIBIT_SESSION);
    for (unsigned kind = EXHIBIT_IDENTITY; kind <= EXHIBIT_RCP; kind++) {
        if (!(missing & 1U << kind))
            continue;
        if (kind == EXHIBIT_SCP)
            count += lacks_of_levels(c, tally, lacks + count);
        else
            lacks[count++] = lack_in(c, (enum exhibit_kind)kind, 0);
    }
    for (size_t i = 1; i < count; i++) { /* nearest first; equals stay in order */
        const struct lack lack = lacks[i];
        size_t to = i;
        for (; to > 0 && lacks[to - 1].kind < lack.kind; to--)
            lacks[to] = lacks[to - 1];
        lacks[to] = lack;
    }
    decision->lacks = lacks;
    decision->lack_count = count;
}

/* Who said yes: the resource's own policy when that was enough alone, else the caller's. */
static void explain_allow(const struct case_ *c, const struct tally *tally,
                          struct decision *decision)
{
    const bool stranger =
        c->request->caller->kind == CALLER_SERVICE || c->request->caller->kind == CALLER_ANONYMOUS;
    const bool same = str_eq(c->request->caller->account, c->request->resource_account);
    const bool by_resource = stranger || (same && tally->grant >= GRANT_VIA);
    size_t at = 0;
    for (size_t i = 0; i < c->count; i++) {
        const struct exhibit *exhibit = &c->exhibits[i];
        const bool resource = exhibit->kind == EXHIBIT_RESOURCE || exhibit->kind == EXHIBIT_TRUST;
        const bool asked = by_resource ? resource : exhibit->kind == EXHIBIT_IDENTITY;
        const size_t statements = exhibit->document ? exhibit->document->statement_count : 0;
        for (size_t s = 0; s < statements; s++, at++) {
            const uint32_t code = c->codes[at];
            if (!asked || decision->statement || !trace_applies(code) || trace_denies(code))
                continue;
            if (by_resource && trace_grant(code) < tally->grant)
                continue;
            decision->exhibit = exhibit;
            decision->exhibit_index = exhibit_index(c->exhibits, i);
            decision->statement = &exhibit->document->statements[s];
        }
    }
}

/* One would be enough; but whoever removes one wants to know of the others. */
static void explain_denial(const struct case_ *c, const struct tally *tally,
                           struct decision *decision)
{
    const struct exhibit *first = &c->exhibits[tally->deny_exhibit];
    decision->exhibit = first;
    decision->exhibit_index = exhibit_index(c->exhibits, tally->deny_exhibit);
    decision->statement = &first->document->statements[tally->deny_statement];
    struct denier *deniers =
        ARENA_ARRAY(c->arena, struct denier, statement_total(c->exhibits, c->count));
    if (!deniers)
        return;
    size_t at = 0, count = 0;
    for (size_t i = 0; i < c->count; i++) {
        const struct exhibit *exhibit = &c->exhibits[i];
        const size_t statements = exhibit->document ? exhibit->document->statement_count : 0;
        const bool governs = exhibit_governs(exhibit->kind, c->request->caller->kind);
        for (size_t s = 0; s < statements; s++, at++) {
            if (governs && trace_applies(c->codes[at]) && trace_denies(c->codes[at]))
                deniers[count++] = (struct denier) { exhibit, exhibit_index(c->exhibits, i),
                                                     &exhibit->document->statements[s] };
        }
    }
    decision->deniers = deniers;
    decision->denier_count = count;
}

static struct decision explain(const struct case_ *c)
{
    struct tally tally = { 0 };
    size_t at = 0;
    for (size_t i = 0; i < c->count; i++) {
        const struct exhibit *exhibit = &c->exhibits[i];
        const bool governs = exhibit_governs(exhibit->kind, c->request->caller->kind);
        tally_present(&tally, exhibit);
        for (size_t s = 0; exhibit->document && s < exhibit->document->statement_count; s++, at++) {
            if (governs)
                tally_statement(&tally, exhibit, i, s, c->codes[at]);
        }
    }
    if (tally.denied) {
        struct decision denied = { .verdict = VERDICT_EXPLICIT_DENY };
        explain_denial(c, &tally, &denied);
        return denied;
    }
    bool either;
    const unsigned missing = tally_missing(&tally, c->request, &either);
    struct decision decision = { .verdict = missing ? VERDICT_IMPLICIT_DENY : VERDICT_ALLOW };
    if (missing)
        explain_lacks(c, &tally, missing, either, &decision);
    else
        explain_allow(c, &tally, &decision);
    return decision;
}

struct decision policy_explain(const struct request *request, const struct exhibit *exhibits,
                               size_t count, const struct trace *trace, struct arena *arena)
{
    struct case_ c = { .request = request, .exhibits = exhibits, .count = count, .arena = arena };
    const size_t total = statement_total(exhibits, count);
    if (trace && trace->used >= total) {
        c.codes = trace->codes;
        return explain(&c);
    }
    struct trace longer = { .codes = ARENA_ARRAY(arena, uint32_t, total), .room = total };
    if (total && !longer.codes)
        return (struct decision) { .verdict = policy_decide(request, exhibits, count, NULL) };
    policy_decide(request, exhibits, count, &longer);
    c.codes = longer.codes;
    return explain(&c);
}
