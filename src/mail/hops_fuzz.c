/* mail/hops_fuzz.c - any bytes, cut where the first two octets say: the count is that of the whole, and
 * never more than there are lines. */
#include "mail/hops.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    str in = { (const char *)data + 2, size - 2 };
    size_t cut = (size_t)(data[0] << 8 | data[1]) % (in.len + 1), lines = 1;
    struct hops whole = { 0 }, parts = { 0 };
    hops_feed(&whole, in);
    hops_feed(&parts, str_head(in, cut));
    hops_feed(&parts, str_from(in, cut));
    for (size_t i = 0; i < in.len; i++)
        lines += in.ptr[i] == '\n';
    if (whole.count != parts.count || whole.at != parts.at || whole.count > lines)
        abort();
    return 0;
}
