/* mail/dot.c - the end of DATA, found 64 octets at a time.
 *
 * Each block of input becomes three bit masks: where its CRs, LFs and dots are. Shifted against
 * each other they tell all bare CRs and LFs and all dots behind a CRLF at once, so a body without
 * stuffed dots costs a few instructions per block, whatever its lines look like. */
#include "mail/dot.h"

#include <assert.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { BLOCK = 64 };

struct masks {
    uint64_t cr, lf, dot;
};

#ifdef __SSE2__
static uint64_t sixteen(__m128i v, char c)
{
    return (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(c)));
}

static struct masks masks_of(const char *p)
{
    struct masks m = { 0 };
    for (int i = 0; i < BLOCK; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        m.cr |= sixteen(v, '\r') << i;
        m.lf |= sixteen(v, '\n') << i;
        m.dot |= sixteen(v, '.') << i;
    }
    return m;
}
#else
static struct masks masks_of(const char *p)
{
    struct masks m = { 0 };
    for (int i = 0; i < BLOCK; i++) {
        m.cr |= (uint64_t)(p[i] == '\r') << i;
        m.lf |= (uint64_t)(p[i] == '\n') << i;
        m.dot |= (uint64_t)(p[i] == '.') << i;
    }
    return m;
}
#endif

/* Goes over text that began at `d->at` (a line, text, or behind a CR). Returns how many octets lie
 * before a dot that begins a line; all of them when there is none. */
static size_t scan(struct dot *d, str in, bool dots)
{
    uint64_t after_cr = d->at == DOT_CR, after_crlf = d->at == DOT_LINE;
    size_t at = 0;
    bool bare = false;
    for (; at < in.len; at += BLOCK) {
        char last[BLOCK];
        const char *p = in.ptr + at;
        size_t size = in.len - at < BLOCK ? in.len - at : BLOCK;
        if (size < BLOCK) { /* no reading past the end: the rest, padded with what means nothing */
            memset(last, 'x', sizeof last);
            p = memcpy(last, p, size);
        }
        struct masks m = masks_of(p);
        uint64_t follows_cr = m.cr << 1 | after_cr;
        uint64_t crlf = m.lf & follows_cr;
        uint64_t wrong = (m.lf | follows_cr) & ~crlf; /* an LF without its CR, or the other way */
        uint64_t stop = dots ? m.dot & (crlf << 1 | after_crlf) : 0;
        uint64_t valid = size < BLOCK ? ((uint64_t)1 << size) - 1 : ~(uint64_t)0;
        if (stop) { /* behind a CRLF, so nothing before it is still open */
            int first = __builtin_ctzll(stop);
            d->bare |= bare || (wrong & (((uint64_t)1 << first) - 1)) != 0;
            return at + (size_t)first;
        }
        bare |= (wrong & valid) != 0;
        after_cr = m.cr >> (size - 1) & 1;
        after_crlf = crlf >> (size - 1) & 1;
    }
    d->bare |= bare;
    if (in.len)
        d->at = after_cr ? DOT_CR : after_crlf ? DOT_LINE : DOT_TEXT;
    return in.len;
}

enum parse dot_feed(struct dot *d, str in, str *ret_clean, size_t *ret_used)
{
    *ret_clean = STR("");
    *ret_used = 0;
    if (in.len == 0)
        return PARSE_MORE;
    switch (d->at) {
    case DOT_DOT: /* a dot at the start of a line went already */
        if (in.ptr[0] == '\r') {
            d->at = DOT_DOT_CR;
            *ret_used = 1;
            return PARSE_MORE;
        }
        d->at = DOT_TEXT;
        break;
    case DOT_DOT_CR:
        if (in.ptr[0] == '\n') {
            *d = (struct dot) { .at = DOT_LINE, .bare = d->bare };
            *ret_used = 1;
            return PARSE_DONE;
        }
        d->bare = true; /* the CR was content after all */
        d->at = DOT_TEXT;
        *ret_clean = STR("\r");
        return PARSE_MORE;
    case DOT_LINE:
    case DOT_TEXT:
    case DOT_CR:
        break;
    }
    size_t clean = scan(d, in, true);
    *ret_clean = str_head(in, clean);
    *ret_used = clean;
    if (clean < in.len) { /* the dot is never content: either stuffed, or of the end */
        d->at = DOT_DOT;
        *ret_used = clean + 1;
    }
    return PARSE_MORE;
}

void dot_watch(struct dot *d, str in)
{
    assert(d->at != DOT_DOT && d->at != DOT_DOT_CR && "a watched message has no dots");
    scan(d, in, false);
}

bool dot_is_bare(const struct dot *d)
{
    return d->bare || d->at == DOT_CR;
}
