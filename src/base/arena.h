/* base/arena.h - memory that lives exactly as long as one piece of work.
 *
 * One arena per SMTP transaction, per HTTP request, per attempt, per compiled policy. Work
 * allocates freely and forgets; the owner resets at the end. An arena belongs to one thread at a
 * time. */
#ifndef SESAME_BASE_ARENA_H
#define SESAME_BASE_ARENA_H

#include "base/str.h"

struct arena;

struct arena *arena_new(size_t limit); /* limit: the most this work may ever hold; NULL: no memory */
void arena_reset(struct arena *);      /* next transaction, same connection; runs what was registered */
void arena_free(struct arena *);       /* NULL is fine */
size_t arena_used(const struct arena *);

void *arena_alloc(struct arena *, size_t size, size_t align); /* zeroed; NULL only at the limit */
void *arena_array(struct arena *, size_t size, size_t count, size_t align); /* zeroed, overflow-safe */

/* `release(owned)` runs at reset or free, last registered first: files and sockets tied to the
 * work. False at the limit: then nothing was registered and the caller still owns it. */
bool arena_on_reset(struct arena *, void (*release)(void *), void *owned);

/* What is in it is secret: zeroed at the next reset or free, before the memory goes back. */
void arena_wipes(struct arena *);

#define ARENA_NEW(a, type)      ((type *)arena_alloc((a), sizeof(type), _Alignof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_array((a), sizeof(type), (n), _Alignof(type)))

/* Copy a view so that it outlives its buffer. STR_NONE at the limit, and for STR_NONE. The copy is
 * followed by a NUL that is not counted. */
str arena_str(struct arena *, str);
str arena_strf(struct arena *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *arena_cstr(struct arena *, str); /* NUL-terminated, for the operating system; NULL at the limit */

static inline void arena_cleanup(struct arena **a)
{
    if (*a)
        arena_free(*a);
}
#define AUTO_ARENA __attribute__((cleanup(arena_cleanup))) struct arena

#endif
