/* Recovery reads whatever lies on the disk: the input is the first segment's file, or one written
 * by us with the input's bytes laid over it. It must never crash, hang or ask for unbounded memory.
 * */
#include "store/segment.h"
#include "store/spool.h"

#include "testing/clock.h"
#include "testing/disk_sim.h"
#include "testing/entropy.h"
#include "testing/journal.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

enum { SEGMENT = 64 << 10 };

static const struct spool_limits limits = { .segment_bytes = SEGMENT,
                                            .spill_bytes = 4096,
                                            .history_bytes = 512 << 10 };

struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool ended;
};

static void on_committed(void *context, const struct fault *f)
{
    struct waiting *w = context;
    (void)f;
    pthread_mutex_lock(&w->lock);
    w->ended = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->lock);
}

static void commit(struct spool *spool, str id, str body)
{
    struct waiting w = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };
    struct spool_entry e = {
        .id = id, .kind = SPOOL_MAIL, .head = STR("head"), .rules = STR("rules")
    };
    struct spool_draft *draft;
    if (spool->ops->draft(spool, NULL, NULL, &draft))
        return;
    spool->ops->write(draft, body);
    spool->ops->commit(draft, &e, 1, on_committed, &w);
    pthread_mutex_lock(&w.lock);
    while (!w.ended)
        pthread_cond_wait(&w.cond, &w.lock);
    pthread_mutex_unlock(&w.lock);
}

static void file_write(struct disk *disk, const char *path, const uint8_t *bytes, size_t size,
                       uint64_t offset)
{
    int fd = disk->open(disk, path, O_RDWR | O_CREAT, 0600);
    if (fd < 0)
        abort();
    struct iovec iov = { (void *)(uintptr_t)bytes, size };
    disk->pwritev(disk, fd, &iov, 1, offset);
    disk->close(disk, fd);
}

/* A directory with one segment of ours: a settled entry, a retried one, one with notes. */
static void furnish(struct outside *outside, struct arena *arena)
{
    struct spool *spool;
    if (spool_log_open(STR("/s"), &limits, outside, arena, &spool))
        abort();
    commit(spool, STR("one"), STR("the first body"));
    commit(spool, STR("two"), STR("the second body"));
    commit(spool, STR("three"), STR("the third body"));
    for (int i = 0; i < 2; i++) {
        struct lease lease;
        if (spool->ops->lease(spool, 0, arena, &lease) || !lease.impl)
            abort();
        spool->ops->note(&lease, STR("{\"a\":1}"));
        spool->ops->settle(&lease, i ? SETTLE_RETRY : SETTLE_DONE, 5, STR("{\"b\":2}"));
    }
    commit(spool, STR("four"), STR("the fourth body"));
    spool->ops->close(spool);
}

/* Frames with right checksums, so that what is in them is read: kind, u8 serial, u8 length, head
 * bytes. */
static void lay_frames(struct disk *disk, const uint8_t *in, size_t size)
{
    static char bytes[SEGMENT];
    struct segment *s;
    if (segment_open(disk, "/s/log/00000000", 0, &s) != 0)
        abort();
    uint64_t at = FRAME_HEADER + BATCH_FIXED;
    struct batch batch = { .sequence = 100,
                           .synced_epoch = s->epoch,
                           .synced_offset = SEGMENT_PAGE };
    memset(bytes, 0, sizeof bytes);
    while (size >= 3) {
        size_t length = in[2], left = size - 3;
        length = length < left ? length : left;
        if (at + FRAME_HEADER + length > SEGMENT / 2)
            break;
        memcpy(bytes + at + FRAME_HEADER, in + 3, length);
        frame_finish(bytes + at, (enum frame_kind)(in[0] % 8), in[1], (uint32_t)(SEGMENT_PAGE + at),
                     length, 0, 0, s);
        at += frame_padded(FRAME_HEADER + length);
        batch.frames++;
        in += 3 + length;
        size -= 3 + length;
    }
    batch.batch_bytes = (uint32_t)page_padded(at);
    batch_write(bytes, &batch, s, SEGMENT_PAGE);
    segment_pwrite(s, bytes, batch.batch_bytes, SEGMENT_PAGE);
    segment_close(s);
}

/* The first byte says what the rest is: a whole file, frames, or changes of ours (u16 place, u8
 * length, bytes). */
static void lay(struct disk *disk, const uint8_t *in, size_t size)
{
    if (in[0] & 1) {
        file_write(disk, "/s/log/00000000", in + 1, size - 1, 0);
        return;
    }
    if (in[0] & 4) {
        lay_frames(disk, in + 1, size - 1);
        return;
    }
    const char *path = in[0] & 2 ? "/s/history/00000000" : "/s/log/00000000";
    for (size_t at = 1; at + 3 < size;) {
        uint64_t offset = ((uint64_t)in[at] << 8 | in[at + 1]) % SEGMENT;
        size_t length = in[at + 2], left = size - at - 3;
        length = length < left ? length : left;
        file_write(disk, path, in + at + 3, length, offset);
        at += 3 + length;
    }
}

static void use(struct spool *spool, struct arena *arena)
{
    struct spool_record *records;
    size_t count;
    spool->ops->recent(spool, 10, arena, &records, &count);
    spool->ops->older(spool, UINT64_MAX, 10, arena, &records, &count);
    for (size_t i = 0; i < count; i++) {
        str front;
        uint64_t size;
        spool->ops->front(spool, records[i].entry.id, 100, arena, &front, &size);
    }
    for (int i = 0; i < 50; i++) {
        struct lease lease;
        str bytes;
        if (spool->ops->lease(spool, 0, arena, &lease) || !lease.impl)
            break;
        spool->ops->read(&lease, 0, 100, arena, &bytes);
        spool->ops->settle(&lease, i % 2 ? SETTLE_DONE : SETTLE_RETRY, INT64_MAX, STR("{}"));
    }
    commit(spool, STR("after"), STR("still takes mail"));
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t size)
{
    if (size < 2 || size > 2 * SEGMENT)
        return 0;
    struct fake_clock clock = fake_clock_at("2026-03-02T09:15:42.317Z");
    struct seeded_entropy entropy = seeded_entropy(3);
    struct captured_journal *journal = captured_journal_new();
    struct disk_sim *sim = disk_sim_new();
    struct arena *arena = arena_new((size_t)64 << 20);
    struct outside outside = { &clock.clock, &entropy.entropy, captured_journal(journal),
                               disk_sim_disk(sim) };
    furnish(&outside, arena);
    lay(outside.disk, in, size);
    for (int i = 0; i < 2; i++) { /* what it made of it must be readable as well */
        struct spool *spool;
        if (spool_log_open(STR("/s"), &limits, &outside, arena, &spool))
            break;
        use(spool, arena);
        spool->ops->close(spool);
    }
    arena_free(arena);
    disk_sim_free(sim);
    captured_journal_free(journal);
    return 0;
}
