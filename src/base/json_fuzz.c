/* Any JSON is a tree or a fault; what we write of it is read again; and what the strict reader of
 * policies takes, this one takes too (numbers apart: those may be too large for it). */
#include "base/json.h"
#include "base/spans.h"

#include <assert.h>

static void write_value(struct json_writer *w, const struct json *v)
{
    switch (json_kind(v)) {
    case JSON_NULL:
        json_put_null(w);
        return;
    case JSON_BOOL:
        json_put_bool(w, true);
        return;
    case JSON_INTEGER:
    case JSON_REAL:
        json_put_int(w, -1);
        return;
    case JSON_STRING:
        json_put_str(w, json_text(v));
        return;
    case JSON_ARRAY:
        json_open(w, '[');
        for (size_t i = 0; i < json_size(v); i++)
            write_value(w, json_at(v, i));
        json_close(w, ']');
        return;
    case JSON_OBJECT:
        json_open(w, '{');
        str name;
        const struct json *value;
        for (size_t i = 0; json_member(v, i, &name, &value); i++) {
            json_name(w, name);
            write_value(w, value);
        }
        json_close(w, '}');
        return;
    }
}

static bool has_number(const struct spans *node)
{
    bool has = node->kind == SPANS_NUMBER;
    for (const struct spans *child = node->first; child && !has; child = child->next)
        has = has_number(child);
    return has;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    AUTO_ARENA *arena = arena_new(4 << 20), *spans_arena = arena_new(4 << 20);
    AUTO_BUF out = buf_new(1 << 20);
    str text = { (const char *)bytes, size };
    const struct json *value = NULL, *again = NULL;
    const struct spans *root = NULL;
    struct json_writer w = json_writer(&out);
    const struct fault *refused = json_parse(text, arena, &value);
    const struct fault *strict = spans_parse(text, SPANS_STRICT, spans_arena, &root);
    assert(!refused || strict || refused->kind == FAULT_LIMIT || has_number(root));
    if (refused)
        return 0;
    write_value(&w, value);
    refused = out.failed ? NULL : json_parse(buf_str(&out), arena, &again);
    assert(!refused || refused->kind == FAULT_LIMIT);
    return 0;
}
