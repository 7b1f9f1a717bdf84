/* Names that are a letter or two from one that is meant. AWS takes any name of an action or a key,
 * and then nothing is ever called so. */
#include "policy/hinting.h"

#include "policy/actions.h"

enum { SLIPS_MAX = 2, NAME_MAX_LEN = 64 };

/* How many letters are to be put in, taken out or changed, in any case of letters. */
static size_t slips(str a, str b)
{
    size_t row[NAME_MAX_LEN + 1];
    const size_t longer = a.len > b.len ? a.len - b.len : b.len - a.len;
    if (longer > SLIPS_MAX || b.len > NAME_MAX_LEN)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            const bool same = ascii_lower(a.ptr[i - 1]) == ascii_lower(b.ptr[j - 1]);
            const size_t changed = corner + !same;
            corner = row[j];
            const size_t other = 1 + (row[j - 1] < row[j] ? row[j - 1] : row[j]);
            row[j] = changed < other ? changed : other;
        }
    }
    return row[b.len];
}

str name_meant(str name, const str *names, size_t count)
{
    size_t least = SLIPS_MAX + 1;
    str nearest = STR_NONE;
    for (size_t i = 0; i < count; i++) {
        const size_t n = slips(name, names[i]);
        if (n == 0)
            return STR_NONE;
        if (n < least) {
            least = n;
            nearest = names[i];
        }
    }
    return nearest;
}

/* The keys of every service (IAM User Guide, reference_policies_condition-keys), those that end in
 * the name of a tag aside; and those of what SES encrypts. */
static const str keys[] = {
    STR_INIT("aws:AssumedRoot"),
    STR_INIT("aws:CalledVia"),
    STR_INIT("aws:CalledViaFirst"),
    STR_INIT("aws:CalledViaLast"),
    STR_INIT("aws:ChatbotSourceArn"),
    STR_INIT("aws:CurrentTime"),
    STR_INIT("aws:Ec2InstanceSourcePrivateIPv4"),
    STR_INIT("aws:Ec2InstanceSourceVpc"),
    STR_INIT("aws:EpochTime"),
    STR_INIT("aws:FederatedProvider"),
    STR_INIT("aws:MultiFactorAuthAge"),
    STR_INIT("aws:MultiFactorAuthPresent"),
    STR_INIT("aws:PrincipalAccount"),
    STR_INIT("aws:PrincipalArn"),
    STR_INIT("aws:PrincipalIsAWSService"),
    STR_INIT("aws:PrincipalOrgID"),
    STR_INIT("aws:PrincipalOrgPaths"),
    STR_INIT("aws:PrincipalServiceName"),
    STR_INIT("aws:PrincipalServiceNamesList"),
    STR_INIT("aws:PrincipalType"),
    STR_INIT("aws:Referer"),
    STR_INIT("aws:RequestedRegion"),
    STR_INIT("aws:ResourceAccount"),
    STR_INIT("aws:ResourceOrgID"),
    STR_INIT("aws:ResourceOrgPaths"),
    STR_INIT("aws:SecureTransport"),
    STR_INIT("aws:SourceAccount"),
    STR_INIT("aws:SourceArn"),
    STR_INIT("aws:SourceIdentity"),
    STR_INIT("aws:SourceIp"),
    STR_INIT("aws:SourceOrgID"),
    STR_INIT("aws:SourceOrgPaths"),
    STR_INIT("aws:SourceOwner"),
    STR_INIT("aws:SourceVpc"),
    STR_INIT("aws:SourceVpcArn"),
    STR_INIT("aws:SourceVpce"),
    STR_INIT("aws:TagKeys"),
    STR_INIT("aws:TokenIssueTime"),
    STR_INIT("aws:UserAgent"),
    STR_INIT("aws:ViaAWSService"),
    STR_INIT("aws:VpcSourceIp"),
    STR_INIT("aws:VpceAccount"),
    STR_INIT("aws:VpceOrgID"),
    STR_INIT("aws:VpceOrgPaths"),
    STR_INIT("aws:userid"),
    STR_INIT("aws:username"),
    STR_INIT("kms:EncryptionContext:aws:ses:message-id"),
    STR_INIT("kms:EncryptionContext:aws:ses:rule-name"),
    STR_INIT("kms:EncryptionContext:aws:ses:source-account"),
};
enum { KEYS = sizeof(keys) / sizeof(*keys) };

/* Without the "aws:" that belongs before it, a name is a letter or two from none. */
static str key_meant(str key)
{
    for (size_t i = 0; !str_has(key, ':') && i < KEYS; i++) {
        if (str_starts(keys[i], STR("aws:")) && str_eq_nocase(str_from(keys[i], 4), key))
            return keys[i];
    }
    return name_meant(key, keys, KEYS);
}

/* What SES asks for. Other actions there are too many of to know them all. */
static const str asked[] = {
    STR_INIT("s3:PutObject"),   STR_INIT("kms:GenerateDataKey"), STR_INIT("kms:GenerateDataKey*"),
    STR_INIT("kms:Decrypt"),    STR_INIT("sns:Publish"),         STR_INIT("lambda:InvokeFunction"),
    STR_INIT("sts:AssumeRole"),
};

/* What covers an action of the table is no slip. */
static bool covers_any(str item, struct arena *arena)
{
    uint64_t masks[ACTION_SERVICES] = { 0 };
    struct action_pattern pattern;
    if (!action_pattern_compile(item, arena, &pattern))
        return true; /* nothing is said when memory is short */
    action_pattern_mask(&pattern, masks);
    for (size_t i = 0; i < ACTION_SERVICES; i++) {
        if (masks[i])
            return true;
    }
    return false;
}

void look_at_names(struct reading *r, const struct statement *statement)
{
    for (size_t i = 0; i < statement->actions.count; i++) {
        const str action = statement->actions.values[i];
        const str is = name_meant(action, asked, sizeof(asked) / sizeof(*asked));
        if (!str_is_none(is) && !covers_any(action, r->arena))
            hint(r, HINT_MISSPELT, statement, hint_item_span(r, statement->actions.span, action),
                 "no action is called " STR_FMT ": is " STR_FMT " meant?", STR_ARG(action),
                 STR_ARG(is));
    }
    for (size_t c = 0; c < statement->condition_count; c++) {
        const struct condition *condition = &statement->conditions[c];
        const str is = key_meant(condition->key);
        if (!str_is_none(is))
            hint(r, HINT_MISSPELT, statement, condition->span,
                 "no request has a key " STR_FMT ": is " STR_FMT " meant?", STR_ARG(condition->key),
                 STR_ARG(is));
    }
}
