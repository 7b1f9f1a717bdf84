/* Any parameters as a list: name=value a line. What is taken has each value at its number. */
#include "api/ses_list.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA *arena = arena_new(16 * 1024 * 1024);
    struct header params[128];
    struct api_call call = { .call = { .arena = arena }, .params = params };
    str rest = { (const char *)data, size }, line;
    bool more = arena && size > 0;
    while (more && call.param_count < sizeof(params) / sizeof(params[0])) {
        struct header *param = &params[call.param_count++];
        more = str_cut(rest, '\n', &line, &rest);
        if (!str_cut(line, '=', &param->name, &param->value))
            param->value = STR_NONE;
    }
    struct ses_list texts, structures;
    const str *values;
    if (!arena)
        return 0;
    if (!ses_list_texts(&call, STR("L"), &texts, &values)) {
        size_t there = 0;
        for (size_t i = 0; i < texts.count; i++)
            there += !str_is_none(values[i]);
        assert(there <= call.param_count && !texts.sparse);
        assert(texts.count <= 11 * call.param_count); /* gaps are bounded */
        assert(texts.count == 0 || texts.unplaced || !str_is_none(values[texts.count - 1]));
    }
    if (!ses_list_find(&call, STR("L"), LIST_OF_STRUCTURES, &structures))
        assert(structures.count <= call.param_count);
    return 0;
}
