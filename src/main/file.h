/* main/file.h - a file that a user named on the command line. */
#ifndef SESAME_MAIN_FILE_H
#define SESAME_MAIN_FILE_H

#include "base/fault.h"

/* The whole of it, in the arena; "-" is standard input. A file that cannot be read is the user's
 * mistake, FAULT_SYNTAX, and so is one of more than FILE_MAX_BYTES. */
enum { FILE_MAX_BYTES = 4 * 1024 * 1024 };
const struct fault *file_read(str path, struct arena *, str *ret_text);
/* The same with a bound of the caller's. */
const struct fault *file_read_up_to(str path, size_t max, struct arena *, str *ret_text);

#endif
