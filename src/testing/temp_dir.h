/* testing/temp_dir.h - a folder for one test, gone afterwards. */
#ifndef SESAME_TESTING_TEMP_DIR_H
#define SESAME_TESTING_TEMP_DIR_H

#include "base/str.h"

struct temp_dir {
    char path[256];
};

struct temp_dir temp_dir_make(void); /* below $TMPDIR or /tmp; failing is an assertion */
void temp_dir_remove(struct temp_dir *); /* with all that is in it */
/* Path of a name inside, kept in the caller's buffer of 512 bytes. */
const char *temp_dir_path(const struct temp_dir *, const char *name, char to[512]);

#define AUTO_TEMP_DIR __attribute__((cleanup(temp_dir_remove))) struct temp_dir

#endif
