/* mail/hops.c - a line's name is compared octet by octet until it differs, the rest is passed over.
 */
#include "mail/hops.h"

#include <string.h>

static const str name = STR_INIT("received");

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* CR and LF were taken; behind them a line that begins with another CRLF is empty. */
static void line_ends(struct hops *h)
{
    *h = (struct hops) { .at = h->plain ? HOPS_NAME : HOPS_BODY, .count = h->count };
}

static void take(struct hops *h, char c)
{
    if (c == '\n') {
        line_ends(h);
        return;
    }
    if (c == '\r' && !h->plain) /* of an empty line, or a bare one, which others refuse */
        return;
    h->plain = true;
    if (h->at == HOPS_NAME && h->matched < name.len &&
        lower(c) == (unsigned char)name.ptr[h->matched]) {
        h->at = ++h->matched == name.len ? HOPS_SPACE : HOPS_NAME;
        return;
    }
    if (h->at == HOPS_SPACE && (c == ' ' || c == '\t')) /* RFC 5322 4.5: obs-optional */
        return;
    h->count += h->at == HOPS_SPACE && c == ':';
    h->at = HOPS_REST;
}

void hops_feed(struct hops *h, str clean)
{
    while (clean.len && h->at != HOPS_BODY) {
        if (h->at == HOPS_REST) {
            const char *lf = memchr(clean.ptr, '\n', clean.len);
            if (!lf)
                return;
            clean = str_from(clean, (size_t)(lf - clean.ptr));
        }
        take(h, clean.ptr[0]);
        clean = str_from(clean, 1);
    }
}
