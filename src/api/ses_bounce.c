/* api/ses_bounce.c - SES v1 SendBounce: parameters in, receive/send_bounce.h, MessageId out. */
#include "api/api.h"
#include "api/params.h"
#include "api/run.h"
#include "api/ses_list.h"
#include "api/ses_rule.h"
#include "base/when.h"
#include "base/xml.h"
#include "mail/field.h"
#include "receive/send_bounce.h"
#include "services/authorize.h"
#include "services/ses/identities.h"

enum { RECIPIENTS_MAX = 100, EXTENSIONS_MAX = 50 };
#define LIST "BouncedRecipientInfoList"

/* API BouncedRecipientInfo: what a BounceType stands for; codes and words as the console's
 * templates have them (ses-receiving spec 9.6, 12.5). */
static const struct {
    str type, status, diagnostic;
} types[] = {
    { STR_INIT("DoesNotExist"), STR_INIT("5.1.1"), STR_INIT("550 5.1.1 Mailbox does not exist") },
    { STR_INIT("MessageTooLarge"), STR_INIT("5.3.4"), STR_INIT("552 5.3.4 Message too large") },
    { STR_INIT("ExceededQuota"), STR_INIT("5.2.2"), STR_INIT("552 5.2.2 Mailbox full") },
    { STR_INIT("ContentRejected"), STR_INIT("5.6.1"),
      STR_INIT("500 5.6.1 Message content rejected") },
    { STR_INIT("Undefined"), STR_INIT("5.0.0"), STR_INIT("554 5.0.0 Unknown failure") },
    { STR_INIT("TemporaryFailure"), STR_INIT("4.0.0"), STR_INIT("450 4.0.0 Temporary failure") },
};

static const struct fault *bad(const struct api_call *call, const char *says, str about)
{
    return fault_coded(call->call.arena, FAULT_SYNTAX, "InvalidParameterValue", "%s" STR_FMT, says,
                       STR_ARG(about));
}

/* Was anything said of a structure? */
static bool has_members(const struct api_call *call, str structure)
{
    for (size_t i = 0; i < call->param_count; i++) {
        str name = call->params[i].name;
        if (str_starts(name, structure) && name.len > structure.len &&
            name.ptr[structure.len] == '.')
            return true;
    }
    return false;
}

/* One of the parameters of a member; STR_NONE when absent, or at the arena's limit. */
static str member(const struct api_call *call, str prefix, const char *name)
{
    const char *full = arena_cstr(
        call->call.arena, arena_strf(call->call.arena, STR_FMT ".%s", STR_ARG(prefix), name));
    return full ? api_param(call, full) : STR_NONE;
}

static const struct fault *read_time(const struct api_call *call, str text, int64_t *ret_ms)
{
    if (str_is_none(text) || when_parse_iso(text, ret_ms))
        return NULL;
    return bad(call, "Not a timestamp: ", text);
}

/* PREFIX.ExtensionFields.member.N.Name and .Value; bounds as AddHeader's (spec 9.1). */
static const struct fault *read_extensions(const struct api_call *call, str prefix,
                                           const struct header **ret_fields, size_t *ret_count)
{
    struct arena *a = call->call.arena;
    str list = arena_strf(a, STR_FMT "%sExtensionFields", STR_ARG(prefix), prefix.len ? "." : "");
    const str *names;
    size_t count;
    TRY(param_list(call, list, ".Name", EXTENSIONS_MAX, "extensionFields", &names, &count));
    struct header *fields = ARENA_ARRAY(a, struct header, count + 1);
    if (!fields)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++) {
        str at = arena_strf(a, STR_FMT ".member.%zu", STR_ARG(list), i + 1);
        fields[i] = (struct header) { names[i], member(call, at, "Value") };
        if (!field_name_valid(fields[i].name))
            return bad(call, "Invalid header name: ", fields[i].name);
        if (str_is_none(fields[i].value) || fields[i].value.len > 2048 ||
            !field_value_valid(fields[i].value))
            return bad(call, "Invalid header value: ", fields[i].value);
    }
    *ret_fields = fields;
    *ret_count = count;
    return NULL;
}

/* ---- the shape of a recipient: spec 12.3, layer 1 ---- */

#define ACTIONS "failed, delayed, delivered, relayed, expanded"
#define TYPES                                                                                      \
    "DoesNotExist, MessageTooLarge, ExceededQuota, ContentRejected, Undefined, TemporaryFailure"

static bool is_word(str value, const char *words)
{
    for (str rest = str_of(words), word; rest.len;) {
        str_cut(rest, ',', &word, &rest);
        if (str_eq(value, str_trim(word)))
            return true;
    }
    return false;
}

static void check_word(struct arena *arena, struct violations *v, str path, str value,
                       bool required, const char *words)
{
    str set = arena_strf(arena, "Member must satisfy enum value set: [%s]", words);
    if (str_is_none(value) && required)
        violation(v, path, STR("Member must not be null"));
    else if (!str_is_none(value) && !is_word(value, words))
        violation(v, path, set);
}

static void check_recipient(const struct api_call *call, size_t number, struct violations *v)
{
    struct arena *a = call->call.arena;
    str prefix = arena_strf(a, LIST ".member.%zu", number);
    str fields = arena_strf(a, STR_FMT ".RecipientDsnFields", STR_ARG(prefix));
    str path = arena_strf(a, "bouncedRecipientInfoList.%zu.member", number);
    if (str_is_none(member(call, prefix, "Recipient")))
        violation(v, arena_strf(a, STR_FMT ".recipient", STR_ARG(path)),
                  STR("Member must not be null"));
    check_word(a, v, arena_strf(a, STR_FMT ".bounceType", STR_ARG(path)),
               member(call, prefix, "BounceType"), false, TYPES);
    if (!has_members(call, fields))
        return;
    check_word(a, v, arena_strf(a, STR_FMT ".recipientDsnFields.action", STR_ARG(path)),
               member(call, fields, "Action"), true, ACTIONS);
    if (str_is_none(member(call, fields, "Status")))
        violation(v, arena_strf(a, STR_FMT ".recipientDsnFields.status", STR_ARG(path)),
                  STR("Member must not be null"));
}

/* ---- a recipient whose shape is right ---- */

/* RecipientDsnFields, said instead of a type. */
static const struct fault *read_fields(const struct api_call *call, str prefix,
                                       struct dsn_recipient *r)
{
    str final = member(call, prefix, "FinalRecipient"),
        code = member(call, prefix, "DiagnosticCode");
    r->status = member(call, prefix, "Status");
    if (!r->status.len)
        return bad(call, "A DSN status is required for ", r->original_recipient);
    if (final.len)
        r->final_recipient = final;
    if (code.len) /* some give it with its type, some without */
        r->diagnostic = str_starts_nocase(code, STR("smtp;")) ? str_trim(str_from(code, 5)) : code;
    if (member(call, prefix, "RemoteMta").len)
        r->remote_mta = member(call, prefix, "RemoteMta");
    TRY(read_time(call, member(call, prefix, "LastAttemptDate"), &r->last_attempt_ms));
    return read_extensions(call, prefix, &r->extensions, &r->extension_count);
}

static const struct fault *read_recipient(const struct api_call *call, size_t number,
                                          struct dsn_recipient *r)
{
    struct arena *a = call->call.arena;
    str prefix = arena_strf(a, LIST ".member.%zu", number);
    str address = member(call, prefix, "Recipient");
    str fields = arena_strf(a, STR_FMT ".RecipientDsnFields", STR_ARG(prefix));
    str type = member(call, prefix, "BounceType");
    *r = (struct dsn_recipient) { .original_recipient = address,
                                  .final_recipient = address,
                                  .action = member(call, fields, "Action") };
    if (r->action.ptr)
        return read_fields(call, fields, r);
    if (str_is_none(type))
        return bad(call, "A bounce type or DSN fields are required for ", address);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (!str_eq(type, types[i].type))
            continue;
        r->action = STR("failed");
        r->status = types[i].status;
        r->diagnostic = types[i].diagnostic;
        return NULL;
    }
    return fault(a, FAULT_DEFECT, NULL, "a bounce type that the shape allows has no row here");
}

static const struct fault *read_request(struct api *api, const struct api_call *call,
                                        struct send_bounce *ret)
{
    struct arena *a = call->call.arena;
    struct ses_list list;
    TRY(ses_list_find(call, STR(LIST), LIST_OF_STRUCTURES, &list));
    const size_t count = list.count;
    AUTO_VIOLATIONS v = violations_new();
    if (!api_param(call, "OriginalMessageId").len)
        violation(&v, STR("originalMessageId"), STR("Member must not be null"));
    if (!api_param(call, "BounceSender").len)
        violation(&v, STR("bounceSender"), STR("Member must not be null"));
    if (!count || list.sparse)
        violation(&v, STR("bouncedRecipientInfoList"), STR("Member must not be null"));
    if (count > RECIPIENTS_MAX)
        violation(&v, STR("bouncedRecipientInfoList"),
                  STR("Member must have length less than or equal to 100"));
    for (size_t n = 1; n <= count && count <= RECIPIENTS_MAX; n++)
        check_recipient(call, n, &v);
    TRY(violations_fault(&v, a));

    struct dsn_recipient *recipients = ARENA_ARRAY(a, struct dsn_recipient, count);
    if (!recipients)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++)
        TRY(read_recipient(call, i + 1, &recipients[i]));
    *ret = (struct send_bounce) {
        .original_message_id = api_param(call, "OriginalMessageId"),
        .sender = api_param(call, "BounceSender"),
        .hostname = api->hostname.ptr ? api->hostname
                                      : arena_strf(a, "inbound-smtp." STR_FMT ".amazonaws.com",
                                                   STR_ARG(call->call.region)),
        .explanation = api_param(call, "Explanation"),
        .reporting_mta = api_param(call, "MessageDsn.ReportingMta"),
        .recipients = recipients,
        .recipient_count = count,
    };
    TRY(read_time(call, api_param(call, "MessageDsn.ArrivalDate"), &ret->arrival_ms));
    return read_extensions(call, STR("MessageDsn"), &ret->extensions, &ret->extension_count);
}

/* ses:SendBounce has identities for resources: the sender's domain. */
static const struct fault *may(const struct api_call *call)
{
    str sender = api_param(call, "BounceSender");
    size_t at = str_find(sender, '@');
    str identity = at < sender.len ? str_from(sender, at + 1) : sender;
    struct arena *a = call->call.arena;
    str account = call->call.caller->account;
    struct context_key from = { .name = STR("ses:FromAddress"), .values = &sender, .count = 1 };
    return authorize(
        &call->call,
        &(struct ask) {
            .action = STR("ses:SendBounce"),
            .resource = arena_strf(a, "arn:aws:ses:" STR_FMT ":" STR_FMT ":identity/" STR_FMT,
                                   STR_ARG(call->call.region), STR_ARG(account), STR_ARG(identity)),
            .resource_account = account,
            .context = &from,
            .context_count = sender.ptr ? 1 : 0,
        });
}

const struct fault *run_ses_SendBounce(struct api *api, const struct api_call *call,
                                       struct api_answer *answer)
{
    const struct outgoing_way way = { .spool = api->spool,
                                    .mailer = api->mailer,
                                    .entropy = api->outside->entropy };
    struct send_bounce request;
    str message_id;
    TRY(may(call));
    TRY(read_request(api, call, &request));
    TRY(send_bounce(&way, &call->call, &request, &message_id));
    xml_leaf(&answer->text, "MessageId", message_id);
    return NULL;
}
