/* The IANA registries of special-purpose addresses (RFC 6890), and what embeds an IPv4 address. */
#include "wire/address.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* clang-format off */
static const struct { uint32_t net; unsigned bits; } nets4[] = {
    { 0x00000000,  8 }, /* 0.0.0.0: this host */
    { 0x0a000000,  8 }, /* 10.0.0.0: private */
    { 0x64400000, 10 }, /* 100.64.0.0: shared by a carrier's customers */
    { 0x7f000000,  8 }, /* 127.0.0.0: loopback */
    { 0xa9fe0000, 16 }, /* 169.254.0.0: link-local, where clouds keep their metadata */
    { 0xac100000, 12 }, /* 172.16.0.0: private */
    { 0xc0000000, 24 }, /* 192.0.0.0: protocol assignments */
    { 0xc0000200, 24 }, /* 192.0.2.0: documentation */
    { 0xc0586300, 24 }, /* 192.88.99.0: 6to4 relays, gone */
    { 0xc0a80000, 16 }, /* 192.168.0.0: private */
    { 0xc6120000, 15 }, /* 198.18.0.0: benchmarks */
    { 0xc6336400, 24 }, /* 198.51.100.0: documentation */
    { 0xcb007100, 24 }, /* 203.0.113.0: documentation */
    { 0xe0000000,  4 }, /* 224.0.0.0: multicast */
    { 0xf0000000,  4 }, /* 240.0.0.0: reserved, and broadcast */
};
/* embeds: where an IPv4 address stands in it that decides instead; 0: none does. */
static const struct { unsigned char net[16]; unsigned bits, embeds; } nets6[] = {
    { { [10] = 0xff, 0xff },               96, 12 }, /* ::ffff:0:0/96: mapped */
    { { 0x00, 0x64, 0xff, 0x9b },          96, 12 }, /* 64:ff9b::/96: NAT64 */
    { { 0x20, 0x02 },                      16,  2 }, /* 2002::/16: 6to4 */
    { { 0 },                               96,  0 }, /* ::, ::1 and the compatible ones of old */
    { { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }, 48, 0 }, /* 64:ff9b:1::/48: local NAT64 */
    { { 0x01, 0x00 },                      64,  0 }, /* 100::/64: discard */
    { { 0x20, 0x01 },                      23,  0 }, /* 2001::/23: protocol assignments, Teredo */
    { { 0x20, 0x01, 0x0d, 0xb8 },          32,  0 }, /* 2001:db8::/32: documentation */
    { { 0xfc },                             7,  0 }, /* fc00::/7: private */
    { { 0xfe, 0x80 },                      10,  0 }, /* fe80::/10: link-local */
    { { 0xfe, 0xc0 },                      10,  0 }, /* fec0::/10: site-local, of old */
    { { 0xff },                             8,  0 }, /* multicast */
};
/* clang-format on */

static bool is_public4(const unsigned char bytes[4])
{
    uint32_t address = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
                       (uint32_t)bytes[2] << 8 | bytes[3];
    for (size_t i = 0; i < sizeof nets4 / sizeof nets4[0]; i++)
        if ((address ^ nets4[i].net) >> (32 - nets4[i].bits) == 0)
            return false;
    return true;
}

static bool in_net6(const unsigned char address[16], const unsigned char net[16], unsigned bits)
{
    for (unsigned i = 0; i < bits; i += 8) {
        unsigned char mask = bits - i >= 8 ? 0xff : (unsigned char)(0xff << (8 - (bits - i)));
        if ((address[i / 8] ^ net[i / 8]) & mask)
            return false;
    }
    return true;
}

static bool is_public6(const unsigned char address[16])
{
    for (size_t i = 0; i < sizeof nets6 / sizeof nets6[0]; i++)
        if (in_net6(address, nets6[i].net, nets6[i].bits))
            return nets6[i].embeds && is_public4(address + nets6[i].embeds);
    return true;
}

bool address_is_public(const struct sockaddr *address)
{
    const struct sockaddr_in *four = (const void *)address;
    const struct sockaddr_in6 *six = (const void *)address;
    unsigned char bytes[16];
    if (address->sa_family == AF_INET) {
        memcpy(bytes, &four->sin_addr, 4);
        return is_public4(bytes);
    }
    if (address->sa_family != AF_INET6)
        return false;
    memcpy(bytes, &six->sin6_addr, 16);
    return is_public6(bytes);
}
