/* base/capabilities.h - of root's capabilities (capabilities(7)) those that are wanted, and no others. */
#ifndef SESAME_BASE_CAPABILITIES_H
#define SESAME_BASE_CAPABILITIES_H

#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>

#define CAPABILITY(name) ((uint64_t)1 << (name)) /* CAPABILITY(CAP_CHOWN) */

/* Gives up all others, also for what is executed later. A capability is a thread's own, and threads and processes
 * made from here on have what this one has. False: the kernel would not. Who is not root has none to give up. */
bool capabilities_keep(uint64_t kept);
/* Those that this thread could still use. False: the kernel does not say. */
bool capabilities_left(uint64_t *ret_left);

#endif
