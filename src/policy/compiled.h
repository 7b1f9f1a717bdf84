/* policy/compiled.h - a document ready for deciding: permissions spec 11. */
#ifndef SESAME_POLICY_COMPILED_H
#define SESAME_POLICY_COMPILED_H

#include "policy/actions.h"
#include "policy/operators.h"

enum grantee_kind {
    GRANTEE_ANYONE,  /* "*" */
    GRANTEE_ACCOUNT, /* delegates to the account's own policies */
    GRANTEE_ROLE,    /* sessions of it */
    GRANTEE_USER,    /* that user, and a federated session of its name */
    GRANTEE_SESSION, /* exactly that session, by its whole ARN */
    GRANTEE_SERVICE,
    GRANTEE_OTHER, /* Federated, CanonicalUser, and what is no ARN: nobody who calls here */
};
struct grantee {
    enum grantee_kind kind;
    uint64_t account;
    str partition;
    str name; /* ROLE, USER: the last part of the path; SERVICE: its name */
    str text; /* as written */
};

struct test { /* one condition */
    const struct operator* operator;
    bool if_exists, for_any, for_all;
    uint32_t hash;
    str key;
    const struct wanted *wanted;
    size_t wanted_count;
};

struct compiled_statement {
    enum effect effect;
    bool any_action, actions_negated; /* any: some item is "*" */
    bool any_resource, resources_negated, resources_absent;
    bool principals_negated, principals_absent;
    uint64_t masks[ACTION_SERVICES];
    const struct action_pattern *actions;
    const struct pattern *resources;
    const struct grantee *grantees;
    const struct test *tests;
    size_t action_count, resource_count, grantee_count, test_count;
};

struct compiled {
    const struct compiled_statement *statements;
    size_t count;
};

/* False only when the arena is full. */
bool policy_compile(const struct statement *, size_t count, bool variables, struct arena *,
                    const struct compiled **ret_compiled);

#endif
