/* Any lines of "name: value" as an object's metadata: what is read is within its bounds. */
#include "main/envelope.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA *arena = arena_new(1 << 20);
    struct header metadata[64];
    struct envelope e;
    size_t count = 0;
    str text = { (const char *)data, size }, line;
    while (text.len && count < 64) {
        str_cut(text, '\n', &line, &text);
        if (str_cut(line, ':', &metadata[count].name, &metadata[count].value)) {
            metadata[count].value = str_trim(metadata[count].value);
            count++;
        }
    }
    const struct fault *why = envelope_read(metadata, count, arena, &e);
    if (why)
        return why->says.len ? 0 : (abort(), 1);
    for (size_t i = 0; i < e.context_count; i++)
        if (str_is_none(e.context[i].name) || str_is_none(e.context[i].value))
            abort();
    if (!e.wrapped_key.len || e.wrapped_key.len > 6146)
        abort();
    return 0;
}
