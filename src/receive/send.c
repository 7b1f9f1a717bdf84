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
    struct outbound message;   /* a made one is read when it is made */
    struct listed source;      /* address STR_NONE: none was given */
    const struct listed *from; /* From's first, or the source */
    str reverse_path;
    str senders[SENDERS_MAX]; /* each address it is from, once: From's first */
    size_t sender_count;
    const str *recipients;
    size_t recipient_count;
    const char *wrong; /* the first thing that is not well said: told to those who may send */
};

static const struct fault *bad(const struct call *call, const char *says)
{
    return fault_coded(call->arena, FAULT_SYNTAX, "InvalidParameterValue", "%s", says);
}

/* ---- who, and to whom ---- */

static void is_wrong(struct letter *l, const char *why)
{
    if (!l->wrong)
        l->wrong = why;
}

/* One address out of a text; of what is none, the text. */
static const struct fault *read_one(struct letter *l, str written, struct listed *ret)
{
    struct arena *arena = l->call->arena;
    unsigned words = NAMES_MAX;
    struct listed *listed;
    size_t count;
    for (size_t i = 0; i < written.len; i++) /* what would fold a field, or begin one */
        if ((unsigned char)written.ptr[i] < 0x20 || written.ptr[i] == 0x7f)
            is_wrong(l, "Illegal address");
    TRY(addresses_read(written, &words, arena, &listed, &count));
    *ret = count ? listed[0] : (struct listed) { .address = STR("") };
    is_wrong(l, count > 1 ? "Illegal address" : address_unsendable(ret->address, arena));
    return NULL;
}

static void add_sender(struct letter *l, str address)
{
    is_wrong(l, address_unsendable(address, l->call->arena));
    for (size_t i = 0; i < l->sender_count; i++)
        if (str_eq(l->senders[i], address))
            return;
    if (l->sender_count == SENDERS_MAX)
        is_wrong(l, "The message is from more addresses than are taken.");
    else
        l->senders[l->sender_count++] = address;
}

static const struct fault *read_senders(struct letter *l)
{
    const struct outbound *m = &l->message;
    if (l->send->source.len)
        TRY(read_one(l, l->send->source, &l->source));
    if (!m->from_count && !l->source.address.len)
        is_wrong(l, "Missing required header 'From'.");
    for (size_t i = 0; i < m->from_count; i++)
        add_sender(l, m->from[i].address);
    if (l->source.address.len || !l->sender_count)
        add_sender(l, l->source.address);
    if (m->sender.len)
        add_sender(l, m->sender);
    l->from = m->from_count ? &m->from[0] : &l->source;
    return NULL;
}

/* Twice named is sent to once. */
static void add_recipient(struct letter *l, str *to, str address)
{
    is_wrong(l, address_unsendable(address, l->call->arena));
    for (size_t i = 0; i < l->recipient_count; i++)
        if (str_eq_nocase(to[i], address))
            return;
    to[l->recipient_count++] = address;
}

static const struct fault *read_recipients(struct letter *l)
{
    const struct send *s = l->send;
    size_t count = s->destination_count ? s->destination_count : l->message.to_count;
    if (!count)
        is_wrong(l, "At least one destination address is required.");
    if (count > SEND_RECIPIENTS_MAX)
        is_wrong(l, "Recipient count exceeds 50.");
    count = count > SEND_RECIPIENTS_MAX ? SEND_RECIPIENTS_MAX : count;
    str *to = ARENA_ARRAY(l->call->arena, str, count + 1);
    if (!to)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++) {
        struct listed one = { .address = STR("") };
        if (s->destination_count)
            TRY(read_one(l, s->destinations[i], &one));
        else
            one = l->message.to[i];
        add_recipient(l, to, one.address);
    }
    for (size_t i = 0; s->made && i < s->made->reply_to_count; i++) {
        struct listed one;
        TRY(read_one(l, s->made->reply_to[i], &one));
    }
    l->recipients = to;
    return NULL;
}

/* Whom bounces go to. API SendRawEmail: Source "takes precedence over any Return-Path header". */
static const struct fault *read_reverse_path(struct letter *l)
{
    struct listed one = { .address = STR_NONE };
    if (l->send->return_path.len) {
        TRY(read_one(l, l->send->return_path, &one));
        l->reverse_path = one.address;
    } else if (l->send->source_bounces && l->source.address.len)
        l->reverse_path = l->source.address;
    else if (l->message.return_path.ptr)
        l->reverse_path = l->message.return_path;
    else
        l->reverse_path = l->source.address.len ? l->source.address : l->senders[0];
    is_wrong(l, address_unsendable(l->reverse_path, l->call->arena));
    return NULL;
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
    const struct listed *from = l->from;
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

/* The octets as they are sent on, and what their header section says. */
static const struct fault *read_octets(struct letter *l, str octets, struct buf *lines)
{
    const struct send *s = l->send;
    if (octets.len > s->size_max)
        return fault_coded(l->call->arena, FAULT_SYNTAX, "InvalidParameterValue",
                           "Message length is more than %zu bytes long: '%zu'.", s->size_max,
                           octets.len);
    *lines = buf_new(2 * octets.len + ENDS_MORE);
    outbound_lines(octets, lines);
    return lines->failed ? &fault_no_memory
                         : outbound_read(buf_str(lines), l->call->arena, &l->message);
}

static const struct fault *make(struct letter *l, struct buf *lines)
{
    AUTO_BUF text = buf_new(4 * l->send->size_max);
    TRY(compose_write(l->send->made, l->call->arena, &text));
    return read_octets(l, buf_str(&text), lines);
}

static const struct fault *leave(const struct outgoing_way *way, const struct letter *l, str id)
{
    const struct call *call = l->call;
    AUTO_BUF text = buf_new(l->message.text.len + MESSAGE_HEAD_MAX);
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
    AUTO_BUF lines = buf_new(0);
    char uuid[REQUEST_ID_LEN + 1];
    if (!send->made)
        TRY(read_octets(&l, send->octets, &lines));
    TRY(read_senders(&l));
    TRY(read_recipients(&l));
    TRY(read_reverse_path(&l));
    for (size_t i = 0; i < l.sender_count; i++)
        TRY(may(&l, l.senders[i]));
    TRY(send->refused);
    if (l.wrong)
        return bad(call, l.wrong);
    TRY(refuse_unbuilt(&l));
    TRY(check_verified(&l));
    if (send->made)
        TRY(make(&l, &lines));
    str id = sending_id(call->now_ms, random_request_id(way->entropy, uuid), call->arena);
    if (str_is_none(id))
        return &fault_no_memory;
    TRY(leave(way, &l, id));
    *ret_message_id = id;
    return NULL;
}
