/* api/catalogue.h - the table of operations told, for docs/apis.md. */
#ifndef SESAME_API_CATALOGUE_H
#define SESAME_API_CATALOGUE_H

#include "base/buf.h"

/* A line an operation, in the order of the table: model|name|IAM action|how it is asked for|note.
 * The model is what the SDKs call the service: SES speaks two dialects, which are two of theirs. */
void catalogue_write(struct buf *out);

#endif
