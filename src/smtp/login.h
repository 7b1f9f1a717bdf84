/* smtp/login.h - what is said to prove who we are: AUTH PLAIN (RFC 4616), and AUTH LOGIN, which has no RFC.
 *
 *   AUTH PLAIN base64     the line has room for it (RFC 5321 4.5.3.1.4)
 *   AUTH PLAIN, 334       base64; where it has not (RFC 4954 4)
 *   AUTH LOGIN, 334       base64 of the user, 334, base64 of the password */
#ifndef SESAME_SMTP_LOGIN_H
#define SESAME_SMTP_LOGIN_H

#include "base/buf.h"

enum { LOGIN_MAX = 255 }; /* octets of either (RFC 4616 2) */
struct login {
    str user, password; /* no NUL, CR or LF in them */
};
enum login_at { LOGIN_PLAIN, LOGIN_USER, LOGIN_PASSWORD, /* what 334 asks for */ LOGIN_SAID };

/* The secret stands in `out` and nowhere else: who has sent it wipes it, all its room. */
void login_begin(const struct login *, bool plain, enum login_at *, struct buf *out);
bool login_go_on(const struct login *, enum login_at *, struct buf *out); /* false: 334, and there is no more */

/* Does the text repeat the password, or what was sent of it? Then it is not for the log. */
bool login_is_in(const struct login *, str text);

#endif
