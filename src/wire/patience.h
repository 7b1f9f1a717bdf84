/* wire/patience.h - ends connections on which the peer takes longer than it may.
 *
 * libmicrohttpd closes a connection that is silent; one that says a byte now and then is never
 * silent, and a thousand of them leave no room for others. A wait is one connection's: how long it
 * may last is set anew for each thing waited for, however much is said in between. */
#ifndef SESAME_WIRE_PATIENCE_H
#define SESAME_WIRE_PATIENCE_H

#include <stdint.h>

struct patience;
struct wait;

struct patience *patience_start(void); /* NULL: no memory, or no thread */
void patience_stop(struct patience *); /* after the last wait_free; NULL is fine */

/* The socket is shut down, and left to its owner to close, when the wait is over. NULL: no memory;
 * the others take it, and nothing is ended. */
struct wait *wait_new(struct patience *, int fd);
void wait_at_most(struct wait *, int64_t ms); /* from now; 0: for ever */
/* The same, for the peer's next octets. While some lie unread when it would be over, it is us who are late: it goes on
 * until they are read. */
void wait_for_word(struct wait *, int64_t ms);
void wait_free(struct wait *); /* before the socket is closed */

#endif
