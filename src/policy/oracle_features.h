/* policy/oracle_features.h - the parts of the language, by name, each of which the oracle can be
 * made blind to.
 *
 * Where the blind answer differs, the part was decisive. So a test can tell whether the drawn cases
 * try all of the language, or pass because they ask nothing. */
#ifndef SESAME_POLICY_ORACLE_FEATURES_H
#define SESAME_POLICY_ORACLE_FEATURES_H

#include <stdbool.h>

/* clang-format off */
#define ORACLE_FEATURES(X) \
    /* Condition operators, without qualifier and IfExists; blind: answers the other way round. */ \
    X(STRING_EQUALS, "StringEquals") X(STRING_NOT_EQUALS, "StringNotEquals") \
    X(STRING_EQUALS_NOCASE, "StringEqualsIgnoreCase") X(STRING_NOT_EQUALS_NOCASE, "StringNotEqualsIgnoreCase") \
    X(STRING_LIKE, "StringLike") X(STRING_NOT_LIKE, "StringNotLike") \
    X(NUMERIC_EQUALS, "NumericEquals") X(NUMERIC_NOT_EQUALS, "NumericNotEquals") \
    X(NUMERIC_LESS, "NumericLessThan") X(NUMERIC_LESS_EQUALS, "NumericLessThanEquals") \
    X(NUMERIC_GREATER, "NumericGreaterThan") X(NUMERIC_GREATER_EQUALS, "NumericGreaterThanEquals") \
    X(DATE_EQUALS, "DateEquals") X(DATE_NOT_EQUALS, "DateNotEquals") \
    X(DATE_LESS, "DateLessThan") X(DATE_LESS_EQUALS, "DateLessThanEquals") \
    X(DATE_GREATER, "DateGreaterThan") X(DATE_GREATER_EQUALS, "DateGreaterThanEquals") \
    X(BOOL, "Bool") X(BINARY_EQUALS, "BinaryEquals") \
    X(IP_ADDRESS, "IpAddress") X(NOT_IP_ADDRESS, "NotIpAddress") \
    X(ARN_EQUALS, "ArnEquals") X(ARN_LIKE, "ArnLike") \
    X(ARN_NOT_EQUALS, "ArnNotEquals") X(ARN_NOT_LIKE, "ArnNotLike") \
    X(NULL_KEY, "Null") \
    /* Around the operators; blind: as if it did not stand there. */ \
    X(IF_EXISTS, "IfExists") X(FOR_ALL_VALUES, "ForAllValues") X(FOR_ANY_VALUE, "ForAnyValue") \
    X(PLAIN_LIST, "a list without qualifier") X(TWIN_TAGS, "tags that differ in case") \
    /* Variables; blind: plain text. */ \
    X(VARIABLE, "${key}") X(DEFAULT, "${key, 'default'}") X(SPECIAL, "${*} ${?} ${$}") \
    X(OLD_VERSION, "no variables in the old version") \
    /* Actions and resources; blind: a plain character; read as Action, as Resource. */ \
    X(ACTION_WILD, "a wildcard in an action") X(NOT_ACTION, "NotAction") \
    X(RESOURCE_RUN, "* in a resource") X(RESOURCE_ONE, "? in a resource") \
    X(OVER_COLONS, "* over colons") X(SHORT_ARN, "a short ARN completed") X(NOT_RESOURCE, "NotResource") \
    /* Principals; blind: names nobody; read as Principal. */ \
    X(EVERYONE, "everyone") X(ACCOUNT_NUMBER, "an account's number") X(ACCOUNT_ROOT, "an account's root ARN") \
    X(USER, "a user") X(USER_BEHIND, "the user behind a federated session") X(ROLE, "the role behind a session") \
    X(ROLE_SESSION, "a role session") X(FEDERATED_SESSION, "a federated session") \
    X(SERVICE, "a service") X(FEDERATED, "Federated") X(CANONICAL_USER, "CanonicalUser") \
    X(NOT_PRINCIPAL, "NotPrincipal") X(NOT_PRINCIPAL_BOUNDARY, "NotPrincipal under a boundary") \
    /* Kinds of policy, in the order of the vectors; blind: there are none. */ \
    X(IDENTITY, "identity") X(RESOURCE, "resource") X(TRUST, "trust") X(BOUNDARY, "boundary") \
    X(SESSION, "session") X(ENDPOINT, "endpoint") X(SCP, "scp") X(RCP, "rcp") \
    /* The order of evaluation; blind: as any other caller, any other resource. */ \
    X(ROOT_USER, "the root user") X(NOT_SIGNED_IN, "identity policies are not a service's") \
    X(KEY, "a key's own policy") X(ASSUMED, "a role's own policy") \
    X(OTHER_ACCOUNT, "another account") X(ITSELF_FINAL, "the caller itself, without its limits")
/* clang-format on */

#define ORACLE_FEATURE(name, says) SEEN_##name,
enum oracle_feature { ORACLE_FEATURES(ORACLE_FEATURE) ORACLE_FEATURE_COUNT, SEEN_ALL };
#undef ORACLE_FEATURE

extern const char *const oracle_feature_names[ORACLE_FEATURE_COUNT];

struct oracle_sight {
    enum oracle_feature blind; /* SEEN_ALL: to none */
    bool met[ORACLE_FEATURE_COUNT];
};

/* A part of the language is met; false: it is the one not to be seen. */
static inline bool oracle_sees(struct oracle_sight *sight, enum oracle_feature feature)
{
    sight->met[feature] = true;
    return sight->blind != feature;
}

#endif
