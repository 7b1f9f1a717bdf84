/* main/root_key_file.h - where the root key comes from: the file that --root-key names, else the
 * systemd credential sesame-root-key, else DIR/keys/root.
 *
 * 32 octets. A file that others than its owner may read is refused; one that is not there is made,
 * the credential aside. */
#ifndef SESAME_MAIN_ROOT_KEY_FILE_H
#define SESAME_MAIN_ROOT_KEY_FILE_H

#include "base/outside.h"
#include "services/root_key.h"

struct root_key_file {
    str path;  /* STR_NONE: not found yet */
    bool made; /* by this start */
};

/* Of what lies outside of DIR; read before root's privileges are given up. named: --root-key, or
 * STR_NONE; credentials: $CREDENTIALS_DIRECTORY, or NULL. ret_file->path STR_NONE: neither. */
const struct fault *root_key_file_outside(str named, const char *credentials, struct entropy *,
                                          struct arena *, struct root_key *ret_key,
                                          struct root_key_file *ret_file);
/* DIR/keys/root. */
const struct fault *root_key_file_inside(str data, struct entropy *, struct arena *,
                                         struct root_key *ret_key, struct root_key_file *ret_file);
/* It was made and turned out to be the wrong one: the place is for the right one. */
void root_key_file_take_back(const struct root_key_file *, struct arena *);

#endif
