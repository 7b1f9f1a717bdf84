/* main/way_out.c - the settings of outgoing mail made into a mailer. */
#include "main/way_out.h"

#include "smtp/client.h"
#include "smtp/direct.h"

static const struct fault *open_direct(struct way_out *w, const struct config *c, str hostname,
                                       bool private_targets, struct outside *outside,
                                       struct arena *a)
{
    const struct smtp_direct_settings settings = {
        .hostname = hostname,
        .port = (unsigned)c->mx_port,
        .private_targets = c->mx_targets.ptr ? str_eq(c->mx_targets, STR("any")) : private_targets,
        .own = &w->own,
    };
    TRY(dns_open(c->dns, outside->clock, a, &w->dns));
    outside->resolver = dns_resolver(w->dns);
    return smtp_direct_open(&settings, outside, a, &w->mailer);
}

/* A password is not for whoever answers: without a checked certificate it goes to this machine
 * alone, which the talk sees to also where a name turns out to lead elsewhere. */
static const struct fault *relay_tls(const struct way_out *w, const struct config *c,
                                     struct arena *a, enum talk_tls *ret_tls)
{
    const bool far_password = w->login.user.ptr && !config_is_loopback(c->relay);
    if (far_password && str_eq(c->relay_tls, STR("offered")))
        return fault(a, FAULT_SYNTAX, NULL,
                     "--relay-tls offered checks no certificate, and the password would be said to "
                     "whoever answers: give starttls or implicit");
    if (c->relay_tls.ptr)
        *ret_tls = str_eq(c->relay_tls, STR("implicit"))   ? TALK_TLS_FIRST
                   : str_eq(c->relay_tls, STR("starttls")) ? TALK_TLS_REQUIRED
                                                           : TALK_TLS_OFFERED;
    else
        *ret_tls = far_password || c->relay_ca.ptr ? TALK_TLS_REQUIRED : TALK_TLS_OFFERED;
    return NULL;
}

static const struct fault *open_relay(struct way_out *w, const struct config *c, str hostname,
                                      struct outside *outside, struct arena *a)
{
    struct smtp_client_settings settings = { .relay = c->relay,
                                             .ca_file = c->relay_ca,
                                             .login = w->login,
                                             .hostname = hostname,
                                             .own = &w->own };
    TRY(relay_tls(w, c, a, &settings.tls));
    return smtp_client_open(&settings, outside->clock, a, &w->mailer);
}

const struct fault *way_out_open(struct way_out *w, const struct config *c, str hostname,
                                 bool private_targets, struct outside *outside, struct arena *a)
{
    if (c->relay.ptr)
        return open_relay(w, c, hostname, outside, a);
    if (str_eq(c->outbound, STR("mx")))
        return open_direct(w, c, hostname, private_targets, outside, a);
    return NULL;
}

void way_out_listens(struct way_out *w, str address)
{
    ourselves_add(&w->own, address);
}

void way_out_close(struct way_out *w)
{
    dns_close(w->dns);
    w->dns = NULL;
}
