/* store/object_read.h - reading the bytes of one version of an object. */
#ifndef SESAME_STORE_OBJECT_READ_H
#define SESAME_STORE_OBJECT_READ_H

#include "store/object_file.h"
#include "store/objects_index.h"

/* Where the row's file lies, below its bucket's folder; STR_NONE: the arena is full. */
str object_row_path(const struct object_row *, struct arena *);

/* As objects_ops.open and .read_into. */
const struct fault *object_read_open(const struct object_root *, struct objects_index *, str bucket,
                                     str key, struct arena *, struct object_info *ret_info,
                                     struct object_reader **ret_reader);
const struct fault *object_read_into(struct object_reader *, uint64_t offset, void *to, size_t size,
                                     struct arena *, size_t *ret_size);
/* As objects_ops.read. */
const struct fault *object_read_once(const struct object_root *, struct objects_index *, str bucket,
                                     str key, uint64_t offset, size_t wanted, struct arena *,
                                     str *ret_bytes);

/* A negative errno as a fault: FAULT_LIMIT when the disk is full, else FAULT_UNAVAILABLE. */
const struct fault *object_disk_fault(struct arena *, int error, const char *doing);

#endif
