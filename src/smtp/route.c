/* smtp/route.c - the rules of RFC 5321 5.1, one after the other. */
#include "smtp/route.h"

#include "mail/mailbox.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

str route_domain_of(str forward_path)
{
    size_t at = forward_path.len;
    while (at && forward_path.ptr[at - 1] != '@')
        at--;
    return str_from(forward_path, at);
}

/* The status is RFC 3463's, RFC 7505's for a null MX. */
static bool none(struct sending *ret_why, enum sent sent, const char *status, str says)
{
    *ret_why = (struct sending) { sent, says.ptr ? says : STR("there is no memory for the route"),
                                  .status = str_of(status) };
    return false;
}

/* ---- literals ---- */

static bool is_literal(str domain)
{
    return domain.len > 2 && domain.ptr[0] == '[' && domain.ptr[domain.len - 1] == ']';
}

static bool read_literal(str domain, struct dns_record *ret_record, enum dns_kind *ret_kind)
{
    char text[INET6_ADDRSTRLEN] = "";
    str inside = str_from(str_head(domain, domain.len - 1), 1);
    const bool six = str_starts_nocase(inside, STR("IPv6:"));
    if (six)
        inside = str_from(inside, sizeof "IPv6:" - 1);
    if (inside.len >= sizeof text || str_has(inside, '\0'))
        return false;
    memcpy(text, inside.ptr, inside.len);
    *ret_kind = six ? DNS_AAAA : DNS_A;
    return inet_pton(six ? AF_INET6 : AF_INET, text, ret_record->address) == 1;
}

/* ---- exchanges ---- */

/* Sorted by preference; equal ones in an order nobody chose (RFC 5321 5.1: "MUST randomize"). */
static void put_in_order(struct dns_record *records, size_t count, struct entropy *entropy)
{
    for (size_t left = count; left > 1; left--) {
        uint32_t drawn;
        entropy->fill(entropy, &drawn, sizeof drawn);
        struct dns_record swapped = records[left - 1];
        records[left - 1] = records[drawn % left];
        records[drawn % left] = swapped;
    }
    for (size_t i = 1; i < count; i++) { /* an insertion keeps equal ones as they lie */
        struct dns_record one = records[i];
        size_t at = i;
        for (; at && records[at - 1].preference > one.preference; at--)
            records[at] = records[at - 1];
        records[at] = one;
    }
}

static bool take_exchanges(const struct route_means *means, str domain,
                           const struct dns_answer *answer, struct arena *a, struct route *route,
                           struct sending *ret_why)
{
    struct dns_record *records = ARENA_ARRAY(a, struct dns_record, answer->count);
    size_t count = 0;
    if (!records)
        return none(ret_why, SENT_LATER, "4.3.0", STR_NONE);
    for (size_t i = 0; i < answer->count; i++) {
        if (answer->records[i].name.len) /* the root is no host, beside others as alone */
            records[count++] = answer->records[i];
    }
    if (!count)
        return none(ret_why, SENT_REFUSED, "5.1.10",
                    arena_strf(a,
                               "the domain " STR_FMT " takes no mail (its MX is \".\", RFC 7505)",
                               STR_ARG(domain)));
    put_in_order(records, count, means->entropy);
    for (size_t i = 0; i < count && route->count < ROUTE_HOSTS_MAX; i++)
        route->hosts[route->count++] =
            (struct route_host) { records[i].name, records[i].preference };
    return true;
}

bool route_find(const struct route_means *means, str domain, struct arena *a,
                struct route *ret_route, struct sending *ret_why)
{
    *ret_route = (struct route) { 0 };
    if (is_literal(domain)) {
        ret_route->hosts[ret_route->count++] = (struct route_host) { .name = domain };
        return true;
    }
    const str name = mailbox_domain_ascii(domain, a);
    if (!name.ptr)
        return none(ret_why, SENT_REFUSED, "5.1.3",
                    arena_strf(a, "\"" STR_FMT "\" is no domain name", STR_ARG(domain)));
    const struct dns_answer answer =
        means->resolver->ask(means->resolver, name, DNS_MX, means->deadline_ms, a);
    switch (answer.outcome) {
    case DNS_FOUND:
        return take_exchanges(means, domain, &answer, a, ret_route, ret_why);
    case DNS_NOTHING:
        ret_route->implicit = true;
        ret_route->hosts[ret_route->count++] = (struct route_host) { .name = name };
        return true;
    case DNS_NO_NAME:
        return none(ret_why, SENT_REFUSED, "5.1.2",
                    arena_strf(a, "the domain " STR_FMT " does not exist", STR_ARG(domain)));
    case DNS_FAILED:
        break;
    }
    return none(ret_why, SENT_LATER, "4.4.3",
                arena_strf(a, "the MX of " STR_FMT " could not be looked up: " STR_FMT,
                           STR_ARG(domain), STR_ARG(answer.says)));
}

/* ---- addresses ---- */

struct gathering {
    struct route_address *addresses;
    size_t count;
    unsigned port;
    struct arena *arena;
};

static bool add_address(struct gathering *g, enum dns_kind kind, const struct dns_record *r)
{
    struct route_address *to = &g->addresses[g->count];
    char text[INET6_ADDRSTRLEN];
    *to = (struct route_address) { 0 };
    if (kind == DNS_AAAA) {
        struct sockaddr_in6 six = { .sin6_family = AF_INET6,
                                    .sin6_port = htons((uint16_t)g->port) };
        memcpy(&six.sin6_addr, r->address, sizeof six.sin6_addr);
        memcpy(&to->address, &six, sizeof six);
        inet_ntop(AF_INET6, r->address, text, sizeof text);
        to->text = arena_strf(g->arena, "[%s]:%u", text, g->port);
    } else {
        struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons((uint16_t)g->port) };
        memcpy(&four.sin_addr, r->address, sizeof four.sin_addr);
        memcpy(&to->address, &four, sizeof four);
        inet_ntop(AF_INET, r->address, text, sizeof text);
        to->text = arena_strf(g->arena, "%s:%u", text, g->port);
    }
    g->count += to->text.ptr != NULL;
    return to->text.ptr != NULL;
}

bool route_addresses(const struct route_means *means, const struct route_host *host, unsigned port,
                     struct arena *a, struct route_address ret_addresses[ROUTE_ADDRESSES_MAX],
                     size_t *ret_count, struct sending *ret_why)
{
    static const enum dns_kind kinds[] = { DNS_AAAA, DNS_A };
    struct gathering g = { .addresses = ret_addresses, .port = port, .arena = a };
    struct dns_record literal = { 0 };
    enum dns_kind kind;
    str failed = STR_NONE;
    *ret_count = 0;
    if (is_literal(host->name)) {
        if (!read_literal(host->name, &literal, &kind))
            return none(ret_why, SENT_REFUSED, "5.1.3",
                        arena_strf(a, STR_FMT " is no address", STR_ARG(host->name)));
        *ret_count = add_address(&g, kind, &literal) ? 1 : 0;
        return *ret_count || none(ret_why, SENT_LATER, "4.3.0", STR_NONE);
    }
    for (size_t k = 0; k < 2; k++) {
        const struct dns_answer answer =
            means->resolver->ask(means->resolver, host->name, kinds[k], means->deadline_ms, a);
        if (answer.outcome == DNS_FAILED)
            failed = answer.says;
        /* Half of the room is IPv4's, however many IPv6 addresses there are. */
        const size_t room = (k + 1) * ROUTE_ADDRESSES_MAX / 2;
        for (size_t i = 0; answer.outcome == DNS_FOUND && i < answer.count && g.count < room; i++)
            add_address(&g, kinds[k], &answer.records[i]);
    }
    *ret_count = g.count;
    if (g.count)
        return true;
    if (failed.ptr)
        return none(ret_why, SENT_LATER, "4.4.3",
                    arena_strf(a, "the address of " STR_FMT " could not be looked up: " STR_FMT,
                               STR_ARG(host->name), STR_ARG(failed)));
    return none(ret_why, SENT_REFUSED, "5.4.4",
                arena_strf(a, "the host " STR_FMT " has no address", STR_ARG(host->name)));
}
