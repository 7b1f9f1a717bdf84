/* smtp/watching.c - one journal line for each message taken and each thing refused; counters for
 * all. */
#include "smtp/watching.h"

#include "base/json.h"

enum { LINE_ROOM = 16 * 1024 };

static struct metric *labelled(struct metrics *metrics, str name, str help, const char *label,
                               str value)
{
    AUTO_BUF labels = buf_new(256);
    metric_label(&labels, label, value);
    return metrics_counter(metrics, name, help, buf_str(&labels));
}

struct watching watching_begin(struct metrics *metrics, struct journal *journal)
{
    static const str outcomes[] = {
#define X(name, label) [OUTCOME_##name] = STR_INIT(label),
        SMTP_OUTCOMES(X)
#undef X
    };
    struct watching w = { .journal = journal };
    w.connections = metrics_counter(metrics, STR("sesame_smtp_connections_total"),
                                    STR("SMTP connections accepted"), STR(""));
    w.open = metrics_gauge(metrics, STR("sesame_smtp_connections"),
                           STR("SMTP connections open now"), STR(""));
    w.accepted = metrics_counter(metrics, STR("sesame_smtp_messages_accepted_total"),
                                 STR("Transactions answered 250 after their message"), STR(""));
    w.octets = metrics_counter(metrics, STR("sesame_smtp_message_bytes_total"),
                               STR("Octets of accepted messages"), STR(""));
    w.tls = metrics_counter(metrics, STR("sesame_smtp_tls_sessions_total"),
                            STR("Completed STARTTLS handshakes"), STR(""));
    for (int i = 0; i < OUTCOME_COUNT; i++)
        w.outcomes[i] = labelled(metrics, STR("sesame_smtp_sessions_total"),
                                 STR("SMTP sessions by how they ended"), "outcome", outcomes[i]);
    for (unsigned i = REPLY_NONE + 1; i < REPLY_COUNT; i++) {
        str label = smtp_reply_row(i)->label;
        if (label.len)
            w.refusals[i] = labelled(metrics, STR("sesame_smtp_refusals_total"),
                                     STR("Refusals by reason"), "reason", label);
    }
    return w;
}

static void note(struct watching *w, enum journal_level level, str event, struct buf *members)
{
    if (!members->failed)
        w->journal->note(w->journal, level, STR("smtp"), event, buf_str(members));
}

static void count_refusal(struct watching *w, unsigned reply)
{
    if (w->refusals[reply])
        metric_add(w->refusals[reply], 1);
}

void saw_connection(struct watching *w)
{
    metric_add(w->connections, 1);
    metric_add(w->open, 1);
}

void saw_end(struct watching *w, enum smtp_outcome outcome)
{
    metric_add(w->open, -1);
    metric_add(w->outcomes[outcome], 1);
}

void saw_connection_refused(struct watching *w, str address, unsigned reply)
{
    AUTO_BUF members = buf_new(LINE_ROOM);
    struct json_writer j = json_writer(&members);
    count_refusal(w, reply);
    json_add_str(&j, "peer", address);
    json_add_str(&j, "reason", reply == REPLY_ADDRESS ? STR("per_address") : STR("connections"));
    note(w, JOURNAL_WARNING, STR("connection-refused"), &members);
}

/* A refused command is counted; a refused sender, recipient or message is also written down. */
void saw_refusal(struct watching *w, const struct smtp_session *session,
                 const struct smtp_turn *turn, const struct envelope *envelope)
{
    const struct smtp_reply_row *row = smtp_reply_row(turn->refused);
    bool command = str_eq(row->label, STR("sequence")) || str_eq(row->label, STR("syntax")) ||
                   (str_eq(row->label, STR("argument")) && !turn->about.len);
    count_refusal(w, turn->refused);
    if (command)
        return;
    enum smtp_state state = smtp_state(session);
    bool recipient = turn->about.len && (state == SMTP_MAIL || state == SMTP_RCPT);
    AUTO_BUF members = buf_new(LINE_ROOM);
    struct json_writer j = json_writer(&members);
    json_add_str(&j, "peer", envelope->peer.address);
    json_add_str(&j, "reason", row->label);
    json_add_int(&j, "reply", row->code);
    if (recipient) {
        json_add_str(&j, "from", envelope->mail_from.text);
        json_add_str(&j, "to", turn->about);
        note(w, JOURNAL_INFO, STR("recipient-refused"), &members);
    } else if (turn->about.len) {
        json_add_str(&j, "from", turn->about);
        note(w, JOURNAL_INFO, STR("sender-refused"), &members);
    } else {
        note(w, JOURNAL_INFO, row->code == 421 ? STR("session-ended") : STR("message-refused"),
             &members);
    }
}

void saw_message(struct watching *w, const struct envelope *e, const struct spool_entry *entries,
                 size_t count)
{
    AUTO_BUF members = buf_new(LINE_ROOM);
    struct json_writer j = json_writer(&members);
    metric_add(w->accepted, 1);
    metric_add(w->octets, (int64_t)e->size);
    json_add_str(&j, "id", e->message_id);
    json_name(&j, STR("ids"));
    json_open(&j, '[');
    for (size_t i = 0; i < count; i++)
        json_put_str(&j, entries[i].id);
    json_close(&j, ']');
    json_add_str(&j, "from", e->mail_from.text);
    json_add_int(&j, "recipients", (int64_t)e->rcpt_count);
    json_add_int(&j, "size", (int64_t)e->size);
    json_add_str(&j, "peer", e->peer.address);
    json_add_str(&j, "ehlo", e->peer.ehlo);
    json_add_str(&j, "tls", e->peer.tls ? e->peer.tls_version : STR(""));
    note(w, JOURNAL_INFO, STR("message-accepted"), &members);
}

void saw_fault(struct watching *w, str event, const struct envelope *e, const struct fault *fault)
{
    AUTO_BUF members = buf_new(LINE_ROOM);
    struct json_writer j = json_writer(&members);
    json_add_str(&j, "id", e->message_id);
    json_add_str(&j, "peer", e->peer.address);
    json_add_str(&j, "says", fault->says);
    note(w, JOURNAL_ERROR, event, &members);
}
