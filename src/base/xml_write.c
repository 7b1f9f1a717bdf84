/* base/xml_write.c - escaping text for XML 1.0. */
#include "base/utf8.h"
#include "base/xml.h"

#include <inttypes.h>

/* XML 1.0, 2.2: the characters a document may contain. */
static bool is_xml_character(uint32_t c)
{
    return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c <= 0xD7FF) ||
           (c >= 0xE000 && c <= 0xFFFD) || (c >= 0x10000 && c <= 0x10FFFF);
}

static str escape_of(uint32_t c)
{
    switch (c) {
    case '&':
        return STR("&amp;");
    case '<':
        return STR("&lt;");
    case '>':
        return STR("&gt;");
    case '"':
        return STR("&quot;");
    case '\'':
        return STR("&apos;");
    case '\r': /* a reader would turn it into a newline */
        return STR("&#13;");
    default:
        return STR_NONE;
    }
}

void xml_text(struct buf *out, str value)
{
    struct cursor in = cursor_of(value);
    const char *plain = in.at; /* not yet written */
    while (in.at < in.end) {
        const char *from = in.at;
        uint32_t c = utf8_next(&in);
        str instead = is_xml_character(c) ? escape_of(c) : UTF8_REPLACEMENT;
        if (str_is_none(instead))
            continue;
        buf_add(out, (str) { plain, (size_t)(from - plain) });
        buf_add(out, instead);
        plain = in.at;
    }
    if (in.at)
        buf_add(out, (str) { plain, (size_t)(in.at - plain) });
}

void xml_declare(struct buf *out)
{
    buf_add(out, STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"));
}

void xml_open(struct buf *out, const char *name)
{
    buf_addc(out, '<');
    buf_add(out, str_of(name));
    buf_addc(out, '>');
}

void xml_open_in(struct buf *out, const char *name, const char *namespace_uri)
{
    buf_addc(out, '<');
    buf_add(out, str_of(name));
    buf_add(out, STR(" xmlns=\""));
    xml_text(out, str_of(namespace_uri));
    buf_add(out, STR("\">"));
}

void xml_close(struct buf *out, const char *name)
{
    buf_add(out, STR("</"));
    buf_add(out, str_of(name));
    buf_addc(out, '>');
}

void xml_leaf(struct buf *out, const char *name, str value)
{
    if (str_is_none(value))
        return;
    xml_open(out, name);
    xml_text(out, value);
    xml_close(out, name);
}

void xml_leaf_int(struct buf *out, const char *name, int64_t value)
{
    xml_open(out, name);
    buf_addf(out, "%" PRId64, value);
    xml_close(out, name);
}

void xml_leaf_bool(struct buf *out, const char *name, bool value)
{
    xml_leaf(out, name, value ? STR("true") : STR("false"));
}
