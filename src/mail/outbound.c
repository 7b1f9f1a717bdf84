#include "mail/outbound.h"

#include "base/when.h"
#include "mail/mailbox.h"

enum { WORDS_MAX = 64, ADDRESS_OCTETS_MAX = 320 /* RFC 5321 4.5.3.1: 64, @, 255 */ };

/* Developer Guide, "Amazon SES header fields": what can't appear more than once. */
/* clang-format off */
static const str once[] = {
    STR_INIT("Accept-Language"), STR_INIT("acceptLanguage"), STR_INIT("Archived-At"), STR_INIT("Auto-Submitted"),
    STR_INIT("Bounces-to"), STR_INIT("Comments"), STR_INIT("Content-Alternative"), STR_INIT("Content-Base"),
    STR_INIT("Content-Class"), STR_INIT("Content-Description"), STR_INIT("Content-Disposition"),
    STR_INIT("Content-Duration"), STR_INIT("Content-ID"), STR_INIT("Content-Language"), STR_INIT("Content-Length"),
    STR_INIT("Content-Location"), STR_INIT("Content-MD5"), STR_INIT("Content-Transfer-Encoding"),
    STR_INIT("Content-Type"), STR_INIT("Date"), STR_INIT("Delivered-To"), STR_INIT("Disposition-Notification-Options"),
    STR_INIT("Disposition-Notification-To"), STR_INIT("DKIM-Signature"), STR_INIT("DomainKey-Signature"),
    STR_INIT("Errors-To"), STR_INIT("From"), STR_INIT("Importance"), STR_INIT("In-Reply-To"), STR_INIT("Keywords"),
    STR_INIT("List-Archive"), STR_INIT("List-Help"), STR_INIT("List-Id"), STR_INIT("List-Owner"), STR_INIT("List-Post"),
    STR_INIT("List-Subscribe"), STR_INIT("List-Unsubscribe"), STR_INIT("List-Unsubscribe-Post"),
    STR_INIT("Message-Context"), STR_INIT("Message-ID"), STR_INIT("MIME-Version"), STR_INIT("Organization"),
    STR_INIT("Original-From"), STR_INIT("Original-Message-ID"), STR_INIT("Original-Recipient"),
    STR_INIT("Original-Subject"), STR_INIT("Precedence"), STR_INIT("Priority"), STR_INIT("References"),
    STR_INIT("Reply-To"), STR_INIT("Return-Path"), STR_INIT("Return-Receipt-To"), STR_INIT("Sender"),
    STR_INIT("Solicitation"), STR_INIT("Sensitivity"), STR_INIT("Subject"), STR_INIT("Thread-Index"),
    STR_INIT("Thread-Topic"), STR_INIT("User-Agent"), STR_INIT("VBR-Info"),
};
/* Developer Guide, "Using Amazon SES ... headers": read and taken away. */
static const str taken_away[] = {
    STR_INIT("Bcc"), STR_INIT("Return-Path"), STR_INIT("Message-ID"), STR_INIT("Date"),
    STR_INIT("X-SES-CONFIGURATION-SET"), STR_INIT("X-SES-MESSAGE-TAGS"), STR_INIT("X-SES-LIST-MANAGEMENT-OPTIONS"),
    STR_INIT("X-SES-TENANT"),
    STR_INIT("X-SES-SOURCE-ARN"), STR_INIT("X-SES-FROM-ARN"), STR_INIT("X-SES-RETURN-PATH-ARN"),
};
static const str delegating[] = {
    STR_INIT("X-SES-SOURCE-ARN"), STR_INIT("X-SES-FROM-ARN"), STR_INIT("X-SES-RETURN-PATH-ARN"),
};
/* clang-format on */
#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool is_among(const str *names, size_t count, str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq_nocase(names[i], name))
            return true;
    return false;
}

void outbound_lines(str octets, struct buf *out)
{
    size_t from = 0;
    for (size_t i = 0; i < octets.len; i++) {
        char c = octets.ptr[i];
        if (c != '\r' && c != '\n')
            continue;
        bool crlf = c == '\r' && i + 1 < octets.len && octets.ptr[i + 1] == '\n';
        buf_add(out, (str) { octets.ptr + from, i - from });
        buf_add(out, STR("\r\n"));
        i += crlf;
        from = i + 1;
    }
    buf_add(out, str_from(octets, from));
    if (from < octets.len)
        buf_add(out, STR("\r\n"));
}

/* ---- reading ---- */

static const struct fault *check_once(const struct message *m, struct arena *arena)
{
    for (size_t i = 0; i < COUNT(once); i++) {
        size_t at = 0;
        if (message_field(m, once[i], &at) && message_field(m, once[i], &at))
            return fault_coded(arena, FAULT_SYNTAX, "InvalidParameterValue",
                               "Duplicate header '" STR_FMT "'.", STR_ARG(once[i]));
    }
    return NULL;
}

struct addresses {
    struct listed *list;
    size_t count, room;
};

static bool add_all(struct addresses *to, const struct listed *listed, size_t count,
                    struct arena *arena)
{
    if (to->count + count > to->room) { /* doubled: a header may name very many, one a field */
        size_t room = 2 * (to->count + count);
        struct listed *more = ARENA_ARRAY(arena, struct listed, room);
        if (!more)
            return false;
        for (size_t i = 0; i < to->count; i++)
            more[i] = to->list[i];
        to->list = more;
        to->room = room;
    }
    for (size_t i = 0; i < count; i++)
        to->list[to->count++] = listed[i];
    return true;
}

/* All fields of these names as one list. */
static const struct fault *read_addresses(const struct message *m, const char *const *names,
                                          struct arena *arena, const struct listed **ret_listed,
                                          size_t *ret_count)
{
    unsigned words = WORDS_MAX;
    struct addresses all = { .count = 0 };
    for (; *names; names++) {
        const struct field *f;
        for (size_t at = 0; (f = message_field(m, str_of(*names), &at));) {
            str value = field_unfold(f->value, arena);
            struct listed *listed;
            size_t count;
            if (str_is_none(value))
                return &fault_no_memory;
            TRY(addresses_read(value, &words, arena, &listed, &count));
            if (!add_all(&all, listed, count, arena))
                return &fault_no_memory;
        }
    }
    *ret_listed = all.list;
    *ret_count = all.count;
    return NULL;
}

/* The one address of a field that may stand but once. */
static const struct fault *read_address(const struct message *m, const char *name,
                                        struct arena *arena, str *ret_address)
{
    const struct listed *listed;
    size_t count;
    TRY(read_addresses(m, (const char *const[]) { name, NULL }, arena, &listed, &count));
    *ret_address = count ? listed[0].address : STR_NONE;
    return NULL;
}

static str text_of(const struct message *m, str name, struct arena *arena)
{
    size_t at = 0;
    const struct field *f = message_field(m, name, &at);
    return f ? str_trim(field_unfold(f->value, arena)) : STR_NONE;
}

const struct fault *outbound_read(str text, struct arena *arena, struct outbound *o)
{
    *o = (struct outbound) { .text = text };
    TRY(message_read(text, arena, &o->message));
    if (!o->message.whole)
        return fault_coded(arena, FAULT_SYNTAX, "InvalidParameterValue",
                           "The header section is larger than %d bytes or %d fields.",
                           MESSAGE_HEAD_MAX, MESSAGE_FIELDS_MAX);
    const struct message *m = &o->message;
    TRY(check_once(m, arena));
    TRY(read_addresses(m, (const char *const[]) { "From", NULL }, arena, &o->from, &o->from_count));
    TRY(read_addresses(m, (const char *const[]) { "To", "Cc", "Bcc", NULL }, arena, &o->to,
                       &o->to_count));
    TRY(read_address(m, "Sender", arena, &o->sender));
    TRY(read_address(m, "Return-Path", arena, &o->return_path));
    o->configuration_set = text_of(m, STR("X-SES-CONFIGURATION-SET"), arena);
    for (size_t i = 0; i < COUNT(o->identity_arns); i++)
        o->identity_arns[i] = text_of(m, delegating[i], arena);
    return NULL;
}

/* ---- writing ---- */

void outbound_write(const struct outbound *o, const struct outbound_marks *marks, struct buf *out)
{
    const struct message *m = &o->message;
    char when[WHEN_SIZE];
    str date = when_mail(when, marks->date_ms);
    if (str_ends(date, STR(" (UTC)")))
        date = str_head(date, date.len - 6);
    for (size_t i = 0; i < m->count; i++) {
        const struct field *f = &m->fields[i];
        bool replaced = str_eq_nocase(f->name, STR("From")) && !o->from_count && marks->from.len;
        if (is_among(taken_away, COUNT(taken_away), f->name) || replaced)
            continue;
        buf_add(out, f->text);
        if (!str_ends(f->text,
                      STR("\r\n"))) /* the last, of a message that is a header section only */
            buf_add(out, STR("\r\n"));
    }
    if (!o->from_count && marks->from.len)
        buf_addf(out, "From: " STR_FMT "\r\n", STR_ARG(marks->from));
    buf_addf(out, "Message-ID: <" STR_FMT ">\r\nDate: " STR_FMT "\r\n\r\n",
             STR_ARG(marks->message_id), STR_ARG(date));
    buf_add(out, str_from(o->text, m->body_at));
}

/* ---- addresses ---- */

static bool is_odd(char c)
{
    return (unsigned char)c <= ' ' || (unsigned char)c >= 0x7f;
}

/* Where the local part ends: at the first @ outside of quotes; address.len: nowhere. */
static size_t local_end(str address, bool *ret_odd)
{
    bool quoted = false;
    *ret_odd = false;
    for (size_t i = 0; i < address.len; i++) {
        char c = address.ptr[i];
        if (c == '"')
            quoted = !quoted;
        else if (quoted && c == '\\')
            i++;
        else if (!quoted && c == '@')
            return i;
        else
            *ret_odd = *ret_odd || (quoted ? (unsigned char)c >= 0x7f : is_odd(c));
    }
    return address.len;
}

const char *address_unsendable(str address, struct arena *arena)
{
    bool odd;
    size_t at = local_end(address, &odd);
    struct mailbox mailbox;
    if (odd)
        return "Local address contains control or whitespace";
    if (at >= address.len)
        return "Missing final '@domain'";
    if (at + 1 == address.len)
        return "Missing domain";
    for (size_t i = at + 1; i < address.len; i++)
        if (is_odd(address.ptr[i]))
            return "Domain contains control or whitespace";
    bool fits = address.len <= ADDRESS_OCTETS_MAX;
    return fits && mailbox_of(address, MAILBOX_LENIENT, arena, &mailbox) ? NULL : "Illegal address";
}
