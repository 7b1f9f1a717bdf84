/* main/signer.h - with whose credentials a command asks AWS's own operations.
 *
 * AWS_ACCESS_KEY_ID and its like; a profile of the shared credentials file that AWS_PROFILE names;
 * SESAME_ROOT_...; DIR/root-credentials when the server of DIR is asked; otherwise the file's
 * default profile. The first of them that is there. */
#ifndef SESAME_MAIN_SIGNER_H
#define SESAME_MAIN_SIGNER_H

#include "main/config.h"
#include "wire/sigv4.h"

/* Fills id, secret and token. FAULT_ABSENT: none of them is there. */
const struct fault *signer_find(const struct config *, struct arena *, struct sigv4_signer *);

/* A profile in the text of a credentials file; false: it has none of that name, or it is not whole.
 */
bool signer_of_profile(str text, str profile, struct sigv4_signer *);

#endif
