/* wire/address.h - is an address out on the Internet, or one of ours? */
#ifndef SESAME_WIRE_ADDRESS_H
#define SESAME_WIRE_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* False for what is private, loopback, link-local, shared, reserved, multicast, and for IPv6 addresses
 * that stand for such IPv4 ones; also for families that are neither. */
bool address_is_public(const struct sockaddr *);

#endif
