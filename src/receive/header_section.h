/* receive/header_section.h - the header section of a received message, as long as SendBounce may ask for it.
 *
 * While a message lives or is dead, its section is read from where it lies; when it is delivered, the section
 * goes with its timeline, into the same ring (--history-max). */
#ifndef SESAME_RECEIVE_HEADER_SECTION_H
#define SESAME_RECEIVE_HEADER_SECTION_H

#include "store/spool.h"

/* As much as a notification returns, DSN_HEADERS_MAX; and as much of a message as tells where that ends. */
enum { HEADER_KEPT_MAX = 64 * 1024, HEADER_FRONT = HEADER_KEPT_MAX + 1 };

/* The whole fields within HEADER_KEPT_MAX at the front of a message, of which these are HEADER_FRONT octets
 * or all; without the blank line; a view. */
str header_section_of(str front);

/* Of a record that was found. STR_NONE: it is no longer kept. */
const struct fault *header_section_find(struct spool *, const struct spool_record *, struct arena *,
                                        str *ret_section);

#endif
