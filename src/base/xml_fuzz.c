/* Any XML is a bounded tree or a fault; what we write of its texts is read back the same. */
#include "base/xml.h"

#include <assert.h>

static void walk(const struct xml_element *e, struct buf *out)
{
    assert(e->name.ptr && e->text.ptr);
    xml_open(out, "e");
    xml_text(out, e->text);
    for (const struct xml_element *child = e->first; child; child = child->next)
        walk(child, out);
    xml_close(out, "e");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    AUTO_ARENA *arena = arena_new(4 << 20);
    AUTO_BUF out = buf_new(1 << 20);
    const struct xml_element *root = NULL, *again = NULL;
    xml_text(&out, (str) { (const char *)bytes, size });
    buf_clear(&out);
    if (xml_parse((str) { (const char *)bytes, size }, arena, &root))
        return 0;
    walk(root, &out);
    if (out.failed)
        return 0;
    const struct fault *f = xml_parse(buf_str(&out), arena, &again);
    assert(!f || f->kind == FAULT_LIMIT);
    assert(f || str_eq(root->text, again->text));
    return 0;
}
