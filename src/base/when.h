/* base/when.h - moments as text, in UTC, without locale. A moment is milliseconds since 1970.
 *
 * Years 0000 to 9999; a moment outside is shown as the nearest one inside. */
#ifndef SESAME_BASE_WHEN_H
#define SESAME_BASE_WHEN_H

#include "base/str.h"

enum { WHEN_SIZE = 48 }; /* room for every form, with a NUL behind it */

/* Each writes into `to` (WHEN_SIZE bytes) and returns a view of it. */
str when_iso_ms(char *to, int64_t ms); /* 2026-03-02T09:15:42.317Z */
str when_iso(char *to, int64_t ms);    /* 2026-03-02T09:15:42Z */
str when_epoch(char *to, int64_t ms);  /* 1772442942: whole seconds since 1970 */
str when_mail(char *to, int64_t ms);   /* Mon, 02 Mar 2026 09:15:42 +0000 (UTC): RFC 5322, as SES writes it */
str when_http(char *to, int64_t ms);   /* Mon, 02 Mar 2026 09:15:42 GMT: RFC 9110 5.6.7 */
str when_sigv4(char *to, int64_t ms);  /* 20260302T091542Z; its first 8 bytes are the scope's date */

/* Strict readers; false: not such a moment (no 30 February, no second 60). */
bool when_parse_iso(str, int64_t *ret_ms);   /* date, or date T hh:mm[:ss[.digits]] and Z or +hh:mm */
bool when_parse_sigv4(str, int64_t *ret_ms); /* 20260302T091542Z */
bool when_parse_http(str, int64_t *ret_ms);  /* Mon, 02 Mar 2026 09:15:42 GMT only */

#endif
