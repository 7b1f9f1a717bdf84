#include "services/ses/action_fields.h"

#include <assert.h>

/* clang-format off */
const struct action_shape action_shapes[ACTION_KINDS] = {
    [ACTION_S3]         = { STR_INIT("S3Action"),        STR_INIT("s3Action")        },
    [ACTION_SNS]        = { STR_INIT("SNSAction"),       STR_INIT("sNSAction")       },
    [ACTION_LAMBDA]     = { STR_INIT("LambdaAction"),    STR_INIT("lambdaAction")    },
    [ACTION_BOUNCE]     = { STR_INIT("BounceAction"),    STR_INIT("bounceAction")    },
    [ACTION_STOP]       = { STR_INIT("StopAction"),      STR_INIT("stopAction")      },
    [ACTION_ADD_HEADER] = { STR_INIT("AddHeaderAction"), STR_INIT("addHeaderAction") },
    [ACTION_WORKMAIL]   = { STR_INIT("WorkmailAction"),  STR_INIT("workmailAction")  },
    [ACTION_CONNECT]    = { STR_INIT("ConnectAction"),   STR_INIT("connectAction")   },
};

static const str encodings[]   = { [SNS_UTF8] = STR_INIT("UTF-8"), [SNS_BASE64] = STR_INIT("Base64") };
static const str invocations[] = {
    [INVOCATION_ABSENT] = { NULL, 0 },
    [INVOCATION_EVENT] = STR_INIT("Event"),
    [INVOCATION_REQUEST_RESPONSE] = STR_INIT("RequestResponse"),
};
static const str scopes[] = { STR_INIT("RuleSet") };

static const struct action_words encoding_words   = { STR_INIT("[Base64, UTF-8]"), encodings, 2 };
static const struct action_words invocation_words = { STR_INIT("[RequestResponse, Event]"), invocations, 3 };
static const struct action_words scope_words      = { STR_INIT("[RuleSet]"), scopes, 1 };

enum { MUST = true, MAY = false };
enum { NOWHERE = -1 }; /* a word with one value needs no place */
#define AT(member) offsetof(struct action, member)

/* The order inside an action is that of the violations SES lists: spec 12.3. */
const struct action_field action_fields[] = {
    { ACTION_S3,         STR_INIT("BucketName"),      STR_INIT("bucketName"),      MUST, AT(s3.bucket_name),              NULL },
    { ACTION_S3,         STR_INIT("ObjectKeyPrefix"), STR_INIT("objectKeyPrefix"), MAY,  AT(s3.object_key_prefix),        NULL },
    { ACTION_S3,         STR_INIT("KmsKeyArn"),       STR_INIT("kmsKeyArn"),       MAY,  AT(s3.kms_key_arn),              NULL },
    { ACTION_S3,         STR_INIT("IamRoleArn"),      STR_INIT("iamRoleArn"),      MAY,  AT(s3.iam_role_arn),             NULL },
    { ACTION_S3,         STR_INIT("TopicArn"),        STR_INIT("topicArn"),        MAY,  AT(topic_arn),                   NULL },
    { ACTION_SNS,        STR_INIT("Encoding"),        STR_INIT("encoding"),        MAY,  AT(sns.encoding),                &encoding_words },
    { ACTION_SNS,        STR_INIT("TopicArn"),        STR_INIT("topicArn"),        MUST, AT(topic_arn),                   NULL },
    { ACTION_LAMBDA,     STR_INIT("FunctionArn"),     STR_INIT("functionArn"),     MUST, AT(lambda.function_arn),         NULL },
    { ACTION_LAMBDA,     STR_INIT("InvocationType"),  STR_INIT("invocationType"),  MAY,  AT(lambda.invocation_type),      &invocation_words },
    { ACTION_LAMBDA,     STR_INIT("TopicArn"),        STR_INIT("topicArn"),        MAY,  AT(topic_arn),                   NULL },
    { ACTION_BOUNCE,     STR_INIT("SmtpReplyCode"),   STR_INIT("smtpReplyCode"),   MUST, AT(bounce.smtp_reply_code),      NULL },
    { ACTION_BOUNCE,     STR_INIT("Sender"),          STR_INIT("sender"),          MUST, AT(bounce.sender),               NULL },
    { ACTION_BOUNCE,     STR_INIT("Message"),         STR_INIT("message"),         MUST, AT(bounce.message),              NULL },
    { ACTION_BOUNCE,     STR_INIT("StatusCode"),      STR_INIT("statusCode"),      MAY,  AT(bounce.status_code),          NULL },
    { ACTION_BOUNCE,     STR_INIT("TopicArn"),        STR_INIT("topicArn"),        MAY,  AT(topic_arn),                   NULL },
    { ACTION_STOP,       STR_INIT("Scope"),           STR_INIT("scope"),           MUST, (size_t)NOWHERE,                 &scope_words },
    { ACTION_STOP,       STR_INIT("TopicArn"),        STR_INIT("topicArn"),        MAY,  AT(topic_arn),                   NULL },
    { ACTION_ADD_HEADER, STR_INIT("HeaderName"),      STR_INIT("headerName"),      MUST, AT(add_header.header_name),      NULL },
    { ACTION_ADD_HEADER, STR_INIT("HeaderValue"),     STR_INIT("headerValue"),     MUST, AT(add_header.header_value),     NULL },
    { ACTION_WORKMAIL,   STR_INIT("OrganizationArn"), STR_INIT("organizationArn"), MUST, AT(workmail.organization_arn),   NULL },
    { ACTION_WORKMAIL,   STR_INIT("TopicArn"),        STR_INIT("topicArn"),        MAY,  AT(topic_arn),                   NULL },
    { ACTION_CONNECT,    STR_INIT("InstanceARN"),     STR_INIT("instanceARN"),     MUST, AT(connect.instance_arn),        NULL },
    { ACTION_CONNECT,    STR_INIT("IAMRoleARN"),      STR_INIT("iAMRoleARN"),      MUST, AT(connect.iam_role_arn),        NULL },
};
const size_t action_field_count = sizeof(action_fields) / sizeof(action_fields[0]);
/* clang-format on */

static_assert(sizeof(enum sns_encoding) == sizeof(unsigned) &&
                  sizeof(enum invocation_type) == sizeof(unsigned),
              "a word's number is stored as the enum it stands for");

static char *place(const struct action_field *field, const struct action *action)
{
    return field->offset == (size_t)NOWHERE ? NULL : (char *)action + field->offset;
}

str action_field_get(const struct action_field *field, const struct action *action)
{
    const char *at = place(field, action);
    if (!field->words)
        return *(const str *)at;
    return field->words->values[at ? *(const unsigned *)at : 0];
}

bool action_field_set(const struct action_field *field, struct action *action, str text)
{
    char *at = place(field, action);
    if (!field->words) {
        *(str *)at = text;
        return true;
    }
    for (size_t i = 0; i < field->words->count; i++) {
        if (str_is_none(field->words->values[i]) || !str_eq(field->words->values[i], text))
            continue;
        if (at)
            *(unsigned *)at = (unsigned)i;
        return true;
    }
    return false;
}
