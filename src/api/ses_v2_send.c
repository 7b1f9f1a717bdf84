/* api/ses_v2_send.c - SES v2 SendEmail: raw content, and a simple one, by the code of v1. */
#include "api/run.h"
#include "api/ses_send.h"
#include "api/ses_v2_shape.h"
#include "base/base64.h"

enum { WORK_MAX = 256 * 1024 * 1024, FIELDS_MAX = 50 };

/* What outlives the request's text (a denial quotes it) is copied out of the work's arena. */
static const struct fault *read_text(const struct api_call *call, const struct json *object,
                                     const char *member, str *ret_text)
{
    str text;
    TRY(ses_v2_text(call, object, member, &text));
    *ret_text = text.ptr ? arena_str(call->call.arena, text) : STR_NONE;
    return text.ptr && !ret_text->ptr ? &fault_no_memory : NULL;
}

static const struct fault *bad(const struct api_call *call, const char *says)
{
    return fault_coded(call->call.arena, FAULT_SYNTAX, "BadRequestException", "%s", says);
}

static const struct fault *read_list(const struct api_call *call, const struct json *object,
                                     const char *member, const str **ret_list, size_t *ret_count)
{
    const struct json *list = json_get(object, member);
    size_t count = json_size(list);
    if (list && json_kind(list) != JSON_ARRAY && json_kind(list) != JSON_NULL)
        return ses_v2_unreadable(call);
    if (count > SEND_LIST_MAX)
        return bad(call, "Recipient count exceeds 50.");
    str *to = ARENA_ARRAY(call->call.arena, str, count + 1);
    if (!to)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++) {
        str text = json_text(json_at(list, i));
        if (str_is_none(text))
            return ses_v2_unreadable(call);
        to[i] = arena_str(call->call.arena, text);
        if (str_is_none(to[i]))
            return &fault_no_memory;
    }
    *ret_list = to;
    *ret_count = count;
    return NULL;
}

static const struct fault *read_content(const struct api_call *call, const struct json *object,
                                        const char *member, struct compose_text *ret_text)
{
    const struct json *content = json_get(object, member);
    *ret_text = (struct compose_text) { .data = STR_NONE, .charset = STR_NONE };
    if (!content || json_kind(content) == JSON_NULL)
        return NULL;
    TRY(ses_v2_text(call, content, "Data", &ret_text->data));
    TRY(ses_v2_text(call, content, "Charset", &ret_text->charset));
    return str_is_none(ret_text->data) ? bad(call, "A content has no Data.") : NULL;
}

static const struct fault *read_fields(const struct api_call *call, const struct json *simple,
                                       const struct header **ret_fields, size_t *ret_count)
{
    const struct json *list = json_get(simple, "Headers");
    size_t count = json_size(list);
    if (count > FIELDS_MAX)
        return bad(call, "A message has at most 50 Headers.");
    struct header *fields = ARENA_ARRAY(call->call.arena, struct header, count + 1);
    if (!fields)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++) {
        TRY(read_text(call, json_at(list, i), "Name", &fields[i].name));
        TRY(read_text(call, json_at(list, i), "Value", &fields[i].value));
    }
    *ret_fields = fields;
    *ret_count = count;
    return NULL;
}

/* To, Cc and Bcc of the request, whatever the content is. */
struct destination {
    const str *to, *cc, *bcc;
    size_t to_count, cc_count, bcc_count;
};

static const struct fault *read_destination(const struct api_call *call, const struct json *body,
                                            struct destination *d)
{
    const struct json *object = json_get(body, "Destination");
    TRY(read_list(call, object, "ToAddresses", &d->to, &d->to_count));
    TRY(read_list(call, object, "CcAddresses", &d->cc, &d->cc_count));
    return read_list(call, object, "BccAddresses", &d->bcc, &d->bcc_count);
}

static const struct fault *send_raw(struct api *api, const struct api_call *call,
                                    const struct json *raw, const struct destination *d,
                                    struct send *send, str *ret_id)
{
    str data;
    TRY(ses_v2_text(call, raw, "Data", &data));
    AUTO_BUF octets = buf_new(data.len + 1);
    if (str_is_none(data) || !base64_decode(&octets, data))
        return ses_v2_unreadable(call);
    size_t count = d->to_count + d->cc_count + d->bcc_count;
    str *all = ARENA_ARRAY(call->call.arena, str, count + 1);
    if (!all)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++)
        all[i] = i < d->to_count                 ? d->to[i]
                 : i < d->to_count + d->cc_count ? d->cc[i - d->to_count]
                                                 : d->bcc[i - d->to_count - d->cc_count];
    send->action = STR("ses:SendRawEmail"); /* as AWS asks for raw content, by v2 too */
    send->destinations = all;
    send->destination_count = count;
    send->octets = buf_str(&octets);
    return ses_send(api, call, send, ret_id);
}

static const struct fault *read_simple(const struct api_call *call, const struct json *body,
                                       const struct send *send, struct compose *c)
{
    const struct json *content = json_get(body, "Content"), *simple = json_get(content, "Simple"),
                      *texts = json_get(simple, "Body");
    if (json_get(content, "Template"))
        return bad(call, "Sesame only receives mail, and forwards: templates are not built.");
    if (json_kind(simple) != JSON_OBJECT || json_get(content, "Raw"))
        return bad(call, "Content has either Raw or Simple.");
    if (json_size(json_get(simple, "Attachments")))
        return bad(call, "Sesame does not make attachments; send Content.Raw.");
    if (!send->source.len)
        return bad(call, "FromEmailAddress is missing.");
    TRY(read_content(call, simple, "Subject", &c->subject));
    TRY(read_content(call, texts, "Text", &c->text));
    TRY(read_content(call, texts, "Html", &c->html));
    TRY(read_fields(call, simple, &c->fields, &c->field_count));
    return read_list(call, body, "ReplyToAddresses", &c->reply_to, &c->reply_to_count);
}

/* What is no raw content is asked for as SendEmail, whatever else it is. */
static const struct fault *send_simple(struct api *api, const struct api_call *call,
                                       const struct json *body, const struct destination *d,
                                       struct send *send, str *ret_id)
{
    struct ses_email email = { .compose = { .from = send->source,
                                            .to = d->to,
                                            .to_count = d->to_count,
                                            .cc = d->cc,
                                            .cc_count = d->cc_count },
                               .bcc = d->bcc,
                               .bcc_count = d->bcc_count };
    const struct fault *why = read_simple(call, body, send, &email.compose);
    if (!send->refused)
        send->refused = why;
    send->action = STR("ses:SendEmail");
    return ses_send_email(api, call, send, &email, ret_id);
}

static const struct fault *refuse_unbuilt(const struct api_call *call, const struct json *body)
{
    static const char *const members[] = { "ListManagementOptions", "EndpointId", "TenantName" };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        const struct json *value = json_get(body, members[i]);
        if (value && json_kind(value) != JSON_NULL)
            return fault_coded(call->call.arena, FAULT_SYNTAX, "BadRequestException",
                               "Sesame only receives mail, and forwards: %s is not built.",
                               members[i]);
    }
    return NULL;
}

static const struct fault *send_email(struct api *api, const struct api_call *call,
                                      struct arena *work, str *ret_id)
{
    const struct json *body, *content, *raw;
    struct destination d = { .to_count = 0 };
    str arns[2];
    struct send send = { .api_version = STR("2"),
                         .identity_arns = arns,
                         .identity_arn_count = 2,
                         .size_max = SEND_V2_MAX };
    TRY(ses_v2_body(call, work, &body));
    TRY(read_text(call, body, "FromEmailAddress", &send.source));
    TRY(read_text(call, body, "FeedbackForwardingEmailAddress", &send.return_path));
    TRY(read_text(call, body, "ConfigurationSetName", &send.configuration_set));
    TRY(read_text(call, body, "FromEmailAddressIdentityArn", &arns[0]));
    TRY(read_text(call, body, "FeedbackForwardingEmailAddressIdentityArn", &arns[1]));
    TRY(read_destination(call, body, &d));
    send.refused = refuse_unbuilt(call, body);
    content = json_get(body, "Content");
    raw = json_get(content, "Raw");
    if (json_kind(raw) == JSON_OBJECT && json_size(content) == 1)
        return send_raw(api, call, raw, &d, &send, ret_id);
    return send_simple(api, call, body, &d, &send, ret_id);
}

const struct fault *run_sesv2_SendEmail(struct api *api, const struct api_call *call,
                                        struct api_answer *answer)
{
    AUTO_ARENA *work = arena_new(WORK_MAX);
    str id;
    TRY(work ? send_email(api, call, work, &id) : &fault_no_memory);
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    json_add_str(&w, "MessageId", id);
    json_close(&w, '}');
    return NULL;
}
