/* main/keeper.h - receive/gate.h in the shape that smtp/session.h asks for: the rooms lie apart. */
#ifndef SESAME_MAIN_KEEPER_H
#define SESAME_MAIN_KEEPER_H

#include "receive/gate.h"
#include "smtp/session.h"

struct smtp_gatekeeper *keeper_new(const struct gate *,
                                   struct arena *); /* in the arena; NULL: no memory */

#endif
