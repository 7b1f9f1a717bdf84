#include "base/secret.h"

#include "base/digest.h"

#include <sys/mman.h>
#include <unistd.h>

struct secret {
    void *at;
    size_t size; /* whole pages */
};

static void let_go(void *owned)
{
    struct secret *s = owned;
    bytes_forget(s->at, s->size);
    munmap(s->at, s->size);
}

void *secret_new(struct arena *arena, size_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct secret *s = ARENA_NEW(arena, struct secret);
    if (!s)
        return NULL;
    s->size = (size + page - 1) / page * page;
    s->at = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s->at == MAP_FAILED)
        return NULL;
    madvise(s->at, s->size, MADV_DONTDUMP);
    /* Best effort: RLIMIT_MEMLOCK may allow less, and swap is the operator's to encrypt. */
    (void)mlock(s->at, s->size);
    if (!arena_on_reset(arena, let_go, s)) {
        munmap(s->at, s->size);
        return NULL;
    }
    return s->at;
}
