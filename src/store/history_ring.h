/* store/history_ring.h - what writing and finding of timelines share. Nobody else includes this. */
#ifndef SESAME_STORE_HISTORY_RING_H
#define SESAME_STORE_HISTORY_RING_H

#include "store/history.h"
#include "store/segment.h"

#include <pthread.h>

enum { HISTORY_RING = 8, RECORD_FIXED = 32 };

struct pending { /* added, not on disk yet; the frame's place is filled in when it is written */
    struct pending *next;
    uint64_t serial, id_hash;
    size_t frame_len;
    uint32_t offset;
    char frame[]; /* room for frame_padded(frame_len) */
};

struct history {
    struct outside *outside;
    char directory[480];
    uint64_t segment_bytes;
    /* Readers hold it while they read a segment, the flusher while it turns the ring. */
    pthread_rwlock_t ring_lock;
    struct segment *ring[HISTORY_RING]; /* by slot */
    struct segment *open;
    uint64_t next_epoch, serial_most;
    pthread_mutex_t lock; /* of what follows, and of the open segment's rows */
    struct pending *first, *last;
    size_t pending_bytes;
    bool complained;
};

#endif
