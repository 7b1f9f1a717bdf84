/* testing/disk_cut.c - replays the first k steps twice over, once as the page cache saw them and
 * once as the platter did, and mixes the two as the cut wants.
 *
 * Names: creating, removing and renaming are single changes, as file systems with a journal keep
 * them. A sync of a directory makes every change that touches it last. What is not synced may come
 * as a prefix of the changes, or as any choice of them; a name whose directory did not come is
 * gone. */
#include "testing/disk_sim_steps.h"
#include "testing/entropy.h"

#include <assert.h>
#include <stdlib.h>

enum { BLOCK = 4096, SECTOR = 512 };

struct image { /* one inode at the moment of the cut */
    struct inode now, synced;
    unsigned char *dirty; /* by block: written since the last sync of it, successful or not */
    size_t blocks;
};

static void set_bytes(struct inode *inode, const char *bytes, uint64_t size)
{
    sim_resize(inode, size);
    if (size)
        memcpy(inode->bytes, bytes, size);
}

static void mark(struct image *i, uint64_t from, uint64_t to)
{
    size_t need = (size_t)((to + BLOCK - 1) / BLOCK);
    if (need > i->blocks) {
        i->dirty = realloc(i->dirty, need);
        assert(i->dirty && "a test has memory");
        memset(i->dirty + i->blocks, 0, need - i->blocks);
        i->blocks = need;
    }
    for (uint64_t b = from / BLOCK; b < need; b++)
        i->dirty[b] = 1;
}

static void change_size(struct image *i, uint64_t size)
{
    uint64_t low = size < i->now.size ? size : i->now.size,
             high = size > i->now.size ? size : i->now.size;
    sim_resize(&i->now, size);
    mark(i, low, high);
}

static void write_bytes(struct image *i, const struct step *s)
{
    if (s->offset + s->len > i->now.size)
        change_size(i, s->offset + s->len);
    memcpy(i->now.bytes + s->offset, s->bytes, s->len);
    mark(i, s->offset, s->offset + s->len);
}

/* Of block b, the first `part` bytes as they are now. */
static void settle(struct image *i, struct inode *into, uint64_t b, uint64_t part)
{
    uint64_t from = b * BLOCK, to = from + part;
    to = to < i->now.size ? to : i->now.size;
    to = to < into->size ? to : into->size;
    if (from < to)
        memcpy(into->bytes + from, i->now.bytes + from, to - from);
}

static void sync_image(struct image *i, bool failed)
{
    if (!failed) {
        sim_resize(&i->synced, i->now.size);
        for (size_t b = 0; b < i->blocks; b++)
            if (i->dirty[b])
                settle(i, &i->synced, b, BLOCK);
    }
    if (i->blocks)
        memset(i->dirty, 0, i->blocks);
}

static void replay(const struct disk_sim *sim, size_t steps, struct image *images)
{
    for (size_t k = 0; k < steps; k++) {
        const struct step *s = &sim->steps[k];
        struct image *i = &images[s->inode];
        switch (s->kind) {
        case STEP_WRITE:
            write_bytes(i, s);
            break;
        case STEP_SIZE:
            change_size(i, s->offset);
            break;
        case STEP_SYNC:
        case STEP_SYNC_FAILED:
            sync_image(i, s->kind == STEP_SYNC_FAILED);
            break;
        case STEP_SYNC_ALL:
        case STEP_SYNC_ALL_FAILED:
            for (size_t n = 0; n < sim->inode_count; n++)
                sync_image(&images[n], s->kind == STEP_SYNC_ALL_FAILED);
            break;
        case STEP_NAME:
        case STEP_UNNAME:
        case STEP_RENAME:
        case STEP_SYNC_DIR:
            break; /* about names */
        }
    }
}

static bool about_names(const struct step *s)
{
    return s->kind == STEP_NAME || s->kind == STEP_UNNAME || s->kind == STEP_RENAME;
}

/* Whether a sync among the steps up to the cut made change k last. */
static bool name_synced(const struct disk_sim *sim, size_t k, size_t steps)
{
    const struct step *change = &sim->steps[k];
    for (size_t i = k + 1; i < steps; i++) {
        const struct step *s = &sim->steps[i];
        if (s->kind == STEP_SYNC_ALL)
            return true;
        if (s->kind == STEP_SYNC_DIR && (sim_in_directory(change->path, s->path) ||
                                         (change->to && sim_in_directory(change->to, s->path))))
            return true;
    }
    return false;
}

static void apply_name(struct disk_sim *after, const struct step *s)
{
    if (s->kind != STEP_NAME)
        sim_name(&after->names, s->path, NULL);
    if (s->kind != STEP_UNNAME)
        sim_name(&after->names, s->to ? s->to : s->path, after->inodes[s->inode]);
}

static void choose_names(const struct disk_sim *sim, size_t steps, enum disk_cut cut,
                         struct seeded_entropy *dice, struct disk_sim *after)
{
    bool in_order = seeded_next(dice) % 2;
    size_t until = steps ? (size_t)(seeded_next(dice) % (steps + 1)) : 0;
    for (size_t k = 0; k < steps; k++) {
        if (!about_names(&sim->steps[k]))
            continue;
        bool lucky = in_order ? k < until : seeded_next(dice) % 2;
        if (cut == DISK_CUT_KEEP || (cut == DISK_CUT_TEAR && lucky) || name_synced(sim, k, steps))
            apply_name(after, &sim->steps[k]);
    }
}

/* Parents sort before their children, so one pass from the front is enough. */
static void drop_orphans(struct disk_sim *after)
{
    str key = STR_NONE;
    const void *inode;
    while (pmap_next(after->names, STR("/"), key, &key, &inode)) {
        char path[SIM_PATH_SIZE];
        memcpy(path, key.ptr, key.len);
        path[key.len] = '\0';
        char *slash = strrchr(path, '/');
        if (key.len == 1)
            continue;
        *slash = '\0';
        const struct inode *parent = sim_find(after->names, slash == path ? "/" : path);
        *slash = '/';
        if (!parent || !parent->directory) {
            sim_name(&after->names, path, NULL);
            key = STR_NONE; /* its bytes went with the old map; this is rare, so begin again */
        }
    }
}

static void choose_bytes(struct image *i, enum disk_cut cut, struct seeded_entropy *dice,
                         struct inode *into)
{
    if (cut == DISK_CUT_KEEP) {
        set_bytes(into, i->now.bytes, i->now.size);
        return;
    }
    set_bytes(into, i->synced.bytes, i->synced.size);
    if (cut == DISK_CUT_DROP)
        return;
    if (i->now.size != i->synced.size && seeded_next(dice) % 2)
        sim_resize(into, i->now.size);
    for (uint64_t b = 0; b * BLOCK < i->now.size; b++) {
        uint64_t die = seeded_next(dice);
        if (die % 3)
            settle(i, into, b, die % 3 == 1 ? BLOCK : SECTOR * (die / 3 % (BLOCK / SECTOR)));
    }
}

struct disk_sim *disk_sim_after_cut(struct disk_sim *sim, uint64_t steps, enum disk_cut cut,
                                    uint64_t seed)
{
    struct disk_sim *after = disk_sim_new();
    struct seeded_entropy dice = seeded_entropy(seed);
    pthread_mutex_lock(&sim->lock);
    size_t count = steps < sim->step_count ? (size_t)steps : sim->step_count;
    struct image *images = calloc(sim->inode_count, sizeof(*images));
    assert(images && "a test has memory");
    for (size_t n = 0; n < sim->inode_count; n++) {
        set_bytes(&images[n].now, sim->inodes[n]->first, sim->inodes[n]->first_size);
        set_bytes(&images[n].synced, sim->inodes[n]->first, sim->inodes[n]->first_size);
        if (n > 0) /* the root is there already */
            sim_inode(after, sim->inodes[n]->directory);
    }
    replay(sim, count, images);
    str key = STR_NONE;
    const void *inode;
    while (pmap_next(sim->first_names, STR("/"), key, &key, &inode)) {
        struct pmap *named =
            pmap_put(after->names, key, after->inodes[((const struct inode *)inode)->number]);
        assert(named && "a test has memory");
        pmap_unref(after->names);
        after->names = named;
    }
    choose_names(sim, count, cut, &dice, after);
    for (size_t n = 0; n < sim->inode_count; n++) {
        struct inode *into = after->inodes[n];
        choose_bytes(&images[n], cut, &dice, into);
        into->first = sim_copy(into->bytes, into->size);
        into->first_size = into->size;
        free(images[n].now.bytes);
        free(images[n].synced.bytes);
        free(images[n].dirty);
    }
    free(images);
    pthread_mutex_unlock(&sim->lock);
    drop_orphans(after);
    pmap_unref(after->first_names);
    after->first_names = pmap_ref(after->names);
    return after;
}
