/* services/sns/deliver.c - one attempt to bring a message to one subscriber, and what follows from
 * it.
 *
 * Which failures are final: "client-side errors" are not tried again, "server-side errors" are (SNS
 * Developer Guide, "Amazon SNS dead-letter queues" and "message delivery retries"). Of the web that
 * means: 2xx is delivered; no answer within 15 s, 5xx and 429 are tried again; any other status is
 * final, and no redirect is followed. What is final, and what was tried as often as the policy
 * says, goes to the subscription's dead-letter queue, or else to the spool's dead letters. */
#include "services/sns/embedded.h"

#include "base/base64.h"
#include "base/cipher.h"
#include "base/percent.h"
#include "services/sns/pace.h"
#include "wire/http_client.h"

enum { PATIENCE_MS = 15000, BODY_MAX = 4 * 1024 * 1024, TOTAL_MAX_MS = 3600 * 1000 };

enum outcome { DELIVERED, TRY_AGAIN, NEVER };
struct outcome_of {
    enum outcome outcome;
    const struct fault *why;
};

/* One delivery, from its errand to its end. */
struct delivery {
    struct sns_service *sns;
    const struct errand_attempt *attempt;
    const struct subscription *subscription;
    const struct topic *topic; /* NULL: removed since */
    struct sns_message message;
    struct envelope_view view;
    bool raw;
    str text; /* what the subscriber gets */
};

/* ---- the message again ---- */

static const struct fault *open_body(struct sns_service *sns, const struct errand_attempt *attempt,
                                     const struct sns_label *label, const struct subscription *s,
                                     str *ret_body)
{
    struct caller caller = label->caller;
    struct call call = { .caller = &caller,
                         .world = attempt->world,
                         .region = s->topic.region,
                         .now_ms = attempt->now_ms,
                         .arena = attempt->arena };
    str key;
    if (str_is_none(label->data_key)) {
        *ret_body = attempt->body;
        return NULL;
    }
    if (!sns->ports->kms)
        return sns_unbuilt(&call, "KMS, which the message is encrypted with,");
    caller.via_service =
        arena_strf(attempt->arena, "sns." STR_FMT ".amazonaws.com", STR_ARG(s->topic.region));
    struct encryption_context context = sns_encryption_context(attempt->arena, s->topic.text);
    if (str_is_none(caller.via_service) || context.count == 0)
        return &fault_no_memory;
    TRY(sns->ports->kms->decrypt(sns->ports->kms, &call, STR_NONE, label->data_key, &context,
                                 &key));
    char *body = arena_alloc(attempt->arena, attempt->body.len + 1, 1);
    if (!body)
        return &fault_no_memory;
    if (key.len != CIPHER_KEY_SIZE || label->nonce.len != CIPHER_NONCE_SIZE ||
        attempt->body.len < CIPHER_TAG_SIZE ||
        !cipher_open((const unsigned char *)key.ptr, (const unsigned char *)label->nonce.ptr,
                     s->topic.text, attempt->body, (unsigned char *)body))
        return fault(attempt->arena, FAULT_SYNTAX, NULL,
                     "the message is not what was sealed for topic " STR_FMT,
                     STR_ARG(s->topic.text));
    *ret_body = (str) { body, attempt->body.len - CIPHER_TAG_SIZE };
    return NULL;
}

static str link_of(const struct delivery *d, str url)
{
    struct arena *arena = d->attempt->arena;
    AUTO_BUF out = buf_new(8192);
    if (d->message.type == MESSAGE_NOTIFICATION)
        buf_addf(&out, STR_FMT "/?Action=Unsubscribe&SubscriptionArn=" STR_FMT, STR_ARG(url),
                 STR_ARG(d->subscription->arn));
    else
        buf_addf(&out, STR_FMT "/?Action=ConfirmSubscription&TopicArn=" STR_FMT "&Token=" STR_FMT,
                 STR_ARG(url), STR_ARG(d->message.topic_arn), STR_ARG(d->message.token));
    return out.failed ? STR_NONE : arena_str(arena, buf_str(&out));
}

static const struct fault *make_view(struct delivery *d)
{
    struct arena *arena = d->attempt->arena;
    bool sha256 = topic_signs_sha256(d->topic);
    str url = sns_url(d->sns);
    d->view = (struct envelope_view) {
        .message = &d->message,
        .text = message_text(&d->message, protocol_name(d->subscription->protocol)),
        .subscription_arn = d->subscription->arn,
        .signature_version = sha256 ? STR("2") : STR("1"),
        .cert_url = arena_strf(arena, STR_FMT STR_FMT, STR_ARG(url),
                               STR_ARG(sns_signer_path(d->sns->signer))),
        .url = link_of(d, url),
    };
    str to_sign = message_string_to_sign(&d->view, arena);
    if (str_is_none(d->view.url) || str_is_none(d->view.cert_url) || str_is_none(to_sign))
        return &fault_no_memory;
    return sns_sign(d->sns->signer, sha256, to_sign, arena, &d->view.signature);
}

static const struct fault *render(struct delivery *d)
{
    AUTO_BUF out = buf_new(BODY_MAX);
    d->raw = d->message.type == MESSAGE_NOTIFICATION && subscription_is_raw(d->subscription);
    if (d->raw) {
        d->text = message_text(&d->message, protocol_name(d->subscription->protocol));
        return NULL;
    }
    TRY(make_view(d));
    if (d->subscription->protocol == PROTOCOL_LAMBDA)
        message_write_lambda(&d->view, &out);
    else
        message_write(&d->view, &out);
    d->text = out.failed ? STR_NONE : arena_str(d->attempt->arena, buf_str(&out));
    return str_is_none(d->text) ? &fault_no_memory : NULL;
}

/* ---- to each kind of subscriber ---- */

static struct outcome_of outcome_of(enum outcome outcome, const struct fault *why)
{
    return (struct outcome_of) { outcome, why };
}

static struct delivery_policy policy_of(const struct delivery *d)
{
    return delivery_policy_effective(d->topic ? &d->topic->delivery : NULL,
                                     &d->subscription->delivery);
}

/* "https://user:password@host/": who subscribed so wants them asked for as HTTP asks (RFC 7617). */
static const struct fault *take_credentials(str endpoint, struct arena *arena, str *ret_url,
                                            str *ret_authorization)
{
    size_t scheme = str_find_str(endpoint, STR("://")) + 3, slash = scheme;
    while (slash < endpoint.len && endpoint.ptr[slash] != '/' && endpoint.ptr[slash] != '?')
        slash++;
    size_t at = slash;
    while (at > scheme && endpoint.ptr[at - 1] != '@')
        at--;
    *ret_url = endpoint;
    *ret_authorization = STR_NONE;
    if (at == scheme)
        return NULL;
    str plain;
    if (!percent_decode((str) { endpoint.ptr + scheme, at - 1 - scheme }, false, arena, &plain))
        return fault(arena, FAULT_SYNTAX, NULL, "the endpoint's user and password are malformed");
    AUTO_BUF out = buf_new(8192);
    buf_add(&out, STR("Basic "));
    base64_encode(&out, plain);
    *ret_authorization = out.failed ? STR_NONE : arena_str(arena, buf_str(&out));
    *ret_url = arena_strf(arena, STR_FMT STR_FMT, STR_ARG(str_head(endpoint, scheme)),
                          STR_ARG(str_from(endpoint, at)));
    return str_is_none(*ret_url) || str_is_none(*ret_authorization) ? &fault_no_memory : NULL;
}

static struct outcome_of post(struct delivery *d)
{
    struct arena *arena = d->attempt->arena;
    struct header headers[11];
    size_t count = 0;
    struct http_reply reply;
    str url, authorization;
    const struct fault *why =
        take_credentials(d->subscription->endpoint, arena, &url, &authorization);
    if (why)
        return outcome_of(NEVER, why);
    headers[count++] =
        (struct header) { STR("x-amz-sns-message-type"), message_type_name(d->message.type) };
    headers[count++] = (struct header) { STR("x-amz-sns-message-id"), d->message.message_id };
    headers[count++] = (struct header) { STR("x-amz-sns-topic-arn"), d->message.topic_arn };
    if (d->message.type != MESSAGE_SUBSCRIBE)
        headers[count++] =
            (struct header) { STR("x-amz-sns-subscription-arn"), d->subscription->arn };
    if (d->raw)
        headers[count++] = (struct header) { STR("x-amz-sns-rawdelivery"), STR("true") };
    headers[count++] = (struct header) { STR("Content-Type"), policy_of(d).content_type };
    headers[count++] = (struct header) { STR("Connection"), STR("Keep-Alive") };
    headers[count++] =
        (struct header) { STR("User-Agent"), STR("Amazon Simple Notification Service Agent") };
    headers[count++] = (struct header) { STR("Accept-Encoding"), STR("gzip,deflate") };
    if (!str_is_none(authorization))
        headers[count++] = (struct header) { STR("Authorization"), authorization };
    struct http_question question = { .method = STR("POST"),
                                      .url = url,
                                      .headers = headers,
                                      .header_count = count,
                                      .body = d->text,
                                      .deadline_ms = PATIENCE_MS,
                                      .public_only = !d->sns->private_targets,
                                      .drop_body = true };
    why = http_ask(&question, arena, &reply);
    if (why)
        return outcome_of(
            why->kind == FAULT_DENIED || why->kind == FAULT_SYNTAX ? NEVER : TRY_AGAIN, why);
    if (reply.status >= 200 && reply.status < 300)
        return outcome_of(DELIVERED, NULL);
    why = fault(arena, FAULT_UNAVAILABLE, NULL, STR_FMT " answered %d", STR_ARG(url), reply.status);
    return outcome_of(reply.status >= 500 || reply.status == 429 ? TRY_AGAIN : NEVER, why);
}

/* What a service said no to for good: the target is gone, or its policy does not let SNS in. */
static struct outcome_of judge(const struct fault *why)
{
    if (!why)
        return outcome_of(DELIVERED, NULL);
    switch (why->kind) {
    case FAULT_UNAVAILABLE:
    case FAULT_LIMIT:
    case FAULT_CONFLICT:
    case FAULT_DEFECT:
        return outcome_of(TRY_AGAIN, why);
    case FAULT_SYNTAX:
    case FAULT_SEQUENCE:
    case FAULT_ABSENT:
    case FAULT_DENIED:
    case FAULT_UNBUILT:
        break;
    }
    return outcome_of(NEVER, why);
}

/* sns.amazonaws.com, for the topic. */
static struct caller caller_sns(const struct arn *topic)
{
    return (struct caller) { .kind = CALLER_SERVICE,
                             .account = topic->account,
                             .secure_transport = true,
                             .service = { .principal = STR("sns.amazonaws.com"),
                                          .source_account = topic->account,
                                          .source_arn = *topic } };
}

static struct call call_of(const struct delivery *d, const struct caller *caller, str target)
{
    struct arn arn;
    return (struct call) { .caller = caller,
                           .world = d->attempt->world,
                           .region =
                               arn_parse(target, &arn) ? arn.region : d->subscription->topic.region,
                           .now_ms = d->attempt->now_ms,
                           .arena = d->attempt->arena,
                           .mishaps = d->sns->ports->mishaps };
}

/* Attributes travel beside a raw message, and inside any other. */
static const struct fault *send_to_queue(const struct delivery *d, str queue_arn)
{
    struct caller caller = caller_sns(&d->subscription->topic);
    struct call call = call_of(d, &caller, queue_arn);
    struct sqs_port *sqs = d->sns->ports->sqs;
    if (!sqs)
        return sns_unbuilt(&call, "SQS");
    return sqs->send_message(sqs, &call, queue_arn, d->text, d->raw ? d->message.attributes : NULL,
                             d->raw ? d->message.attribute_count : 0);
}

static struct outcome_of invoke(struct delivery *d)
{
    struct caller caller = caller_sns(&d->subscription->topic);
    struct call call = call_of(d, &caller, d->subscription->endpoint);
    struct lambda_port *lambda = d->sns->ports->lambda;
    struct invoked invoked;
    if (!lambda)
        return judge(sns_unbuilt(&call, "Lambda"));
    return judge(lambda->invoke(lambda, &call,
                                &(struct invoke) { .function_arn = d->subscription->endpoint,
                                                   .type = INVOKE_EVENT,
                                                   .payload = d->text,
                                                   .request_id = d->message.message_id },
                                &invoked));
}

static struct outcome_of bring(struct delivery *d)
{
    switch (d->subscription->protocol) {
    case PROTOCOL_HTTP:
    case PROTOCOL_HTTPS:
        return post(d);
    case PROTOCOL_SQS:
        return judge(send_to_queue(d, d->subscription->endpoint));
    case PROTOCOL_LAMBDA:
        return invoke(d);
    case PROTOCOLS:
        break;
    }
    return outcome_of(NEVER, NULL);
}

/* ---- what follows ---- */

/* What is said with a failure stands before it: the timeline tells one sentence. */
static struct errand_end ended(struct arena *arena, enum settlement settlement, str says,
                               const struct fault *why)
{
    return (struct errand_end) {
        .settlement = settlement,
        .says = says,
        .why = why ? fault(arena, why->kind, why, STR_FMT, STR_ARG(says)) : NULL,
    };
}

/* When it is tried again; false: it was tried as often as it is to be. */
static bool next_attempt(const struct delivery *d, int64_t *ret_at_ms)
{
    const struct errand_attempt *attempt = d->attempt;
    const struct subscription *s = d->subscription;
    struct delivery_policy policy = policy_of(d);
    bool web = s->protocol == PROTOCOL_HTTP || s->protocol == PROTOCOL_HTTPS;
    int64_t delay_ms;
    if (!retry_after(web ? &policy.retry : &retry_managed, attempt->number, &delay_ms))
        return false;
    *ret_at_ms = attempt->now_ms + delay_ms;
    /* "The total policy retry time for an HTTP/S endpoint cannot be greater than 3,600 seconds." */
    if (web && *ret_at_ms - attempt->since_ms > TOTAL_MAX_MS)
        return false;
    if (web)
        *ret_at_ms =
            sns_pace_slot(d->sns->pace, s->arn, policy.per_second, *ret_at_ms, attempt->now_ms);
    return true;
}

static struct errand_end give_up(struct delivery *d, const struct fault *why)
{
    str queue = d->subscription->dead_letter_arn;
    struct arena *arena = d->attempt->arena;
    if (str_is_none(queue) || d->message.type != MESSAGE_NOTIFICATION)
        return ended(arena, SETTLE_DEAD, STR("the notification was not delivered"), why);
    const struct fault *no = send_to_queue(d, queue);
    if (no)
        return ended(arena, SETTLE_DEAD,
                     arena_strf(arena,
                                "the notification was not delivered, and its dead-letter queue did "
                                "not take it: " STR_FMT,
                                STR_ARG(fault_sentence(no, arena))),
                     why);
    return ended(
        arena, SETTLE_DONE,
        arena_strf(arena, "not delivered; moved to the dead-letter queue " STR_FMT, STR_ARG(queue)),
        why);
}

static struct errand_end settle(struct delivery *d, struct outcome_of outcome)
{
    int64_t at_ms;
    switch (outcome.outcome) {
    case DELIVERED:
        return ended(d->attempt->arena, SETTLE_DONE,
                     arena_strf(d->attempt->arena, "delivered to " STR_FMT,
                                STR_ARG(d->attempt->errand.target)),
                     NULL);
    case TRY_AGAIN:
        if (next_attempt(d, &at_ms))
            return (struct errand_end) { .settlement = SETTLE_RETRY,
                                         .retry_at_ms = at_ms,
                                         .says = STR_NONE,
                                         .why = outcome.why };
        break;
    case NEVER:
        break;
    }
    return give_up(d, outcome.why);
}

/* Is there still somebody to get it? A notification is for who is subscribed now, a confirmation
 * for who wants to be or was. */
static bool is_wanted(const struct subscription *s, enum message_type type)
{
    if (!s)
        return false;
    switch (type) {
    case MESSAGE_NOTIFICATION:
        return s->state == SUBSCRIPTION_CONFIRMED;
    case MESSAGE_SUBSCRIBE:
        return s->state == SUBSCRIPTION_PENDING;
    case MESSAGE_UNSUBSCRIBE:
        return s->state == SUBSCRIPTION_ENDED;
    }
    return false;
}

struct errand_end sns_run_errand(struct errand_runner *runner, const struct errand_attempt *attempt)
{
    struct delivery d = { .sns = ((struct sns_runner *)runner)->service, .attempt = attempt };
    struct sns_label label;
    str body;
    const struct fault *why = sns_label_read(attempt->errand.head, attempt->arena, &label);
    if (why)
        return ended(attempt->arena, SETTLE_DEAD, STR("the notification cannot be read"), why);
    d.subscription = subscription_find_any(attempt->world, label.subscription_arn);
    if (!d.subscription)
        return ended(attempt->arena, SETTLE_DONE, STR("nobody is subscribed any more"), NULL);
    d.topic = topic_find(attempt->world, &d.subscription->topic);
    why = open_body(d.sns, attempt, &label, d.subscription, &body);
    if (why) { /* the key may be enabled again, or its policy mended; the message stays sealed */
        int64_t at_ms;
        return next_attempt(&d, &at_ms)
                   ? (struct errand_end) { .settlement = SETTLE_RETRY,
                                           .retry_at_ms = at_ms,
                                           .says = STR_NONE,
                                           .why = why }
                   : ended(attempt->arena, SETTLE_DEAD, STR("the notification stays sealed"), why);
    }
    why = message_decode(body, attempt->arena, &d.message);
    if (why)
        return ended(attempt->arena, SETTLE_DEAD, STR("the notification cannot be read"), why);
    if (!is_wanted(d.subscription, d.message.type))
        return ended(attempt->arena, SETTLE_DONE, STR("nobody waits for it any more"), NULL);
    why = render(&d);
    return settle(&d, why ? outcome_of(TRY_AGAIN, why) : bring(&d));
}
