/* receive/office_suite.h - for tests: a real spool, and a mailer that is told what to say. */
#ifndef SESAME_RECEIVE_OFFICE_SUITE_H
#define SESAME_RECEIVE_OFFICE_SUITE_H

#include "receive/head.h"
#include "receive/outgoing.h"
#include "testing/clock.h"
#include "testing/entropy.h"
#include "testing/journal.h"
#include "testing/temp_dir.h"

#define ID "3n8q0v5t1c7k2d9jr4hm6s0ub8gl1pf7e5a2ti01"

struct fake_mailer {
    struct mailer_port port;
    enum sent sent;
    str reply, status, host; /* of what is not taken */
    char to[128], from[128];
    struct buf message;
    unsigned sends;
};

struct fake_mailer fake_mailer_saying(enum sent);

struct office {
    struct temp_dir dir;
    struct arena *arena;
    struct fake_clock clock;
    struct seeded_entropy entropy;
    struct captured_journal *journal;
    struct outside outside;
    struct spool *spool;
    struct fake_mailer mailer;
    struct outgoing_way way;
    struct head head;
};

/* `head` is of a message from me@sender.example to account 111122223333, four seconds ago. */
struct office *office_open(void);
void office_close(struct office *);

/* Leases what was left next; its text is in *ret_body. */
struct errand office_take(struct office *, struct lease *, str *ret_body);

#endif
