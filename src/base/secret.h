/* base/secret.h - memory for keys: kept out of core dumps and, where the system lets us, out of
 * swap; wiped before it goes. */
#ifndef SESAME_BASE_SECRET_H
#define SESAME_BASE_SECRET_H

#include "base/arena.h"

/* Zeroed pages of their own that live as long as the arena; NULL: no memory. For the few things
 * that live long: what passes through a piece of work is wiped by arena_wipes. */
void *secret_new(struct arena *, size_t size);

#endif
