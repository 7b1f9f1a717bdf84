/* main/explain.h - the questions of `sesame explain`. */
#ifndef SESAME_MAIN_EXPLAIN_H
#define SESAME_MAIN_EXPLAIN_H

#include "base/buf.h"
#include "main/config.h"

/* Each writes what is printed, text or with --json JSON. *ret_denied: the answer was no. */
const struct fault *explain_files(const struct config *, struct arena *, struct buf *out,
                                  bool *ret_denied);
const struct fault *explain_setup(const struct config *, struct arena *, struct buf *out,
                                  bool *ret_denied);
const struct fault *explain_rule(const struct config *, struct arena *, struct buf *out,
                                 bool *ret_denied);

#endif
