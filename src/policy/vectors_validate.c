/* The operations that save a policy, and what each says of the vector's document. */
#include "policy/vectors_validate.h"

#include "policy/validate.h"

/* clang-format off */
static const struct operation {
    str                name;
    enum policy_type   type;
    enum policy_holder holder;
} operations[] = {
    { STR_INIT("iam:CreatePolicy"),           POLICY_IDENTITY, HOLDER_MANAGED },
    { STR_INIT("iam:CreatePolicyVersion"),    POLICY_IDENTITY, HOLDER_MANAGED },
    { STR_INIT("iam:PutRolePolicy"),          POLICY_IDENTITY, HOLDER_ROLE    },
    { STR_INIT("iam:PutUserPolicy"),          POLICY_IDENTITY, HOLDER_USER    },
    { STR_INIT("iam:PutGroupPolicy"),         POLICY_IDENTITY, HOLDER_GROUP   },
    { STR_INIT("iam:CreateRole"),             POLICY_TRUST,    HOLDER_MANAGED },
    { STR_INIT("iam:UpdateAssumeRolePolicy"), POLICY_TRUST,    HOLDER_MANAGED },
    { STR_INIT("s3:PutBucketPolicy"),         POLICY_BUCKET,   HOLDER_MANAGED },
    { STR_INIT("kms:CreateKey"),              POLICY_KEY,      HOLDER_MANAGED },
    { STR_INIT("kms:PutKeyPolicy"),           POLICY_KEY,      HOLDER_MANAGED },
    { STR_INIT("sns:CreateTopic"),            POLICY_TOPIC,    HOLDER_MANAGED },
    { STR_INIT("sns:SetTopicAttributes"),     POLICY_TOPIC,    HOLDER_MANAGED },
    { STR_INIT("lambda:AddPermission"),       POLICY_FUNCTION, HOLDER_MANAGED },
};
/* clang-format on */

static str text_of(const struct spans *object, const char *member)
{
    const struct spans *value = spans_get(object, str_of(member));
    return value && value->kind == SPANS_STRING ? value->text : STR_NONE;
}

/* The vectors' accounts are empty: of users and roles only the one who asks exists. */
static bool is_the_caller(const void *self, const struct arn *principal)
{
    return str_eq(*(const str *)self, principal->text);
}

static str in_words(const struct fault *why, struct arena *arena)
{
    return why ? arena_strf(arena, "%s: " STR_FMT, why->code ? why->code : "(no code)",
                            STR_ARG(why->says))
               : STR("taken");
}

enum validated vectors_validate(const struct spans *vector, struct arena *arena,
                                str *ret_difference)
{
    const str name = text_of(vector, "operation"), caller = text_of(vector, "caller");
    const struct operation *operation = NULL;
    for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++) {
        if (str_eq(operations[i].name, name))
            operation = &operations[i];
    }
    if (!operation) {
        *ret_difference =
            arena_strf(arena, "no operation " STR_FMT " saves a policy", STR_ARG(name));
        return VALIDATED_WRONG;
    }
    str target = text_of(vector, "target"), kind, rest;
    if (operation->type == POLICY_IDENTITY && str_cut(target, ' ', &kind, &rest))
        target = rest; /* "role my-role" */
    const struct principal_register principals = { is_the_caller, &caller };
    const struct policy_home home = { operation->type, operation->holder, target, caller,
                                      &principals };
    const struct fault *why = policy_validate(text_of(vector, "document"), &home, arena, NULL);
    const struct spans *want = spans_get(vector, STR("expect_error"));
    const bool refused = want && want->kind == SPANS_OBJECT;
    const str code = text_of(want, "code"), message = text_of(want, "message");
    const bool same = refused ? why && why->code && str_eq(str_of(why->code), code) : !why;
    if (same && (!refused || str_is_none(message) || str_eq(why->says, message)))
        return VALIDATED_SAME;
    *ret_difference =
        arena_strf(arena, STR_FMT ", wanted " STR_FMT "%s" STR_FMT, STR_ARG(in_words(why, arena)),
                   STR_ARG(refused ? code : STR("taken")), refused ? ": " : "", STR_ARG(message));
    return same ? VALIDATED_IN_OTHER_WORDS : VALIDATED_WRONG;
}
