/* main/organizations.h - --workmail: which mail store stands for which WorkMail organization. */
#ifndef SESAME_MAIN_ORGANIZATIONS_H
#define SESAME_MAIN_ORGANIZATIONS_H

#include "base/outside.h"
#include "main/config.h"
#include "services/ports.h"

/* *ret_port is NULL when no organization is mapped. A maildir's root is made when it is missing;
 * one that cannot be written to is a fault, as whoever we are now. */
const struct fault *organizations_open(const struct config *, str hostname, struct outside *,
                                       struct arena *, struct workmail_port **ret_port);

#endif
