/* What is read is written again as it was. */
#include "services/lambda/packet.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct packet *f = calloc(1, sizeof *f);
    str bytes = { (const char *)data, size };
    if (f && packet_read(bytes, f)) {
        AUTO_BUF again = buf_new(PACKET_MAX + 1);
        packet_write(f, &again);
        assert(!again.failed && str_eq(buf_str(&again), bytes));
    }
    free(f);
    return 0;
}
