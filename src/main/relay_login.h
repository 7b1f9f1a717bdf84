/* main/relay_login.h - who we are to the relay: from variables, from a file, or from a systemd credential.
 *
 * A file has two lines, the user and the password; one that others than its owner may read is refused. What was read
 * lies in one place that is wiped when the program ends, and is wiped where it came from. */
#ifndef SESAME_MAIN_RELAY_LOGIN_H
#define SESAME_MAIN_RELAY_LOGIN_H

#include "main/config.h"
#include "smtp/login.h"

/* SESAME_RELAY_USER and _PASSWORD, else --relay-credentials, else sesame-relay in the folder of systemd's credentials
 * ($CREDENTIALS_DIRECTORY, or NULL), else nobody: *ret_login is all STR_NONE. Before root's privileges are given up,
 * and before anybody is forked who would inherit the variables. */
const struct fault *relay_login_read(const struct config *, const char *credentials, struct arena *,
                                     struct login *ret_login);

#endif
