/* What a service cannot say of itself: it has no principal ARN, no organization, no address. */
#include "policy/hinting.h"

/* Keys that a service principal's request never has (ses-receiving spec 13.1). */
static bool never_from_service(str key)
{
    static const str keys[] = {
        STR_INIT("aws:PrincipalOrgID"), STR_INIT("aws:PrincipalOrgPaths"),
        STR_INIT("aws:PrincipalArn"),   STR_INIT("aws:PrincipalAccount"),
        STR_INIT("aws:PrincipalType"),  STR_INIT("aws:userid"),
        STR_INIT("aws:username"),       STR_INIT("aws:SourceIp"),
        STR_INIT("aws:VpcSourceIp"),    STR_INIT("aws:SourceVpc"),
        STR_INIT("aws:SourceVpce"),
    };
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        if (str_eq_nocase(key, keys[i]))
            return true;
    }
    return str_starts_nocase(key, STR("aws:PrincipalTag/"));
}

/* SES puts objects without asking S3 for any encryption. */
static bool encryption_header(str key)
{
    return str_starts_nocase(key, STR("s3:x-amz-server-side-encryption"));
}

static bool wants_presence(const struct condition *condition)
{
    if (condition->operator->compares != COMPARE_NULL)
        return !condition->operator->negated && !condition->if_exists &&
                condition->quantifier != FOR_ALL_VALUES;
    bool absent = false;
    for (size_t i = 0; i < condition->wanted.count; i++)
        absent |= str_eq_nocase(condition->wanted.values[i], STR("true"));
    return !absent;
}

void look_at_principal_keys(struct reading *r, const struct statement *statement)
{
    if (statement->effect != EFFECT_ALLOW || !names_only(statement, PRINCIPAL_SERVICE))
        return;
    for (size_t c = 0; c < statement->condition_count; c++) {
        const struct condition *condition = &statement->conditions[c];
        const bool never = never_from_service(condition->key) ||
                           (encryption_header(condition->key) &&
                            names_service(statement, STR("ses.amazonaws.com")));
        if (never && wants_presence(condition))
            hint(r, HINT_NEVER_MET, statement, condition->span,
                 "a service's request has no " STR_FMT
                 ", so this statement never applies; bind it by aws:SourceAccount, aws:SourceArn "
                 "or aws:SourceOrgID instead",
                 STR_ARG(condition->key));
    }
}

/* A bucket's own key is asked for by S3, with the bucket in the encryption context and nothing of
 * SES. kms:Decrypt is what S3 needs beyond a data key, and SES's own encryption never does. */
void look_at_ses_context(struct reading *r, const struct statement *statement)
{
    const struct condition *context = NULL;
    bool for_bucket = false;
    if (r->home->type != POLICY_KEY || statement->effect != EFFECT_ALLOW)
        return;
    for (size_t i = 0; i < statement->actions.count && !statement->actions.negated; i++)
        for_bucket |= str_eq_nocase(statement->actions.values[i], STR("kms:Decrypt"));
    for (size_t c = 0; c < statement->condition_count; c++) {
        const struct condition *condition = &statement->conditions[c];
        if (!context && wants_presence(condition) &&
            str_starts_nocase(condition->key, STR("kms:EncryptionContext:aws:ses:")))
            context = condition;
        for (size_t v = 0; v < condition->wanted.count; v++)
            for_bucket |= str_eq_nocase(condition->key, STR("kms:ViaService")) &&
                          str_starts(condition->wanted.values[v], STR("s3."));
    }
    if (context && for_bucket && names_service(statement, STR("ses.amazonaws.com")))
        hint(r, HINT_SES_CONTEXT_ON_SSE, statement, context->span,
             "on the key of a bucket's own encryption this never applies: S3 asks for it with the "
             "bucket in the encryption context and without " STR_FMT,
             STR_ARG(context->key));
}

/* One that applies to SES, and speaks of something that SES does not have. */
void look_at_denies(struct reading *r, const struct statement *statement)
{
    if (statement->effect != EFFECT_DENY || !r->catches)
        return;
    for (size_t c = 0; c < statement->condition_count; c++) {
        const struct condition *condition = &statement->conditions[c];
        if (encryption_header(condition->key))
            hint(r, HINT_DENIES_UNENCRYPTED, statement, condition->span,
                 "SES puts objects without the header behind " STR_FMT
                 ", so this denies its mail; the bucket's default encryption does what is meant",
                 STR_ARG(condition->key));
        else if (never_from_service(condition->key))
            hint(r, HINT_DENIES_SERVICE, statement, condition->span,
                 "a service's request has no " STR_FMT ", so this denies SES too; add \"Bool\": "
                                                       "{\"aws:PrincipalIsAWSService\": \"false\"}",
                 STR_ARG(condition->key));
    }
}
