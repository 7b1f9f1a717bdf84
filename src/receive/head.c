/* receive/head.c - the encoding of an entry's head.
 *
 *   1 octet    version, 1
 *   1 octet    length of the account, then the account
 *   1 octet    length of the region, then the region
 *   the rest   the envelope, as mail/envelope.h encodes it
 *
 * The spool's frame has the length and the checksum of the whole. */
#include "receive/head.h"

enum { HEAD_VERSION = 1 };

static void add_short(struct buf *out, str s)
{
    if (s.len > 255) {
        out->failed = true;
        return;
    }
    buf_addc(out, (char)(unsigned char)s.len);
    buf_add(out, s);
}

void head_encode(const struct head *h, struct buf *out)
{
    buf_addc(out, HEAD_VERSION);
    add_short(out, h->account);
    add_short(out, h->region);
    envelope_encode(&h->envelope, out);
}

static bool take_short(str *rest, str *ret)
{
    if (!rest->len)
        return false;
    size_t len = (unsigned char)rest->ptr[0];
    if (rest->len - 1 < len)
        return false;
    *ret = (str) { rest->ptr + 1, len };
    *rest = str_from(*rest, 1 + len);
    return true;
}

const struct fault *head_decode(str bytes, struct arena *a, struct head *ret_head)
{
    struct head h = { 0 };
    if (!bytes.len || bytes.ptr[0] != HEAD_VERSION)
        return fault(a, FAULT_SYNTAX, NULL,
                     "the entry's head has a version this program does not know");
    str rest = str_from(bytes, 1);
    if (!take_short(&rest, &h.account) || !take_short(&rest, &h.region))
        return fault(a, FAULT_SYNTAX, NULL, "the entry's head is cut short");
    h.account = arena_str(a, h.account);
    h.region = arena_str(a, h.region);
    if (!h.account.ptr || !h.region.ptr)
        return &fault_no_memory;
    TRY(envelope_decode(rest, a, &h.envelope));
    *ret_head = h;
    return NULL;
}
