/* services/lambda/packet.h - what server and runner say to each other, one message a packet.
 *
 *     server                                  runner
 *       | UNPACK ticket, hash + zip  ------->   |   into a folder of its own, as nobody in particular
 *       | START ticket, slot, ... + two fds ->  |   a process of the slot's user
 *       | KILL slot  ----------------------->   |   all of it
 *       | FORGET hash  --------------------->   |   the unpacked code
 *       |   <------------ DONE | FAILED ticket  |
 *       |   <------------- ENDED slot, status   |   once for every START that was DONE
 *
 * Numbers are big endian: word(1) flags(1) ticket(4) slot(4) number(8) peak(8), then text, arguments
 * and environment, each text as length(4) and octets and each list as count(4). */
#ifndef SESAME_SERVICES_LAMBDA_PACKET_H
#define SESAME_SERVICES_LAMBDA_PACKET_H

#include "base/buf.h"

enum {
    PACKET_MAX = 128 * 1024,
    PACKET_ARGUMENTS_MAX = 8,
    PACKET_ENVIRONMENT_MAX = 512,
};

enum packet_word {
    PACKET_UNPACK = 1,
    PACKET_START,
    PACKET_KILL,
    PACKET_FORGET,
    PACKET_DONE,
    PACKET_FAILED,
    PACKET_ENDED,
};
enum { PACKET_OUT_OF_MEMORY = 1 }; /* flags of ENDED */

struct packet {
    enum packet_word word;
    unsigned flags;
    uint32_t ticket, slot;
    uint64_t number; /* START: memory in MB. DONE: the process. ENDED: as wait(2) says */
    uint64_t peak;   /* ENDED: most memory ever, in bytes; 0: unknown */
    str text;        /* the code's hash; DONE: its folder; FAILED: why */
    str arguments[PACKET_ARGUMENTS_MAX];
    size_t argument_count;
    str environment[PACKET_ENVIRONMENT_MAX]; /* NAME=value */
    size_t environment_count;
};

void packet_write(const struct packet *, struct buf *out); /* more than fits: out->failed */
/* Views into `bytes`. False: it is not one whole message, or a text holds a NUL. */
bool packet_read(str bytes, struct packet *ret_packet);

#endif
