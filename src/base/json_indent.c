#include "base/json.h"

enum { DEPTH_MAX = 64 }; /* deeper levels are not moved further to the right */

static void new_line(struct buf *out, unsigned depth)
{
    buf_addc(out, '\n');
    for (unsigned i = 0; i < depth && i < DEPTH_MAX; i++)
        buf_add(out, STR("  "));
}

/* The string that begins at s[at], quotes included: how many bytes. */
static size_t string_length(str s, size_t at)
{
    size_t end = at + 1;
    while (end < s.len && s.ptr[end] != '"')
        end += s.ptr[end] == '\\' ? 2 : 1;
    return (end < s.len ? end + 1 : s.len) - at;
}

void json_indent(str json, struct buf *out)
{
    unsigned depth = 0;
    bool opened = false; /* nothing stands in the innermost bracket yet */
    for (size_t i = 0; i < json.len; i++) {
        const char c = json.ptr[i];
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
            continue;
        const bool closes = c == '}' || c == ']';
        if (closes && depth)
            depth--;
        if (opened != closes)
            new_line(out, depth);
        opened = c == '{' || c == '[';
        if (c == '"') {
            const size_t len = string_length(json, i);
            buf_add(out, (str) { json.ptr + i, len });
            i += len - 1;
            continue;
        }
        buf_addc(out, c);
        depth += opened;
        if (c == ':')
            buf_addc(out, ' ');
        if (c == ',')
            new_line(out, depth);
    }
}
