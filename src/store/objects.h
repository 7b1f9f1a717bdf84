/* store/objects.h - where object bytes lie. Knows buckets' names, keys and bytes; knows no
 * policies.
 *
 * An object appears whole or not at all; listing order is the byte order of keys, as in S3. Any
 * thread; one upload is used by one thread at a time. */
#ifndef SESAME_STORE_OBJECTS_H
#define SESAME_STORE_OBJECTS_H

#include "base/fault.h"

struct objects;
struct object_upload;
struct object_reader; /* one version of an object, held open */
struct object_info {
    uint64_t size;
    int64_t modified_ms;
    str etag;         /* 32 hex digits, the MD5 of the bytes; no quotes */
    str headers_json; /* what the owner gave to begin: {"content-type":"...","x-amz-meta-a":"..."}
                       */
};

struct object_range {
    str bucket, prefix;
    str delimiter; /* empty: none */
    str after;     /* keys greater than this; a common prefix equal to it counts as listed */
    size_t max;
};
struct object_entry {
    str key; /* or the common prefix, delimiter included */
    bool common_prefix;
    struct object_info info; /* of a key; without headers_json */
};

enum object_condition {
    OBJECT_ANY, /* what stood under the key before is replaced */
    OBJECT_NEW, /* FAULT_CONFLICT when the key holds an object by then: of many, one is the first */
};

struct objects_ops {
    const struct fault *(*begin)(struct objects *, str bucket, str key, str headers_json,
                                 struct arena *, struct object_upload **ret_upload);
    const struct fault *(*write)(struct object_upload *, str chunk,
                                 struct arena *); /* keeps nothing of chunk */
    /* Before finish: what head and list tell of the object instead of its bytes' own size and MD5, where
     * its owner has transformed them (encrypted, say). An empty etag: the bytes' own. */
    void (*show)(struct object_upload *, uint64_t size, str etag);
    /* Makes the object, in two halves. Once it is handed in, no more can be done with the upload than
     * wait for it; a fault ends it at once. Behind the wait it is durable and visible, or there is none, and
     * the upload is gone. The disk's time is shared by all who were handed in. FAULT_LIMIT: the disk is full. */
    const struct fault *(*hand_in)(struct object_upload *, enum object_condition, struct arena *);
    const struct fault *(*await)(struct object_upload *, struct arena *,
                                 struct object_info *ret_info);
    void (*cancel)(struct object_upload *); /* of one that was not handed in */
    /* FAULT_ABSENT when there is no such key. */
    const struct fault *(*read)(struct objects *, str bucket, str key, uint64_t offset,
                                size_t wanted, struct arena *, str *ret_bytes);
    const struct fault *(*head)(struct objects *, str bucket, str key, struct arena *,
                                struct object_info *ret_info);
    /* ret_more: the range holds more than max. */
    /* Holds one version of the object until the arena is reset: what overwrites or removes the key
     * meanwhile does not disturb it. One thread at a time. */
    const struct fault *(*open)(struct objects *, str bucket, str key, struct arena *,
                                struct object_info *ret_info, struct object_reader **ret_reader);
    /* Up to `size` bytes into `to`; fewer only at the end of the bytes that were written. */
    const struct fault *(*read_into)(struct object_reader *, uint64_t offset, void *to, size_t size,
                                     struct arena *, size_t *ret_size);
    const struct fault *(*list)(struct objects *, const struct object_range *, struct arena *,
                                struct object_entry **ret_entries, size_t *ret_count,
                                bool *ret_more);
    const struct fault *(*remove)(struct objects *, str bucket, str key,
                                  struct arena *); /* absent: no fault */
    /* FAULT_CONFLICT when the bucket still holds a key; else nothing of it is left. */
    const struct fault *(*remove_bucket)(struct objects *, str bucket, struct arena *);
    void (*close)(struct objects *);
};
struct objects {
    const struct objects_ops *ops;
};

/* Both halves. */
static inline const struct fault *objects_finish(struct objects *objects, struct object_upload *upload,
                                                 enum object_condition condition,
                                                 struct arena *arena, struct object_info *ret_info)
{
    TRY(objects->ops->hand_in(upload, condition, arena));
    return objects->ops->await(upload, arena, ret_info);
}

struct outside;
/* Larger ones as plain files under directory/BUCKET/, small ones in packs under directory/%packs/, an
 * ordered index of keys in directory's index.sqlite. */
const struct fault *objects_files_open(str directory, struct outside *, struct arena *,
                                       struct objects **ret_objects);
/* The same with packs of about so many bytes. */
const struct fault *objects_files_open_packs(str directory, uint64_t pack_size, struct outside *,
                                             struct arena *, struct objects **ret_objects);

#endif
