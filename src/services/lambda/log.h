/* services/lambda/log.h - what functions printed: a bounded ring of files for each.
 *
 * DIR/ACCOUNT.REGION.NAME.N, N from 0 (being written) to LOG_FILES - 1 (the oldest); a full file moves
 * up by one. Text as it came, in the frame of START, END and REPORT lines; written some
 * milliseconds later, at once for who reads it here. Nothing is promised of it over a power cut, or of
 * its last moment over a crash of the server. Any thread. */
#ifndef SESAME_SERVICES_LAMBDA_LOG_H
#define SESAME_SERVICES_LAMBDA_LOG_H

#include "base/buf.h"
#include "base/fault.h"

enum { LOG_FILES = 4, LOG_FILE_MAX = 1 << 20 };

struct function_ref;
struct function_log;

const struct fault *function_log_open(str directory, struct arena *, struct function_log **ret_log);
void function_log_close(struct function_log *);
void function_log_add(struct function_log *, const struct function_ref *, str text);
/* The newest `most` bytes, from the start of a line. */
const struct fault *function_log_read(struct function_log *, const struct function_ref *, size_t most,
                                      struct buf *out);
void function_log_remove(struct function_log *, const struct function_ref *);

#endif
