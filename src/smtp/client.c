/* smtp/client.c - one message to one recipient, by way of the relay. */
#include "smtp/client.h"

#include "smtp/line.h"

#include <assert.h>

enum { PATIENCE_MS = 2 * 60 * 1000 };

struct smtp_client {
    struct mailer_port port;
    struct smtp_client_settings settings;
    struct clock *clock;
    struct tls_client *tls;
    const char *host; /* of the relay, for TLS */
};

static struct sending try_once(const struct smtp_client *c, const struct outgoing *mail,
                               enum talk_tls tls, int64_t deadline_ms, struct arena *a,
                               bool *ret_shaky)
{
    const struct line_call call = { .address = c->settings.relay,
                                    .tls_host = c->host,
                                    .tls = c->tls,
                                    .clock = c->clock,
                                    .own = c->settings.own,
                                    .deadline_ms = deadline_ms,
                                    .answer_ms = c->settings.answer_ms };
    const struct talk_mail what = talk_mail_of(mail);
    const struct talk_manner manner = { .hostname = c->settings.hostname,
                                        .tls = tls,
                                        .login =
                                            c->settings.login.user.ptr ? &c->settings.login : NULL };
    struct text_body body = text_body_of(mail->message);
    struct sending each;
    line_hand_over(&call, &what, &manner, &body.body, a, &each, ret_shaky);
    each.host = str_of(c->host);
    return each;
}

static str target_of(struct mailer_port *port, str forward_path, struct arena *a)
{
    (void)forward_path; /* the relay takes all there is */
    return arena_strf(a, "smtp://" STR_FMT, STR_ARG(((struct smtp_client *)port)->settings.relay));
}

static struct sending send_mail(struct mailer_port *port, const struct outgoing *mail,
                                struct arena *a)
{
    const struct smtp_client *c = (const struct smtp_client *)port;
    int64_t deadline_ms = c->clock->steady_ms(c->clock) + c->settings.patience_ms;
    bool shaky;
    struct sending sending = try_once(c, mail, c->settings.tls, deadline_ms, a, &shaky);
    if (shaky && c->settings.tls == TALK_TLS_OFFERED)
        sending = try_once(c, mail, TALK_TLS_NEVER, deadline_ms, a, &shaky);
    return sending;
}

const struct fault *smtp_client_open(const struct smtp_client_settings *settings,
                                     struct clock *clock, struct arena *a,
                                     struct mailer_port **ret_mailer)
{
    struct smtp_client *c = ARENA_NEW(a, struct smtp_client);
    if (!c)
        return &fault_no_memory;
    *c = (struct smtp_client) { .port = { .send = send_mail, .target = target_of },
                                .settings = *settings,
                                .clock = clock };
    if (!c->settings.patience_ms)
        c->settings.patience_ms = PATIENCE_MS;
    if (!c->settings.answer_ms)
        c->settings.answer_ms = LINE_ANSWER_MS;
    size_t colon = settings->relay.len;
    while (colon && settings->relay.ptr[colon - 1] != ':')
        colon--;
    assert(colon && "the settings were checked: host:port");
    c->host = arena_cstr(a, str_head(settings->relay, colon - 1));
    if (!c->host)
        return &fault_no_memory;
    const struct tls_client_settings tls = { .checks = settings->tls >= TALK_TLS_REQUIRED,
                                             .ca_file = settings->ca_file };
    TRY(tls_client_open(&tls, a, &c->tls));
    *ret_mailer = &c->port;
    return NULL;
}
