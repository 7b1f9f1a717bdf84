/* base/arena.c - blocks in a list, bumped from the front; large pieces get a block of their own. */
#include "base/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_BLOCK = 1024, LARGEST_GROWTH = 64 * 1024 };

struct block {
    struct block *next;
    size_t size, used; /* of bytes[] */
    char bytes[] __attribute__((aligned(16)));
};

struct release {
    struct release *next;
    void (*run)(void *);
    void *owned;
};

struct arena {
    size_t limit, held; /* held: bytes of all blocks, counted against the limit */
    size_t used;
    bool wipes;
    struct block *blocks; /* newest first */
    struct release *releases;
};

struct arena *arena_new(size_t limit)
{
    struct arena *a = calloc(1, sizeof *a);
    if (a)
        a->limit = limit;
    return a;
}

static struct block *grow(struct arena *a, size_t wanted)
{
    size_t size = a->blocks ? a->blocks->size * 4 : FIRST_BLOCK;
    if (size > LARGEST_GROWTH)
        size = LARGEST_GROWTH;
    if (size < wanted)
        size = wanted;
    if (a->held + size > a->limit)
        size = wanted;
    if (wanted > a->limit || a->held > a->limit - wanted)
        return NULL;
    struct block *b = malloc(sizeof *b + size);
    if (!b)
        return NULL;
    *b = (struct block){ .next = a->blocks, .size = size };
    a->held += size;
    a->blocks = b;
    return b;
}

void *arena_alloc(struct arena *a, size_t size, size_t align)
{
    assert(align && align <= 16 && (align & (align - 1)) == 0);
    if (size == 0)
        size = 1;
    struct block *b = a->blocks;
    size_t at = b ? (b->used + align - 1) & ~(align - 1) : 0;
    if (!b || at > b->size || size > b->size - at) {
        b = grow(a, size);
        if (!b)
            return NULL;
        at = 0;
    }
    b->used = at + size;
    a->used += size;
    return memset(b->bytes + at, 0, size);
}

void *arena_array(struct arena *a, size_t size, size_t count, size_t align)
{
    size_t total;
    if (__builtin_mul_overflow(size, count, &total))
        return NULL;
    return arena_alloc(a, total, align);
}

bool arena_on_reset(struct arena *a, void (*release)(void *), void *owned)
{
    struct release *r = ARENA_NEW(a, struct release);
    if (!r)
        return false;
    *r = (struct release){ .next = a->releases, .run = release, .owned = owned };
    a->releases = r;
    return true;
}

void arena_wipes(struct arena *a)
{
    a->wipes = true;
}

static void release_all(struct arena *a)
{
    for (struct release *r = a->releases; r; r = a->releases) {
        a->releases = r->next;
        r->run(r->owned);
    }
    for (struct block *b = a->wipes ? a->blocks : NULL; b; b = b->next)
        explicit_bzero(b->bytes, b->used);
    a->wipes = false;
}

/* The first block is kept when it is small: a connection's next transaction needs it at once. */
void arena_reset(struct arena *a)
{
    release_all(a);
    while (a->blocks && (a->blocks->next || a->blocks->size > FIRST_BLOCK)) {
        struct block *b = a->blocks;
        a->blocks = b->next;
        a->held -= b->size;
        free(b);
    }
    if (a->blocks)
        a->blocks->used = 0;
    a->used = 0;
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    release_all(a);
    while (a->blocks) {
        struct block *b = a->blocks;
        a->blocks = b->next;
        free(b);
    }
    free(a);
}

size_t arena_used(const struct arena *a)
{
    return a->used;
}

const char *arena_cstr(struct arena *a, str s)
{
    char *copy = s.len < SIZE_MAX ? arena_alloc(a, s.len + 1, 1) : NULL;
    if (copy && s.len)
        memcpy(copy, s.ptr, s.len);
    return copy;
}

str arena_str(struct arena *a, str s)
{
    if (str_is_none(s))
        return STR_NONE;
    const char *copy = arena_cstr(a, s);
    return copy ? (str){ copy, s.len } : STR_NONE;
}

str arena_strf(struct arena *a, const char *fmt, ...)
{
    char usual[256]; /* what is longer is written a second time */
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(usual, sizeof usual, fmt, args);
    va_end(args);
    char *text = len >= 0 ? arena_alloc(a, (size_t)len + 1, 1) : NULL;
    if (!text)
        return STR_NONE;
    if ((size_t)len < sizeof usual) {
        memcpy(text, usual, (size_t)len + 1);
    } else {
        va_start(args, fmt);
        vsnprintf(text, (size_t)len + 1, fmt, args);
        va_end(args);
    }
    return (str){ text, (size_t)len };
}
