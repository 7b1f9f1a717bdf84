/* store/object_file.h - the files of objects: their names on disk, making, removing and sweeping
 * them.
 *
 * Knows folders and names, no rows and no locks; names are those of store/object_path.h. */
#ifndef SESAME_STORE_OBJECT_FILE_H
#define SESAME_STORE_OBJECT_FILE_H

#include "base/fault.h"
#include "base/outside.h"

struct object_root {
    struct disk *disk;
    str directory;
};

/* DIRECTORY/BUCKET/PATH for the operating system; an empty path: the bucket's folder. NULL: no
 * memory. */
const char *object_file_name(const struct object_root *, str bucket, str path, struct arena *);

/* Makes a new file for `path`, or beside it where that name is taken, and the folders above it.
 * Each name is shown to `trying` before it is tried; the last one shown is the file's. Returns its
 * descriptor, or a negative errno and no file. */
struct object_naming {
    void (*trying)(void *context, str path, const char *file);
    void *context;
};
int object_file_make(const struct object_root *, str bucket, str path, const struct object_naming *,
                     struct arena *);

/* Removes the file, and the folders above it that it leaves empty. What stays is swept another day.
 */
void object_file_unlink(const struct object_root *, str bucket, str path);
void object_folder_remove(const struct object_root *, str bucket); /* with all that is in it */

/* Walks over all files of all buckets. Those that `is_object` does not know go to `remove`; folders
 * left empty are removed. Looks at `stop` now and then. */
struct object_sweep {
    bool (*is_object)(void *context, str bucket, str path, struct arena *);
    void (*remove)(void *context, str bucket, str path);
    bool (*stop)(void *context);
    void *context;
};
void object_files_sweep(const struct object_root *, const struct object_sweep *);

#endif
