/* receive/send.c - the message read, its sender judged, its copies left. */
#include "receive/send.h"

#include "base/random_id.h"
#include "mail/outbound.h"
#include "receive/bounce.h"
#include "services/authorize.h"
#include "services/ses/identities.h"

enum { NAMES_MAX = 64, SENDERS_MAX = 16, ENDS_MORE = 4096 };

/* What is known of one message on its way. */
struct letter {
    const struct send *send;
    const struct call *call;
    struct outbound message;
    struct listed source; /* address STR_NONE: none was given */
    str reverse_path;
    str senders[SENDERS_MAX]; /* each address it is from, once: From's first */
    size_t sender_count;
    const str *recipients;
    size_t recipient_count;
};

static const struct fault *bad(const struct call *call, const char *says)
{
    return fault_coded(call->arena, FAULT_SYNTAX, "InvalidParameterValue", "%s", says);
}

/* ---- addresses ---- */

/* One address out of a text; no address in it is an address that is empty. */
static const struct fault *read_one(const struct call *call, str written, struct listed *ret)
{
    unsigned words = NAMES_MAX;
    struct listed *listed;
    size_t count;
    for (size_t i = 0; i < written.len; i++) /* what would fold a field, or begin one */
        if ((unsigned char)written.ptr[i] < 0x20 || written.ptr[i] == 0x7f)
            return bad(call, "Illegal address");
    TRY(addresses_read(written, &words, call->arena, &listed, &count));
    *ret = count ? listed[0] : (struct listed) { .address = STR("") };
    const char *why = count > 1 ? "Illegal address" : address_unsendable(ret->address, call->arena);
    return why ? bad(call, why) : NULL;
}

const struct fault *send_check_addresses(const struct call *call, const str *written, size_t count)
{
    struct listed one;
    for (size_t i = 0; i < count; i++)
        TRY(read_one(call, written[i], &one));
    return NULL;
}

/* Twice named is sent to once. */
static void add_recipient(struct letter *l, str *to, str address)
{
    for (size_t i = 0; i < l->recipient_count; i++)
        if (str_eq_nocase(to[i], address))
            return;
    to[l->recipient_count++] = address;
}

static const struct fault *read_recipients(struct letter *l)
{
    const struct send *s = l->send;
    const struct call *call = l->call;
    size_t count = s->destination_count ? s->destination_count : l->message.to_count;
    if (!count)
        return bad(call, "At least one destination address is required.");
    if (count > SEND_RECIPIENTS_MAX)
        return bad(call, "Recipient count exceeds 50.");
    str *to = ARENA_ARRAY(call->arena, str, count);
    if (!to)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++) {
        struct listed one = { .address = STR("") };
        if (s->destination_count)
            TRY(read_one(call, s->destinations[i], &one));
        else
            one = l->message.to[i];
        const char *why = address_unsendable(one.address, call->arena);
        if (why)
            return bad(call, why);
        add_recipient(l, to, one.address);
    }
    l->recipients = to;
    return NULL;
}

static const struct fault *add_sender(struct letter *l, str address)
{
    const char *why = address_unsendable(address, l->call->arena);
    if (why)
        return bad(l->call, why);
    for (size_t i = 0; i < l->sender_count; i++)
        if (str_eq(l->senders[i], address))
            return NULL;
    if (l->sender_count == SENDERS_MAX)
        return bad(l->call, "The message is from more addresses than are taken.");
    l->senders[l->sender_count++] = address;
    return NULL;
}

static const struct fault *read_senders(struct letter *l)
{
    const struct outbound *m = &l->message;
    if (l->send->source.len)
        TRY(read_one(l->call, l->send->source, &l->source));
    if (!m->from_count && !l->source.address.len)
        return bad(l->call, "Missing required header 'From'.");
    for (size_t i = 0; i < m->from_count; i++)
        TRY(add_sender(l, m->from[i].address));
    if (l->source.address.len)
        TRY(add_sender(l, l->source.address));
    if (m->sender.len)
        TRY(add_sender(l, m->sender));
    return NULL;
}

/* Whom bounces go to. API SendRawEmail: Source "takes precedence over any Return-Path header". */
static const struct fault *read_reverse_path(struct letter *l)
{
    struct listed one = { .address = STR_NONE };
    if (l->send->return_path.len) {
        TRY(read_one(l->call, l->send->return_path, &one));
        l->reverse_path = one.address;
    } else if (l->send->source_bounces && l->source.address.len)
        l->reverse_path = l->source.address;
    else if (l->message.return_path.len)
        l->reverse_path = l->message.return_path;
    else
        l->reverse_path = l->source.address.len ? l->source.address : l->senders[0];
    const char *why = address_unsendable(l->reverse_path, l->call->arena);
    return why ? bad(l->call, why) : NULL;
}

/* ---- may he ---- */

static struct context_key one_key(const char *name, const str *value)
{
    return (struct context_key) { .name = str_of(name), .values = value, .count = 1 };
}

/* Service Authorization Reference, "Amazon SES": SendEmail and SendRawEmail, on the identity by
 * which an address may be used; on the address itself where there is none. */
static const struct fault *may(const struct letter *l, str address)
{
    const struct call *call = l->call;
    const struct identity *identity =
        identity_of_address(call->world, call->region, address, call->caller->account);
    const struct listed *from = l->message.from_count ? &l->message.from[0] : &l->source;
    const struct context_key context[] = {
        one_key("ses:ApiVersion", &l->send->api_version),
        one_key("ses:FromAddress", &from->address),
        one_key("ses:FeedbackAddress", &l->reverse_path),
        { .name = STR("ses:Recipients"),
          .values = l->recipients,
          .count = l->recipient_count,
          .multivalued = true },
        one_key("ses:FromDisplayName", &from->name), /* last: there may be none */
    };
    str name = identity ? identity->domain : address;
    return authorize(call,
                     &(struct ask) {
                         .action = l->send->action,
                         .resource = arena_strf(
                             call->arena, "arn:aws:ses:" STR_FMT ":" STR_FMT ":identity/" STR_FMT,
                             STR_ARG(call->region), STR_ARG(call->caller->account), STR_ARG(name)),
                         .resource_account = call->caller->account,
                         .context = context,
                         .context_count = sizeof context / sizeof *context - !from->name.len,
                     });
}

/* ---- is it verified ---- */

static void list_unverified(const struct letter *l, str address, struct buf *out)
{
    const struct call *call = l->call;
    if (identity_covers_address(call->world, call->region, address, call->caller->account))
        return;
    buf_addf(out, "%s" STR_FMT, out->len ? ", " : "", STR_ARG(address));
}

static const struct fault *check_verified(const struct letter *l)
{
    const struct call *call = l->call;
    AUTO_BUF unverified = buf_new(16 * 1024), region = buf_new(64);
    bool listed = false;
    for (size_t i = 0; i < l->sender_count; i++) {
        list_unverified(l, l->senders[i], &unverified);
        listed = listed || str_eq(l->senders[i], l->reverse_path);
    }
    if (!listed)
        list_unverified(l, l->reverse_path, &unverified);
    if (!unverified.len)
        return NULL;
    for (size_t i = 0; i < call->region.len; i++) { /* as SES says it: US-EAST-1 */
        char c = call->region.ptr[i];
        buf_addc(&region, c >= 'a' && c <= 'z' ? (char)(c - 32) : c);
    }
    return fault_coded(
        call->arena, FAULT_SYNTAX, "MessageRejected",
        "Email address is not verified. The following identities failed the check in "
        "region " STR_FMT ": " STR_FMT,
        STR_ARG(buf_str(&region)), STR_ARG(buf_str(&unverified)));
}

/* ---- what is not built ---- */

static const struct fault *refuse_set(const struct call *call, str name)
{
    return name.len ? fault_coded(call->arena, FAULT_ABSENT, "ConfigurationSetDoesNotExist",
                                  "Configuration set <" STR_FMT "> does not exist.", STR_ARG(name))
                    : NULL;
}

/* One's own identity may be named so; another account's has a policy that allows it, which is not
 * built. */
static const struct fault *refuse_foreign(const struct call *call, str arn)
{
    str own = arena_strf(call->arena, "arn:aws:ses:" STR_FMT ":" STR_FMT ":identity/",
                         STR_ARG(call->region), STR_ARG(call->caller->account));
    if (!arn.len || (own.len && str_starts(arn, own)))
        return NULL;
    return fault_coded(call->arena, FAULT_SYNTAX, "InvalidParameterValue",
                       "Sesame sends for identities of the caller's account and region only, not "
                       "for " STR_FMT,
                       STR_ARG(str_head(arn, 200)));
}

static const struct fault *refuse_unbuilt(const struct letter *l)
{
    const struct send *s = l->send;
    const struct outbound *m = &l->message;
    TRY(refuse_set(l->call, s->configuration_set));
    TRY(refuse_set(l->call, m->configuration_set));
    for (size_t i = 0; i < s->identity_arn_count; i++)
        TRY(refuse_foreign(l->call, s->identity_arns[i]));
    for (size_t i = 0; i < sizeof m->identity_arns / sizeof *m->identity_arns; i++)
        TRY(refuse_foreign(l->call, m->identity_arns[i]));
    return NULL;
}

/* ---- sent ---- */

static const struct fault *leave(const struct outgoing_way *way, const struct letter *l, str id)
{
    const struct call *call = l->call;
    AUTO_BUF text = buf_new(2 * l->send->octets.len + MESSAGE_HEAD_MAX);
    const struct outbound_marks marks = {
        .from = l->source.address.len ? listed_text(&l->source, call->arena) : STR_NONE,
        .message_id =
            arena_strf(call->arena, STR_FMT "@" STR_FMT, STR_ARG(id), STR_ARG(l->send->host)),
        .date_ms = call->now_ms,
    };
    str *ids = ARENA_ARRAY(call->arena, str, l->recipient_count);
    str about = arena_strf(call->arena, "message " STR_FMT, STR_ARG(id));
    if (!ids || str_is_none(marks.message_id) || str_is_none(about))
        return &fault_no_memory;
    outbound_write(&l->message, &marks, &text);
    if (text.failed)
        return &fault_no_memory;
    const struct outgoing_mail mail = { .account = call->caller->account,
                                        .region = call->region,
                                        .about = about,
                                        .reverse_path = l->reverse_path,
                                        .forward_paths = l->recipients,
                                        .forward_path_count = l->recipient_count,
                                        .message = buf_str(&text) };
    return outgoing_put(way, &mail, call->now_ms, call->arena, ids);
}

const struct fault *send_mail(const struct outgoing_way *way, const struct call *call,
                              const struct send *send, str *ret_message_id)
{
    struct letter l = { .send = send, .call = call };
    AUTO_BUF lines = buf_new(2 * send->octets.len + ENDS_MORE);
    char uuid[REQUEST_ID_LEN + 1];
    if (send->octets.len > send->size_max)
        return fault_coded(call->arena, FAULT_SYNTAX, "InvalidParameterValue",
                           "Message length is more than %zu bytes long: '%zu'.", send->size_max,
                           send->octets.len);
    outbound_lines(send->octets, &lines);
    if (lines.failed)
        return &fault_no_memory;
    TRY(outbound_read(buf_str(&lines), call->arena, &l.message));
    TRY(read_senders(&l));
    TRY(read_recipients(&l));
    TRY(read_reverse_path(&l));
    for (size_t i = 0; i < l.sender_count; i++)
        TRY(may(&l, l.senders[i]));
    TRY(refuse_unbuilt(&l));
    TRY(check_verified(&l));
    str id = sending_id(call->now_ms, random_request_id(way->entropy, uuid), call->arena);
    if (str_is_none(id))
        return &fault_no_memory;
    TRY(leave(way, &l, id));
    *ret_message_id = id;
    return NULL;
}
