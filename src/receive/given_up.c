#include "receive/given_up.h"

#include "base/random_id.h"
#include "mail/dsn.h"
#include "mail/message.h"
#include "receive/bounce.h"
#include "receive/notice.h"

str given_up_barred(const struct given_up *g, struct arena *a)
{
    struct message m;
    const struct field *f;
    if (!g->reverse_path.len)
        return STR("it has the null reverse path");
    if (!str_has(g->reverse_path, '@'))
        return STR("its reverse path is no address");
    if (message_read(g->message, a, &m))
        return STR("its header section cannot be read");
    for (size_t i = 0; (f = message_field(&m, STR("Content-Type"), &i));) {
        if (str_starts_nocase(field_unfold(f->value, a), STR("multipart/report")))
            return STR("it is a report itself (Content-Type)");
    }
    return STR_NONE;
}

/* What a server said is a diagnostic of SMTP; what we say is one of ours (RFC 3464 2.3.6). */
static struct dsn_recipient recipient_of(const struct given_up *g, int64_t now_ms, struct arena *a)
{
    const struct sending *last = &g->last;
    return (struct dsn_recipient) {
        .final_recipient = g->forward_path,
        .original_recipient = g->forward_path,
        .action = STR("failed"),
        .status = last->reply.ptr            ? dsn_status_of_reply(last->reply)
                  : last->sent == SENT_LATER ? STR("4.4.7") /* RFC 3463 3.5: expired */
                  : last->status.ptr         ? last->status
                                             : STR("5.0.0"),
        .diagnostic = last->reply.ptr ? last->reply : last->says,
        .diagnostic_type = last->reply.ptr ? NULL : "x-sesame",
        .remote_mta =
            last->host.ptr ? arena_strf(a, "dns; " STR_FMT, STR_ARG(last->host)) : STR_NONE,
        .last_attempt_ms = now_ms,
    };
}

static str explanation_of(const struct given_up *g, struct arena *a)
{
    return arena_strf(a,
                      "An error occurred while trying to deliver the mail to the following "
                      "recipients:\n" STR_FMT "\n\n%s" STR_FMT,
                      STR_ARG(g->forward_path),
                      g->last.sent == SENT_LATER ? "It was tried again and again; the last time "
                                                 : "",
                      STR_ARG(g->last.says));
}

const struct fault *given_up_tell(const struct outgoing_way *way, const struct given_up *g,
                                  int64_t now_ms, struct arena *a, str *ret_id)
{
    char room[REQUEST_ID_LEN + 1];
    const str uuid = notice_dedupe_id(g->errand->id, (size_t)g->since_ms, room);
    const str id = sending_id(g->since_ms, uuid, a);
    const struct dsn_recipient recipient = recipient_of(g, now_ms, a);
    const struct dsn dsn = {
        .from = arena_strf(a, "mailer-daemon@" STR_FMT, STR_ARG(g->hostname)),
        .to = g->reverse_path,
        .message_id = arena_strf(a, STR_FMT "@" STR_FMT, STR_ARG(id), STR_ARG(g->hostname)),
        .date_ms = now_ms,
        .token = bounce_token(uuid, a),
        .explanation = explanation_of(g, a),
        .reporting_mta = arena_strf(a, "dns; " STR_FMT, STR_ARG(g->hostname)),
        .arrival_ms = g->since_ms,
        .recipients = &recipient,
        .recipient_count = 1,
        .original = g->message,
    };
    AUTO_BUF text = buf_new(4 << 20);
    dsn_write(&dsn, &text);
    const struct outgoing_mail mail = {
        .account = g->errand->account,
        .region = g->errand->region,
        .about = arena_strf(a, "bounce of errand " STR_FMT, STR_ARG(g->errand->id)),
        .reverse_path = STR(""),
        .forward_paths = &g->reverse_path,
        .forward_path_count = 1,
        .message = buf_str(&text),
    };
    if (text.failed || !id.ptr || !dsn.from.ptr || !dsn.explanation.ptr || !mail.about.ptr)
        return &fault_no_memory;
    return outgoing_put(way, &mail, now_ms, a, ret_id);
}
