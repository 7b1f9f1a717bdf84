/* main/bindable.h - can this address be listened on? Asked before anything is opened. */
#ifndef SESAME_MAIN_BINDABLE_H
#define SESAME_MAIN_BINDABLE_H

#include "base/fault.h"

/* "host:port". Our own SMTP listeners share their port (SO_REUSEPORT), so two servers of one user
 * could take each other's mail unnoticed; this asks without sharing. Port 0 is always free. */
const struct fault *bindable(str address, struct arena *);

#endif
