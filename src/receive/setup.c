/* receive/setup.c - a rule's targets tried with the actions' own code. */
#include "receive/setup.h"

#include "base/json.h"
#include "base/when.h"
#include "policy/decision.h"
#include "receive/actions.h"
#include "receive/notice.h"

#include <pthread.h>
#include <stdlib.h>

enum { RECENT_MAX = 64 };

struct setup {
    const struct ports *ports;
    struct outside *outside;
    struct metrics *metrics;
    pthread_mutex_t lock;
    struct buf recent[RECENT_MAX]; /* a ring of JSON objects; guarded by lock */
    size_t next;
};

const struct fault *setup_open(const struct ports *ports, struct outside *outside,
                               struct metrics *metrics, struct arena *a, struct setup **ret_setup)
{
    struct setup *s = ARENA_NEW(a, struct setup);
    if (!s)
        return &fault_no_memory;
    *s = (struct setup) { .ports = ports, .outside = outside, .metrics = metrics };
    pthread_mutex_init(&s->lock, NULL);
    *ret_setup = s;
    return NULL;
}

void setup_close(struct setup *s)
{
    for (size_t i = 0; s && i < RECENT_MAX; i++)
        buf_free(&s->recent[i]);
}

/* ---- what is written --------------------------------------------------------------------------
 */

static const str message_id = STR_INIT("AMAZON_SES_SETUP_NOTIFICATION");

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

struct failed {
    const struct call *call;
    str rule_set;
    const struct receipt_rule *rule;
    const struct action *action;
};

/* Policies may be longer than a line of the log or an item of the list: then the denial's JSON is
 * left out, and the reason is cut. */
enum { DESCRIBED_MAX = 60 * 1024, SAYS_MAX = 4 * 1024 };

static void describe(const struct failed *what, const struct fault *f, bool in_brief,
                     struct json_writer *w)
{
    const struct denial *denial = denial_of(f);
    str says = fault_sentence(f->because, what->call->arena);
    json_add_str(w, "account", what->call->caller->account);
    json_add_str(w, "region", what->call->region);
    json_add_str(w, "ruleSet", what->rule_set);
    json_add_str(w, "rule", what->rule->name);
    json_add_str(w, "action", action_kind_name(what->action->kind));
    json_add_str(w, "answered", f->says);
    json_add_str(w, "says", in_brief ? str_head(says, SAYS_MAX) : says);
    if (in_brief)
        json_add_bool(w, "cut", true);
    else if (denial)
        json_add_raw(w, "denial", denial_json(denial, what->call->arena));
}

static void remember(struct setup *s, const struct failed *what, const struct fault *f)
{
    AUTO_BUF members = buf_new(DESCRIBED_MAX);
    struct json_writer w = json_writer(&members);
    describe(what, f, false, &w);
    if (members.failed) {
        buf_clear(&members);
        w = json_writer(&members);
        describe(what, f, true, &w);
    }
    s->outside->journal->note(s->outside->journal, JOURNAL_WARNING, STR("receive"),
                              STR("setup-failed"), buf_str(&members));
    if (s->metrics)
        metric_add(metrics_counter(s->metrics, STR("sesame_setup_failures_total"),
                                   STR("Rules whose targets failed their test."), STR("")),
                   1);

    struct buf item = buf_new(1 << 16);
    struct json_writer entry = json_writer(&item);
    char when[WHEN_SIZE];
    json_open(&entry, '{');
    json_add_str(&entry, "at", when_iso_ms(when, what->call->now_ms));
    buf_addc(&item, ',');
    buf_add(&item, buf_str(&members)); /* what the log was told */
    json_close(&entry, '}');
    if (item.failed) {
        buf_free(&item);
        return;
    }
    pthread_mutex_lock(&s->lock);
    struct buf *place = &s->recent[s->next];
    s->next = (s->next + 1) % RECENT_MAX;
    buf_free(place);
    *place = item;
    pthread_mutex_unlock(&s->lock);
}

void setup_write_recent(struct setup *s, struct buf *out)
{
    struct json_writer w = json_writer(out);
    json_open(&w, '[');
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < RECENT_MAX; i++) {
        const struct buf *item = &s->recent[(s->next + RECENT_MAX - 1 - i) % RECENT_MAX];
        if (item->len)
            json_put_raw(&w, buf_str(item));
    }
    pthread_mutex_unlock(&s->lock);
    json_close(&w, ']');
}

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

static const struct fault *test_topic(const struct acting *as, const struct action *action)
{
    struct arn topic;
    if (!as->ports->sns || (!action->topic_arn.len && action->kind != ACTION_SNS))
        return NULL; /* not tested before it can run */
    if (!arn_parse(action->topic_arn, &topic) || !str_eq(topic.service, STR("sns")) ||
        str_ends(topic.resource, STR(".fifo"))) /* SES publishes to no FIFO topic: spec 9.4 */
        return answer(
            "InvalidSnsTopic",
            arena_strf(as->arena, "Invalid SNS topic: " STR_FMT, STR_ARG(action->topic_arn)),
            action->topic_arn, NULL, as->arena);
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
    if (action->s3.kms_key_arn.len && !as->ports->kms)
        return NULL; /* a plaintext object would prove nothing */
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
    if (!as->ports->lambda)
        return NULL;
    if (!arn.len)
        return fault_coded(as->arena, FAULT_SYNTAX, "InvalidParameterValue",
                           "Lambda function ARN must not be empty");
    if (!arn_parse(arn, &function) || !str_eq(function.service, STR("lambda")) ||
        !str_starts(function.resource, STR("function:")) || !str_eq(function.region, as->region))
        return answer("InvalidLambdaFunction",
                      arena_strf(as->arena, "Invalid Lambda function: " STR_FMT, STR_ARG(arn)), arn,
                      NULL, as->arena);
    const struct fault *why = lambda_action_may(as, action);
    return why ? answer("InvalidLambdaFunction",
                        arena_strf(as->arena, "Could not invoke Lambda function: " STR_FMT,
                                   STR_ARG(arn)),
                        arn, why, as->arena)
               : NULL;
}

static const struct fault *test_action(const struct acting *as, const struct action *action)
{
    TRY(test_topic(as, action));
    switch (action->kind) {
    case ACTION_S3:
        return test_bucket(as, action);
    case ACTION_LAMBDA:
        return test_function(as, action);
    case ACTION_SNS:
    case ACTION_BOUNCE:
    case ACTION_STOP:
    case ACTION_ADD_HEADER:
    case ACTION_WORKMAIL: /* AWS never checks it: spec 12.4 */
    case ACTION_CONNECT:
        break;
    }
    return NULL;
}

const struct fault *setup_test_rule(struct setup *s, const struct call *call, str rule_set,
                                    const struct receipt_rule *rule)
{
    const struct acting as = {
        .ports = s->ports,
        .world = call->world,
        .entropy = s->outside->entropy,
        .account = call->caller->account,
        .region = call->region,
        .rule_set = rule_set,
        .rule = rule,
        .message_id = message_id,
        .now_ms = call->now_ms,
        .arena = call->arena,
    };
    for (size_t i = 0; i < rule->action_count; i++) {
        const struct action *action = &rule->actions[i];
        const struct fault *f = test_action(&as, action);
        if (!f)
            continue;
        if (f->because)
            remember(s, &(struct failed) { call, rule_set, rule, action }, f);
        return f;
    }
    return NULL;
}
