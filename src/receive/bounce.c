/* receive/bounce.c - who is told, what he is told, and the errand that tells it. */
#include "receive/bounce.h"

#include "base/digest.h"
#include "base/json.h"
#include "base/random_id.h"
#include "mail/dsn.h"
#include "mail/message.h"
#include "receive/notice.h"
#include "receive/retry.h"

/* ---- loops ---- */

static bool begins_with_word(str text, str word)
{
    return str_starts_nocase(text, word) &&
           (text.len == word.len || !ascii_is_alpha(text.ptr[word.len]));
}

/* RFC 3834 2: nothing is answered that says of itself that a program wrote it; and no report, since
 * not every reporter says so. */
static str written_by_a_program(const struct message *m, struct arena *a)
{
    const struct field *f;
    for (size_t i = 0; (f = message_field(m, STR("Auto-Submitted"), &i));) {
        if (!begins_with_word(field_unfold(f->value, a), STR("no")))
            return STR("the message was submitted by a program (Auto-Submitted)");
    }
    for (size_t i = 0; (f = message_field(m, STR("Content-Type"), &i));) {
        if (begins_with_word(field_unfold(f->value, a), STR("multipart/report")))
            return STR("the message is a report itself (Content-Type)");
    }
    return STR_NONE;
}

str bounce_barred(const struct bounce *b, struct arena *a)
{
    const struct reverse_path *from = &b->head->envelope.mail_from;
    struct message m;
    if (from->null)
        return STR("the message has the null reverse path");
    if (!from->mailbox.domain.len)
        return STR("the reverse path is no address");
    if (message_read(b->stored, a, &m))
        return STR("its header section cannot be read");
    return written_by_a_program(&m, a);
}

/* ---- what he is told ---- */

str sending_id(int64_t now_ms, str uuid, struct arena *a)
{
    return arena_strf(a, "%016llx-" STR_FMT "-000000", (unsigned long long)now_ms, STR_ARG(uuid));
}

str bounce_token(str uuid, struct arena *a)
{
    unsigned char digest[SHA256_SIZE];
    sha256_of(uuid, digest);
    uint64_t number = 0;
    for (size_t i = 0; i < 8; i++)
        number = number << 8 | digest[i];
    return arena_strf(a, "%llu", (unsigned long long)(number % 10000000000u));
}

static const struct fault *write_dsn(const struct bounce *b, int64_t now_ms, struct arena *a,
                                     str *ret_text)
{
    const struct envelope *e = &b->head->envelope;
    char room[REQUEST_ID_LEN + 1];
    str uuid = notice_dedupe_id(e->message_id, b->step, room);
    str status = dsn_status(b->smtp_reply_code, b->status_code);
    str diagnostic = arena_strf(a, STR_FMT " " STR_FMT " " STR_FMT, STR_ARG(b->smtp_reply_code),
                                STR_ARG(status), STR_ARG(b->message));
    str id = sending_id(e->received_ms, uuid, a);
    struct dsn_recipient *recipients = ARENA_ARRAY(a, struct dsn_recipient, b->recipient_count + 1);
    if (!recipients || !diagnostic.ptr || !id.ptr)
        return &fault_no_memory;
    for (size_t i = 0; i < b->recipient_count; i++)
        recipients[i] =
            (struct dsn_recipient) { .final_recipient = b->recipients[i]->text,
                                     .original_recipient = b->recipients[i]->text,
                                     .action = STR("failed"), /* also of 4.x.x: spec 9.6 */
                                     .status = status,
                                     .diagnostic = diagnostic };
    struct dsn dsn = { .from = b->sender,
                       .to = e->mail_from.text,
                       .message_id =
                           arena_strf(a, STR_FMT "@" STR_FMT, STR_ARG(id), STR_ARG(b->hostname)),
                       .date_ms = now_ms,
                       .token = bounce_token(uuid, a),
                       .reporting_mta = arena_strf(a, "dns; " STR_FMT, STR_ARG(b->hostname)),
                       .arrival_ms = e->received_ms,
                       .recipients = recipients,
                       .recipient_count = b->recipient_count,
                       .original = b->stored };
    AUTO_BUF text = buf_new(4 << 20);
    dsn_write(&dsn, &text);
    *ret_text = text.failed ? STR_NONE : arena_str(a, buf_str(&text));
    return ret_text->ptr ? NULL : &fault_no_memory;
}

/* ---- the errand ---- */

const struct fault *bounce_leave(const struct bounce_way *way, const struct head *of, str text,
                                 int64_t now_ms, struct arena *a, str *ret_errand_id)
{
    char id[MESSAGE_ID_LEN + 1];
    str to = of->envelope.mail_from.text;
    AUTO_BUF head = buf_new(8192);
    struct json_writer w = json_writer(&head);
    if (!way->mailer)
        return bounce_without_way(a);
    json_open(&w, '{');
    json_add_str(&w, "to", to);
    json_close(&w, '}');
    const struct errand errand = {
        .kind = SPOOL_BOUNCE,
        .id = random_message_id(way->entropy, id),
        .account = of->account,
        .region = of->region,
        .target = way->mailer->target,
        .about = arena_strf(a, "bounce of message " STR_FMT " to " STR_FMT,
                            STR_ARG(of->envelope.message_id), STR_ARG(to)),
        .head = buf_str(&head),
    };
    if (head.failed || !errand.about.ptr)
        return &fault_no_memory;
    TRY(errands_put(way->spool, &errand, 1, text, now_ms, a));
    *ret_errand_id = arena_str(a, errand.id);
    return NULL;
}

const struct fault *bounce_without_way(struct arena *a)
{
    return fault(a, FAULT_UNAVAILABLE, NULL,
                 "the bounce was not sent: no relay for outgoing mail is set (--relay HOST:PORT)");
}

const struct fault *bounce_put(const struct bounce_way *way, const struct bounce *b, int64_t now_ms,
                               struct arena *a, str *ret_says)
{
    str text, id, barred = bounce_barred(b, a);
    if (barred.ptr) {
        *ret_says = arena_strf(a, "sent no bounce: " STR_FMT, STR_ARG(barred));
        return NULL;
    }
    TRY(write_dsn(b, now_ms, a, &text));
    TRY(bounce_leave(way, b->head, text, now_ms, a, &id));
    *ret_says = arena_strf(a, "sends a bounce to " STR_FMT " as errand " STR_FMT,
                           STR_ARG(b->head->envelope.mail_from.text), STR_ARG(id));
    return NULL;
}

/* ---- its runner ---- */

struct bounce_runner {
    struct errand_runner runner;
    struct mailer_port *mailer;
};

static struct errand_end give_up(const struct errand_attempt *t, str says)
{
    return (struct errand_end) { .settlement = SETTLE_DEAD,
                                 .why = fault(t->arena, FAULT_UNAVAILABLE, NULL, STR_FMT,
                                              STR_ARG(says)) };
}

static struct errand_end run(struct errand_runner *runner, const struct errand_attempt *t)
{
    struct mailer_port *mailer = ((struct bounce_runner *)runner)->mailer;
    const struct json *head;
    if (json_parse(t->errand.head, t->arena, &head) || !json_str(head, "to").ptr)
        return give_up(t, STR("the errand names nobody to send to"));
    struct outgoing mail = { .reverse_path = STR(""),
                             .forward_path = json_str(head, "to"),
                             .message = t->body };
    struct sending sending =
        mailer ? mailer->send(mailer, &mail, t->arena)
               : (struct sending) { SENT_LATER, bounce_without_way(t->arena)->says };
    if (sending.sent == SENT_TAKEN)
        return (struct errand_end) { .settlement = SETTLE_DONE,
                                     .says = arena_strf(t->arena, "sent to " STR_FMT ": " STR_FMT,
                                                        STR_ARG(mail.forward_path),
                                                        STR_ARG(sending.says)) };
    struct errand_end end = give_up(t, sending.says);
    if (sending.sent == SENT_LATER && !retry_is_over(t->since_ms, t->now_ms)) {
        end.settlement = SETTLE_RETRY;
        end.retry_at_ms = retry_next_ms((unsigned)t->number, t->since_ms, t->now_ms);
    }
    return end;
}

struct errand_runner *bounce_runner_new(struct mailer_port *mailer, struct arena *a)
{
    struct bounce_runner *r = ARENA_NEW(a, struct bounce_runner);
    if (!r)
        return NULL;
    *r = (struct bounce_runner) { .runner = { .run = run }, .mailer = mailer };
    return &r->runner;
}
