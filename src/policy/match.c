/* Comparing a statement with a request, element by element, the cheap ones first. */
#include "policy/match.h"

bool exhibit_names_principals(enum exhibit_kind kind)
{
    switch (kind) {
    case EXHIBIT_RESOURCE:
    case EXHIBIT_TRUST:
    case EXHIBIT_ENDPOINT:
    case EXHIBIT_RCP:
        return true;
    case EXHIBIT_IDENTITY:
    case EXHIBIT_SESSION:
    case EXHIBIT_BOUNDARY:
    case EXHIBIT_SCP:
        break;
    }
    return false;
}

static bool action_fits(const struct compiled_statement *statement, const struct asked *asked)
{
    bool named = statement->any_action;
    if (!named && asked->action.bit) {
        named = statement->masks[asked->action.in_table] & asked->action.bit;
    } else {
        for (size_t i = 0; i < statement->action_count && !named; i++)
            named = action_pattern_matches(&statement->actions[i], &asked->action);
    }
    return named != statement->actions_negated;
}

/* A statement without Resource belongs in a trust policy and means that role. Anywhere else it is
 * malformed; then it gives nothing and forbids everything. */
static bool resource_fits(const struct compiled_statement *statement, enum exhibit_kind kind,
                          const struct asked *asked)
{
    if (statement->resources_absent)
        return kind == EXHIBIT_TRUST || statement->effect == EFFECT_DENY;
    bool named = statement->any_resource;
    for (size_t i = 0; i < statement->resource_count && !named; i++)
        named = pattern_matches(&statement->resources[i], asked->resource, asked);
    return named != statement->resources_negated;
}

static enum grant grantee_grants(const struct grantee *grantee, const struct asked *asked)
{
    const enum caller_kind kind = asked->request->caller->kind;
    switch (grantee->kind) {
    case GRANTEE_ANYONE:
        return GRANT_DIRECT;
    case GRANTEE_ACCOUNT:
        return kind != CALLER_SERVICE && kind != CALLER_ANONYMOUS &&
                       asked->account == grantee->account && asked->account != ACCOUNT_NONE
                   ? GRANT_ACCOUNT
                   : GRANT_NONE;
    case GRANTEE_ROLE:
        /* A session's ARN has lost the path of its role (reference_policies_elements_principal). */
        return kind == CALLER_ASSUMED_ROLE && asked->account == grantee->account &&
                       str_eq(asked->partition, grantee->partition) &&
                       str_eq(asked->role_name, grantee->name)
                   ? GRANT_VIA
                   : GRANT_NONE;
    case GRANTEE_USER:
        if (kind == CALLER_USER && str_eq(asked->self, grantee->text))
            return GRANT_DIRECT;
        return kind == CALLER_FEDERATED && asked->account == grantee->account &&
                       str_eq(asked->partition, grantee->partition) &&
                       str_eq(asked->user_name, grantee->name)
                   ? GRANT_VIA
                   : GRANT_NONE;
    case GRANTEE_SESSION:
        return (kind == CALLER_ASSUMED_ROLE || kind == CALLER_FEDERATED) &&
                       str_eq(asked->self, grantee->text)
                   ? GRANT_DIRECT
                   : GRANT_NONE;
    case GRANTEE_SERVICE:
        return kind == CALLER_SERVICE && text_eq(asked->self, grantee->name) ? GRANT_DIRECT
                                                                            : GRANT_NONE;
    case GRANTEE_OTHER: /* compared as text: permissions spec 1 */
        return !str_is_none(asked->self) && str_eq(asked->self, grantee->text) ? GRANT_DIRECT
                                                                               : GRANT_NONE;
    }
    return GRANT_NONE;
}

static enum grant principal_grants(const struct compiled_statement *statement,
                                   enum exhibit_kind kind, const struct asked *asked)
{
    const bool denies = statement->effect == EFFECT_DENY;
    if (!exhibit_names_principals(kind))
        return statement->principals_absent || denies ? GRANT_DIRECT : GRANT_NONE;
    if (statement->principals_absent)
        return denies ? GRANT_DIRECT : GRANT_NONE;
    enum grant grant = GRANT_NONE;
    for (size_t i = 0; i < statement->grantee_count && grant != GRANT_DIRECT; i++) {
        const enum grant one = grantee_grants(&statement->grantees[i], asked);
        grant = one > grant ? one : grant;
    }
    if (!statement->principals_negated)
        return grant;
    /* NotPrincipal with Deny hits a caller that carries a boundary, whomever it spares
     * (access_policies_boundaries). */
    if (denies && asked->has_boundary)
        return GRANT_DIRECT;
    return grant == GRANT_NONE ? GRANT_DIRECT : GRANT_NONE;
}

static bool value_fits(const struct test *test, str got, const struct asked *asked)
{
    const bool texts = test->operator->compares <= COMPARE_STRING_LIKE;
    bool some = false;
    for (size_t i = 0; i < test->wanted_count && !some; i++)
        some = texts ? pattern_matches(&test->wanted[i].pattern, subject_plain(got), asked)
                     : operator_compares(test->operator, & test->wanted[i], got, asked);
    return some != test->operator->negated;
}

static bool null_holds(const struct test *test, bool absent)
{
    for (size_t i = 0; i < test->wanted_count; i++) {
        if (test->wanted[i].valid && test->wanted[i].truth == absent)
            return true;
    }
    return false;
}

/* What is true of an absent key, of a list and of an empty one: permissions spec 4. */
static bool key_holds(const struct test *test, const struct context_key *key,
                      const struct asked *asked)
{
    const size_t count = key ? key->count : 0;
    if (test->operator->compares == COMPARE_NULL)
        return null_holds(test, count == 0);
    if (test->for_all) {
        if (count == 1 && key->values[0].len == 0)
            return true; /* an empty string counts as no value */
        for (size_t i = 0; i < count; i++) {
            if (!value_fits(test, key->values[i], asked))
                return false;
        }
        return true;
    }
    if (test->for_any) {
        for (size_t i = 0; i < count; i++) {
            if (value_fits(test, key->values[i], asked))
                return true;
        }
        return false;
    }
    if (count == 0)
        return test->if_exists || test->operator->negated;
    if (key->multivalued)
        return false; /* a list wants a qualifier */
    return value_fits(test, key->values[0], asked);
}

/* Nearly always there is one key of the name or none. Tags that differ only in case are candidates
 * together: one that compares is enough, and then a negated operator is false. */
static bool condition_holds(const struct test *test, const struct asked *asked)
{
    const struct found *found = asked_first(asked, test->key, test->hash);
    bool holds = key_holds(test, found->key, asked);
    if (found->alone)
        return holds;
    const bool all = test->operator->negated || test->for_all;
    size_t at = found->at;
    for (const struct context_key *key; holds == all;) {
        key = asked_key(asked, test->key, test->hash, &at);
        if (!key)
            break;
        holds = key_holds(test, key, asked);
    }
    return holds;
}

static inline __attribute__((always_inline)) uint32_t
match(const struct compiled_statement *statement, enum exhibit_kind kind, const struct asked *asked,
      const bool traced)
{
    uint32_t code = statement->effect == EFFECT_DENY ? 8 : 0;
    enum element first = ELEMENT_NONE;
    if (!action_fits(statement, asked)) {
        first = ELEMENT_ACTION;
        if (!traced)
            return code | first;
        code |= 1U << (8 + ELEMENT_ACTION);
    }
    const enum grant grant = principal_grants(statement, kind, asked);
    if (grant == GRANT_NONE && !traced)
        return code | ELEMENT_PRINCIPAL;
    code |= (uint32_t)grant << 4;
    if (!resource_fits(statement, kind, asked)) {
        if (!traced)
            return code | ELEMENT_RESOURCE;
        first = first ? first : ELEMENT_RESOURCE;
        code |= 1U << (8 + ELEMENT_RESOURCE);
    }
    if (grant == GRANT_NONE) {
        first = first ? first : ELEMENT_PRINCIPAL;
        code |= 1U << (8 + ELEMENT_PRINCIPAL);
    }
    for (size_t i = 0; i < statement->test_count; i++) {
        if (condition_holds(&statement->tests[i], asked))
            continue;
        if (!traced)
            return code | ELEMENT_CONDITION;
        first = first ? first : ELEMENT_CONDITION;
        code |= 1U << (8 + ELEMENT_CONDITION) | (uint32_t)i << 16;
        break;
    }
    return code | first;
}

uint32_t statement_match(const struct compiled_statement *statement, enum exhibit_kind kind,
                         const struct asked *asked)
{
    return match(statement, kind, asked, false);
}

uint32_t statement_match_traced(const struct compiled_statement *statement, enum exhibit_kind kind,
                                const struct asked *asked)
{
    return match(statement, kind, asked, true);
}
