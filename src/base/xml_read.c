/* base/xml_read.c - expat's events into a small tree.
 *
 * A DOCTYPE stops the parser at its first event, before any entity could be declared, so nothing
 * can be expanded and nothing fetched. */
#include "base/xml.h"

#include <expat.h>

/* Behind every name that has a namespace, expat puts this and the local name. */
enum { SEPARATOR = '|' };

struct open_element {
    struct xml_element *element;
    const struct xml_element **tail; /* where its next child goes */
    struct buf text;                 /* gathered; moves into the arena when it closes */
};

struct reader {
    XML_Parser parser;
    struct arena *arena;
    const struct fault *fault; /* the first; then the parser is stopped */
    unsigned depth, elements;
    const struct xml_element *root;
    struct open_element open[XML_DEPTH];
};

static void stop(struct reader *r, const struct fault *f)
{
    if (!r->fault)
        r->fault = f;
    XML_StopParser(r->parser, XML_FALSE);
}

static str local_name(const char *name)
{
    const char *local = strrchr(name, SEPARATOR);
    return str_of(local ? local + 1 : name);
}

static bool add_attributes(struct reader *r, struct xml_element *element, const char **pairs)
{
    const struct xml_attribute **tail = &element->attributes;
    for (; *pairs; pairs += 2) {
        struct xml_attribute *a = ARENA_NEW(r->arena, struct xml_attribute);
        if (!a)
            return false;
        a->name = arena_str(r->arena, local_name(pairs[0]));
        a->value = arena_str(r->arena, str_of(pairs[1]));
        if (!a->name.ptr || !a->value.ptr)
            return false;
        *tail = a;
        tail = &a->next;
    }
    return true;
}

static void on_open(void *context, const char *name, const char **attributes)
{
    struct reader *r = context;
    if (r->fault)
        return;
    if (r->depth == XML_DEPTH || r->elements == XML_ELEMENTS_MAX) {
        stop(r, fault(r->arena, FAULT_LIMIT, NULL,
                      r->depth == XML_DEPTH ? "the XML is nested deeper than %d levels"
                                            : "the XML has more than %d elements",
                      r->depth == XML_DEPTH ? XML_DEPTH : XML_ELEMENTS_MAX));
        return;
    }
    struct xml_element *e = ARENA_NEW(r->arena, struct xml_element);
    if (!e || !(e->name = arena_str(r->arena, local_name(name))).ptr ||
        !add_attributes(r, e, attributes)) {
        stop(r, &fault_no_memory);
        return;
    }
    if (r->depth) {
        struct open_element *parent = &r->open[r->depth - 1];
        *parent->tail = e;
        parent->tail = &e->next;
    } else {
        r->root = e;
    }
    r->elements++;
    r->open[r->depth++] =
        (struct open_element) { .element = e, .tail = &e->first, .text = buf_new(XML_SIZE_MAX) };
}

static void on_close(void *context, const char *name)
{
    (void)name;
    struct reader *r = context;
    if (r->fault)
        return;
    struct open_element *top = &r->open[--r->depth];
    top->element->text = arena_str(r->arena, buf_str(&top->text));
    if (top->text.failed || !top->element->text.ptr)
        stop(r, &fault_no_memory);
    buf_free(&top->text);
}

static void on_text(void *context, const char *text, int len)
{
    struct reader *r = context;
    if (!r->fault && r->depth)
        buf_add(&r->open[r->depth - 1].text, (str) { text, (size_t)len });
}

static void on_doctype(void *context, const char *name, const char *system_id,
                       const char *public_id, int subset)
{
    (void)name, (void)system_id, (void)public_id, (void)subset;
    struct reader *r = context;
    stop(r,
         fault(r->arena, FAULT_SYNTAX, NULL, "line %lu, column %lu: a document type is not allowed",
               XML_GetCurrentLineNumber(r->parser), XML_GetCurrentColumnNumber(r->parser) + 1));
}

const struct fault *xml_parse(str text, struct arena *arena, const struct xml_element **ret_root)
{
    if (text.len > XML_SIZE_MAX)
        return fault(arena, FAULT_LIMIT, NULL, "the XML is longer than %d bytes", XML_SIZE_MAX);
    struct reader *r = ARENA_NEW(arena, struct reader);
    if (!r)
        return &fault_no_memory;
    r->arena = arena;
    r->parser = XML_ParserCreateNS(NULL, SEPARATOR);
    if (!r->parser)
        return &fault_no_memory;
    XML_SetUserData(r->parser, r);
    XML_SetElementHandler(r->parser, on_open, on_close);
    XML_SetCharacterDataHandler(r->parser, on_text);
    XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
    if (XML_Parse(r->parser, text.len ? text.ptr : "", (int)text.len, 1) != XML_STATUS_OK &&
        !r->fault)
        r->fault =
            fault(arena, FAULT_SYNTAX, NULL, "line %lu, column %lu: %s",
                  XML_GetCurrentLineNumber(r->parser), XML_GetCurrentColumnNumber(r->parser) + 1,
                  XML_ErrorString(XML_GetErrorCode(r->parser)));
    XML_ParserFree(r->parser);
    while (r->depth)
        buf_free(&r->open[--r->depth].text);
    if (!r->fault)
        *ret_root = r->root;
    return r->fault;
}

static const struct xml_element *named(const struct xml_element *e, str name)
{
    while (e && !str_eq(e->name, name))
        e = e->next;
    return e;
}

const struct xml_element *xml_get(const struct xml_element *e, const char *child)
{
    return e ? named(e->first, str_of(child)) : NULL;
}

const struct xml_element *xml_again(const struct xml_element *e)
{
    return e ? named(e->next, e->name) : NULL;
}

str xml_str(const struct xml_element *e, const char *child)
{
    const struct xml_element *found = xml_get(e, child);
    return found ? found->text : STR_NONE;
}
