/* receive/bounce.c - who is told, and what he is told. */
#include "receive/bounce.h"

#include "base/digest.h"
#include "base/random_id.h"
#include "mail/dsn.h"
#include "mail/message.h"
#include "receive/notice.h"

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

/* ---- left to be sent ---- */

const struct fault *bounce_leave(const struct outgoing_way *way, const struct head *of, str text,
                                 int64_t now_ms, struct arena *a, str *ret_errand_id)
{
    const struct outgoing_mail mail = {
        .account = of->account,
        .region = of->region,
        .about = arena_strf(a, "bounce of message " STR_FMT, STR_ARG(of->envelope.message_id)),
        .reverse_path = STR(""),
        .forward_paths = &of->envelope.mail_from.text,
        .forward_path_count = 1,
        .message = text,
    };
    return mail.about.ptr ? outgoing_put(way, &mail, now_ms, a, ret_errand_id) : &fault_no_memory;
}

const struct fault *bounce_put(const struct outgoing_way *way, const struct bounce *b,
                               int64_t now_ms, struct arena *a, str *ret_says)
{
    str text, id, barred = bounce_barred(b, a), to = b->head->envelope.mail_from.text;
    if (barred.ptr) {
        *ret_says = arena_strf(a, "sent no bounce: " STR_FMT, STR_ARG(barred));
        return NULL;
    }
    TRY(write_dsn(b, now_ms, a, &text));
    TRY(bounce_leave(way, b->head, text, now_ms, a, &id));
    *ret_says = way->mailer
                    ? arena_strf(a, "sends a bounce to " STR_FMT " as errand " STR_FMT, STR_ARG(to),
                                 STR_ARG(id))
                    : arena_strf(a, "wrote a bounce to " STR_FMT " as errand " STR_FMT ": " STR_FMT,
                                 STR_ARG(to), STR_ARG(id), STR_ARG(outgoing_is_off()));
    return NULL;
}
