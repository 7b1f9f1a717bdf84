/* How a case is drawn: one request out of few names, so that it nearly fits; then policies whose
 * patterns, principals and condition values are the request's own, mostly with one thing changed.
 */
#include "policy/oracle_draw.h"

#include "policy/oracle_drawing.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

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

/* Two tags of a name that differs only in case. */
static void draw_twin_tag(struct draw *d)
{
    if (json_object_get(d->context, "aws:PrincipalTag/Team") && chance(d, 40))
        json_object_set_new(d->context, "aws:PrincipalTag/team", draw_value(d, &families[0]));
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

/* A function of its own, since C throws the dice of two arguments in an order of the compiler's. */
static void draw_list_as(struct draw *d, json_t *object, const char *name,
                         json_t *(*one)(struct draw *))
{
    json_object_set_new(object, name, draw_list(d, one));
}

static json_t *draw_action_pattern(struct draw *d)
{
    static const char *const others[] = { "*",     "s3:*",         "kms:*",        "sns:*",
                                          "sts:*", "s3:GetObject", "s3:PutObject", "sts:AssumeRole",
                                          "ec2:*", "dynamodb:*",   "lambda:*",     "SNS:Publish" };
    char pattern[TEXT];
    put(pattern,
        d->calm && chance(d, 60) ? d->action : mostly(d, d->action, others, COUNT(others)));
    const char *colon = strchr(pattern, ':');
    if (colon && chance(d, 40)) {
        const size_t name = (size_t)(colon - pattern) + 1, len = strlen(pattern);
        size_t at = name + below(d, len - name + 1), end = at + below(d, len - at + 1);
        static const char *const with[] = { "*", "?", "*", "" };
        const char *instead = PICK(d, with);
        replace(pattern, at, chance(d, 50) ? end : at < len ? at + 1 : at, instead);
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
    size_t fifth = 0;
    for (int colons = 0; pattern[fifth] && colons < 5; fifth++)
        colons += pattern[fifth] == ':';
    if (chance(d, 20))
        return json_string("*");
    if (chance(d, 15)) {
        put_variable(d, pattern, fifth);
        return json_string(pattern);
    }
    if (chance(d, d->calm ? 10 : 25))
        mutate_field(d, pattern);
    if (chance(d, d->calm ? 30 : 60)) {
        fifth = 0;
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
    if (chance(d, d->calm ? 40 : 15) && strncmp(d->principal, "arn:", 4) == 0)
        return json_string(d->principal);
    const char *shape = PICK(d, shapes);
    snprintf(name, TEXT, shape, chance(d, 70) ? d->home : PICK(d, accounts));
    return json_string(name);
}

static json_t *draw_service_principal(struct draw *d)
{
    static const char *const names[] = { "ses.amazonaws.com", "sns.amazonaws.com",
                                         "ses.amazonaws.com", "lambda.amazonaws.com",
                                         "SES.amazonaws.com" };
    if (d->calm && chance(d, 60) && d->principal[0] == 's')
        return json_string(d->principal);
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
    if (chance(d, 6))
        draw_list_as(d, map, chance(d, 50) ? "Federated" : "CanonicalUser", draw_other_principal);
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
    } else if (strncmp(operator, "String", 6) == 0 && chance(d, 30)) {
        put_variable(d, value, 0);
    } else if (strncmp(operator, "String", 6) == 0 && chance(d, 40)) {
        mutate(d, value, 0, strstr(operator, "Like") || chance(d, 20));
    }
    return json_string(value);
}

static json_t *draw_conditions(struct draw *d)
{
    json_t *conditions = json_object();
    const bool twins = json_object_get(d->context, "aws:PrincipalTag/team") != NULL;
    for (size_t n = 1 + below(d, 3); n > 0; n--) {
        const bool of_twins = twins && chance(d, 60);
        const struct family *family = of_twins ? &families[0] : &PICK(d, families);
        const char *operator= chance(d, 10) ? "Null" : PICK(d, family->operators);
        const struct family *keys = chance(d, 90) ? family : &PICK(d, families);
        char key[TEXT], name[TEXT] = "";
        put(key, of_twins ? "aws:PrincipalTag/Team" : PICK(d, keys->keys));
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
    draw_list_as(d, statement, chance(d, 8) ? "NotAction" : "Action", draw_action_pattern);
    if (!trust)
        draw_list_as(d, statement, chance(d, 8) ? "NotResource" : "Resource",
                     draw_resource_pattern);
    if (chance(d, deny ? 70 : d->calm ? 30 : 45))
        json_object_set_new(statement, "Condition", draw_conditions(d));
    return statement;
}

static json_t *draw_document(struct draw *d, bool principals, bool trust, unsigned denies)
{
    json_t *document = json_object();
    if (chance(d, 90))
        json_object_set_new(document, "Version",
                            json_string(chance(d, 88) ? "2012-10-17" : "2008-10-17"));
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

static json_t *draw_step(struct draw *d, const char *id)
{
    const struct kind *kind = &PICK(d, kinds);
    d->service = kind->service;
    d->home = accounts[0];
    d->calm = chance(d, 60);
    d->owner = chance(d, 65) ? d->home : PICK(d, accounts);
    draw_principal(d, d->principal, d->home);
    put(d->action, PICK(d, kind->actions));
    if (chance(d, 8))
        draw_case_of_letters(d, d->action);
    draw_resource(d);
    draw_context(d);
    draw_twin_tag(d);
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

json_t *oracle_draw(uint64_t seed, uint64_t number)
{
    struct draw draw = { .state = seed ^ number * 0xd1342543de82ef95U };
    char id[TEXT];
    snprintf(id, sizeof(id), "drawn-%llu-%llu", (unsigned long long)seed,
             (unsigned long long)number);
    return draw_step(&draw, id);
}

json_t *oracle_draw_from(const uint8_t *bytes, size_t len)
{
    struct draw draw = { .bytes = bytes, .bytes_left = len };
    return draw_step(&draw, "drawn");
}
