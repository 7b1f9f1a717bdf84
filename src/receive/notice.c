/* receive/notice.c - the mail object, the receipt object, and what is put around them. */
#include "receive/notice.h"

#include "base/base64.h"
#include "base/digest.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/when.h"
#include "mail/addresses.h"
#include "mail/message.h"
#include "mail/words.h"
#include "receive/actions.h"

enum {
    HEADERS_MAX = 10 * 1024, /* names and values that `headers` may hold: spec 11.6 */
    FIELDS_ARENA = 8 << 20,
    WORK_ARENA = 128 << 20, /* one field's; a header section has a megabyte at most */
    WORDS_MAX = 5000, /* encoded words decoded for one document: a third of a second at worst */
};

struct writing {
    const struct notice *notice;
    struct json_writer json;
    struct message head;
    struct arena *fields, *work; /* `work` is reset behind each field */
    unsigned words_left;
    bool failed;
};

/* ---- mail ---- */

static void put(struct writing *w, str text)
{
    w->failed = w->failed || str_is_none(text);
    json_put_str(&w->json, text);
}

static str shown(struct writing *w, const struct field *f)
{
    str text = field_unfold(f->value, w->work);
    return str_is_none(text) ? text : words_decode(text, &w->words_left, w->work);
}

/* Whole headers from the top, while their names and values fit. True: some were left out. */
static bool write_headers(struct writing *w)
{
    size_t size = 0;
    bool truncated = !w->head.whole;
    json_open(&w->json, '[');
    for (size_t i = 0; i < w->head.count && !w->failed; i++) {
        arena_reset(w->work);
        str value = shown(w, &w->head.fields[i]);
        size += w->head.fields[i].name.len + value.len;
        truncated = truncated || size > HEADERS_MAX;
        if (size > HEADERS_MAX)
            break;
        json_open(&w->json, '{');
        json_add_str(&w->json, "name", w->head.fields[i].name);
        json_name(&w->json, STR("value"));
        put(w, value);
        json_close(&w->json, '}');
    }
    json_close(&w->json, ']');
    return truncated;
}

typedef void write_mailbox(struct writing *, const struct listed *);

static void write_address(struct writing *w, const struct listed *one)
{
    put(w, one->address);
}

static void write_listed(struct writing *w, const struct listed *one)
{
    put(w, listed_text(one, w->work));
}

/* The mailboxes of every field of that name, as items of an array. */
static void write_items(struct writing *w, str name, write_mailbox *write)
{
    unsigned none = 0; /* who wants bare addresses wants no names decoded */
    unsigned *words = write == write_address ? &none : &w->words_left;
    const struct field *f;
    for (size_t i = 0; !w->failed && (f = message_field(&w->head, name, &i));) {
        struct listed *listed = NULL;
        size_t count = 0;
        arena_reset(w->work);
        str text = field_unfold(f->value, w->work);
        w->failed = str_is_none(text) || addresses_read(text, words, w->work, &listed, &count);
        for (size_t k = 0; k < count && !w->failed; k++)
            write(w, &listed[k]);
    }
}

static const struct field *first(const struct writing *w, str name)
{
    size_t index = 0;
    return message_field(&w->head, name, &index);
}

static void add_list(struct writing *w, const char *member, str name)
{
    if (!first(w, name))
        return;
    json_name(&w->json, str_of(member));
    json_open(&w->json, '[');
    write_items(w, name, write_listed);
    json_close(&w->json, ']');
}

static void add_text(struct writing *w, const char *member, str name)
{
    const struct field *f = first(w, name);
    if (!f)
        return;
    arena_reset(w->work);
    json_name(&w->json, str_of(member));
    put(w, shown(w, f));
}

/* One bare address, a string: type libraries that say array are wrong (spec 11.5). */
static void add_sender(struct writing *w)
{
    const struct field *f = first(w, STR("Sender"));
    struct listed *listed;
    size_t count = 0;
    if (!f)
        return;
    arena_reset(w->work);
    str text = field_unfold(f->value, w->work);
    w->failed = w->failed || str_is_none(text) ||
                addresses_read(text, &(unsigned) { 0 }, w->work, &listed, &count) != NULL;
    json_name(&w->json, STR("sender"));
    put(w, count ? listed[0].address : STR(""));
}

static str source(const struct writing *w)
{
    const struct reverse_path *from = &w->notice->envelope->mail_from;
    return from->null || !from->text.ptr ? STR("") : from->text;
}

/* Members of fields that are not there are not there: spec 11.5, in its order. */
static void write_common_headers(struct writing *w)
{
    json_name(&w->json, STR("commonHeaders"));
    json_open(&w->json, '{');
    json_add_str(&w->json, "returnPath", source(w));
    add_list(w, "from", STR("From"));
    add_sender(w);
    add_list(w, "replyTo", STR("Reply-To"));
    add_text(w, "date", STR("Date"));
    add_list(w, "to", STR("To"));
    add_list(w, "cc", STR("Cc"));
    add_list(w, "bcc", STR("Bcc"));
    add_text(w, "messageId", STR("Message-ID"));
    add_text(w, "subject", STR("Subject"));
    json_close(&w->json, '}');
}

static void add_timestamp(struct writing *w)
{
    char when[WHEN_SIZE];
    json_add_str(&w->json, "timestamp", when_iso_ms(when, w->notice->envelope->received_ms));
}

static void write_mail(struct writing *w)
{
    AUTO_BUF headers = buf_new(32 * HEADERS_MAX); /* of names of one octet, in JSON */
    struct json_writer outer = w->json;
    w->json = json_writer(&headers);
    bool truncated = write_headers(w);
    w->json = outer;
    w->failed = w->failed || headers.failed;

    json_name(&w->json, STR("mail"));
    json_open(&w->json, '{');
    add_timestamp(w);
    json_add_str(&w->json, "source", source(w));
    json_add_str(&w->json, "messageId", w->notice->envelope->message_id);
    json_name(&w->json, STR("destination"));
    json_open(&w->json, '[');
    write_items(w, STR("To"), write_address);
    write_items(w, STR("Cc"), write_address);
    write_items(w, STR("Bcc"), write_address);
    json_close(&w->json, ']');
    json_add_bool(&w->json, "headersTruncated", truncated);
    json_add_raw(&w->json, "headers", buf_str(&headers));
    write_common_headers(w);
    json_close(&w->json, '}');
}

/* ---- receipt ---- */

static void add_if(struct writing *w, const char *member, str value)
{
    if (!str_is_none(value))
        json_add_str(&w->json, member, value);
}

static void add_s3(struct writing *w, const struct action *action)
{
    str prefix = action->s3.object_key_prefix;
    arena_reset(w->work);
    str key = s3_action_key(prefix, w->notice->envelope->message_id, w->work);
    json_add_str(&w->json, "bucketName", action->s3.bucket_name);
    add_if(w, "objectKeyPrefix", prefix);
    json_name(&w->json, STR("objectKey"));
    put(w, key);
}

static void write_action(struct writing *w, const struct action *action)
{
    json_name(&w->json, STR("action"));
    json_open(&w->json, '{');
    json_add_str(&w->json, "type", action_kind_name(action->kind));
    add_if(w, "topicArn", action->topic_arn);
    switch (action->kind) {
    case ACTION_S3:
        add_s3(w, action);
        break;
    case ACTION_SNS:
        json_add_str(&w->json, "encoding",
                     action->sns.encoding == SNS_BASE64 ? STR("BASE64") : STR("UTF8"));
        break;
    case ACTION_LAMBDA:
        json_add_str(&w->json, "functionArn", action->lambda.function_arn);
        json_add_str(&w->json, "invocationType",
                     action->lambda.invocation_type == INVOCATION_REQUEST_RESPONSE
                         ? STR("RequestResponse")
                         : STR("Event"));
        break;
    case ACTION_BOUNCE:
        json_add_str(&w->json, "smtpReplyCode", action->bounce.smtp_reply_code);
        add_if(w, "statusCode", action->bounce.status_code);
        json_add_str(&w->json, "message", action->bounce.message);
        json_add_str(&w->json, "sender", action->bounce.sender);
        break;
    case ACTION_WORKMAIL:
        json_add_str(&w->json, "organizationArn", action->workmail.organization_arn);
        break;
    case ACTION_CONNECT:
        json_add_str(&w->json, "instanceArn", action->connect.instance_arn);
        break;
    case ACTION_STOP:
    case ACTION_ADD_HEADER: /* has no TopicArn, so nobody is told of it */
        break;
    }
    json_close(&w->json, '}');
}

static void add_verdict(struct writing *w, const char *member, enum checked checked)
{
    json_name(&w->json, str_of(member));
    json_open(&w->json, '{');
    json_add_str(&w->json, "status", checked_name(checked));
    json_close(&w->json, '}');
}

static void write_receipt(struct writing *w)
{
    const struct step *step = w->notice->step;
    const struct verdicts *v = &w->notice->verdicts;
    json_name(&w->json, STR("receipt"));
    json_open(&w->json, '{');
    add_timestamp(w);
    json_add_int(&w->json, "processingTimeMillis", w->notice->processing_ms);
    json_name(&w->json, STR("recipients"));
    json_open(&w->json, '[');
    for (size_t i = 0; i < step->recipient_count; i++)
        json_put_str(&w->json, step->recipients[i]->text);
    json_close(&w->json, ']');
    add_verdict(w, "spamVerdict", v->spam);
    add_verdict(w, "virusVerdict", v->virus);
    add_verdict(w, "spfVerdict", v->spf);
    add_verdict(w, "dkimVerdict", v->dkim);
    add_verdict(w, "dmarcVerdict", v->dmarc);
    write_action(w, step->action);
    if (v->dmarc == CHECKED_FAIL)
        add_if(w, "dmarcPolicy", v->dmarc_policy);
    json_close(&w->json, '}');
}

/* ---- around them ---- */

/* Octets that are no UTF-8 are lost, as SES's own docs warn: spec 9.4. */
static void write_content(struct writing *w)
{
    const struct action *action = w->notice->step->action;
    json_name(&w->json, STR("content"));
    /* A hook is given every octet: what is not UTF-8 would be lost in text. */
    if (action->kind == ACTION_CONNECT ||
        (action->kind == ACTION_SNS && action->sns.encoding == SNS_BASE64)) {
        buf_addc(w->json.out, '"');
        base64_encode(w->json.out, w->notice->stored);
        buf_addc(w->json.out, '"');
    } else {
        json_put_str(&w->json, w->notice->stored);
    }
}

enum form { FORM_NOTICE, FORM_CONTENT, FORM_EVENT };

static void write_form(struct writing *w, enum form form)
{
    bool event = form == FORM_EVENT;
    if (event) {
        buf_add(w->json.out,
                STR("{\"Records\":[{\"eventSource\":\"aws:ses\",\"eventVersion\":\"1.0\","
                    "\"ses\":"));
    }
    json_open(&w->json, '{');
    if (!event)
        json_add_str(&w->json, "notificationType", STR("Received"));
    write_mail(w);
    write_receipt(w);
    if (form == FORM_CONTENT)
        write_content(w);
    json_close(&w->json, '}');
    if (event)
        buf_add(w->json.out, STR("}]}"));
}

static const struct fault *write_as(const struct notice *notice, enum form form, struct buf *out)
{
    AUTO_ARENA *fields = arena_new(FIELDS_ARENA), *work = arena_new(WORK_ARENA);
    struct writing w = { .notice = notice,
                         .json = json_writer(out),
                         .fields = fields,
                         .work = work,
                         .words_left = WORDS_MAX };
    if (!fields || !work)
        return &fault_no_memory;
    TRY(message_read(notice->stored, fields, &w.head));
    write_form(&w, form);
    return w.failed || out->failed ? &fault_no_memory : NULL;
}

const struct fault *notice_write(const struct notice *notice, struct buf *out)
{
    return write_as(notice, FORM_NOTICE, out);
}

const struct fault *notice_write_content(const struct notice *notice, struct buf *out)
{
    return write_as(notice, FORM_CONTENT, out);
}

const struct fault *notice_write_event(const struct notice *notice, struct buf *out)
{
    return write_as(notice, FORM_EVENT, out);
}

/* RFC 9562 5.8: a UUID of our own making; its octets are a digest of what it stands for. */
str notice_dedupe_id(str message_id, size_t step, char to[REQUEST_ID_LEN + 1])
{
    unsigned char digest[SHA256_SIZE];
    AUTO_BUF name = buf_new(256);
    buf_addf(&name, STR_FMT "/%zu", STR_ARG(message_id), step);
    sha256_of(buf_str(&name), digest);
    digest[6] = (unsigned char)(0x80 | (digest[6] & 0x0f));
    digest[8] = (unsigned char)(0x80 | (digest[8] & 0x3f));
    char hex[32];
    hex_encode(hex, digest, sizeof hex / 2);
    size_t at = 0;
    for (size_t i = 0; i < sizeof hex; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            to[at++] = '-';
        to[at++] = hex[i];
    }
    to[at] = '\0';
    return (str) { to, at };
}
