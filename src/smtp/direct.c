/* smtp/direct.c - the walk along a route. */
#include "smtp/direct.h"

#include "mail/mailbox.h"
#include "smtp/line.h"
#include "smtp/route.h"
#include "wire/address.h"

enum { PATIENCE_MS = 2 * 60 * 1000, DNS_MS = 20 * 1000, CONNECT_MS = 20 * 1000, DIALS_MAX = 10 };

struct smtp_direct {
    struct mailer_port port;
    struct smtp_direct_settings settings;
    const struct outside *outside;
    struct tls_client *tls;
};

struct walk { /* one message's */
    const struct smtp_direct *direct;
    const struct outgoing *mail;
    struct arena *arena;
    struct route_means means;
    int64_t deadline_ms;
    unsigned dials;
    struct sending last; /* says STR_NONE: nothing yet */
    bool ends;           /* nobody else is asked */
};

static int64_t now_ms(const struct smtp_direct *d)
{
    return d->outside->clock->steady_ms(d->outside->clock);
}

/* What may pass rules over what is for good: another time it may end otherwise. */
static void note(struct walk *w, struct sending s)
{
    if (!s.says.ptr)
        s.says = STR("there is no memory to say why");
    if (str_is_none(w->last.says) || w->last.sent == SENT_REFUSED || s.sent != SENT_REFUSED)
        w->last = s;
}

static struct sending hand_over(const struct walk *w, const struct route_host *host,
                                const struct route_address *at, enum talk_tls tls, bool *ret_shaky)
{
    const struct smtp_direct *d = w->direct;
    const struct outgoing *mail = w->mail;
    const char *name = arena_cstr(w->arena, host->name);
    const int64_t connect_by = now_ms(d) + CONNECT_MS;
    const struct line_call call = { .address = at->text,
                                    .tls_host = name ? name : "",
                                    .tls = d->tls,
                                    .clock = d->outside->clock,
                                    .connect_by_ms =
                                        connect_by < w->deadline_ms ? connect_by : w->deadline_ms,
                                    .deadline_ms = w->deadline_ms,
                                    .answer_ms = d->settings.answer_ms };
    const struct talk_mail what = talk_mail_of(mail);
    const struct talk_manner manner = { .hostname = d->settings.hostname,
                                        .tls = tls };
    struct text_body body = text_body_of(mail->message);
    struct sending each;
    line_hand_over(&call, &what, &manner, &body.body, w->arena, &each, ret_shaky);
    return each;
}

static void dial(struct walk *w, const struct route_host *host, const struct route_address *at)
{
    bool shaky;
    struct sending s = hand_over(w, host, at, TALK_TLS_OFFERED, &shaky);
    if (shaky)
        s = hand_over(w, host, at, TALK_TLS_NEVER, &shaky);
    w->dials++;
    /* What may have been taken is offered to nobody else now: the next attempt begins at the same host (RFC 1047). */
    w->ends = s.sent != SENT_LATER || s.in_doubt;
    if (w->ends) /* whatever the ones before said */
        w->last.says = STR_NONE;
    s.host = host->name;
    s.says = arena_strf(w->arena, STR_FMT " (" STR_FMT "): " STR_FMT, STR_ARG(host->name),
                        STR_ARG(at->text), STR_ARG(s.says));
    note(w, s);
}

/* The exchange is this server: what it receives it takes, as from anybody, and what it does not receive would come back.
 * Either way nobody else is asked: who ranks behind us would bring it here, who ranks before us was asked. */
static void come_home(struct walk *w, const struct route_host *host, const struct route_address *at)
{
    dial(w, host, at);
    w->ends = true;
    if (w->last.sent != SENT_REFUSED)
        return;
    const str says =
        arena_strf(w->arena, "mail to " STR_FMT " would come back, and this server does not take it: " STR_FMT,
                   STR_ARG(w->mail->forward_path), STR_ARG(w->last.says));
    w->last.says = says.ptr ? says : w->last.says;
    w->last.status = STR("5.4.6");
}

static void try_address(struct walk *w, const struct route_host *host,
                        const struct route_address *at)
{
    const struct smtp_direct *d = w->direct;
    const struct sockaddr *address = (const struct sockaddr *)&at->address;
    if (ourselves_are(d->settings.own, address)) {
        come_home(w, host, at);
        return;
    }
    if (!d->settings.private_targets && !address_is_public(address)) {
        note(w, (struct sending) {
                    SENT_REFUSED,
                    arena_strf(w->arena,
                               STR_FMT " (" STR_FMT
                                       ") is no address out on the Internet (--mx-targets)",
                               STR_ARG(host->name), STR_ARG(at->text)),
                    .status = STR("5.4.4"),
                });
        return;
    }
    dial(w, host, at);
}

static void try_host(struct walk *w, const struct route_host *host)
{
    struct route_address addresses[ROUTE_ADDRESSES_MAX];
    size_t count;
    struct sending why;
    if (!route_addresses(&w->means, host, w->direct->settings.port, w->arena, addresses, &count,
                         &why)) {
        note(w, why);
        return;
    }
    for (size_t i = 0; i < count && !w->ends && w->dials < DIALS_MAX; i++)
        try_address(w, host, &addresses[i]);
}

static struct sending send_mail(struct mailer_port *port, const struct outgoing *mail,
                                struct arena *a)
{
    const struct smtp_direct *d = (const struct smtp_direct *)port;
    struct walk w = { .direct = d,
                      .mail = mail,
                      .arena = a,
                      .means = { .resolver = d->outside->resolver,
                                 .entropy = d->outside->entropy,
                                 .deadline_ms = now_ms(d) + DNS_MS },
                      .deadline_ms = now_ms(d) + d->settings.patience_ms };
    struct route route;
    struct sending why;
    if (!route_find(&w.means, route_domain_of(mail->forward_path), a, &route, &why))
        return why;
    for (size_t i = 0; i < route.count && !w.ends && now_ms(d) < w.deadline_ms; i++) {
        w.means.deadline_ms = now_ms(d) + DNS_MS;
        try_host(&w, &route.hosts[i]);
    }
    return str_is_none(w.last.says) ? (struct sending) { SENT_LATER, STR("the time ran out") }
                                    : w.last;
}

static str target_of(struct mailer_port *port, str forward_path, struct arena *a)
{
    (void)port;
    const str domain = route_domain_of(forward_path), ascii = mailbox_domain_ascii(domain, a);
    return arena_strf(a, "smtp://" STR_FMT, STR_ARG(ascii.ptr ? ascii : domain));
}

const struct fault *smtp_direct_open(const struct smtp_direct_settings *settings,
                                     const struct outside *outside, struct arena *a,
                                     struct mailer_port **ret_mailer)
{
    struct smtp_direct *d = ARENA_NEW(a, struct smtp_direct);
    if (!d)
        return &fault_no_memory;
    *d = (struct smtp_direct) { .port = { .send = send_mail, .target = target_of },
                                .settings = *settings,
                                .outside = outside };
    if (!d->settings.patience_ms)
        d->settings.patience_ms = PATIENCE_MS;
    if (!d->settings.answer_ms)
        d->settings.answer_ms = LINE_ANSWER_MS;
    TRY(tls_client_open(&(struct tls_client_settings) { .checks = false }, a, &d->tls));
    *ret_mailer = &d->port;
    return NULL;
}
