/* How a case is drawn: one request out of few names, so that it nearly fits; then policies whose
 * patterns, principals and condition values are the request's own, mostly with one thing changed.
 */
#include "policy/oracle_draw.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))
enum { TEXT = 512, KEYS_MAX = 6 };

struct draw {
    uint64_t state;
    char principal[TEXT], action[TEXT], resource[TEXT];
    const char *service, *home, *owner; /* accounts: the caller's, the resource's */
    json_t *context;
};

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next(struct draw *d)
{
    uint64_t z = d->state += 0x9e3779b97f4a7c15U;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

static size_t below(struct draw *d, size_t n)
{
    return (size_t)(next(d) % n);
}

static bool chance(struct draw *d, unsigned percent)
{
    return below(d, 100) < percent;
}

#define PICK(d, list) ((list)[below((d), COUNT(list))])

static void put(char *to, const char *text)
{
    snprintf(to, TEXT, "%s", text);
}

/* The first, or the other half of the time one of the rest. */
static const char *mostly(struct draw *d, const char *first, const char *const *rest, size_t count)
{
    return chance(d, 50) ? first : rest[below(d, count)];
}

/* ---- the request ---- */

static const char *const accounts[] = { "111122223333", "444455556666", "111122223334" };
static const char *const regions[] = { "us-east-1", "us-east-2", "eu-west-1" };
static const char *const tails[] = {
    "in/7f3a",
    "in/a*b",
    "in/a?b",
    "in//x",
    "In/7f3a",
    "in/a:b:c",
    "in/\xc3\xa9t\xc3\xa9",
    "in/${x}",
    "out/amber",
    "amber",
    "in/[a]+",
    "in/a b\"c%41",
    "in/1/2/t/3",
    "in/",
};

static const struct kind {
    const char *service, *actions[6];
} kinds[] = {
    { "s3",
      { "s3:PutObject", "s3:GetObject", "s3:PutObjectAcl", "s3:ListBucket", "s3:NewThing",
        "s3:DeleteObject" } },
    { "kms",
      { "kms:GenerateDataKey", "kms:Decrypt", "kms:GenerateDataKeyWithoutPlaintext", "kms:Encrypt",
        "kms:DescribeKey", "kms:NewThing" } },
    { "sns",
      { "sns:Publish", "sns:Subscribe", "sns:Publish", "sns:GetTopicAttributes", "sns:NewThing",
        "sns:Publish" } },
    { "lambda",
      { "lambda:InvokeFunction", "lambda:InvokeAsync", "lambda:GetFunction",
        "lambda:InvokeFunction", "lambda:NewThing", "lambda:AddPermission" } },
    { "iam",
      { "sts:AssumeRole", "sts:AssumeRole", "sts:AssumeRole", "iam:GetRole", "iam:PassRole",
        "sts:TagSession" } },
    { "dynamodb",
      { "dynamodb:PutItem", "dynamodb:GetItem", "ec2:RunInstances", "a4b:New", "dynamodb:NewThing",
        "dynamodb:Query" } },
};

static void draw_case_of_letters(struct draw *d, char *text)
{
    const size_t way = below(d, 4);
    for (size_t i = 0; text[i]; i++) {
        const bool upper = text[i] >= 'A' && text[i] <= 'Z',
                   lower = text[i] >= 'a' && text[i] <= 'z';
        if ((upper && (way == 0 || (way == 2 && chance(d, 50)))) ||
            (lower && (way == 1 || (way == 2 && chance(d, 50)))))
            text[i] ^= 32;
    }
}

static void draw_resource(struct draw *d)
{
    const char *region = PICK(d, regions), *tail = PICK(d, tails);
    if (strcmp(d->service, "s3") == 0)
        snprintf(d->resource, TEXT,
                 chance(d, 80) ? "arn:aws:s3:::invoices/%s" : "arn:aws:s3:::invoices", tail);
    else if (strcmp(d->service, "kms") == 0)
        snprintf(d->resource, TEXT, "arn:aws:kms:%s:%s:key/1234abcd", region, d->owner);
    else if (strcmp(d->service, "sns") == 0)
        snprintf(d->resource, TEXT, "arn:aws:sns:%s:%s:topic", region, d->owner);
    else if (strcmp(d->service, "lambda") == 0)
        snprintf(d->resource, TEXT,
                 chance(d, 50) ? "arn:aws:lambda:%s:%s:function:store:live"
                               : "arn:aws:lambda:%s:%s:function:store",
                 region, d->owner);
    else if (strcmp(d->service, "iam") == 0)
        snprintf(d->resource, TEXT,
                 chance(d, 50) ? "arn:aws:iam::%s:role/team/writer" : "arn:aws:iam::%s:role/writer",
                 d->owner);
    else
        snprintf(d->resource, TEXT, "arn:aws:dynamodb:%s:%s:table/%s", region, d->owner, tail);
}

static void draw_principal(struct draw *d, char *to, const char *account)
{
    static const char *const shapes[] = {
        "arn:aws:iam::%s:user/amber",
        "arn:aws:iam::%s:user/team/amber",
        "arn:aws:sts::%s:assumed-role/writer/run1",
        "arn:aws:sts::%s:assumed-role/writer/run2",
        "arn:aws:sts::%s:federated-user/amber",
        "arn:aws:iam::%s:root",
        "ses.amazonaws.com",
        "ses.amazonaws.com",
        "sns.amazonaws.com",
        "*",
    };
    snprintf(to, TEXT, PICK(d, shapes), account);
}

/* ---- context: keys of six families, each with values that almost agree ---- */

static const struct family {
    const char *keys[3], *operators[8], *values[12];
} families[] = {
    { { "aws:username", "s3:prefix", "aws:PrincipalTag/Team" },
      { "StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase",
        "StringNotEqualsIgnoreCase", "StringEquals", "StringLike" },
      { "amber", "Amber", "AMBER", "amberz", "in/7f3a", "a*b", "a?b", "", "\xc3\xa9t\xc3\xa9", "*",
        "${x}", "in" } },
    { { "s3:max-keys", "sts:DurationSeconds", "aws:MultiFactorAuthAge" },
      { "NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals",
        "NumericGreaterThan", "NumericGreaterThanEquals", "NumericEquals", "NumericNotEquals" },
      { "10", "10.0", "10.01", "-10", "+10", "010", "9.99", "0", "-0", "123456789012345678",
        "10.10", "0.1" } },
    { { "aws:CurrentTime", "aws:EpochTime", "aws:TokenIssueTime" },
      { "DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan",
        "DateGreaterThanEquals", "DateEquals", "DateNotEquals" },
      { "2026-03-04T05:06:07Z", "2026-03-04T06:06:07+01:00", "2026-03-04T05:06:07.5Z", "2026-03-04",
        "2026-03", "2026", "1772600767", "2026-03-04T05:06Z", "2024-02-29", "1772600768",
        "2026-03-04T05:06:07.50Z", "1969-12-31T23:59:59Z" } },
    { { "aws:SourceIp", "aws:VpcSourceIp", "aws:SourceIp" },
      { "IpAddress", "NotIpAddress", "IpAddress", "NotIpAddress", "IpAddress", "NotIpAddress",
        "IpAddress", "NotIpAddress" },
      { "203.0.113.9", "203.0.113.10", "10.1.2.3", "2001:db8::1", "2001:DB8:0:0::1", "2001:db8::2",
        "::ffff:203.0.113.9", "203.0.114.9", "255.255.255.255", "0.0.0.0", "::", "2001:db9::1" } },
    { { "aws:SourceArn", "aws:PrincipalArn", "AWS:SourceArn" },
      { "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "StringEquals", "StringLike",
        "ArnLike", "ArnNotLike" },
      { "arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/archive",
        "arn:aws:ses:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/orders",
        "arn:aws:ses:us-east-2:111122223333:receipt-rule-set/main:receipt-rule/archive",
        "arn:aws:ses:us-east-1:444455556666:receipt-rule-set/main:receipt-rule/archive",
        "arn:aws:sns:us-east-1:111122223333:topic", "arn:aws:iam::111122223333:user/amber",
        "arn:aws:s3:::invoices", "arn:aws:ses:us-east-1:111122223333", "amber", "",
        "arn:aws:s3:::invoices/in:a",
        "arn:aws:SES:us-east-1:111122223333:receipt-rule-set/main:receipt-rule/archive" } },
    { { "aws:SecureTransport", "kms:GrantIsForAWSResource",
        "kms:EncryptionContext:aws:ses:source-account" },
      { "Bool", "Bool", "Bool", "StringEquals", "Bool", "StringNotEquals", "StringEqualsIgnoreCase",
        "Bool" },
      { "true", "false", "TRUE", "False", "true", "yes", "", "1", "true", "false", "tRue",
        "111122223333" } },
    { { "kms:Binary", "kms:Binary2", "kms:Binary" },
      { "BinaryEquals", "BinaryEquals", "BinaryEquals", "BinaryEquals", "StringEquals",
        "BinaryEquals", "BinaryEquals", "StringLike" },
      { "YW1iZXI=", "YW1iZXI", "YW1iZXJ6", "QW1iZXI=", "", "////",
        "AA==", "AAA=", "YW1iZXI=", "not base64!", "YW1iZXI=", "YQ==" } },
};

static json_t *draw_value(struct draw *d, const struct family *family)
{
    if (chance(d, 3))
        family = &PICK(d, families); /* of another kind: cannot be compared */
    return json_string(PICK(d, family->values));
}

static void draw_context(struct draw *d)
{
    d->context = json_object();
    for (size_t f = 0; f < COUNT(families); f++) {
        for (size_t k = 0; k < 3; k++) {
            if (chance(d, 55) || json_object_get(d->context, families[f].keys[k]))
                continue;
            char name[TEXT];
            put(name, families[f].keys[k]);
            if (chance(d, 15))
                draw_case_of_letters(d, name);
            const char *has;
            json_t *value, *list;
            bool twice = false;
            json_object_foreach(d->context, has, value) twice = twice || strcasecmp(has, name) == 0;
            if (twice)
                continue;
            if (chance(d, 70)) {
                json_object_set_new(d->context, name, draw_value(d, &families[f]));
                continue;
            }
            list = json_array();
            for (size_t n = below(d, 4); n > 0; n--)
                json_array_append_new(list, draw_value(d, &families[f]));
            json_object_set_new(d->context, name, list);
        }
    }
}

/* A value of the context as text, or none. */
static const char *context_text(struct draw *d, const char *key)
{
    const char *name;
    json_t *value;
    json_object_foreach(d->context, name, value)
    {
        if (strcasecmp(name, key) == 0)
            return json_string_value(json_is_array(value) ? json_array_get(value, 0) : value);
    }
    return NULL;
}

/* ---- patterns near a text ---- */

/* Puts `with` in the place of text[from, to); what no longer has room is cut off. */
static void replace(char *text, size_t from, size_t to, const char *with)
{
    char out[2 * TEXT];
    snprintf(out, sizeof(out), "%.*s%s%s", (int)from, text, with, text + to);
    out[TEXT - 1] = '\0';
    memcpy(text, out, strlen(out) + 1);
}

/* Wildcards, variables and mistakes, from `from` on. UTF-8 is left whole. */
static void mutate(struct draw *d, char *text, size_t from, bool wild)
{
    static const char *const variables[] = { "${aws:username}",
                                             "${AWS:UserName}",
                                             "${*}",
                                             "${?}",
                                             "${$}",
                                             "${s3:prefix}",
                                             "${aws:username, 'amber'}",
                                             "${s3:prefix, 'in'}",
                                             "${aws:Nothing}",
                                             "${aws:Nothing, 'amber'}",
                                             "${aws:PrincipalTag/Team}" };
    const size_t len = strlen(text);
    if (len < from)
        return;
    size_t at = from + below(d, len - from + 1), end = at + below(d, len - at + 1);
    while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80)
        at--;
    while (((unsigned char)text[end] & 0xc0) == 0x80)
        end++;
    const size_t step = at < len && (unsigned char)text[at] >= 0xc0 ? 2 : 1;
    switch (below(d, wild ? 12 : 5)) {
    case 0:
        replace(text, at, at, "z");
        break;
    case 1:
        if (at < len)
            replace(text, at, at + step, "");
        break;
    case 2: {
        const char *variable = PICK(d, variables);
        replace(text, at, chance(d, 50) ? end : at, variable);
        break;
    }
    case 3: { /* a variable in the place of what it stands for */
        const char *name = chance(d, 70) ? "aws:username" : "s3:prefix";
        const char *value = context_text(d, name);
        const char *there = value && *value ? strstr(text + from, value) : NULL;
        char variable[TEXT];
        snprintf(variable, TEXT, "${%s}", name);
        if (there)
            replace(text, (size_t)(there - text), (size_t)(there - text) + strlen(value), variable);
        break;
    }
    case 4:
        draw_case_of_letters(d, text + from);
        break;
    case 5:
    case 6:
        replace(text, at, end, "*");
        break;
    case 7:
        replace(text, at, len, "*");
        break;
    case 8:
        if (at < len)
            replace(text, at, at + step, "?");
        break;
    case 9:
        replace(text, at, at, "*");
        break;
    case 10:
        replace(text, from, end, "*");
        break;
    case 11:
        replace(text, at, at, "?");
        break;
    }
}

/* Takes out, stars or spoils one of the first fields of an ARN. */
static void mutate_field(struct draw *d, char *arn)
{
    size_t at = 0;
    for (size_t field = 1 + below(d, 4); field > 0; field--) {
        const char *colon = strchr(arn + at, ':');
        if (!colon)
            return;
        at = (size_t)(colon - arn) + 1;
    }
    size_t end = at + strcspn(arn + at, ":");
    switch (below(d, 7)) {
    case 0:
        replace(arn, at, end, "*");
        break;
    case 1: /* two fields become one */
        replace(arn, at, end + 1 + strcspn(arn + end + (arn[end] == ':'), ":"), "*");
        break;
    case 2:
        replace(arn, at + below(d, end - at + 1), end, "*");
        break;
    case 3:
        replace(arn, at, at + below(d, end - at + 1), "*");
        break;
    case 4:
        arn[end] = '\0'; /* fewer than six fields */
        break;
    case 5:
        if (end > at)
            replace(arn, end - 1, end, "?");
        break;
    case 6:
        replace(arn, at, end, chance(d, 50) ? "" : "${aws:username}");
        break;
    }
}

static json_t *draw_list(struct draw *d, json_t *(*one)(struct draw *))
{
    if (chance(d, 60))
        return one(d);
    json_t *list = json_array();
    for (size_t n = 1 + below(d, 3); n > 0; n--)
        json_array_append_new(list, one(d));
    return list;
}

static json_t *draw_action_pattern(struct draw *d)
{
    static const char *const others[] = { "*",     "s3:*",         "kms:*",        "sns:*",
                                          "sts:*", "s3:GetObject", "s3:PutObject", "sts:AssumeRole",
                                          "ec2:*", "dynamodb:*",   "lambda:*",     "SNS:Publish" };
    char pattern[TEXT];
    put(pattern, mostly(d, d->action, others, COUNT(others)));
    const char *colon = strchr(pattern, ':');
    if (colon && chance(d, 40)) {
        const size_t name = (size_t)(colon - pattern) + 1, len = strlen(pattern);
        size_t at = name + below(d, len - name + 1), end = at + below(d, len - at + 1);
        static const char *const with[] = { "*", "?", "*", "" };
        replace(pattern, at, chance(d, 50) ? end : at < len ? at + 1 : at, PICK(d, with));
        if (!pattern[name])
            put(pattern, d->action);
    }
    if (chance(d, 25))
        draw_case_of_letters(d, pattern);
    return json_string(pattern);
}

static json_t *draw_resource_pattern(struct draw *d)
{
    char pattern[TEXT];
    put(pattern, d->resource);
    if (chance(d, 20))
        return json_string("*");
    if (chance(d, 25))
        mutate_field(d, pattern);
    if (chance(d, 60)) {
        size_t fifth = 0;
        for (int colons = 0; pattern[fifth] && colons < 5; fifth++)
            colons += pattern[fifth] == ':';
        mutate(d, pattern, fifth, true);
        if (chance(d, 30) && strlen(pattern) >= fifth)
            mutate(d, pattern, fifth, true);
    }
    if (strncmp(pattern, "arn:", 4) != 0 || strlen(pattern) < 5)
        return json_string("*");
    return json_string(pattern);
}

/* ---- principals ---- */

static json_t *draw_aws_principal(struct draw *d)
{
    static const char *const shapes[] = {
        "%s",
        "arn:aws:iam::%s:root",
        "arn:aws:iam::%s:user/amber",
        "arn:aws:iam::%s:user/team/amber",
        "arn:aws:iam::%s:role/writer",
        "arn:aws:iam::%s:role/team/writer",
        "arn:aws:iam::%s:role/Writer",
        "arn:aws:sts::%s:assumed-role/writer/run1",
        "arn:aws:sts::%s:federated-user/amber",
        "arn:aws-cn:iam::%s:role/writer",
    };
    char name[TEXT];
    if (chance(d, 8))
        return json_string("*");
    if (chance(d, 15) && strncmp(d->principal, "arn:", 4) == 0)
        return json_string(d->principal);
    snprintf(name, TEXT, PICK(d, shapes), chance(d, 70) ? d->home : PICK(d, accounts));
    return json_string(name);
}

static json_t *draw_service_principal(struct draw *d)
{
    static const char *const names[] = { "ses.amazonaws.com", "sns.amazonaws.com",
                                         "ses.amazonaws.com", "lambda.amazonaws.com",
                                         "SES.amazonaws.com" };
    return json_string(PICK(d, names));
}

static json_t *draw_other_principal(struct draw *d)
{
    const bool root = strstr(d->principal, ":root") != NULL; /* named by its account alone */
    return json_string(root || chance(d, 50) ? "accounts.example.com" : d->principal);
}

static void draw_who(struct draw *d, json_t *statement, bool denies)
{
    const char *element = chance(d, denies ? 15 : 3) ? "NotPrincipal" : "Principal";
    if (chance(d, 15) && element[0] == 'P') {
        json_object_set_new(statement, element, json_string("*"));
        return;
    }
    json_t *map = json_object();
    const bool service = strncmp(d->principal, "arn:", 4) != 0;
    if (chance(d, service ? 30 : 90))
        json_object_set_new(map, "AWS", draw_list(d, draw_aws_principal));
    if (chance(d, service ? 80 : 10))
        json_object_set_new(map, "Service", draw_list(d, draw_service_principal));
    if (chance(d, 3))
        json_object_set_new(map, chance(d, 50) ? "Federated" : "CanonicalUser",
                            draw_list(d, draw_other_principal));
    if (json_object_size(map) == 0)
        json_object_set_new(map, "Service", draw_service_principal(d));
    json_object_set_new(statement, element, map);
}

/* ---- conditions ---- */

static json_t *draw_wanted(struct draw *d, const struct family *family, const char *operator,
                           const char * key)
{
    char value[TEXT];
    const char *own = context_text(d, key);
    if (strcmp(operator, "Null") == 0 || strcmp(operator, "Bool") == 0) {
        static const char *const words[] = { "true", "false", "TRUE", "False" };
        if (chance(d, 15))
            return json_boolean(chance(d, 50));
        return json_string(PICK(d, words));
    }
    /* What an operator refuses to hold is no policy; only the request may be out of shape. */
    const bool own_family = own && strncmp(operator, "String", 6) == 0;
    put(value, own_family && chance(d, 50) ? own : PICK(d, family->values));
    if (strncmp(operator, "Numeric", 7) == 0 && chance(d, 15))
        return json_integer((json_int_t)below(d, 3) + 9);
    if (strstr(operator, "IpAddress") && chance(d, 60)) {
        static const char *const lengths[] = { "/0", "/8", "/24", "/31", "/32" };
        static const char *const longer[] = { "/0", "/32", "/64", "/127", "/128" };
        const char *length = strchr(value, ':') ? PICK(d, longer) : PICK(d, lengths);
        strncat(value, length, TEXT - strlen(value) - 1);
    }
    if (strncmp(operator, "BinaryEquals", 12) == 0) {
        static const char *const binaries[] = { "YW1iZXI=", "YW1iZXJ6", "////", "AA==", "YQ==" };
        return json_string(PICK(d, binaries));
    }
    if (strncmp(operator, "Arn", 3) == 0) {
        put(value, own && strncmp(own, "arn:", 4) == 0 && chance(d, 50)
                       ? own
                       : family->values[below(d, 7)]);
        if (chance(d, 40))
            mutate_field(d, value);
        if (chance(d, 40))
            mutate(d, value, 0, true);
        if (chance(d, 3))
            put(value, chance(d, 50) ? "*" : "${aws:SourceArn}");
    } else if (strncmp(operator, "String", 6) == 0 && chance(d, 55)) {
        mutate(d, value, 0, strstr(operator, "Like") || chance(d, 20));
    }
    return json_string(value);
}

static json_t *draw_conditions(struct draw *d)
{
    json_t *conditions = json_object();
    for (size_t n = 1 + below(d, 3); n > 0; n--) {
        const struct family *family = &PICK(d, families);
        const char *operator= chance(d, 10) ? "Null" : PICK(d, family->operators);
        const struct family *keys = chance(d, 90) ? family : &PICK(d, families);
        char key[TEXT], name[TEXT] = "";
        put(key, PICK(d, keys->keys));
        if (strcmp(operator, "Null") != 0) {
            static const char *const qualifiers[] = { "", "", "", "ForAllValues:", "ForAnyValue:" };
            put(name, PICK(d, qualifiers));
        }
        strncat(name, operator, TEXT - strlen(name) - 1);
        if (strcmp(operator, "Null") != 0 && chance(d, 25))
            strncat(name, "IfExists", TEXT - strlen(name) - 1);
        json_t *wanted = draw_wanted(d, family, operator, key);
        if (chance(d, 35)) {
            json_t *list = json_array();
            json_array_append_new(list, wanted);
            for (size_t more = below(d, 3); more > 0; more--)
                json_array_append_new(list, draw_wanted(d, family, operator, key));
            wanted = list;
        }
        if (chance(d, 20))
            draw_case_of_letters(d, key);
        json_t *block = json_object_get(conditions, name);
        if (!block) {
            block = json_object();
            json_object_set_new(conditions, name, block);
        }
        const char *has;
        json_t *value;
        bool twice = false;
        json_object_foreach(block, has, value) twice = twice || strcasecmp(has, key) == 0;
        if (twice)
            json_decref(wanted);
        else
            json_object_set_new(block, key, wanted);
    }
    return conditions;
}

/* ---- documents ---- */

static json_t *draw_statement(struct draw *d, bool principals, bool trust, unsigned denies)
{
    json_t *statement = json_object();
    const bool deny = chance(d, denies);
    json_object_set_new(statement, "Effect", json_string(deny ? "Deny" : "Allow"));
    if (principals)
        draw_who(d, statement, deny);
    json_object_set_new(statement, chance(d, 8) ? "NotAction" : "Action",
                        draw_list(d, draw_action_pattern));
    if (!trust)
        json_object_set_new(statement, chance(d, 8) ? "NotResource" : "Resource",
                            draw_list(d, draw_resource_pattern));
    if (chance(d, deny ? 70 : 45))
        json_object_set_new(statement, "Condition", draw_conditions(d));
    return statement;
}

static json_t *draw_document(struct draw *d, bool principals, bool trust, unsigned denies)
{
    json_t *document = json_object();
    if (chance(d, 90))
        json_object_set_new(document, "Version",
                            json_string(chance(d, 92) ? "2012-10-17" : "2008-10-17"));
    if (chance(d, 30)) {
        json_object_set_new(document, "Statement", draw_statement(d, principals, trust, denies));
        return document;
    }
    json_t *list = json_array();
    for (size_t n = 1 + below(d, 3); n > 0; n--)
        json_array_append_new(list, draw_statement(d, principals, trust, denies));
    json_object_set_new(document, "Statement", list);
    return document;
}

static json_t *draw_documents(struct draw *d, bool principals, size_t least, unsigned denies)
{
    json_t *list = json_array();
    for (size_t n = least + below(d, 2); n > 0; n--)
        json_array_append_new(list, draw_document(d, principals, false, denies));
    return list;
}

static json_t *draw_levels(struct draw *d, bool principals, unsigned denies)
{
    json_t *levels = json_array();
    for (size_t n = below(d, 4); n > 0; n--)
        json_array_append_new(levels, draw_documents(d, principals, chance(d, 95), denies));
    return levels;
}

static json_t *draw_policies(struct draw *d)
{
    json_t *policies = json_object();
    const bool role =
        strcmp(d->service, "iam") == 0 && strcasecmp(d->action, "sts:AssumeRole") == 0;
    if (chance(d, 75))
        json_object_set_new(policies, "identity", draw_documents(d, false, 1, 15));
    if (chance(d, 70))
        json_object_set_new(policies, role ? "trust" : "resource",
                            draw_document(d, true, role, 20));
    if (chance(d, 20))
        json_object_set_new(policies, "boundary", draw_documents(d, false, chance(d, 90), 10));
    if (chance(d, 15))
        json_object_set_new(policies, "session", draw_documents(d, false, chance(d, 90), 10));
    if (chance(d, 8))
        json_object_set_new(policies, "endpoint", draw_documents(d, true, chance(d, 90), 10));
    if (chance(d, 15))
        json_object_set_new(policies, "scp", draw_levels(d, false, 15));
    if (chance(d, 10))
        json_object_set_new(policies, "rcp", draw_levels(d, true, 60));
    return policies;
}

json_t *oracle_draw(uint64_t seed, uint64_t number)
{
    struct draw draw = { .state = seed ^ number * 0xd1342543de82ef95U }, *d = &draw;
    const struct kind *kind = &PICK(d, kinds);
    d->service = kind->service;
    d->home = accounts[0];
    d->owner = chance(d, 65) ? d->home : PICK(d, accounts);
    draw_principal(d, d->principal, d->home);
    put(d->action, PICK(d, kind->actions));
    if (chance(d, 8))
        draw_case_of_letters(d, d->action);
    draw_resource(d);
    draw_context(d);
    char id[TEXT];
    snprintf(id, sizeof(id), "drawn-%llu-%llu", (unsigned long long)seed,
             (unsigned long long)number);
    json_t *request = json_object();
    json_object_set_new(request, "principal", json_string(d->principal));
    json_object_set_new(request, "action", json_string(d->action));
    json_object_set_new(request, "resource", json_string(d->resource));
    json_object_set_new(request, "resource_account", json_string(d->owner));
    json_object_set_new(request, "context", d->context);
    json_t *step = json_object();
    json_object_set_new(step, "id", json_string(id));
    json_object_set_new(step, "class", json_string("drawn"));
    json_object_set_new(step, "request", request);
    json_object_set_new(step, "policies", draw_policies(d));
    return step;
}
