/* services/lambda/unpack.h - a deployment package laid out in a folder: files and folders, nothing
 * that leads out of it, and not more than Lambda lets it be. */
#ifndef SESAME_SERVICES_LAMBDA_UNPACK_H
#define SESAME_SERVICES_LAMBDA_UNPACK_H

#include "base/str.h"

enum { UNPACKED_MAX = 262144000, UNPACKED_FILES_MAX = 100000 };

enum unpacked { /* the exit code of the process that unpacks */
    UNPACKED_WELL,
    UNPACKED_NO_ZIP,
    UNPACKED_TOO_LARGE,
    UNPACKED_LEADS_OUT,
    UNPACKED_NO_ROOM,
};
const char *unpacked_says(enum unpacked); /* Lambda's sentence */

/* Reads the zip from `fd`, writes into the folder that is the working directory. Symbolic links are
 * kept where they stay inside; a name that is absolute, has a `..` or goes through a link, and every
 * special file, is refused. Modes become 0755 or 0644: the code is read, never written. */
enum unpacked unpack_here(int fd);

#endif
