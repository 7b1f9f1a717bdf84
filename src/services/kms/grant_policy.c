#include "services/kms/grant_policy.h"

#include "base/json.h"

enum { POLICY_TEXT_MAX = 16 * 1024 * 1024 };

/* Which of them an encryption context goes along with. */
static const struct grant_operation {
    str name;
    enum { TAKES_NONE, TAKES_CONTEXT, TAKES_GRANT } takes;
} grant_operations[] = {
    { STR_INIT("Decrypt"), TAKES_CONTEXT },
    { STR_INIT("Encrypt"), TAKES_CONTEXT },
    { STR_INIT("GenerateDataKey"), TAKES_CONTEXT },
    { STR_INIT("GenerateDataKeyWithoutPlaintext"), TAKES_CONTEXT },
    { STR_INIT("ReEncryptFrom"), TAKES_CONTEXT },
    { STR_INIT("ReEncryptTo"), TAKES_CONTEXT },
    { STR_INIT("CreateGrant"), TAKES_GRANT },
    { STR_INIT("DescribeKey"), TAKES_NONE },
    { STR_INIT("RetireGrant"), TAKES_NONE },
};

static const struct grant_operation *operation_of(str name)
{
    for (size_t i = 0; i < sizeof grant_operations / sizeof grant_operations[0]; i++)
        if (str_eq(grant_operations[i].name, name))
            return &grant_operations[i];
    return NULL;
}

bool grant_operation_ok(str name)
{
    return operation_of(name) != NULL;
}

static void begin_statement(struct json_writer *w, const struct kms_grant *grant, str principal)
{
    json_open(w, '{');
    json_add_str(w, "Sid", grant->id);
    json_add_str(w, "Effect", STR("Allow"));
    json_name(w, STR("Principal"));
    json_open(w, '{');
    json_add_str(w, "AWS", principal);
    json_close(w, '}');
    json_add_str(w, "Resource", STR("*"));
}

static void put_action(struct json_writer *w, str operation)
{
    char action[80] = "kms:";
    memcpy(action + 4, operation.ptr, operation.len); /* a name of the table above */
    json_put_str(w, (str) { action, 4 + operation.len });
}

static void put_context_name(struct json_writer *w, str name)
{
    AUTO_BUF key = buf_new(16 * 1024);
    buf_add(&key, STR("kms:EncryptionContext:"));
    buf_add(&key, name);
    json_name(w, buf_str(&key));
    w->out->failed |= key.failed;
}

/* Every pair is there; with Equals no other is. */
static void put_constraint(struct json_writer *w, const struct kms_grant *grant)
{
    json_name(w, STR("StringEquals"));
    json_open(w, '{');
    for (size_t i = 0; i < grant->context_count; i++) {
        put_context_name(w, grant->context[i].name);
        json_put_str(w, grant->context[i].value);
    }
    json_close(w, '}');
    if (grant->constraint != CONSTRAINT_EQUALS)
        return;
    json_name(w, STR("ForAllValues:StringEquals"));
    json_open(w, '{');
    json_name(w, STR("kms:EncryptionContextKeys"));
    json_open(w, '[');
    for (size_t i = 0; i < grant->context_count; i++)
        json_put_str(w, grant->context[i].name);
    json_close(w, ']');
    json_close(w, '}');
}

static bool has(const struct kms_grant *grant, int takes)
{
    for (size_t i = 0; i < grant->operation_count; i++)
        if ((int)operation_of(grant->operations[i])->takes == takes)
            return true;
    return false;
}

static void put_operations(struct json_writer *w, const struct kms_grant *grant, int takes)
{
    if (!has(grant, takes))
        return;
    begin_statement(w, grant, grant->grantee);
    json_name(w, STR("Action"));
    json_open(w, '[');
    for (size_t i = 0; i < grant->operation_count; i++)
        if ((int)operation_of(grant->operations[i])->takes == takes)
            put_action(w, grant->operations[i]);
    json_close(w, ']');
    if (takes == TAKES_CONTEXT && grant->constraint != CONSTRAINT_NONE) {
        json_name(w, STR("Condition"));
        json_open(w, '{');
        put_constraint(w, grant);
        json_close(w, '}');
    }
    json_close(w, '}');
}

/* "A grant with CreateGrant lets its grantee make grants that give no more than it does": its
 * operations or fewer, its constraint or a closer one. */
static void put_making_on(struct json_writer *w, const struct kms_grant *grant)
{
    if (!has(grant, TAKES_GRANT))
        return;
    begin_statement(w, grant, grant->grantee);
    json_add_str(w, "Action", STR("kms:CreateGrant"));
    json_name(w, STR("Condition"));
    json_open(w, '{');
    json_name(w, STR("ForAnyValue:StringEquals")); /* present at all */
    json_open(w, '{');
    json_name(w, STR("kms:GrantOperations"));
    json_open(w, '[');
    for (size_t i = 0; i < grant->operation_count; i++)
        json_put_str(w, grant->operations[i]);
    json_close(w, ']');
    json_close(w, '}');
    json_name(w, STR("ForAllValues:StringLike")); /* and none besides */
    json_open(w, '{');
    json_name(w, STR("kms:GrantOperations"));
    json_open(w, '[');
    for (size_t i = 0; i < grant->operation_count; i++)
        json_put_str(w, grant->operations[i]);
    json_close(w, ']');
    json_close(w, '}');
    if (grant->constraint != CONSTRAINT_NONE)
        put_constraint(w, grant);
    if (grant->constraint == CONSTRAINT_EQUALS) {
        json_name(w, STR("StringLike"));
        json_open(w, '{');
        json_add_str(w, "kms:GrantConstraintType", kms_constraint_name(CONSTRAINT_EQUALS));
        json_close(w, '}');
    }
    json_close(w, '}');
    json_close(w, '}');
}

static void put_grant(struct json_writer *w, const struct kms_grant *grant)
{
    put_operations(w, grant, TAKES_CONTEXT);
    put_operations(w, grant, TAKES_NONE);
    put_making_on(w, grant);
    if (str_is_none(grant->retiring))
        return;
    begin_statement(w, grant, grant->retiring);
    json_add_str(w, "Action", STR("kms:RetireGrant"));
    json_close(w, '}');
}

const struct fault *grant_policy_make(const struct kms_key *key, struct arena *arena,
                                      const struct document **ret_policy)
{
    AUTO_BUF text = buf_new(POLICY_TEXT_MAX);
    struct document *policy = ARENA_NEW(arena, struct document);
    struct json_writer w = json_writer(&text);
    for (size_t i = 0; i < key->grant_count; i++)
        for (size_t k = 0; k < key->grants[i].operation_count; k++)
            if (!grant_operation_ok(key->grants[i].operations[k]))
                return fault(arena, FAULT_SYNTAX, NULL, "a grant holds an unknown operation");
    json_open(&w, '{');
    json_add_str(&w, "Version", STR("2008-10-17")); /* no variables: values mean what they say */
    json_name(&w, STR("Statement"));
    json_open(&w, '[');
    for (size_t i = 0; i < key->grant_count; i++)
        put_grant(&w, &key->grants[i]);
    json_close(&w, ']');
    json_close(&w, '}');
    const str kept = text.failed ? STR_NONE : arena_str(arena, buf_str(&text));
    if (!policy || str_is_none(kept))
        return &fault_no_memory;
    TRY(policy_parse(kept, arena, policy));
    *ret_policy = policy;
    return NULL;
}
