/* base/buf.c - a growing byte buffer. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { SMALLEST = 512 };

void buf_free(struct buf *b)
{
    free(b->ptr);
    *b = (struct buf){ .max = b->max };
}

char *buf_reserve(struct buf *b, size_t size)
{
    if (b->failed || size > b->max || b->len > b->max - size) {
        b->failed = true;
        return NULL;
    }
    if (!b->ptr || b->room - b->len < size) {
        size_t room = b->room ? b->room : SMALLEST;
        while (room - b->len < size)
            room *= 2;
        if (room > b->max)
            room = b->max;
        char *ptr = realloc(b->ptr, room);
        if (!ptr) {
            b->failed = true;
            return NULL;
        }
        b->ptr = ptr;
        b->room = room;
    }
    return b->ptr + b->len;
}

void buf_add(struct buf *b, str s)
{
    if (s.len == 0)
        return;
    char *at = buf_reserve(b, s.len);
    if (at) {
        memcpy(at, s.ptr, s.len);
        b->len += s.len;
    }
}

void buf_addc(struct buf *b, char c)
{
    buf_add(b, (str){ &c, 1 });
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    const size_t room = b->failed ? 0 : b->room - b->len; /* where it fits it is written once */
    va_start(args, fmt);
    int len = vsnprintf(room ? b->ptr + b->len : NULL, room, fmt, args);
    va_end(args);
    char *at = len >= 0 ? buf_reserve(b, (size_t)len + 1) : NULL;
    if (!at)
        return;
    if ((size_t)len >= room) {
        va_start(args, fmt);
        vsnprintf(at, (size_t)len + 1, fmt, args);
        va_end(args);
    }
    b->len += (size_t)len;
}
