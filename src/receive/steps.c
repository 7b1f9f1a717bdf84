/* receive/steps.c - what one step of a plan does: from the message in the spool to the action. */
#include "base/json.h"
#include "mail/field.h"
#include "receive/attempt.h"
#include "receive/bounce.h"
#include "receive/shares.h"

bool step_has_effect(const struct step *step)
{
    return step->part == STEP_NOTICE ||
           (step->action->kind != ACTION_ADD_HEADER && step->action->kind != ACTION_STOP);
}

/* Buckets, topics and asynchronous invocations end on this machine's own disk and are quick; a
 * function that is waited for may take its thirty seconds. */
struct share step_share(const struct step *step, const struct ports *ports, struct arena *a)
{
    enum { QUICK = 7, SLOW = 1, CONTACTS_MOST = 4 };
    const struct action *action = step->action;
    if (step->part == STEP_NOTICE || action->kind == ACTION_SNS)
        return (struct share) { .target = action->topic_arn, .weight = QUICK };
    if (action->kind == ACTION_S3)
        return (struct share) { .target = bucket_arn(a, action->s3.bucket_name), .weight = QUICK };
    if (action->kind == ACTION_LAMBDA) {
        const bool waits = action->lambda.invocation_type == INVOCATION_REQUEST_RESPONSE;
        return (struct share) {
            .target = action->lambda.function_arn,
            .weight = waits ? SLOW : QUICK,
            .most = waits && ports->lambda ? ports->lambda->callers_most : 0,
        };
    }
    if (action->kind == ACTION_WORKMAIL) /* somebody else's mail store */
        return (struct share) { .target = action->workmail.organization_arn, .weight = SLOW };
    if (action->kind == ACTION_CONNECT) /* each holds the message and its document in memory */
        return (struct share) {
            .target = action->connect.instance_arn, .weight = SLOW, .most = CONTACTS_MOST
        };
    return (struct share) { .target = STR("") };
}

static struct acting acting_of(const struct attempt *t, const struct step *step, int64_t now_ms)
{
    return (struct acting) {
        .ports = t->d->ports,
        .world = t->world,
        .entropy = t->d->outside->entropy,
        .account = t->head.account,
        .region = t->head.region,
        .rule_set = t->set->name,
        .rule = step->rule,
        .message_id = t->lease->entry.id,
        .now_ms = now_ms,
        .arena = t->work,
    };
}

/* ---- the stored form: SES's block, added fields, the message ---- */

/* In this attempt or an earlier one. */
static bool is_done(const struct attempt *t, size_t step)
{
    for (size_t i = 0; i < t->count; i++) {
        if (t->outcomes[i].step == step)
            return t->outcomes[i].kind == OUTCOME_DONE;
    }
    const struct step_history before = history_of(&t->history, step);
    return before.ended && before.kind == OUTCOME_DONE;
}

/* What AddHeader actions before this step have added: visible to later actions only (spec 7.1). One that a
 * function's disposition passed over has added nothing. */
static const struct fault *added_before(const struct attempt *t, size_t step,
                                        struct header **ret_added, size_t *ret_count)
{
    struct header *added = ARENA_ARRAY(t->work, struct header, step ? step : 1);
    if (!added)
        return &fault_no_memory;
    size_t count = 0;
    for (size_t i = 0; i < step; i++) {
        const struct action *action = t->plan.steps[i].action;
        if (action->kind == ACTION_ADD_HEADER && is_done(t, i))
            added[count++] =
                (struct header) { action->add_header.header_name, action->add_header.header_value };
    }
    *ret_added = added;
    *ret_count = count;
    return NULL;
}

/* As who we speak: the operator's own name, or SES's of the region. */
static str endpoint_of(const struct attempt *t)
{
    return t->d->stamp->hostname.ptr ? t->d->stamp->hostname
                                     : arena_strf(t->work, "inbound-smtp." STR_FMT ".amazonaws.com",
                                                  STR_ARG(t->head.region));
}

/* Readable once; lives in t->work. */
static const struct fault *stored_form(const struct attempt *t, size_t index,
                                       struct body **ret_body)
{
    struct header *added;
    size_t added_count;
    TRY(added_before(t, index, &added, &added_count));
    struct stamp stamp = *t->d->stamp;
    stamp.hostname = endpoint_of(t);
    AUTO_BUF block = buf_new(1 << 20);
    stamp_write(&stamp,
                &(struct stamped) { .head = &t->head,
                                    .verdicts = verdicts_unverified(t->plan.scan),
                                    .added = added,
                                    .added_count = added_count },
                &block);
    str text = block.failed ? STR_NONE : arena_str(t->work, buf_str(&block));
    *ret_body = text.ptr ? stamp_body(text, t->d->spool, t->lease, t->work) : NULL;
    return *ret_body ? NULL : &fault_no_memory;
}

/* ---- what is told of it ---- */

enum { NOTICE_ROOM = 3 << 20 };

static struct notice notice_of(const struct attempt *t, const struct step *step, str stored,
                               int64_t now_ms)
{
    const int64_t took = now_ms - t->head.envelope.received_ms;
    return (struct notice) {
        .envelope = &t->head.envelope,
        .stored = stored,
        .step = step,
        .verdicts = verdicts_unverified(step->rule->scan_enabled),
        .processing_ms = took > 0 ? took : 0,
    };
}

typedef const struct fault *notice_writer(const struct notice *, struct buf *out);

static const struct fault *write_notice(const struct attempt *t, size_t index, int64_t now_ms,
                                        notice_writer *write, bool whole, str *ret_text)
{
    struct body *body;
    str stored;
    TRY(stored_form(t, index, &body));
    TRY(stamp_head(body, whole ? NOTICE_CONTENT_MAX : 0, t->work, &stored));
    const struct notice notice = notice_of(t, &t->plan.steps[index], stored, now_ms);
    AUTO_BUF text = buf_new(NOTICE_ROOM);
    TRY(write(&notice, &text));
    *ret_text = text.failed ? STR_NONE : arena_str(t->work, buf_str(&text));
    return ret_text->ptr ? NULL : &fault_no_memory;
}

/* ---- the actions ---- */

static const struct fault *begin_s3(struct attempt *t, size_t index, int64_t now_ms)
{
    const struct step *step = &t->plan.steps[index];
    struct body *body;
    TRY(stored_form(t, index, &body));
    const struct acting as = acting_of(t, step, now_ms);
    return s3_action_fault(step->action, s3_action_begin(&as, step->action, body, &t->begun),
                           t->work);
}

static void say_put(const struct attempt *t, const struct step *step, struct step_said *said)
{
    str key = s3_action_key(step->action->s3.object_key_prefix, t->lease->entry.id, t->work);
    said->says = arena_strf(t->work, "wrote s3://" STR_FMT "/" STR_FMT "%s",
                            STR_ARG(step->action->s3.bucket_name), STR_ARG(key),
                            step->action->s3.kms_key_arn.len ? ", encrypted" : "");
}

static const struct fault *run_s3(struct attempt *t, size_t index, int64_t now_ms,
                                  struct step_said *said)
{
    const struct step *step = &t->plan.steps[index];
    struct body *body;
    TRY(stored_form(t, index, &body));
    const struct acting as = acting_of(t, step, now_ms);
    TRY(s3_action_fault(step->action, s3_action_put(&as, step->action, body), t->work));
    say_put(t, step, said);
    return NULL;
}

static const struct fault *run_add_header(const struct attempt *t, const struct step *step,
                                          struct step_said *said)
{
    str name = step->action->add_header.header_name, value = step->action->add_header.header_value;
    if (!field_name_valid(name) || !field_value_valid(value))
        return fault(t->work, FAULT_SYNTAX, NULL,
                     "the header field " STR_FMT " cannot stand in a message", STR_ARG(name));
    said->says = arena_strf(t->work, "added the header field " STR_FMT, STR_ARG(name));
    return NULL;
}

static const struct fault *run_publish(struct attempt *t, size_t index, int64_t now_ms,
                                       notice_writer *write, bool whole, struct step_said *said)
{
    const struct step *step = &t->plan.steps[index];
    char id[REQUEST_ID_LEN + 1];
    str message;
    TRY(write_notice(t, index, now_ms, write, whole, &message));
    const struct acting as = acting_of(t, step, now_ms);
    const str message_id = notice_dedupe_id(t->lease->entry.id, index, id);
    TRY(sns_action_publish(&as, step->action, message, message_id));
    said->says = arena_strf(t->work, "published to " STR_FMT " as " STR_FMT,
                            STR_ARG(step->action->topic_arn), STR_ARG(message_id));
    return NULL;
}

/* ---- bounces ---- */

static struct bounce bounce_of(const struct attempt *t, size_t index, str stored)
{
    const struct step *step = &t->plan.steps[index];
    return (struct bounce) { .head = &t->head,
                             .hostname = endpoint_of(t),
                             .stored = stored,
                             .recipients = step->recipients,
                             .recipient_count = step->recipient_count,
                             .step = index };
}

static const struct fault *send_bounce(const struct attempt *t, const struct bounce *bounce,
                                       int64_t now_ms, str *ret_says)
{
    const struct outgoing_way way = { .spool = t->d->spool,
                                      .mailer = t->d->ports->mailer,
                                      .entropy = t->d->outside->entropy };
    return bounce_put(&way, bounce, now_ms, t->work, ret_says);
}

static const struct fault *run_bounce(struct attempt *t, size_t index, int64_t now_ms,
                                      struct step_said *said)
{
    const struct step *step = &t->plan.steps[index];
    const struct acting as = acting_of(t, step, now_ms);
    struct body *body;
    str stored;
    TRY(stored_form(t, index, &body));
    TRY(stamp_head(body, 0, t->work, &stored));
    struct bounce bounce = bounce_of(t, index, stored);
    bounce.sender = step->action->bounce.sender;
    bounce.smtp_reply_code = step->action->bounce.smtp_reply_code;
    bounce.status_code = step->action->bounce.status_code;
    bounce.message = step->action->bounce.message;
    if (!bounce_barred(&bounce, t->work).ptr)
        TRY(bounce_action_may(&as, step->action));
    return send_bounce(t, &bounce, now_ms, &said->says);
}

/* Nothing is published, and the sender is told: spec 9.4, U9. Where he cannot be, that is said too.
 */
static const struct fault *refuse_oversize(struct attempt *t, size_t index, int64_t now_ms,
                                           struct body *body)
{
    str stored, told = STR("its sender is not told (--oversize-bounce no)");
    TRY(stamp_head(body, 0, t->work, &stored));
    if (!t->d->oversize_silent) {
        struct bounce bounce = bounce_of(t, index, stored);
        bounce.sender = arena_strf(t->work, "mailer-daemon@" STR_FMT, STR_ARG(bounce.hostname));
        bounce.smtp_reply_code = STR("552");
        bounce.status_code = STR("5.3.4");
        bounce.message = STR("Message too large");
        const struct fault *f = send_bounce(t, &bounce, now_ms, &told);
        if (f) /* the spool's trouble: asked again, nothing is lost */
            return f;
    }
    return fault(t->work, FAULT_SYNTAX, NULL,
                 "the message was not published: with its added fields it is longer than the %d "
                 "octets that SES publishes; " STR_FMT,
                 NOTICE_CONTENT_MAX, STR_ARG(told));
}

static const struct fault *run_sns(struct attempt *t, size_t index, int64_t now_ms,
                                   struct step_said *said)
{
    struct body *body;
    TRY(stored_form(t, index, &body));
    if (body->size > NOTICE_CONTENT_MAX)
        return refuse_oversize(t, index, now_ms, body);
    return run_publish(t, index, now_ms, notice_write_content, true, said);
}

static const struct fault *run_lambda(struct attempt *t, size_t index, int64_t now_ms,
                                      struct step_said *said)
{
    static const char *const ends[] = { [FLOW_ON] = "",
                                        [FLOW_STOP_RULE] = "; it answered STOP_RULE",
                                        [FLOW_STOP_RULE_SET] = "; it answered STOP_RULE_SET" };
    const struct step *step = &t->plan.steps[index];
    char id[REQUEST_ID_LEN + 1];
    str event;
    TRY(write_notice(t, index, now_ms, notice_write_event, false, &event));
    const struct acting as = acting_of(t, step, now_ms);
    TRY(lambda_action_invoke(&as, step->action, event,
                             notice_dedupe_id(t->lease->entry.id, index, id), &said->flow));
    said->says = arena_strf(t->work, "invoked " STR_FMT " as request " STR_FMT "%s",
                            STR_ARG(step->action->lambda.function_arn), STR_ARG(str_of(id)),
                            ends[said->flow]);
    return NULL;
}

/* ---- WorkMail ---- */

struct opening { /* the stored form of a step, each time anew */
    const struct attempt *t;
    size_t index;
};

static const struct fault *open_stored(void *context, struct body **ret_body)
{
    const struct opening *o = context;
    return stored_form(o->t, o->index, ret_body);
}

static const struct fault *run_workmail(struct attempt *t, size_t index, int64_t now_ms,
                                        struct step_said *said)
{
    const struct step *step = &t->plan.steps[index];
    const struct acting as = acting_of(t, step, now_ms);
    const struct step_history before = history_of(&t->history, index);
    struct opening opening = { t, index };
    const struct workmail_mail mail = {
        .organization_arn = step->action->workmail.organization_arn,
        .name = arena_strf(t->work, "%lld." STR_FMT ".%zu",
                           (long long)t->head.envelope.received_ms / 1000,
                           STR_ARG(t->lease->entry.id), index),
        .reverse_path = t->head.envelope.mail_from.null ? STR("") : t->head.envelope.mail_from.text,
        .recipients = step->recipients,
        .recipient_count = step->recipient_count,
        .open = open_stored,
        .context = &opening,
    };
    struct workmail_said done = { 0 };
    if (!mail.name.ptr)
        return &fault_no_memory;
    const struct fault *f = workmail_action_deliver(&as, step->action, &mail, &before, &done);
    *said = (struct step_said) { .says = done.says, .taken = done.taken, .refused = done.refused };
    return f;
}

/* ---- Connect ---- */

enum { CONTACT_MAX = 25 << 20, CONTACT_ROOM = 8 << 20 };

static const struct fault *read_whole(struct body *body, struct arena *a, struct buf *whole)
{
    for (;;) {
        str chunk;
        TRY(body->read(body, &chunk));
        if (!chunk.len)
            break;
        buf_add(whole, chunk);
    }
    return whole->failed ? fault(a, FAULT_UNAVAILABLE, NULL, "no memory for the message") : NULL;
}

static const struct fault *run_connect(struct attempt *t, size_t index, int64_t now_ms,
                                       struct step_said *said)
{
    const struct step *step = &t->plan.steps[index];
    const struct acting as = acting_of(t, step, now_ms);
    char id[REQUEST_ID_LEN + 1];
    struct body *body;
    TRY(stored_form(t, index, &body));
    if (body->size > CONTACT_MAX)
        return fault(t->work, FAULT_SYNTAX, NULL,
                     "no contact was started: with its added fields the message is longer than %d "
                     "octets",
                     CONTACT_MAX);
    AUTO_BUF whole = buf_new(CONTACT_MAX), document = buf_new(2 * CONTACT_MAX + CONTACT_ROOM);
    TRY(read_whole(body, t->work, &whole));
    const struct notice notice = notice_of(t, step, buf_str(&whole), now_ms);
    TRY(notice_write_content(&notice, &document));
    const str request_id = notice_dedupe_id(t->lease->entry.id, index, id);
    TRY(connect_action_start(&as, step->action, buf_str(&document), request_id));
    said->says = arena_strf(t->work, "started a contact in " STR_FMT " as request " STR_FMT,
                            STR_ARG(step->action->connect.instance_arn), STR_ARG(request_id));
    return NULL;
}

const struct fault *step_run(struct attempt *t, size_t index, int64_t now_ms,
                             struct step_said *said)
{
    const struct step *step = &t->plan.steps[index];
    *said = (struct step_said) { .says = STR_NONE, .flow = FLOW_ON };
    if (!action_is_built(t->d->ports, step))
        return action_unbuilt(step, t->work);
    if (step->part == STEP_NOTICE)
        return run_publish(t, index, now_ms, notice_write, false, said);
    switch (step->action->kind) {
    case ACTION_S3:
        return run_s3(t, index, now_ms, said);
    case ACTION_SNS:
        return run_sns(t, index, now_ms, said);
    case ACTION_LAMBDA:
        return run_lambda(t, index, now_ms, said);
    case ACTION_ADD_HEADER:
        return run_add_header(t, step, said);
    case ACTION_STOP:
        said->says = STR("ended the evaluation of the rule set");
        said->flow = FLOW_STOP_RULE_SET;
        return NULL;
    case ACTION_BOUNCE:
        return run_bounce(t, index, now_ms, said);
    case ACTION_WORKMAIL:
        return run_workmail(t, index, now_ms, said);
    case ACTION_CONNECT:
        return run_connect(t, index, now_ms, said);
    }
    return action_unbuilt(step, t->work);
}

const struct fault *step_begin(struct attempt *t, size_t index, int64_t now_ms,
                               struct step_said *said)
{
    const struct step *step = &t->plan.steps[index];
    if (step->action->kind != ACTION_S3 || step->part == STEP_NOTICE || !s3_action_has_halves(t->d->ports))
        return step_run(t, index, now_ms, said);
    *said = (struct step_said) { .says = STR_NONE, .flow = FLOW_ON };
    return begin_s3(t, index, now_ms);
}

const struct fault *step_await(struct attempt *t, size_t index, struct step_said *said)
{
    const struct step *step = &t->plan.steps[index];
    const struct s3_put_answer answer = s3_action_await(t->begun);
    t->begun = NULL;
    *said = (struct step_said) { .says = STR_NONE, .flow = FLOW_ON };
    TRY(s3_action_fault(step->action, answer, t->work));
    say_put(t, step, said);
    return NULL;
}
