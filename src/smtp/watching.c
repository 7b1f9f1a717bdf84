/* smtp/watching.c - one journal line for each message taken and each thing refused; counters for
 * all. */
#include "smtp/watching.h"

#include "base/json.h"

enum { LINE_ROOM = 16 * 1024, MINUTE_MS = 60 * 1000 };

static struct metric *labelled(struct metrics *metrics, str name, str help, const char *label,
                               str value)
{
    AUTO_BUF labels = buf_new(256);
    metric_label(&labels, label, value);
    return metrics_counter(metrics, name, help, buf_str(&labels));
}

struct watching watching_begin(struct metrics *metrics, struct journal *journal,
                               struct refusals *ring)
{
    static const str outcomes[] = {
#define X(name, label) [OUTCOME_##name] = STR_INIT(label),
        SMTP_OUTCOMES(X)
#undef X
    };
    struct watching w = { .journal = journal, .metrics = metrics, .ring = ring };
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
    w.not_accepted = metrics_counter(metrics, STR("sesame_smtp_accept_failures_total"),
                                     STR("Connections that waited since the process could open no more files"),
                                     STR(""));
    w.left_out = metrics_counter(
        metrics, STR("sesame_smtp_refusals_left_out_total"),
        STR("Refusals that came faster than --refused-rate: not in `sesame log refused`"), STR(""));
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

void saw_no_accept(struct watching *w, int error, int64_t steady_ms)
{
    int64_t not_before = __atomic_load_n(&w->tell_not_accepted_ms, __ATOMIC_RELAXED);
    metric_add(w->not_accepted, 1);
    if (steady_ms < not_before ||
        !__atomic_compare_exchange_n(&w->tell_not_accepted_ms, &not_before, steady_ms + MINUTE_MS, false,
                                     __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return;
    AUTO_BUF members = buf_new(LINE_ROOM);
    struct json_writer j = json_writer(&members);
    json_add_str(&j, "error", str_of(strerror(error)));
    json_add_str(&j, "says", STR("connections wait; tried again ten times a second"));
    note(w, JOURNAL_WARNING, STR("accept-failed"), &members);
}

void saw_end(struct watching *w, enum smtp_outcome outcome)
{
    metric_add(w->open, -1);
    metric_add(w->outcomes[outcome], 1);
}

/* ---- refusals ---- */

/* Of a refusal that is no answer of the gatekeeper's: what the reply leaves out. */
static str why_of(unsigned reply)
{
    switch (reply) {
    case REPLY_FULL:
        return STR("as many connections are open as --connections-max allows, or memory is short");
    case REPLY_ADDRESS:
        return STR(
            "as many connections of this address are open as --connections-per-address allows");
    case REPLY_RCPT_MAX:
        return STR("a message may have as many recipients as --rcpt-max says");
    case REPLY_TOO_BIG:
        return STR("the message is larger than --message-max allows");
    case REPLY_ENDLESS:
        return STR("the message is more than twice as large as --message-max allows, and went on");
    case REPLY_ENDLESS_LINE:
        return STR("a command line is more than 512 times as long as --line-max allows, and went on");
    case REPLY_CROWDED:
        return STR("all places of --connections-max were taken, and this session had been idle, or sent "
                   "a message's octets too slowly, for --crowded-after");
    case REPLY_BARE:
        return STR("a CR or LF stood alone in the message, where another server might see its end");
    case REPLY_LOOP:
        return STR(
            "the message has passed more than a hundred servers, or one of them again and again");
    case REPLY_NO_SPACE:
        return STR("the disk of the spool is full, or its memory for arriving messages");
    case REPLY_LOCAL_ERROR:
        return STR("this server could not do it just then; its log says why");
    case REPLY_ERRORS:
        return STR("more commands were refused in this session than --errors-max allows");
    case REPLY_COMMANDS:
        return STR("more commands came without a message than --commands-max allows");
    case REPLY_NOT_ASCII:
        return STR("the address is not ASCII, and MAIL did not say SMTPUTF8");
    case REPLY_ARGUMENT:
    case REPLY_PARAMETER:
        return STR(
            "the command's path or parameters are not as RFC 5321 and the extensions have them");
    }
    return STR("");
}

static str without_newline(str reply)
{
    while (reply.len && (reply.ptr[reply.len - 1] == '\n' || reply.ptr[reply.len - 1] == '\r'))
        reply.len--;
    return reply;
}

static void remember(struct watching *w, const struct refusal *refusal)
{
    if (w->ring && !refusals_note(w->ring, refusal))
        metric_add(w->left_out, 1);
}

void saw_connection_refused(struct watching *w, str region, str address, unsigned reply, str said)
{
    AUTO_BUF members = buf_new(LINE_ROOM);
    struct json_writer j = json_writer(&members);
    const str reason = reply == REPLY_ADDRESS ? STR("per_address") : STR("connections");
    count_refusal(w, reply);
    json_add_str(&j, "peer", address);
    json_add_str(&j, "reason", reason);
    note(w, JOURNAL_WARNING, STR("connection-refused"), &members);
    const struct refusal refusal = { .thing = REFUSED_CONNECTION,
                                     .peer = address,
                                     .region = region,
                                     .reply = without_newline(said),
                                     .reason = reason,
                                     .why = why_of(reply) };
    remember(w, &refusal);
}

static enum refused_thing thing_of(const struct smtp_turn *turn)
{
    if (smtp_reply_row(turn->refused)->code == 421)
        return REFUSED_SESSION;
    return turn->about == ABOUT_RECIPIENT ? REFUSED_RECIPIENT
           : turn->about == ABOUT_SENDER  ? REFUSED_SENDER
                                          : REFUSED_MESSAGE;
}

static void write_refusal(struct watching *w, const struct refusal *r, int code)
{
    AUTO_BUF members = buf_new(LINE_ROOM);
    struct json_writer j = json_writer(&members);
    json_add_str(&j, "peer", r->peer);
    json_add_str(&j, "reason", r->reason);
    json_add_int(&j, "reply", code);
    if (r->mail_from.ptr)
        json_add_str(&j, "from", r->mail_from);
    if (r->rcpt_to.ptr)
        json_add_str(&j, "to", r->rcpt_to);
    if (r->accounts.len)
        json_add_str(&j, "accounts", r->accounts);
    if (r->why.len)
        json_add_str(&j, "says", r->why);
    switch (r->thing) {
    case REFUSED_SESSION:
        note(w, JOURNAL_INFO, STR("session-ended"), &members);
        return;
    case REFUSED_SENDER:
        note(w, JOURNAL_INFO, STR("sender-refused"), &members);
        return;
    case REFUSED_RECIPIENT:
        note(w, JOURNAL_INFO, STR("recipient-refused"), &members);
        return;
    case REFUSED_MESSAGE:
        note(w, JOURNAL_INFO, STR("message-refused"), &members);
        return;
    case REFUSED_CONNECTION: /* these have lines of their own */
    case REFUSED_ACCOUNT:
    case REFUSED_LEFT_OUT:
        return;
    }
}

/* `<u@d.test>`, or of a message for several `<u@d.test> and 2 more`. */
static str rcpt_to(const struct smtp_turn *turn, struct buf *room)
{
    if (turn->about != ABOUT_RECIPIENT && turn->about != ABOUT_MESSAGE)
        return STR_NONE;
    if (turn->about == ABOUT_RECIPIENT || turn->recipients < 2)
        return turn->path;
    buf_addf(room, STR_FMT " and %zu more", STR_ARG(turn->path), turn->recipients - 1);
    return room->failed ? turn->path : buf_str(room);
}

/* A session that ends over a recipient tells of both. */
static str why_refused(const struct smtp_turn *turn, enum refused_thing thing, struct buf *room)
{
    str of_recipient = turn->verdict.why, of_reply = why_of(turn->refused);
    if (!of_recipient.len)
        return of_reply;
    if (thing != REFUSED_SESSION)
        return of_recipient;
    buf_addf(room, STR_FMT "; the last one because " STR_FMT, STR_ARG(of_reply),
             STR_ARG(of_recipient));
    return room->failed ? of_reply : buf_str(room);
}

/* Accounts that share the domain of a recipient with those who take it have refused it for
 * themselves. */
static void saw_account_refused(struct watching *w, struct refusal *r)
{
    AUTO_BUF members = buf_new(LINE_ROOM);
    struct json_writer j = json_writer(&members);
    r->thing = REFUSED_ACCOUNT;
    json_add_str(&j, "peer", r->peer);
    json_add_str(&j, "reason", r->reason);
    json_add_str(&j, "from", r->mail_from);
    json_add_str(&j, "to", r->rcpt_to);
    json_add_str(&j, "accounts", r->accounts);
    json_add_str(&j, "says", r->why);
    note(w, JOURNAL_INFO, STR("account-refused"), &members);
    remember(w, r);
}

/* A refused command is counted; a refused sender, recipient or message is also written down, and
 * kept in the ring with the session that was ended for its manners. A peer that was too slow was
 * refused nothing. */
void saw_refusal(struct watching *w, str region, const struct peer *peer,
                 const struct smtp_turn *turn)
{
    const struct smtp_verdict *v = &turn->verdict;
    AUTO_BUF room = buf_new(LINE_ROOM);
    AUTO_BUF paths = buf_new(LINE_ROOM);
    struct refusal r = { .tls = peer->tls,
                         .peer = peer->address,
                         .region = region,
                         .ehlo = peer->ehlo,
                         .mail_from = turn->about == ABOUT_SENDER ? turn->path : turn->sender,
                         .rcpt_to = rcpt_to(turn, &paths),
                         .accounts = v->accounts,
                         .reply = without_newline(turn->reply),
                         .reason = v->reason,
                         .why = v->why };
    if (!turn->refused) {
        saw_account_refused(w, &r);
        return;
    }
    const struct smtp_reply_row *row = smtp_reply_row(turn->refused);
    count_refusal(w, turn->refused);
    if (turn->about == ABOUT_COMMAND && row->code != 421)
        return;
    if (v->answer != SMTP_TAKE && v->reason.len)
        metric_add(labelled(w->metrics, STR("sesame_smtp_refused_recipients_total"),
                            STR("Recipients that the configuration refused, by reason"), "reason",
                            v->reason),
                   1);
    r.thing = thing_of(turn);
    r.reason = v->reason.len && r.thing != REFUSED_SESSION ? v->reason : row->label;
    r.why = why_refused(turn, r.thing, &room);
    write_refusal(w, &r, smtp_reply_code(turn->refused, &v->given));
    if (turn->refused != REPLY_TIMEOUT && turn->refused != REPLY_DRAIN)
        remember(w, &r);
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
