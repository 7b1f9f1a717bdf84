/* main/data_dir.h - the data directory, and the few files in it that are main's own.
 *
 *   lock               held while a server uses the directory
 *   root-credentials   the root's access key, as an AWS shared credentials file (0600)
 *   keys/root          32 octets from which other keys are derived: main/root_key_file.h
 *   ready.json         the ready line, while a server serves
 *
 * The rest belongs to the stores: state.sqlite, spool/, objects/, tls/, queues.sqlite, sns/. */
#ifndef SESAME_MAIN_DATA_DIR_H
#define SESAME_MAIN_DATA_DIR_H

#include "base/outside.h"

struct data_dir {
    str path; /* absolute */
    int lock;
};

/* Makes the directory (0700) when there is none. `lock`: 0, or a descriptor that holds the lock already.
 * FAULT_CONFLICT: another server holds it. */
const struct fault *data_dir_open(str path, int lock, struct arena *, struct data_dir *ret_dir);
void data_dir_close(struct data_dir *);

str data_dir_at(const struct data_dir *, struct arena *, const char *name); /* DIR/name */

/* Made at the first start. */
const struct fault *data_dir_root_credentials(const struct data_dir *, struct entropy *,
                                              struct arena *, str *ret_id, str *ret_secret);

const struct fault *data_dir_put_ready(const struct data_dir *, struct arena *, str line);
void data_dir_remove_ready(const struct data_dir *, struct arena *);

/* For the commands that ask a running server. FAULT_ABSENT: none serves this directory. */
const struct fault *data_dir_read_ready(str path, struct arena *, str *ret_line);
const struct fault *data_dir_read_credentials(str path, struct arena *, str *ret_id,
                                              str *ret_secret);

#endif
