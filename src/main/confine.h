/* main/confine.h - what the serving process can no longer do, whoever has taken it over.
 *
 * With --allow-reset nothing is taken: a reset starts the program over in this process. */
#ifndef SESAME_MAIN_CONFINE_H
#define SESAME_MAIN_CONFINE_H

#include "base/outside.h"
#include "main/config.h"
#include "main/root_key_file.h"
#include "services/lambda/sandbox.h"

struct confined {
    enum sandbox_held files, calls, capabilities;
    str left; /* the capabilities that remain: privileges_left */
};

/* Writes below the data directory and the maildirs only; a root key that this start made elsewhere may be taken back.
 * Before there are threads, which would not be held. */
enum sandbox_held confine_files(const struct config *, str data, const struct root_key_file *, struct arena *);
enum sandbox_held confine_calls(const struct config *); /* of all threads, those to come too */
void confined_note(const struct confined *, const struct config *, struct journal *);

#endif
