/* receive/setup_target.c - one target of a rule, tried with the action's own code. */
#include "receive/setup_target.h"

#include "base/when.h"
#include "receive/notice.h"

/* ---- what is written --------------------------------------------------------------------------
 */

static const str message_id = STR_INIT(SETUP_MESSAGE_ID);

struct text_body {
    struct body body;
    str text;
};

static const struct fault *read_text(struct body *body, str *ret_chunk)
{
    struct text_body *b = (struct text_body *)body;
    *ret_chunk = b->text;
    b->text = STR("");
    return NULL;
}

/* Four fields in SES's order, CRLF line ends, and a bare LF behind the very last line, as SES's own
 * has it (ses-receiving spec 12.4). The words of the body are ours. */
static str setup_message(int64_t now_ms, const char *target, struct arena *a)
{
    char when[WHEN_SIZE];
    str date = when_mail(when, now_ms);
    if (str_ends(date, STR(" (UTC)"))) /* here SES writes the zone without its comment */
        date.len -= sizeof " (UTC)" - 1;
    return arena_strf(
        a,
        "Date: " STR_FMT "\r\n"
        "To: recipient@example.com\r\n"
        "From: Amazon Web Services <no-reply-aws@amazon.com>\r\n"
        "Subject: Amazon SES Setup Notification\r\n"
        "\r\n"
        "Hello,\r\n"
        "\r\n"
        "somebody is making a receipt rule that delivers mail to this %s. This\r\n"
        "message was sent to see whether the rule may do so. The rule exists only\r\n"
        "when the rest of its set-up succeeds too.\r\n"
        "\r\n"
        "What the permissions of a rule are is told here:\r\n"
        "https://docs.aws.amazon.com/ses/latest/dg/receiving-email-permissions.html\r\n"
        "\r\n"
        "Sesame\n",
        STR_ARG(date), target);
}

static struct body *body_of(str text, struct arena *a)
{
    struct text_body *b = ARENA_NEW(a, struct text_body);
    if (!b || !text.ptr)
        return NULL;
    *b = (struct text_body) { .body = { .read = read_text, .size = text.len }, .text = text };
    return &b->body;
}

/* What a topic is sent: of the SNS action with the message, of an alert topic without. */
static str setup_notice(int64_t now_ms, const struct receipt_rule *rule,
                        const struct action *action, struct arena *a)
{
    static const struct forward_path recipient = { .text = STR_INIT("recipient@example.com") };
    static const struct forward_path *const recipients[] = { &recipient };
    const struct envelope envelope = { .message_id = message_id,
                                       .mail_from = { .text = STR("no-reply-aws@amazon.com") },
                                       .received_ms = now_ms };
    const struct step step = {
        .rule = rule, .action = action, .recipients = recipients, .recipient_count = 1
    };
    const struct notice notice = {
        .envelope = &envelope,
        .stored = setup_message(now_ms, action->kind == ACTION_S3 ? "S3 bucket" : "SNS topic", a),
        .step = &step,
        .verdicts = { 0 }, /* PASS */
    };
    AUTO_BUF text = buf_new(1 << 16);
    if (!notice.stored.ptr || (action->kind == ACTION_SNS ? notice_write_content(&notice, &text)
                                                          : notice_write(&notice, &text)))
        return STR_NONE;
    return arena_str(a, buf_str(&text));
}

/* ---- what is said when it fails ----------------------------------------------------------------
 */

/* AWS's own words for what failed: ses-receiving spec 12.4. The reason goes beneath. */
static const struct fault *answer(const char *code, str says, str about, const struct fault *why,
                                  struct arena *a)
{
    struct fault *f = ARENA_NEW(a, struct fault);
    if (!f || !says.ptr)
        return &fault_no_memory;
    *f = (struct fault) {
        .kind = FAULT_DENIED, .code = code, .says = says, .about = about, .because = why
    };
    return f;
}

static const struct fault *s3_answer(const struct action *action, struct s3_put_answer put,
                                     struct arena *a)
{
    const struct fault *why = put.fault;
    str bucket = action->s3.bucket_name;
    switch (put.part) {
    case S3_PART_ROLE:
        return answer("InvalidParameterValue", STR("Could not assume the provided IAM role"),
                      STR_NONE, why, a);
    case S3_PART_KEY:
        return answer(
            "InvalidS3Configuration",
            arena_strf(a, "Unable to use AWS KMS key: " STR_FMT, STR_ARG(action->s3.kms_key_arn)),
            bucket, why, a);
    case S3_PART_BUCKET:
        break;
    }
    if (why->code && strcmp(why->code, "NoSuchBucket") == 0)
        return answer("InvalidS3Configuration",
                      arena_strf(a, "No such bucket: " STR_FMT, STR_ARG(bucket)), bucket, why, a);
    return answer("InvalidS3Configuration",
                  arena_strf(a, "Could not write to bucket: " STR_FMT, STR_ARG(bucket)), bucket,
                  why, a);
}

/* ---- the tests ---- */

static const struct fault *test_role(const struct acting *as, str role)
{
    const struct caller *caller;
    const struct fault *why = role.len ? acting_caller(as, role, &caller)
                                       : fault(as->arena, FAULT_SYNTAX, NULL, "no role is named");
    return why ? answer("InvalidParameterValue", STR("Could not assume the provided IAM role"),
                        STR_NONE, why, as->arena)
               : NULL;
}

static const struct fault *test_topic(const struct acting *as, const struct action *action)
{
    struct arn topic;
    if (action->kind == ACTION_S3 && action->s3.iam_role_arn.len) /* first of all: spec 12.4 */
        TRY(test_role(as, action->s3.iam_role_arn));
    const bool named = arn_parse(action->topic_arn, &topic) && str_eq(topic.service, STR("sns"));
    if (!named || str_ends(topic.resource, STR(".fifo"))) /* spec 9.4 */
        return answer(
            "InvalidSnsTopic",
            arena_strf(as->arena, "Invalid SNS topic: " STR_FMT, STR_ARG(action->topic_arn)),
            action->topic_arn,
            fault(as->arena, FAULT_SYNTAX, NULL,
                  named ? "SES publishes to no FIFO topic" : "it is not the ARN of a topic"),
            as->arena);
    str notice = setup_notice(as->now_ms, as->rule, action, as->arena);
    const struct fault *why =
        notice.ptr ? sns_action_publish(as, action, notice, STR_NONE) : &fault_no_memory;
    return why ? answer("InvalidSnsTopic",
                        arena_strf(as->arena, "Could not publish to SNS topic: " STR_FMT,
                                   STR_ARG(action->topic_arn)),
                        action->topic_arn, why, as->arena)
               : NULL;
}

static const struct fault *test_bucket(const struct acting *as, const struct action *action)
{
    if (!action->s3.bucket_name.len)
        return fault_coded(as->arena, FAULT_SYNTAX, "InvalidParameterValue",
                           "Bucket name must not be empty");
    struct body *body = body_of(setup_message(as->now_ms, "S3 bucket", as->arena), as->arena);
    struct s3_put_answer put = { &fault_no_memory, S3_PART_BUCKET };
    if (body)
        put = s3_action_put(as, action, body);
    return put.fault ? s3_answer(action, put, as->arena) : NULL;
}

static const struct fault *test_function(const struct acting *as, const struct action *action)
{
    struct arn function;
    str arn = action->lambda.function_arn;
    if (!arn.len)
        return fault_coded(as->arena, FAULT_SYNTAX, "InvalidParameterValue",
                           "Lambda function ARN must not be empty");
    const bool named = arn_parse(arn, &function) && str_eq(function.service, STR("lambda")) &&
                       str_starts(function.resource, STR("function:"));
    if (!named || !str_eq(function.region, as->region))
        return answer(
            "InvalidLambdaFunction",
            arena_strf(as->arena, "Invalid Lambda function: " STR_FMT, STR_ARG(arn)), arn,
            named ? fault(as->arena, FAULT_SYNTAX, NULL,
                          "the function is in the Region " STR_FMT ", and the rule is in " STR_FMT
                          ": a rule invokes functions of its own Region only",
                          STR_ARG(function.region), STR_ARG(as->region))
                  : fault(as->arena, FAULT_SYNTAX, NULL, "it is not the ARN of a function"),
            as->arena);
    const struct fault *why = lambda_action_may(as, action);
    return why ? answer("InvalidLambdaFunction",
                        arena_strf(as->arena, "Could not invoke Lambda function: " STR_FMT,
                                   STR_ARG(arn)),
                        arn, why, as->arena)
               : NULL;
}

/* What succeeded, for who asks later. */
static str did(const struct acting *as, const struct action *action, enum rule_target target)
{
    struct arena *a = as->arena;
    const str role = action->kind == ACTION_S3 ? action->s3.iam_role_arn : STR_NONE;
    const str who = role.len ? role : STR("ses.amazonaws.com");
    if (target == RULE_TARGET_TOPIC)
        return arena_strf(a, "published to " STR_FMT " as " STR_FMT, STR_ARG(action->topic_arn),
                          STR_ARG(who));
    switch (action->kind) {
    case ACTION_S3:
        return arena_strf(a, "wrote s3://" STR_FMT "/" STR_FMT " as " STR_FMT "%s",
                          STR_ARG(action->s3.bucket_name),
                          STR_ARG(s3_action_key(action->s3.object_key_prefix, as->message_id, a)),
                          STR_ARG(who), action->s3.kms_key_arn.len ? ", encrypted" : "");
    case ACTION_LAMBDA:
        return arena_strf(a, "may invoke " STR_FMT, STR_ARG(action->lambda.function_arn));
    case ACTION_CONNECT:
        return arena_strf(a, "may assume " STR_FMT, STR_ARG(action->connect.iam_role_arn));
    case ACTION_SNS:
    case ACTION_BOUNCE:
    case ACTION_STOP:
    case ACTION_ADD_HEADER:
    case ACTION_WORKMAIL:
        break;
    }
    return STR_NONE;
}

static bool is_there(const struct acting *as, const struct action *action, enum rule_target target)
{
    if (target == RULE_TARGET_TOPIC)
        return as->ports->sns && (action->topic_arn.len || action->kind == ACTION_SNS);
    switch (action->kind) {
    case ACTION_S3: /* with a key that nobody keeps, a plaintext object would prove nothing */
        return !action->s3.kms_key_arn.len || as->ports->kms;
    case ACTION_LAMBDA:
        return as->ports->lambda;
    case ACTION_CONNECT:
        return as->ports->sts;
    case ACTION_SNS: /* its topic is all it has */
    case ACTION_BOUNCE:
    case ACTION_STOP:
    case ACTION_ADD_HEADER:
    case ACTION_WORKMAIL: /* AWS never checks it: spec 12.4 */
        break;
    }
    return false;
}

static const struct fault *test_own(const struct acting *as, const struct action *action)
{
    switch (action->kind) {
    case ACTION_S3:
        return test_bucket(as, action);
    case ACTION_LAMBDA:
        return test_function(as, action);
    case ACTION_CONNECT:
        return test_role(as, action->connect.iam_role_arn);
    case ACTION_SNS:
    case ACTION_BOUNCE:
    case ACTION_STOP:
    case ACTION_ADD_HEADER:
    case ACTION_WORKMAIL:
        break;
    }
    return NULL;
}

struct setup_tried setup_try_target(const struct acting *as, const struct action *action,
                                    enum rule_target target)
{
    struct setup_tried tried = { .ran = is_there(as, action, target) };
    if (!tried.ran)
        return tried;
    tried.fault = target == RULE_TARGET_TOPIC ? test_topic(as, action) : test_own(as, action);
    tried.did = tried.fault ? STR_NONE : did(as, action, target);
    return tried;
}
