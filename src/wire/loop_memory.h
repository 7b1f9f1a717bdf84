/* wire/loop_memory.h - the memory of libevent's own small records, apart from everybody else's.
 *
 * libevent makes a record for each descriptor number at its first use and keeps it for ever. Among
 * the memory of connections each of them holds a page, so ten thousand guests who have left would
 * cost their pages for good. */
#ifndef SESAME_WIRE_LOOP_MEMORY_H
#define SESAME_WIRE_LOOP_MEMORY_H

void loop_memory_apart(
    void); /* before libevent is asked for anything; any thread, any number of times */

#endif
