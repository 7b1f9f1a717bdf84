/* The language once more, as one text: every rule beside the next, to be read against the User Guide from
 * top to bottom. It stays whole. */
#include "policy/oracle.h"

#include "policy/oracle_values.h"

#include <stdlib.h>
#include <strings.h>

#define ORACLE_FEATURE(name, says) says,
const char *const oracle_feature_names[ORACLE_FEATURE_COUNT] = { ORACLE_FEATURES(ORACLE_FEATURE) };
#undef ORACLE_FEATURE

const char *const oracle_kinds[ORACLE_KINDS] = { "identity", "resource", "trust", "boundary",
                                                 "session",  "endpoint", "scp",   "rcp" };

/* How a resource's policy names the caller; each is more than the one before. */
enum named { NAMED_NOT, NAMED_ACCOUNT, NAMED_BEHIND, NAMED_ITSELF };

/* ---- the request ---- */

enum { FIELDS = 6 };
struct fields { /* an ARN split at its first five colons */
    const char *of[FIELDS];
    bool whole;
};

struct asking {
    const char *principal, *action, *resource, *account;
    const json_t *context, *policies;
    bool service, anonymous, root;
    struct fields who; /* of the principal, when it is an ARN */
    struct oracle_sight *sight;
    struct arena *arena;
};

static struct fields fields_of(const char *text, struct arena *arena)
{
    struct fields fields = { .whole = true };
    for (int i = 0; i < FIELDS; i++) {
        const char *colon = strchr(text, ':');
        if (i == FIELDS - 1 || !colon) {
            fields.of[i] = text;
            fields.whole = i == FIELDS - 1;
            break;
        }
        fields.of[i] = arena_cstr(arena, (str) { text, (size_t)(colon - text) });
        text = colon + 1;
    }
    return fields;
}

static bool sees(const struct asking *asking, enum oracle_feature feature)
{
    return oracle_sees(asking->sight, feature);
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* ---- lists that may be single values ---- */

static size_t items(const json_t *value)
{
    return !value ? 0 : json_is_array(value) ? json_array_size(value) : 1;
}

static const json_t *item(const json_t *value, size_t i)
{
    return json_is_array(value) ? json_array_get(value, i) : value;
}

/* The text of a value; numbers and booleans as they are written. */
static const char *word(const json_t *value, struct arena *arena)
{
    if (json_is_boolean(value))
        return json_is_true(value) ? "true" : "false";
    if (json_is_integer(value))
        return arena_strf(arena, "%lld", (long long)json_integer_value(value)).ptr;
    return json_is_string(value) ? json_string_value(value) : "";
}

/* ---- action, resource ---- */

static bool action_matches(const char *pattern, const struct asking *asking)
{
    if (strcmp(pattern, "*") == 0)
        return true;
    const char *colon = strchr(pattern, ':');
    const char *asked = strchr(asking->action, ':');
    if (!colon || !asked || colon - pattern != asked - asking->action ||
        strncasecmp(pattern, asking->action, (size_t)(colon - pattern)) != 0)
        return false;
    const bool wild = strpbrk(colon, "*?") && sees(asking, SEEN_ACTION_WILD);
    struct atoms atoms = atoms_of(colon + 1, wild, NULL, asking->arena);
    struct letters name = letters_of(asked + 1, asking->arena);
    atoms_fold(&atoms);
    letters_fold(&name);
    return atoms_match(&atoms, name, asking->arena);
}

/* Before the fifth colon `*` and `?` stay inside their segment, except a `*` that ends it. */
static bool arn_matches(const char *pattern, bool variables, const struct asking *asking)
{
    struct arena *arena = asking->arena;
    const char *fifth = pattern;
    for (int colons = 0; colons < 5; colons++) {
        fifth = strchr(fifth, ':');
        if (!fifth) {
            fifth = pattern + strlen(pattern);
            break;
        }
        fifth++;
    }
    const str front = { pattern, (size_t)(fifth - pattern) };
    struct atoms head = atoms_of(arena_cstr(arena, front), true, NULL, arena);
    for (size_t i = 0; i < head.count; i++) {
        const bool ends = i + 1 == head.count ||
                          (head.at[i + 1].kind == ATOM_LETTER && head.at[i + 1].letter == ':');
        if (head.at[i].kind == ATOM_RUN && !(ends && sees(asking, SEEN_OVER_COLONS)))
            head.at[i].kind = ATOM_RUN_WITHIN;
        if (head.at[i].kind == ATOM_ONE)
            head.at[i].kind = ATOM_ONE_WITHIN;
    }
    const struct variables substitutes = { asking->context, asking->sight };
    const struct atoms tail = atoms_of(fifth, true, variables ? &substitutes : NULL, arena);
    struct atoms both = { ARENA_ARRAY(arena, struct atom, head.count + tail.count + 1),
                          head.count + tail.count, tail.without_value };
    memcpy(both.at, head.at, head.count * sizeof(*head.at));
    memcpy(both.at + head.count, tail.at, tail.count * sizeof(*tail.at));
    for (size_t i = 0; i < both.count; i++) {
        const enum atom_kind kind = both.at[i].kind;
        const bool run = kind == ATOM_RUN || kind == ATOM_RUN_WITHIN;
        if (kind != ATOM_LETTER && !sees(asking, run ? SEEN_RESOURCE_RUN : SEEN_RESOURCE_ONE))
            both.at[i] = (struct atom) { ATOM_LETTER, run ? '*' : '?' };
    }
    return atoms_match(&both, letters_of(asking->resource, arena), arena);
}

static bool resource_matches(const char *pattern, bool completed, bool variables,
                             const struct asking *asking)
{
    if (strcmp(pattern, "*") == 0 || arn_matches(pattern, variables, asking))
        return true;
    if (!completed)
        return false;
    int colons = 0;
    for (const char *c = pattern; *c; c++)
        colons += *c == ':';
    if (colons >= 5 || !sees(asking, SEEN_SHORT_ARN))
        return false;
    for (; colons < 5; colons++)
        pattern = arena_strf(asking->arena, "%s:*", pattern).ptr;
    return arn_matches(pattern, variables, asking);
}

static bool any_action(const json_t *patterns, const struct asking *asking)
{
    for (size_t i = 0; i < items(patterns); i++) {
        if (action_matches(word(item(patterns, i), asking->arena), asking))
            return true;
    }
    return false;
}

static bool any_resource(const json_t *patterns, bool completed, bool variables,
                         const struct asking *asking)
{
    for (size_t i = 0; i < items(patterns); i++) {
        if (resource_matches(word(item(patterns, i), asking->arena), completed, variables, asking))
            return true;
    }
    return false;
}

/* ---- principals ---- */

static const char *after_last_slash(const char *text)
{
    const char *slash = strrchr(text, '/');
    return slash ? slash + 1 : text;
}

/* What one name of {"AWS": ...} is, and whether it names the caller. */
static enum named aws_names(const char *name, const struct asking *asking,
                            enum oracle_feature *ret_form)
{
    const struct fields named = fields_of(name, asking->arena);
    const struct fields *who = &asking->who;
    *ret_form = SEEN_EVERYONE;
    if (strcmp(name, "*") == 0)
        return NAMED_ITSELF;
    *ret_form = SEEN_ACCOUNT_NUMBER;
    if (!named.whole)
        return who->whole && strcmp(name, who->of[4]) == 0 ? NAMED_ACCOUNT : NAMED_NOT;
    const bool same_account =
        who->whole && strcmp(named.of[1], who->of[1]) == 0 && strcmp(named.of[4], who->of[4]) == 0;
    const bool same = strcmp(name, asking->principal) == 0;
    const char *last = after_last_slash(named.of[5]);
    if (strcmp(named.of[5], "root") == 0) {
        *ret_form = SEEN_ACCOUNT_ROOT;
        return same_account ? NAMED_ACCOUNT : NAMED_NOT;
    }
    if (starts(named.of[5], "assumed-role/") || starts(named.of[5], "federated-user/")) {
        *ret_form = starts(named.of[5], "assumed") ? SEEN_ROLE_SESSION : SEEN_FEDERATED_SESSION;
        return same ? NAMED_ITSELF : NAMED_NOT;
    }
    if (starts(named.of[5], "role/")) {
        *ret_form = SEEN_ROLE;
        if (!same_account || !starts(who->of[5], "assumed-role/"))
            return NAMED_NOT;
        const char *role = strchr(who->of[5], '/') + 1;
        const size_t len = strcspn(role, "/");
        return strlen(last) == len && memcmp(last, role, len) == 0 ? NAMED_BEHIND : NAMED_NOT;
    }
    *ret_form = SEEN_USER;
    if (same || !same_account || !starts(who->of[5], "federated-user/"))
        return same ? NAMED_ITSELF : NAMED_NOT;
    *ret_form = SEEN_USER_BEHIND;
    return strcmp(last, strchr(who->of[5], '/') + 1) == 0 ? NAMED_BEHIND : NAMED_NOT;
}

static enum named one_names(const char *type, const char *name, const struct asking *asking)
{
    const bool same = strcmp(name, asking->principal) == 0;
    enum oracle_feature form;
    enum named named = NAMED_NOT;
    if (strcmp(type, "AWS") == 0) {
        named = aws_names(name, asking, &form);
    } else if (strcmp(type, "Service") == 0) {
        form = SEEN_SERVICE;
        named = asking->service && same ? NAMED_ITSELF : NAMED_NOT;
    } else {
        form = strcmp(type, "Federated") == 0 ? SEEN_FEDERATED : SEEN_CANONICAL_USER;
        named = !asking->anonymous && same ? NAMED_ITSELF : NAMED_NOT;
    }
    return sees(asking, form) ? named : NAMED_NOT;
}

static enum named principals_name(const json_t *principal, const struct asking *asking)
{
    if (json_is_string(principal))
        return strcmp(json_string_value(principal), "*") == 0 && sees(asking, SEEN_EVERYONE)
                   ? NAMED_ITSELF
                   : NAMED_NOT;
    enum named best = NAMED_NOT;
    const char *type;
    json_t *names;
    json_object_foreach((json_t *)principal, type, names)
    {
        for (size_t i = 0; i < items(names); i++) {
            const enum named named = one_names(type, word(item(names, i), asking->arena), asking);
            best = named > best ? named : best;
        }
    }
    return best;
}

static enum named statement_names(const json_t *statement, const struct asking *asking)
{
    const json_t *others = json_object_get(statement, "NotPrincipal");
    if (!others || !sees(asking, SEEN_NOT_PRINCIPAL))
        return principals_name(others ? others : json_object_get(statement, "Principal"), asking);
    if (json_object_get(asking->policies, "boundary") &&
        strcmp(text_of(statement, "Effect"), "Deny") == 0 &&
        sees(asking, SEEN_NOT_PRINCIPAL_BOUNDARY))
        return NAMED_ITSELF;
    return principals_name(others, asking) == NAMED_NOT ? NAMED_ITSELF : NAMED_NOT;
}

/* ---- conditions ---- */

struct operation {
    char name[64];
    bool every, any, if_exists, negated;
};

static struct operation operation_of(const char *text)
{
    struct operation operation = { .every = starts(text, "ForAllValues:"),
                                   .any = starts(text, "ForAnyValue:") };
    if (operation.every || operation.any)
        text = strchr(text, ':') + 1;
    strncpy(operation.name, text, sizeof(operation.name) - 1);
    char *exists = strstr(operation.name, "IfExists");
    operation.if_exists = exists;
    if (exists)
        *exists = '\0';
    operation.negated = strstr(operation.name, "Not") != NULL;
    return operation;
}

/* The five colons of an ARN, counted after substitution. */
static bool arn_like(const struct atoms *pattern, struct letters value, struct arena *arena)
{
    if (pattern->without_value)
        return false;
    size_t p = 0, v = 0;
    for (int field = 0; field < FIELDS; field++) {
        size_t p_end = p, v_end = v;
        const bool last = field == FIELDS - 1;
        while (p_end < pattern->count &&
               (last || pattern->at[p_end].kind != ATOM_LETTER || pattern->at[p_end].letter != ':'))
            p_end++;
        while (v_end < value.count && (last || value.at[v_end] != ':'))
            v_end++;
        if (!last && (p_end == pattern->count || v_end == value.count))
            return false;
        const struct atoms part = atoms_part(pattern, p, p_end);
        if (!atoms_match(&part, letters_part(value, v, v_end), arena))
            return false;
        p = p_end + 1;
        v = v_end + 1;
    }
    return true;
}

/* One value of the policy against one of the request; NOT: cannot be compared. */
static enum compared compare(const struct operation *operation, const char *value,
                             const char *wanted, const struct variables *variables,
                             struct arena *arena)
{
    const char *name = operation->name;
    if (starts(name, "Numeric"))
        return compare_numbers(value, wanted);
    if (starts(name, "Date"))
        return compare_dates(value, wanted);
    if (strcmp(name, "BinaryEquals") == 0)
        return compare_binary(value, wanted, arena);
    if (strstr(name, "IpAddress"))
        return address_in_network(value, wanted);
    if (strcmp(name, "Bool") == 0) {
        const bool words = same_nocase(value, "true") || same_nocase(value, "false");
        return words && same_nocase(value, wanted) ? COMPARED_EQUAL : COMPARED_LESS;
    }
    const bool wild = strstr(name, "Like") || starts(name, "Arn");
    struct atoms atoms = atoms_of(wanted, wild, variables, arena);
    struct letters letters = letters_of(value, arena);
    bool same;
    if (starts(name, "Arn")) {
        same = arn_like(&atoms, letters, arena);
    } else {
        if (strstr(name, "IgnoreCase")) {
            atoms_fold(&atoms);
            letters_fold(&letters);
        }
        same = atoms_match(&atoms, letters, arena);
    }
    return same ? COMPARED_EQUAL : COMPARED_LESS;
}

static bool satisfies(const char *name, enum compared compared)
{
    if (strstr(name, "LessThanEquals"))
        return compared == COMPARED_LESS || compared == COMPARED_EQUAL;
    if (strstr(name, "GreaterThanEquals"))
        return compared == COMPARED_GREATER || compared == COMPARED_EQUAL;
    if (strstr(name, "LessThan"))
        return compared == COMPARED_LESS;
    if (strstr(name, "GreaterThan"))
        return compared == COMPARED_GREATER;
    return compared == COMPARED_EQUAL;
}

/* One value of the request against the list of the policy. What cannot be compared is not equal:
 * unsettled for the negated operators, where it is read as plain negation. */
static bool value_holds(const struct operation *operation, const char *value, const json_t *wanted,
                        const struct variables *variables, struct arena *arena)
{
    bool listed = false;
    for (size_t i = 0; i < items(wanted); i++) {
        const enum compared compared =
            compare(operation, value, word(item(wanted, i), arena), variables, arena);
        if (compared != COMPARED_NOT && satisfies(operation->name, compared))
            listed = true;
    }
    return listed != operation->negated;
}

/* One key of that name, or none: then `value` is NULL. */
static bool key_holds(const struct operation *operation, const json_t *value, const json_t *wanted,
                      const struct variables *variables, const struct asking *asking)
{
    struct arena *arena = asking->arena;
    if (json_is_array(value) && json_array_size(value) == 0)
        value = NULL; /* a list without values is no value */
    if (strcmp(operation->name, "Null") == 0) {
        for (size_t i = 0; i < items(wanted); i++) {
            if (same_nocase(word(item(wanted, i), arena), value ? "false" : "true"))
                return true;
        }
        return false;
    }
    if (operation->every && sees(asking, SEEN_FOR_ALL_VALUES)) {
        if (items(value) == 1 && json_string_length(item(value, 0)) == 0)
            return true; /* an empty string, alone, is no value either */
        for (size_t i = 0; i < items(value); i++) {
            if (!value_holds(operation, word(item(value, i), arena), wanted, variables, arena))
                return false;
        }
        return true;
    }
    if (operation->any && sees(asking, SEEN_FOR_ANY_VALUE)) {
        /* Unsettled with IfExists and an absent key: no, as the vectors have it. */
        for (size_t i = 0; i < items(value); i++) {
            if (value_holds(operation, word(item(value, i), arena), wanted, variables, arena))
                return true;
        }
        return false;
    }
    if (!value)
        return operation->negated || (operation->if_exists && sees(asking, SEEN_IF_EXISTS));
    if (json_is_array(value) && sees(asking, SEEN_PLAIN_LIST))
        return false; /* unsettled without a qualifier: no, as the vectors have it */
    return value_holds(operation, word(item(value, 0), arena), wanted, variables, arena);
}

/* Tags whose names differ only in case are all meant: one that compares is enough, and a negated
 * operator, or all values, then asks it of each. */
static bool condition_holds(const char *operator, const char * key, const json_t *wanted,
                            bool new_version, const struct asking *asking)
{
    const struct operation operation = operation_of(operator);
    const struct variables substitutes = { asking->context, asking->sight };
    const struct variables *variables = new_version ? &substitutes : NULL;
    const bool each = operation.negated || operation.every;
    size_t candidates = 0, held = 0;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)asking->context, name, value)
    {
        if (!same_nocase(name, key) || (candidates && !sees(asking, SEEN_TWIN_TAGS)))
            continue;
        candidates++;
        held += key_holds(&operation, value, wanted, variables, asking);
    }
    const bool holds = !candidates ? key_holds(&operation, NULL, wanted, variables, asking)
                       : each      ? held == candidates
                                   : held > 0;
    for (int f = 0; f <= SEEN_NULL_KEY; f++) {
        if (strcmp(operation.name, oracle_feature_names[f]) == 0)
            return holds == sees(asking, (enum oracle_feature)f);
    }
    return holds;
}

static bool conditions_hold(const json_t *conditions, bool variables, const struct asking *asking)
{
    const char *operator, * key;
    json_t *keys, *wanted;
    json_object_foreach((json_t *)conditions, operator, keys)
    {
        json_object_foreach(keys, key, wanted)
        {
            if (!condition_holds(operator, key, wanted, variables, asking))
                return false;
        }
    }
    return true;
}

/* ---- statements ---- */

/* What the policies of one kind said. */
struct said {
    bool present, denies, allows;
    enum named named; /* by the best Allow that applies */
};

struct hearing {
    struct asking *asking;
    struct oracle_answer *answer;
    const char *kind;
    int kind_number;               /* among oracle_kinds */
    unsigned levels, level_allows; /* SCP */
    unsigned level;
    bool level_allowed;
    struct said said;
};

static void hear_statement(struct hearing *hearing, const json_t *statement, bool new_version)
{
    const struct asking *asking = hearing->asking;
    const char *kind = hearing->kind;
    const json_t *action = json_object_get(statement, "Action");
    const json_t *not_action = json_object_get(statement, "NotAction");
    const json_t *resource = json_object_get(statement, "Resource");
    const json_t *not_resource = json_object_get(statement, "NotResource");
    if (not_action && !sees(asking, SEEN_NOT_ACTION))
        action = not_action;
    if (not_resource && !sees(asking, SEEN_NOT_RESOURCE))
        resource = not_resource;
    const bool of_a_resource = strcmp(kind, "resource") == 0 || strcmp(kind, "trust") == 0 ||
                               strcmp(kind, "endpoint") == 0 || strcmp(kind, "rcp") == 0;
    const bool completed = !of_a_resource;
    const enum named named = of_a_resource ? statement_names(statement, asking) : NAMED_ITSELF;
    const bool denies = strcmp(text_of(statement, "Effect"), "Deny") == 0;
    bool applies = named != NAMED_NOT;
    applies = applies && (action ? any_action(action, asking) : !any_action(not_action, asking));
    if (resource)
        applies = applies && any_resource(resource, completed, new_version, asking);
    else if (not_resource)
        applies = applies && !any_resource(not_resource, completed, new_version, asking);
    applies =
        applies && conditions_hold(json_object_get(statement, "Condition"), new_version, asking);

    if (hearing->answer->count < ORACLE_STATEMENTS)
        hearing->answer->statements[hearing->answer->count++] =
            (struct oracle_statement) { applies, denies };
    if (!applies)
        return;
    if (denies) {
        hearing->said.denies = true;
    } else {
        hearing->said.allows = true;
        hearing->level_allowed = true;
        if (named > hearing->said.named)
            hearing->said.named = named;
    }
}

static void hear_document(void *context, const json_t *document, unsigned level)
{
    struct hearing *hearing = context;
    const enum oracle_feature kind = SEEN_IDENTITY + (enum oracle_feature)hearing->kind_number;
    if (!sees(hearing->asking, kind))
        return;
    if (!hearing->said.present || level != hearing->level) {
        hearing->level_allows += hearing->level_allowed;
        hearing->level_allowed = false;
        hearing->level = level;
        hearing->levels++;
    }
    hearing->said.present = true;
    const json_t *statements = json_object_get(document, "Statement");
    const bool new_version = strcmp(text_of(document, "Version"), "2012-10-17") == 0 ||
                             !sees(hearing->asking, SEEN_OLD_VERSION);
    for (size_t i = 0; i < items(statements); i++)
        hear_statement(hearing, item(statements, i), new_version);
}

void oracle_documents(const json_t *policies, const char *kind, oracle_document_fn *each,
                      void *context)
{
    const json_t *value = json_object_get(policies, kind);
    if (!value)
        return;
    const bool levels = strcmp(kind, "scp") == 0 || strcmp(kind, "rcp") == 0;
    for (size_t l = 0; l < (levels ? json_array_size(value) : 1); l++) {
        const json_t *list = levels ? json_array_get(value, l) : value;
        for (size_t i = 0; i < items(list); i++)
            each(context, item(list, i), (unsigned)l);
        if (items(list) == 0)
            each(context, NULL, (unsigned)l);
    }
}

/* ---- the order of evaluation ---- */

enum { IDENTITY, RESOURCE, TRUST, BOUNDARY, SESSION, ENDPOINT, SCP, RCP };

static const char *weigh(const struct asking *asking, const struct said *said, bool scp_allows)
{
    const bool known = !asking->service && !asking->anonymous;
    const bool signed_in = known || !sees(asking, SEEN_NOT_SIGNED_IN);
    const bool limits[ORACLE_KINDS] = {
        [IDENTITY] = signed_in, [BOUNDARY] = signed_in, [SESSION] = signed_in, [SCP] = signed_in,
        [RESOURCE] = true,      [TRUST] = true,         [ENDPOINT] = true,     [RCP] = true
    };
    for (int k = 0; k < ORACLE_KINDS; k++) {
        if (limits[k] && said[k].denies)
            return "ExplicitDeny";
    }
    if (said[ENDPOINT].present && !said[ENDPOINT].allows)
        return "ImplicitDeny";
    const enum named named =
        said[TRUST].named > said[RESOURCE].named ? said[TRUST].named : said[RESOURCE].named;
    if (!known)
        return named == NAMED_ITSELF ? "Allow" : "ImplicitDeny";
    if (!scp_allows)
        return "ImplicitDeny";
    const bool boundary = !said[BOUNDARY].present || said[BOUNDARY].allows;
    const bool session = !said[SESSION].present || said[SESSION].allows;
    const bool identity = said[IDENTITY].allows || (asking->root && sees(asking, SEEN_ROOT_USER));
    const struct fields resource = fields_of(asking->resource, asking->arena);
    const bool arn = resource.whole;
    const bool key = arn && strcmp(resource.of[2], "kms") == 0 && sees(asking, SEEN_KEY);
    const bool role = arn && strcmp(resource.of[2], "iam") == 0 &&
                      starts(resource.of[5], "role/") &&
                      strncasecmp(asking->action, "sts:", 4) == 0 && sees(asking, SEEN_ASSUMED);
    if (strcmp(asking->who.of[4], asking->account) != 0 && sees(asking, SEEN_OTHER_ACCOUNT))
        return identity && boundary && session && named != NAMED_NOT ? "Allow" : "ImplicitDeny";
    if (named == NAMED_ITSELF && sees(asking, SEEN_ITSELF_FINAL))
        return "Allow";
    if (named >= NAMED_BEHIND && boundary && session)
        return "Allow";
    if ((key || role) && named == NAMED_NOT)
        return "ImplicitDeny";
    return identity && boundary && session ? "Allow" : "ImplicitDeny";
}

void oracle_answer(const json_t *step, struct oracle_sight *sight, struct arena *arena,
                   struct oracle_answer *ret_answer)
{
    const json_t *request = json_object_get(step, "request");
    struct asking asking = {
        .principal = text_of(request, "principal"),
        .action = text_of(request, "action"),
        .resource = text_of(request, "resource"),
        .account = text_of(request, "resource_account"),
        .context = json_object_get(request, "context"),
        .policies = json_object_get(step, "policies"),
        .sight = sight,
        .arena = arena,
    };
    asking.anonymous = strcmp(asking.principal, "*") == 0;
    asking.service = !asking.anonymous && !starts(asking.principal, "arn:");
    asking.who = fields_of(asking.principal, arena);
    asking.root = asking.who.whole && strcmp(asking.who.of[5], "root") == 0;
    ret_answer->count = 0;
    struct said said[ORACLE_KINDS];
    bool scp_allows = true;
    for (int k = 0; k < ORACLE_KINDS; k++) {
        struct hearing hearing = {
            .asking = &asking, .answer = ret_answer, .kind = oracle_kinds[k], .kind_number = k
        };
        oracle_documents(asking.policies, oracle_kinds[k], hear_document, &hearing);
        said[k] = hearing.said;
        if (k == SCP)
            scp_allows = hearing.level_allows + hearing.level_allowed == hearing.levels;
    }
    ret_answer->verdict = weigh(&asking, said, scp_allows);
}

void oracle_measure(const json_t *step, unsigned met[ORACLE_FEATURE_COUNT],
                    unsigned decisive[ORACLE_FEATURE_COUNT], struct arena *arena)
{
    struct oracle_answer *answer = ARENA_NEW(arena, struct oracle_answer);
    struct oracle_sight sight = { .blind = SEEN_ALL };
    oracle_answer(step, &sight, arena, answer);
    const char *const verdict = answer->verdict;
    for (int f = 0; f < ORACLE_FEATURE_COUNT; f++) {
        if (!sight.met[f])
            continue;
        struct oracle_sight blind = { .blind = (enum oracle_feature)f };
        oracle_answer(step, &blind, arena, answer);
        met[f]++;
        decisive[f] += strcmp(answer->verdict, verdict) != 0;
    }
}
