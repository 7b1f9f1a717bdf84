/* base/whole_file.h - a small file that is there whole or not at all, whatever happens while it is
 * written.
 *
 * Synchronous and for start-up: these are real files, without base/disk.h. A file is written as
 * NAME.new and takes its name when it is complete; a NAME.new that a stop left is replaced by the
 * next. */
#ifndef SESAME_BASE_WHOLE_FILE_H
#define SESAME_BASE_WHOLE_FILE_H

#include "base/fault.h"

#include <stdbool.h>

/* Writes DIRECTORY/NAME with `mode`, over what stands there. When `durable`, its bytes and its name
 * are on the disk before this returns: of two files written so, a power cut leaves the first alone,
 * both or neither, never the second alone. FAULT_ABSENT: no such directory; FAULT_UNAVAILABLE:
 * it cannot be written. */
const struct fault *whole_file_write(struct arena *, str directory, const char *name, str bytes,
                                     unsigned mode, bool durable);

/* Writes all of it where the descriptor stands, however often that is interrupted; else false, and errno. */
bool whole_file_fill(int fd, str bytes);

#endif
