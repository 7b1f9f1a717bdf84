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

const struct fault *way_out_open(struct way_out *w, const struct config *c, str hostname,
                                 bool private_targets, struct outside *outside, struct arena *a)
{
    const struct smtp_client_settings relay = { .relay = c->relay,
                                                .hostname = hostname,
                                                .own = &w->own };
    if (c->relay.ptr)
        return smtp_client_open(&relay, outside->clock, a, &w->mailer);
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
