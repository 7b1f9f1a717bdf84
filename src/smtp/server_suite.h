/* smtp/server_suite.h - for the server's tests: a whole server over loopback, with a spool in memory
 * and a gatekeeper who takes all but nobody@, slow@ after a while; and a client that waits for what it wants to hear. */
#ifndef SESAME_SMTP_SERVER_SUITE_H
#define SESAME_SMTP_SERVER_SUITE_H

#include "base/metrics.h"
#include "smtp/server.h"
#include "smtp/spool_double.h"
#include "testing/journal.h"

#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { HOUSE_SLOW_MS = 600 }; /* so long a loop is held up by RCPT TO:<slow@...> */

struct house {
    struct memory_spool spool;
    struct smtp_gatekeeper gatekeeper;
    struct captured_journal *journal;
    struct metrics *metrics;
    struct outside outside;
    struct arena *arena;
    struct smtp_listener listener;
    struct smtp_server_settings settings;
    struct smtp_server *server;
};

void house_build(struct house *); /* change its settings, then open it */
void house_open(struct house *);
void house_close(struct house *); /* the spool must have had an end for every draft */
bool metric_is(struct house *, const char *line);

struct client {
    int fd;
    SSL *ssl;
    SSL_CTX *context;
    struct buf heard;
};

struct client dial(const struct house *);
struct client greeted(const struct house *); /* dial, and hear the banner */
void hang(struct client *);
void tell(struct client *, str text);
#define TELL(c, text) tell((c), STR(text))

bool hear_some(struct client *); /* reads once; false at the end */
/* Each fails the test when something else is heard, or nothing for ten seconds. */
void hears(struct client *, const char *want);         /* exactly this */
void hears_line(struct client *, const char *begin);   /* the last line heard so far begins so */
void hears_end_of(struct client *, const char *last);  /* says this last, for now */
void hears_end(struct client *, const char *last);     /* says this last and hangs up */

#define ENVELOPE    "HELO c.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<u@d.test>\r\n"
#define ENVELOPE_OK "250 mx.test\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n"
#define GO_ON       "354 End data with <CR><LF>.<CR><LF>\r\n"

#endif
