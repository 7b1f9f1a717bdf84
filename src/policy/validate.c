/* The table of the kinds of policy, and what their validators share. */
#include "policy/vetting.h"

#include "policy/operators.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* clang-format off */
static const struct policy_kind {
    str              name;
    const char      *code;
    const char      *not_json;   /* what it says of text that is no JSON */
    const char      *not_policy; /* and of what the grammar refuses behind its own checks; NULL: the grammar's words */
    vet_text_fn     *text;
    vet_tree_fn     *tree;
    vet_document_fn *document;   /* or NULL */
} kinds[POLICY_TYPES] = {
    [POLICY_BUCKET]   = { STR_INIT("bucket"),   "MalformedPolicy", "This policy contains invalid Json", NULL,
                          vet_bucket_text, vet_bucket, NULL },
    [POLICY_TRUST]    = { STR_INIT("trust"),    "MalformedPolicyDocument", "This policy contains invalid Json", "Syntax errors in policy.",
                          vet_trust_text, vet_trust, NULL },
    [POLICY_IDENTITY] = { STR_INIT("identity"), "MalformedPolicyDocument", "Syntax errors in policy.", "Syntax errors in policy.",
                          vet_identity_text, vet_identity, NULL },
    [POLICY_KEY]      = { STR_INIT("key"),      "MalformedPolicyDocumentException", "This policy contains invalid Json", NULL,
                          vet_key_text, vet_key, vet_key_lockout },
    [POLICY_TOPIC]    = { STR_INIT("topic"),    "InvalidParameter", "Invalid parameter: Policy Error: null", "Invalid parameter: Policy Error: null",
                          vet_topic_text, vet_topic, NULL },
    [POLICY_FUNCTION] = { STR_INIT("function"), "InvalidParameterValueException", "This policy contains invalid Json", NULL,
                          vet_function_text, vet_function, NULL },
};
/* clang-format on */

str policy_type_name(enum policy_type type)
{
    return kinds[type].name;
}

bool policy_type_of(str name, enum policy_type *ret_type)
{
    for (size_t i = 0; i < POLICY_TYPES; i++) {
        if (str_eq(kinds[i].name, name)) {
            *ret_type = (enum policy_type)i;
            return true;
        }
    }
    return false;
}

size_t policy_size(str text)
{
    size_t size = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        size += c != ' ' && c != '\t' && c != '\r' && c != '\n';
    }
    return size;
}

const struct fault *vet_refuse(struct vetting *v, const struct spans *at, const char *fmt, ...)
{
    char says[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(says, sizeof(says), fmt, args);
    va_end(args);
    v->at = (struct span) { at->from, at->to };
    return fault_coded(v->arena, FAULT_SYNTAX, v->code, "%s", says);
}

static const struct fault *validate(struct vetting *v)
{
    const struct policy_kind *kind = &kinds[v->home->type];
    const struct spans *root;
    struct document document;
    struct span bad = v->at;
    TRY(kind->text(v));
    const struct fault *why = spans_parse_at(v->text, SPANS_STRICT, v->arena, &root, &bad.from);
    if (why) {
        if (why->kind != FAULT_SYNTAX)
            return why;
        v->at = (struct span) { bad.from, bad.from };
        return fault_coded(v->arena, FAULT_SYNTAX, kind->code, "%s", kind->not_json);
    }
    TRY(kind->tree(v, root));
    why = policy_parse_at(v->text, v->arena, &document, &bad);
    if (why) { /* an operator nobody knows, a list without items */
        if (why->kind != FAULT_SYNTAX)
            return why;
        v->at = bad;
        return fault_coded(v->arena, FAULT_SYNTAX, kind->code, STR_FMT,
                           STR_ARG(kind->not_policy ? str_of(kind->not_policy) : why->says));
    }
    return kind->document ? kind->document(v, &document) : NULL;
}

const struct fault *policy_validate(str text, const struct policy_home *home, struct arena *arena,
                                    struct span *ret_at)
{
    struct vetting v = {
        .text = text,
        .home = home,
        .code = kinds[home->type].code,
        .arena = arena,
        .at = { 0, text.len < UINT32_MAX ? (uint32_t)text.len : UINT32_MAX },
    };
    const struct fault *why = validate(&v);
    if (why && ret_at)
        *ret_at = v.at;
    return why;
}

/* ---- lists and members ---- */

size_t items_count(const struct spans *value)
{
    return !value ? 0 : value->kind == SPANS_ARRAY ? value->count : 1;
}

const struct spans *items_no_text(const struct spans *value)
{
    for (const struct spans *i = items_first(value); i; i = items_next(value, i)) {
        if (i->kind != SPANS_STRING)
            return i;
    }
    return NULL;
}

const struct spans *vet_either(const struct spans *statement, const char *name, const char *other)
{
    const struct spans *value = spans_get(statement, str_of(name));
    return value ? value : spans_get(statement, str_of(other));
}

const struct spans *vet_name(struct vetting *v, const struct spans *member)
{
    struct spans *name = ARENA_ARRAY(v->arena, struct spans, 1);
    if (!name) /* then the value is the nearest */
        return member;
    *name = *member;
    name->from = member->name_from;
    name->to = member->name_to;
    return name;
}

static const struct spans *stranger(struct vetting *v, const struct spans *object, const str *known,
                                    size_t count)
{
    for (const struct spans *member = object->first; member; member = member->next) {
        size_t i = 0;
        while (i < count && !str_eq(known[i], member->name))
            i++;
        if (i == count)
            return vet_name(v, member);
    }
    return NULL;
}

const struct spans *vet_document_stranger(struct vetting *v, const struct spans *root)
{
    static const str known[] = { STR_INIT("Version"), STR_INIT("Id"), STR_INIT("Statement") };
    return stranger(v, root, known, sizeof(known) / sizeof(*known));
}

const struct spans *vet_statement_stranger(struct vetting *v, const struct spans *statement)
{
    static const str known[] = {
        STR_INIT("Sid"),       STR_INIT("Effect"),       STR_INIT("Action"),
        STR_INIT("NotAction"), STR_INIT("Resource"),     STR_INIT("NotResource"),
        STR_INIT("Principal"), STR_INIT("NotPrincipal"), STR_INIT("Condition"),
    };
    return stranger(v, statement, known, sizeof(known) / sizeof(*known));
}

const struct fault *vet_statement_head(struct vetting *v, const struct spans *statement)
{
    if (statement->kind != SPANS_OBJECT)
        return vet_refuse(v, statement,
                          "Could not parse the policy: Statement is not an object!");
    const struct spans *unknown = vet_statement_stranger(v, statement),
                       *effect = spans_get(statement, STR("Effect"));
    if (unknown)
        return vet_refuse(v, unknown, "Unknown field " STR_FMT, STR_ARG(unknown->name));
    if (!effect)
        return vet_refuse(v, statement, "Missing required field Effect");
    if (!str_eq(effect->text, STR("Allow")) && !str_eq(effect->text, STR("Deny")))
        return vet_refuse(v, effect, "Invalid effect: " STR_FMT, STR_ARG(effect->text));
    return NULL;
}

bool vet_version_ok(const struct spans *root)
{
    const struct spans *version = spans_get(root, STR("Version"));
    return !version ||
           (version->kind == SPANS_STRING &&
            (str_eq(version->text, STR("2012-10-17")) || str_eq(version->text, STR("2008-10-17"))));
}

static const struct spans *values_oddity(const struct spans *values)
{
    for (const struct spans *i = items_first(values); i; i = items_next(values, i)) {
        if (i->kind == SPANS_OBJECT || i->kind == SPANS_ARRAY || i->kind == SPANS_NULL)
            return i;
    }
    return NULL;
}

const struct spans *vet_condition_oddity(struct vetting *v, const struct spans *condition)
{
    bool if_exists, for_any, for_all;
    if (!condition)
        return NULL;
    if (condition->kind != SPANS_OBJECT)
        return condition;
    for (const struct spans *op = condition->first; op; op = op->next) {
        if (op->kind != SPANS_OBJECT)
            return op;
        /* An operator without a key says nothing, whatever its name: IAM lets it stand. */
        if (op->count && !operator_find(op->name, &if_exists, &for_any, &for_all))
            return vet_name(v, op);
        for (const struct spans *key = op->first; key; key = key->next) {
            const struct spans *odd = key->name.len ? values_oddity(key) : vet_name(v, key);
            if (odd)
                return odd;
        }
    }
    return NULL;
}

static int by_sid(const void *a, const void *b)
{
    const struct spans *x = *(const struct spans *const *)a, *y = *(const struct spans *const *)b;
    const int order = str_cmp(x->text, y->text);
    return order ? order : (x->from > y->from) - (x->from < y->from);
}

/* Sorted, so that a thousand statements cost no more than their reading. */
const struct spans *vet_sid_twice(const struct spans *statements)
{
    const struct spans **sids = calloc(items_count(statements) + 1, sizeof(*sids)), *twice = NULL;
    size_t count = 0;
    for (const struct spans *s = items_first(statements); sids && s;
         s = items_next(statements, s)) {
        const struct spans *sid = spans_get(s, STR("Sid"));
        if (sid && sid->kind == SPANS_STRING && sid->text.len)
            sids[count++] = sid;
    }
    if (count)
        qsort(sids, count, sizeof(*sids), by_sid);
    for (size_t i = 1; i < count; i++) {
        if (str_eq(sids[i - 1]->text, sids[i]->text) && (!twice || sids[i]->from < twice->from))
            twice = sids[i];
    }
    free(sids);
    return twice;
}

/* ---- principals ---- */

static bool names_somebody(const struct vetting *v, str principal)
{
    const struct principal_register *known = v->home->principals;
    struct arn arn;
    str kind, name, session;
    if (str_eq(principal, STR("*")) || account_id_ok(principal))
        return true;
    if (!arn_parse(principal, &arn) || !account_id_ok(arn.account) || arn.region.len ||
        !str_eq(arn.text.len > 4 ? str_head(arn.text, 4) : arn.text, STR("arn:")))
        return false;
    const bool named = str_cut(arn.resource, '/', &kind, &name) && name.len;
    if (str_eq(arn.service, STR("iam"))) {
        if (str_eq(arn.resource, STR("root")))
            return true;
        return named && (str_eq(kind, STR("role")) || str_eq(kind, STR("user"))) &&
               (!known || known->exists(known->self, &arn));
    }
    if (!str_eq(arn.service, STR("sts")) || !named)
        return false;
    if (str_eq(kind, STR("assumed-role")))
        return str_cut(name, '/', &name, &session) && (!known || known->exists(known->self, &arn));
    return str_eq(kind, STR("federated-user"));
}

/* A service goes by a DNS name of Amazon's; there is no list of them that stays true. */
static bool is_service(str name)
{
    return !str_starts(name, STR(".")) && !str_has(name, '*') &&
           (str_ends(name, STR(".amazonaws.com")) || str_ends(name, STR(".amazonaws.com.cn")) ||
            str_ends(name, STR(".amazon.com")));
}

static bool is_type(const struct vetting *v, str type)
{
    return str_eq(type, STR("AWS")) || str_eq(type, STR("Service")) ||
           str_eq(type, STR("Federated")) ||
           /* S3's word for an account; no other service knows it */
           (str_eq(type, STR("CanonicalUser")) && v->home->type == POLICY_BUCKET);
}

static bool is_somebody(const struct vetting *v, str type, str name)
{
    if (str_eq(type, STR("AWS")))
        return names_somebody(v, name);
    if (str_eq(type, STR("Service")))
        return is_service(name);
    return name.len > 0;
}

const struct spans *vet_principal_nobody(struct vetting *v, const struct spans *principal,
                                         str *ret_type)
{
    *ret_type = STR_NONE;
    if (principal->kind == SPANS_STRING && str_eq(principal->text, STR("*")))
        return NULL;
    if (principal->kind != SPANS_OBJECT || principal->count == 0)
        return principal;
    for (const struct spans *type = principal->first; type; type = type->next) {
        *ret_type = type->name;
        if (items_count(type) == 0)
            return type;
        for (const struct spans *name = items_first(type); name; name = items_next(type, name)) {
            if (name->kind != SPANS_STRING)
                return name;
            if (!is_type(v, type->name)) {
                struct spans *unknown = ARENA_ARRAY(v->arena, struct spans, 1);
                if (!unknown)
                    return name;
                *unknown = *name; /* its words, at the place of the type */
                unknown->from = type->name_from;
                unknown->to = type->name_to;
                return unknown;
            }
            if (!is_somebody(v, type->name, name->text))
                return name;
        }
    }
    return NULL;
}
