/* receive/history_fuzz.c - notes, heads and timelines from any bytes. */
#include "receive/head.h"
#include "receive/history.h"
#include "receive/timeline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA *a = arena_new(8 << 20);
    AUTO_BUF out = buf_new(1 << 20), again = buf_new(1 << 20);
    str bytes = { (const char *)data, size };
    struct history h;
    struct head head;
    if (!history_read(bytes, a, &h)) {
        struct history_note note = { .outcomes = h.outcomes, .count = h.count };
        for (size_t step = 0; step < 4; step++)
            history_of(&h, step);
        /* what was read can be written and read again, and is as long */
        history_write(&(struct history) { 0 }, &note, &out);
        struct history second;
        if (out.failed || history_read(buf_str(&out), a, &second) || second.count != h.count)
            __builtin_trap();
    }
    head_decode(bytes, a, &head);
    timeline_print(bytes, a, &again);
    return 0;
}
