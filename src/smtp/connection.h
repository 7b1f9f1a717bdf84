/* smtp/connection.h - one peer's socket and session, carried through a loop. Used by server.c.
 *
 *   TALK --STARTTLS--> SHAKE --> TALK        bytes are read and fed
 *   TALK --COMMIT----> COMMIT -> TALK        nothing is read until the spool answered
 *   TALK --full------> FULL ---> TALK        nothing is read until the spool has room
 *   any  --CLOSE-----> LAST ---> LINGER      what was said is sent, then the socket goes
 *
 * In every phase: while something said is unsent, nothing is read. */
#ifndef SESAME_SMTP_CONNECTION_H
#define SESAME_SMTP_CONNECTION_H

#include "smtp/admission.h"
#include "smtp/server.h"
#include "smtp/watching.h"
#include "wire/loop.h"
#include "wire/stream.h"

enum { INPUT_SIZE = 64 * 1024 }; /* each session may keep as much unfed while the spool has enough: 200 of them 13 MB */

enum { LANE_CROWD = 1000 }; /* when so many have gone, memory is worth a look */

struct lane { /* one loop's share of the server; only its thread touches it */
    struct loop *loop;
    const struct smtp_server_settings *settings;
    struct admission *admission;
    struct watching *watching;
    struct connection *open, *spare; /* spare: closed ones, for those who come next; a few */
    size_t spare_count;
    struct loop_task sweep; /* frees those that are too many */
    bool sweep_posted;
    size_t gone; /* how many it was freed of, since the last moment without any that is open */
    struct resume *spare_resumes;
    char *input;                     /* INPUT_SIZE octets, shared by all its connections */
    bool draining, ending;
    int64_t next_look_ms; /* for who takes a place for nothing */
};

void lane_prepare(struct lane *); /* before any connection begins */
/* Takes the socket over. False: no memory; then it is still the caller's. */
bool connection_begin(struct lane *, const struct smtp_listener *, int fd, str address);

/* All places are taken and somebody knocks: sessions end that have been idle, or have sent a message's octets
 * too slowly, for longer than crowded_after_ms. */
void connections_make_room(struct lane *);
/* Sessions without a transaction end now, the others after theirs. */
void connections_drain(struct lane *);
/* All end now, but those whose message is being committed hear of it first. */
void connections_end(struct lane *);
void connections_free(struct lane *); /* none is open */

#endif
