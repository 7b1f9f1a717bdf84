/* store/object_path.h - the file name of an object: the key as it is, where a file system can hold
 * it.
 *
 * A path is relative to the bucket's folder; its components are the key's segments between slashes.
 * Written with escapes, all beginning with '%', so that every path reads back as one key:
 *
 *   %XX       one byte: '%' itself, control characters, NUL, and the first dot of "." and ".."
 *   %         alone: an empty segment ("a//b" is a/%/b, "a/" is a/%)
 *   ...%-     a segment longer than a name may be goes on in the next component
 *   ...%_     a folder whose plain name is taken by a file ("a" beside "a/b" is a and a%_/b)
 *   ...%vN    a file whose plain name is taken, by a folder or by the version before it; N from 2
 */
#ifndef SESAME_STORE_OBJECT_PATH_H
#define SESAME_STORE_OBJECT_PATH_H

#include "base/arena.h"

enum {
    OBJECT_PATH_PIECE = 240
}; /* bytes of a component before its mark; 255 is what Linux takes */

/* The plain path of a key. STR_NONE only when the arena is full. */
str object_path(str key, struct arena *);
/* A bucket's name as one component, '/' escaped; so is what looks like a file of the index. Names
 * are short enough: S3 takes 63 bytes. */
str object_path_bucket(str bucket, struct arena *);
/* The N-th name of the file: 1 is the path itself. */
str object_path_variant(str path, unsigned n, struct arena *);
/* The path with the mark %_ on the folder that ends before the slash at `slash`. */
str object_path_beside_file(str path, size_t slash, struct arena *);

/* Which key a path stands for, whatever its marks. False: no path of ours (or the arena is full).
 */
bool object_path_key(str path, struct arena *, str *ret_key);

#endif
