/* api/ses_send.c - SES v1 SendRawEmail and SendEmail: parameters in, receive/send.h, MessageId out.
 */
#include "api/ses_send.h"

#include "api/params.h"
#include "api/run.h"
#include "api/ses_rule.h"
#include "base/base64.h"
#include "base/random_id.h"
#include "base/xml.h"

enum { TOKEN_LEN = 24 };

const struct fault *ses_send(struct api *api, const struct api_call *call, struct send *send,
                             str *ret_message_id)
{
    const struct outgoing_way way = { .spool = api->spool,
                                      .mailer = api->mailer,
                                      .entropy = api->outside->entropy };
    str region = call->call.region;
    send->host = api->mail_domain;
    if (!send->host.len) /* SES's own; the first region has a word instead of its name */
        send->host = arena_strf(call->call.arena, STR_FMT ".amazonses.com",
                                STR_ARG(str_eq(region, STR("us-east-1")) ? STR("email") : region));
    return str_is_none(send->host) ? &fault_no_memory
                                   : send_mail(&way, &call->call, send, ret_message_id);
}

const struct fault *ses_send_email(struct api *api, const struct api_call *call, struct send *send,
                                   const struct ses_email *email, str *ret_message_id)
{
    struct compose made = email->compose;
    size_t count = made.to_count + made.cc_count + email->bcc_count;
    str *all = ARENA_ARRAY(call->call.arena, str, count + 1);
    char token[TOKEN_LEN + 1];
    if (!all)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++)
        all[i] = i < made.to_count ? made.to[i]
                 : i < made.to_count + made.cc_count
                     ? made.cc[i - made.to_count]
                     : email->bcc[i - made.to_count - made.cc_count];
    made.token = random_hex(api->outside->entropy, token, TOKEN_LEN);
    send->source = made.from;
    send->destinations = all;
    send->destination_count = count;
    send->made = &made;
    return ses_send(api, call, send, ret_message_id);
}

/* ---- v1 ---- */

/* On whose behalf: one's own identities may be named. */
static const char *const arn_names[] = { "SourceArn", "FromArn", "ReturnPathArn" };
enum { ARNS = sizeof arn_names / sizeof *arn_names };

static struct send v1_send(const struct api_call *call, str arns[ARNS])
{
    for (size_t i = 0; i < ARNS; i++)
        arns[i] = api_param(call, arn_names[i]);
    return (struct send) { .api_version = STR("1"),
                           .source = api_param(call, "Source"),
                           .return_path = api_param(call, "ReturnPath"),
                           .source_bounces = true,
                           .configuration_set = api_param(call, "ConfigurationSetName"),
                           .identity_arns = arns,
                           .identity_arn_count = ARNS,
                           .size_max = SEND_V1_MAX };
}

static const struct fault *list(const struct api_call *call, const char *name, const char *path,
                                const str **ret_list, size_t *ret_count)
{
    return param_list(call, str_of(name), "", SEND_LIST_MAX, path, ret_list, ret_count);
}

static void need(struct violations *v, const struct api_call *call, const char *name,
                 const char *path)
{
    if (!api_has_param(call, name))
        violation(v, str_of(path), STR("Member must not be null"));
}

const struct fault *run_ses_SendRawEmail(struct api *api, const struct api_call *call,
                                         struct api_answer *answer)
{
    str data = api_param(call, "RawMessage.Data"), arns[ARNS], id;
    struct send send = v1_send(call, arns);
    AUTO_BUF octets = buf_new(data.len + 1);
    AUTO_VIOLATIONS v = violations_new();
    need(&v, call, "RawMessage.Data", "rawMessage.data");
    TRY(violations_fault(&v, call->call.arena));
    TRY(list(call, "Destinations", "destinations", &send.destinations, &send.destination_count));
    if (!base64_decode(&octets, data))
        return fault_coded(call->call.arena, FAULT_SYNTAX, "MalformedInput",
                           "RawMessage.Data is not base64");
    send.action = STR("ses:SendRawEmail");
    send.octets = buf_str(&octets);
    send.return_path = STR_NONE; /* the operation has none */
    TRY(ses_send(api, call, &send, &id));
    xml_leaf(&answer->text, "MessageId", id);
    return NULL;
}

static struct compose_text text_param(const struct api_call *call, const char *data,
                                      const char *charset)
{
    return (struct compose_text) { api_param(call, data), api_param(call, charset) };
}

const struct fault *run_ses_SendEmail(struct api *api, const struct api_call *call,
                                      struct api_answer *answer)
{
    str arns[ARNS], id;
    struct send send = v1_send(call, arns);
    struct ses_email email = {
        .compose = { .from = send.source,
                     .subject = text_param(call, "Message.Subject.Data", "Message.Subject.Charset"),
                     .text =
                         text_param(call, "Message.Body.Text.Data", "Message.Body.Text.Charset"),
                     .html =
                         text_param(call, "Message.Body.Html.Data", "Message.Body.Html.Charset") },
    };
    struct compose *c = &email.compose;
    AUTO_VIOLATIONS v = violations_new();
    need(&v, call, "Source", "source");
    need(&v, call, "Message.Subject.Data", "message.subject.data");
    TRY(violations_fault(&v, call->call.arena));
    TRY(list(call, "Destination.ToAddresses", "destination.toAddresses", &c->to, &c->to_count));
    TRY(list(call, "Destination.CcAddresses", "destination.ccAddresses", &c->cc, &c->cc_count));
    TRY(list(call, "Destination.BccAddresses", "destination.bccAddresses", &email.bcc,
             &email.bcc_count));
    TRY(list(call, "ReplyToAddresses", "replyToAddresses", &c->reply_to, &c->reply_to_count));
    send.action = STR("ses:SendEmail");
    TRY(ses_send_email(api, call, &send, &email, &id));
    xml_leaf(&answer->text, "MessageId", id);
    return NULL;
}
