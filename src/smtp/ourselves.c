#include "smtp/ourselves.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

struct place { /* an address of either family; an IPv4 one as IPv6 has it mapped */
    struct in6_addr address;
    in_port_t port;
};

static bool read_place(const struct sockaddr *from, struct place *ret_place)
{
    if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 six;
        memcpy(&six, from, sizeof six);
        *ret_place = (struct place) { six.sin6_addr, six.sin6_port };
        return true;
    }
    if (from->sa_family != AF_INET)
        return false;
    struct sockaddr_in four;
    memcpy(&four, from, sizeof four);
    *ret_place =
        (struct place) { .address.s6_addr = { [10] = 0xff, [11] = 0xff }, .port = four.sin_port };
    memcpy(ret_place->address.s6_addr + 12, &four.sin_addr, 4);
    return true;
}

static bool is_any(const struct in6_addr *a)
{
    static const struct in6_addr any4 = { .s6_addr = { [10] = 0xff, [11] = 0xff } };
    return IN6_IS_ADDR_UNSPECIFIED(a) || IN6_ARE_ADDR_EQUAL(a, &any4);
}

/* 127.0.0.0/8 is this machine, whichever of it an interface has. */
static bool is_of_this_machine(const struct in6_addr *a)
{
    struct ifaddrs *all;
    struct place place;
    bool found =
        is_any(a) || IN6_IS_ADDR_LOOPBACK(a) || (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == 127);
    if (found || getifaddrs(&all) != 0)
        return found;
    for (const struct ifaddrs *at = all; at && !found; at = at->ifa_next)
        found = at->ifa_addr && read_place(at->ifa_addr, &place) &&
                IN6_ARE_ADDR_EQUAL(&place.address, a);
    freeifaddrs(all);
    return found;
}

void ourselves_add(struct ourselves *o, str address)
{
    char host[INET6_ADDRSTRLEN] = "";
    size_t colon = address.len;
    uint64_t port;
    while (colon && address.ptr[colon - 1] != ':')
        colon--;
    str name = str_head(address, colon ? colon - 1 : 0);
    const bool six = str_starts(name, STR("[")) && str_ends(name, STR("]"));
    if (six)
        name = str_from(str_head(name, name.len - 1), 1);
    if (o->count == OURSELVES_MAX || name.len >= sizeof host ||
        !str_u64(str_from(address, colon), &port) || port > UINT16_MAX)
        return;
    memcpy(host, name.ptr, name.len);
    struct sockaddr_in6 to6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
    struct sockaddr_in to4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    if (six && inet_pton(AF_INET6, host, &to6.sin6_addr) == 1)
        memcpy(&o->listeners[o->count++], &to6, sizeof to6);
    else if (!six && inet_pton(AF_INET, host, &to4.sin_addr) == 1)
        memcpy(&o->listeners[o->count++], &to4, sizeof to4);
}

bool ourselves_are(const struct ourselves *o, const struct sockaddr *address)
{
    struct place there, here;
    if (!read_place(address, &there))
        return false;
    for (size_t i = 0; i < o->count; i++) {
        if (!read_place((const struct sockaddr *)&o->listeners[i], &here) ||
            here.port != there.port)
            continue;
        if (IN6_ARE_ADDR_EQUAL(&here.address, &there.address) ||
            (is_any(&there.address) && is_of_this_machine(&here.address)) ||
            (is_any(&here.address) && is_of_this_machine(&there.address)))
            return true;
    }
    return false;
}
