/* receive/outgoing.c - the errands of outgoing mail.
 *
 * The head of one is JSON: {"from":"","to":"me@sender.example"}; without "from" it is the null
 * path. */
#include "receive/outgoing.h"

#include "base/json.h"
#include "base/random_id.h"
#include "receive/given_up.h"
#include "receive/retry.h"

enum { HEAD_MAX = 8192 };

str outgoing_is_off(void)
{
    return STR("kept, not sent: outgoing mail is off (--relay HOST:PORT, --outbound mx)");
}

/* ---- left ---- */

static const struct fault *write_head(const struct outgoing_mail *m, str forward_path,
                                      struct arena *a, str *ret_head)
{
    AUTO_BUF head = buf_new(HEAD_MAX);
    struct json_writer w = json_writer(&head);
    json_open(&w, '{');
    json_add_str(&w, "from", m->reverse_path);
    json_add_str(&w, "to", forward_path);
    json_close(&w, '}');
    *ret_head = head.failed ? STR_NONE : arena_str(a, buf_str(&head));
    return ret_head->ptr ? NULL : &fault_no_memory;
}

/* Where the way is not known yet, mail to one domain waits for that domain. */
static str target_of(struct mailer_port *mailer, str forward_path, struct arena *a)
{
    if (mailer)
        return mailer->target(mailer, forward_path, a);
    size_t at = forward_path.len;
    while (at && forward_path.ptr[at - 1] != '@')
        at--;
    return arena_strf(a, "smtp://" STR_FMT, STR_ARG(str_from(forward_path, at)));
}

const struct fault *outgoing_put(const struct outgoing_way *way, const struct outgoing_mail *m,
                                 int64_t now_ms, struct arena *a, str *ret_ids)
{
    const size_t count = m->forward_path_count;
    struct errand *errands = ARENA_ARRAY(a, struct errand, count + 1);
    if (!errands)
        return &fault_no_memory;
    for (size_t i = 0; i < count; i++) {
        char id[MESSAGE_ID_LEN + 1];
        struct errand *e = &errands[i];
        const str to = m->forward_paths[i];
        *e = (struct errand) {
            .kind = SPOOL_OUTGOING,
            .id = arena_str(a, random_message_id(way->entropy, id)),
            .account = m->account,
            .region = m->region,
            .target = target_of(way->mailer, to, a),
            .about = arena_strf(a, STR_FMT " to " STR_FMT, STR_ARG(m->about), STR_ARG(to)),
        };
        if (!e->id.ptr || !e->target.ptr || !e->about.ptr)
            return &fault_no_memory;
        TRY(write_head(m, to, a, &e->head));
    }
    TRY(errands_put(way->spool, errands, count, m->message, now_ms, a));
    for (size_t i = 0; i < count; i++)
        ret_ids[i] = errands[i].id;
    return NULL;
}

bool outgoing_paths(const struct errand *e, struct arena *a, str *ret_reverse_path,
                    str *ret_forward_path)
{
    const struct json *head;
    if (json_parse(e->head, a, &head) || !json_str(head, "to").ptr)
        return false;
    const str from = json_str(head, "from");
    *ret_reverse_path = from.ptr ? from : STR("");
    *ret_forward_path = json_str(head, "to");
    return true;
}

/* ---- its runner ---- */

enum { ASKED_AGAIN_MS = 60 * 1000 };

struct outgoing_runner {
    struct errand_runner runner;
    struct outgoing_way way;
    struct outgoing_manner manner;
};

static struct errand_end dead(const struct errand_attempt *t, str says)
{
    return (struct errand_end) { .settlement = SETTLE_DEAD,
                                 .why = fault(t->arena, FAULT_UNAVAILABLE, NULL, STR_FMT,
                                              STR_ARG(says)) };
}

/* The sender is told before the mail is settled as dead: no crash comes between. When he cannot be, for what is wrong
 * with the spool, the whole is tried again. */
static struct errand_end give_up(const struct outgoing_runner *r, const struct errand_attempt *t,
                                 const struct outgoing *mail, const struct sending *last)
{
    const struct given_up given_up = { .errand = &t->errand,
                                       .reverse_path = mail->reverse_path,
                                       .forward_path = mail->forward_path,
                                       .message = t->body,
                                       .last = *last,
                                       .since_ms = t->since_ms,
                                       .hostname = r->manner.hostname };
    str id;
    if (given_up_barred(&given_up, t->arena).ptr)
        return dead(t, last->says);
    const struct fault *f = given_up_tell(&r->way, &given_up, t->now_ms, t->arena, &id);
    if (f)
        return (struct errand_end) {
            .settlement = SETTLE_RETRY,
            .retry_at_ms = t->now_ms + ASKED_AGAIN_MS,
            .why = fault(t->arena, FAULT_UNAVAILABLE, f,
                         STR_FMT "; its sender could not be told of it", STR_ARG(last->says)),
        };
    const str says = arena_strf(t->arena, STR_FMT "; " STR_FMT " is told by errand " STR_FMT,
                                STR_ARG(last->says), STR_ARG(mail->reverse_path), STR_ARG(id));
    return dead(t, says.ptr ? says : last->says);
}

static struct errand_end run(struct errand_runner *runner, const struct errand_attempt *t)
{
    const struct outgoing_runner *r = (const struct outgoing_runner *)runner;
    struct mailer_port *mailer = r->way.mailer;
    struct outgoing mail = { .message = t->body };
    if (!outgoing_paths(&t->errand, t->arena, &mail.reverse_path, &mail.forward_path))
        return dead(t, STR("the errand names nobody to send to"));
    if (!mailer)
        return dead(t, outgoing_is_off());
    struct sending sending = mailer->send(mailer, &mail, t->arena);
    if (sending.sent == SENT_TAKEN)
        return (struct errand_end) { .settlement = SETTLE_DONE,
                                     .says = arena_strf(t->arena, "sent to " STR_FMT ": " STR_FMT,
                                                        STR_ARG(mail.forward_path),
                                                        STR_ARG(sending.says)) };
    if (sending.sent == SENT_REFUSED || retry_is_over(t->since_ms, t->now_ms))
        return give_up(r, t, &mail, &sending);
    struct errand_end end = dead(t, sending.says);
    end.settlement = SETTLE_RETRY;
    end.retry_at_ms = retry_next_ms(r->manner.waits, (unsigned)t->number, t->since_ms, t->now_ms);
    return end;
}

struct errand_runner *outgoing_runner_new(const struct outgoing_way *way,
                                          const struct outgoing_manner *manner, struct arena *a)
{
    struct outgoing_runner *r = ARENA_NEW(a, struct outgoing_runner);
    if (!r)
        return NULL;
    *r = (struct outgoing_runner) { .runner = { .run = run }, .way = *way, .manner = *manner };
    if (!r->manner.waits)
        r->manner.waits = &retry_waits_usual;
    return &r->runner;
}
