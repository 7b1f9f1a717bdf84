/* receive/send_bounce.c - the message looked up, the recipients checked, the notification left. */
#include "receive/send_bounce.h"

#include "base/random_id.h"
#include "mail/received.h"
#include "receive/header_section.h"
#include "services/ses/identities.h"

enum { FOR_MS = 24 * 60 * 60 * 1000 };

static const struct fault *rejected(const struct call *call, const char *why, str about)
{
    return fault_coded(call->arena, FAULT_SYNTAX, "MessageRejected", "%s" STR_FMT, why,
                       STR_ARG(about));
}

/* A message of another account is not told apart from one that never was. */
static const struct fault *find_original(const struct outgoing_way *way, const struct call *call,
                                         str id, struct head *ret_head, str *ret_section)
{
    struct spool_record record;
    const struct fault *f = way->spool->ops->find(way->spool, id, call->arena, &record);
    if (f && f->kind != FAULT_ABSENT)
        return f;
    if (!f && record.entry.kind == SPOOL_MAIL) {
        TRY(head_decode(record.entry.head, call->arena, ret_head));
        if (str_eq(ret_head->account, call->caller->account) &&
            str_eq(ret_head->region, call->region) &&
            call->now_ms - ret_head->envelope.received_ms <= FOR_MS)
            return header_section_find(way->spool, &record, call->arena, ret_section);
    }
    return rejected(call, "Could not find original message ", id);
}

static bool is_recipient(const struct envelope *e, str address)
{
    for (size_t i = 0; i < e->rcpt_count; i++) {
        if (str_eq_nocase(e->rcpt_to[i].text, address))
            return true;
    }
    return false;
}

static const struct fault *check(const struct call *call, const struct send_bounce *s,
                                 const struct head *head, str section)
{
    if (!identity_covers_address(call->world, call->region, s->sender, call->caller->account))
        return fault_coded(call->arena, FAULT_SYNTAX, "MessageRejected",
                           "Email address is not verified. The following identities failed the "
                           "check in region " STR_FMT ": " STR_FMT,
                           STR_ARG(call->region), STR_ARG(s->sender));
    for (size_t i = 0; i < s->recipient_count; i++) {
        const struct dsn_recipient *r = &s->recipients[i];
        if (!is_recipient(&head->envelope, r->original_recipient) &&
            !is_recipient(&head->envelope, r->final_recipient))
            return rejected(call,
                            "Not a recipient of the original message: ", r->original_recipient);
    }
    const struct bounce as_action = { .head = head, .stored = section.ptr ? section : STR("") };
    str barred = bounce_barred(&as_action, call->arena);
    return barred.ptr ? rejected(call, "The sender cannot be told: ", barred) : NULL;
}

/* SES's fields above the message's own. */
static str original_of(const struct head *head, str section, str hostname, struct arena *a)
{
    AUTO_BUF text = buf_new(64 * 1024 + HEADER_KEPT_MAX);
    return_path_field(&head->envelope, &text);
    received_field(&head->envelope, hostname, &text);
    buf_add(&text, section);
    return text.failed ? STR_NONE : arena_str(a, buf_str(&text));
}

const struct fault *send_bounce(const struct outgoing_way *way, const struct call *call,
                                const struct send_bounce *s, str *ret_message_id)
{
    struct arena *a = call->arena;
    struct head head;
    str section;
    TRY(find_original(way, call, s->original_message_id, &head, &section));
    TRY(check(call, s, &head, section));

    char uuid[REQUEST_ID_LEN + 1];
    str unique = random_request_id(way->entropy, uuid), errand_id;
    str id = sending_id(call->now_ms, unique, a);
    struct dsn dsn = {
        .from = s->sender,
        .to = head.envelope.mail_from.text,
        .message_id = arena_strf(a, STR_FMT "@" STR_FMT, STR_ARG(id), STR_ARG(s->hostname)),
        .date_ms = call->now_ms,
        .token = bounce_token(unique, a),
        .explanation = s->explanation,
        .reporting_mta = s->reporting_mta.ptr
                             ? s->reporting_mta
                             : arena_strf(a, "dns; " STR_FMT, STR_ARG(s->hostname)),
        .arrival_ms = s->arrival_ms ? s->arrival_ms : head.envelope.received_ms,
        .extensions = s->extensions,
        .extension_count = s->extension_count,
        .recipients = s->recipients,
        .recipient_count = s->recipient_count,
        .original = original_of(&head, section, s->hostname, a),
    };
    AUTO_BUF text = buf_new(4 << 20);
    dsn_write(&dsn, &text);
    if (text.failed || !id.ptr || !dsn.message_id.ptr || !dsn.original.ptr)
        return &fault_no_memory;
    TRY(bounce_leave(way, &head, buf_str(&text), call->now_ms, a, &errand_id));
    *ret_message_id = id;
    return NULL;
}
