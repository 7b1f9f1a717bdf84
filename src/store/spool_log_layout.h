/* store/spool_log_layout.h - one batch of the log as it is put together. For the committer.
 *
 *     batch frame | rules? commit | note | settled | ... | zeros up to the page
 *
 * Laid out in memory (frames already carry their heads; only places and serials are filled in here), and written
 * straight from the drafts' blocks: all at once, or, while the batch before it is being synced, frame by frame
 * ahead of its own head, which makes it a batch. */
#ifndef SESAME_STORE_SPOOL_LOG_LAYOUT_H
#define SESAME_STORE_SPOOL_LOG_LAYOUT_H

#include "store/spool_log.h"

enum { BATCH_HEADER = FRAME_HEADER + BATCH_FIXED };

struct layout { /* one batch as it is being put together */
    struct spool_log *log;
    struct segment *segment;
    uint64_t begin; /* the batch's place */
    uint64_t at;    /* the next frame's */
    uint64_t written; /* up to here it was written ahead; `begin`: nothing was */
    int iov_count;
    uint32_t frames;
    size_t rows_ahead;  /* those of the batch before it, which are not counted yet */
    size_t rows;        /* added behind them, counted when the batch is on disk */
    int error;          /* of what was written ahead */
    bool under_way;     /* the syncer has made it a batch, and syncs it */
    struct op_list ops; /* all that belong to the batch, also those without a frame */
    bool no_memory;     /* for the rows of a note or settlement: later, then */
    char header[BATCH_HEADER];
};

static inline void op_list_add(struct op_list *list, struct op *op)
{
    op->next = NULL;
    *list->last = op;
    list->last = &op->next;
}

void layout_begin(struct layout *, struct spool_log *); /* at the end of the open segment */
/* Behind a batch that is being synced. Until that has ended its head is zeros, so that it is none. */
void layout_begin_ahead(struct layout *, const struct layout *before);
/* Takes ops into the batch until one does not fit: then the batch is written first, or the
 * segment turned. */
void layout_fill(struct layout *, struct op_list *ops);
/* What was laid out since the last time; a failure is kept in `error`. */
void layout_write_ahead(struct layout *);
/* Fills the head of the batch that will end there. */
void layout_head(struct layout *, uint64_t sequence, uint64_t end);
/* All that was not written ahead, and the head. Negative errno. */
int layout_write(struct layout *);

#endif
