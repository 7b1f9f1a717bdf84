/* services/sqs/remote.c - SendMessage in the Query dialect, which every SQS understands. */
#include "services/sqs/remote.h"

#include "base/percent.h"
#include "base/xml.h"
#include "wire/http_client.h"

#include <stdio.h>

enum { PATIENCE_MS = 15000, FORM_MAX = 2 * 1024 * 1024, REPLY_MAX = 64 * 1024 };

struct sqs_remote {
    struct sqs_port port;
    struct sqs_remote_settings settings;
};

static void add(struct buf *form, const char *name, str value)
{
    buf_addf(form, "%s%s=", form->len ? "&" : "", name);
    percent_encode(form, value, PERCENT_ALL);
}

static void add_attribute(struct buf *form, size_t number, const struct message_attribute *a)
{
    bool binary = str_starts(a->type, STR("Binary"));
    char name[64];
    snprintf(name, sizeof name, "MessageAttribute.%zu.Name", number);
    add(form, name, a->name);
    snprintf(name, sizeof name, "MessageAttribute.%zu.Value.DataType", number);
    add(form, name, a->type);
    snprintf(name, sizeof name, "MessageAttribute.%zu.Value.%s", number,
             binary ? "BinaryValue" : "StringValue");
    add(form, name, a->value);
}

/* What the refusal means to who sent: gone and denied are final, the rest may pass. */
static const struct fault *refused(const struct http_reply *reply, str queue_arn,
                                   struct arena *arena)
{
    static const struct {
        const char *code;
        enum fault_kind kind;
    } kinds[] = {
        { "AWS.SimpleQueueService.NonExistentQueue", FAULT_ABSENT },
        { "QueueDoesNotExist", FAULT_ABSENT },
        { "AccessDenied", FAULT_DENIED },
        { "Throttling", FAULT_UNAVAILABLE },
        { "RequestThrottled", FAULT_UNAVAILABLE },
        { "OverLimit", FAULT_UNAVAILABLE },
    };
    const struct xml_element *root = NULL;
    bool passes = reply->status >= 500 || reply->status == 429;
    enum fault_kind kind = passes                 ? FAULT_UNAVAILABLE
                           : reply->status == 403 ? FAULT_DENIED
                                                  : FAULT_SYNTAX;
    str code = STR_NONE, says = STR_NONE;
    if (!xml_parse(reply->body, arena, &root)) {
        code = xml_str(xml_get(root, "Error"), "Code");
        says = xml_str(xml_get(root, "Error"), "Message");
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (!passes && str_eq(code, str_of(kinds[i].code)))
            kind = kinds[i].kind;
    return fault(arena, kind, NULL,
                 "the queue endpoint answered %d for " STR_FMT ": " STR_FMT " " STR_FMT,
                 reply->status, STR_ARG(queue_arn), STR_ARG(str_head(code, 128)),
                 STR_ARG(str_head(says, 512)));
}

static const struct fault *send_message(struct sqs_port *port, const struct call *call,
                                        str queue_arn, str message,
                                        const struct message_attribute *attributes, size_t count)
{
    const struct sqs_remote_settings *s = &((struct sqs_remote *)port)->settings;
    static const struct header form_type = {
        STR_INIT("Content-Type"), STR_INIT("application/x-www-form-urlencoded; charset=utf-8")
    };
    AUTO_BUF form = buf_new(FORM_MAX);
    struct http_reply reply;
    struct arn arn;
    if (!arn_parse(queue_arn, &arn))
        return fault(call->arena, FAULT_SYNTAX, NULL, STR_FMT " is no queue's ARN",
                     STR_ARG(queue_arn));
    str url = arena_strf(call->arena, STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(s->endpoint),
                         STR_ARG(arn.account), STR_ARG(arn.resource));
    add(&form, "Action", STR("SendMessage"));
    add(&form, "Version", STR("2012-11-05"));
    add(&form, "QueueUrl", url);
    add(&form, "MessageBody", message);
    for (size_t i = 0; i < count; i++)
        add_attribute(&form, i + 1, &attributes[i]);
    if (form.failed || str_is_none(url))
        return &fault_no_memory;
    struct sigv4_signer signer = { .access_key_id = s->access_key_id,
                                   .secret = s->secret_access_key,
                                   .security_token = STR_NONE,
                                   .region = arn.region,
                                   .service = STR("sqs"),
                                   .now_ms = s->outside->clock->wall_ms(s->outside->clock) };
    struct http_question question = { .method = STR("POST"),
                                      .url = url,
                                      .headers = &form_type,
                                      .header_count = 1,
                                      .body = buf_str(&form),
                                      .deadline_ms = PATIENCE_MS,
                                      .body_max = REPLY_MAX,
                                      .signer = &signer };
    TRY(http_ask(&question, call->arena, &reply));
    return reply.status >= 200 && reply.status < 300 ? NULL
                                                     : refused(&reply, queue_arn, call->arena);
}

const struct fault *sqs_remote_open(const struct sqs_remote_settings *settings, struct arena *arena,
                                    struct sqs_port **ret_port)
{
    struct sqs_remote *remote = ARENA_NEW(arena, struct sqs_remote);
    if (!remote)
        return &fault_no_memory;
    *remote =
        (struct sqs_remote) { .port = { .send_message = send_message }, .settings = *settings };
    while (str_ends(remote->settings.endpoint, STR("/")))
        remote->settings.endpoint.len--;
    str endpoint = remote->settings.endpoint;
    if (!str_starts(endpoint, STR("http://")) && !str_starts(endpoint, STR("https://")))
        return fault(arena, FAULT_SYNTAX, NULL, "the queue endpoint \"" STR_FMT "\" is no http URL",
                     STR_ARG(settings->endpoint));
    *ret_port = &remote->port;
    return NULL;
}
