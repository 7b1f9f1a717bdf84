/* base/random_id.h - names nobody can guess: message ids, request ids, tokens. */
#ifndef SESAME_BASE_RANDOM_ID_H
#define SESAME_BASE_RANDOM_ID_H

#include "base/outside.h"

enum { MESSAGE_ID_LEN = 40, REQUEST_ID_LEN = 36 };

/* Each writes its characters, then a NUL, and returns a view of `to`. */
str random_message_id(struct entropy *, char to[MESSAGE_ID_LEN + 1]); /* as SES: base32hex of 24 octets and 01 */
str random_request_id(struct entropy *, char to[REQUEST_ID_LEN + 1]); /* a UUID, version 4 */
str random_token(struct entropy *, char *to, size_t len);             /* A-Z a-z 0-9; SES's banner has 20 */
str random_upper_token(struct entropy *, char *to, size_t len);       /* A-Z 2-7: access key ids */
str random_hex(struct entropy *, char *to, size_t len);               /* 0-9 a-f */
uint64_t random_below(struct entropy *, uint64_t bound);              /* 0 .. bound - 1, evenly; bound > 0 */

bool message_id_valid(str); /* 40 (or the old 28) characters 0-9 a-v */

#endif
