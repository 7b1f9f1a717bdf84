/* base/xml.h - the XML of AWS: an escaping writer, and a small tree read by expat.
 *
 * Read: no document type, hence no entities but the five; bounded depth, size and number of
 * elements; namespaces are dropped, names are local. Written: characters that XML 1.0 forbids, and
 * bytes that are no UTF-8, become U+FFFD. */
#ifndef SESAME_BASE_XML_H
#define SESAME_BASE_XML_H

#include "base/buf.h"
#include "base/fault.h"

/* Writing. Element names are our own literals, so they are not escaped. */
void xml_declare(struct buf *out);                              /* <?xml version="1.0" encoding="UTF-8"?> + newline */
void xml_open(struct buf *out, const char *name);               /* <name> */
void xml_open_in(struct buf *out, const char *name, const char *namespace_uri); /* <name xmlns="..."> */
void xml_close(struct buf *out, const char *name);              /* </name> */
void xml_leaf(struct buf *out, const char *name, str value);    /* <name>escaped</name>; STR_NONE: nothing */
void xml_leaf_int(struct buf *out, const char *name, int64_t value);
void xml_leaf_bool(struct buf *out, const char *name, bool value);
void xml_text(struct buf *out, str value);                      /* escaped text, also right in "attributes" */

/* Reading. */
enum { XML_SIZE_MAX = 2 * 1024 * 1024, XML_DEPTH = 32, XML_ELEMENTS_MAX = 20000 };

struct xml_attribute {
    str name, value; /* the name without its namespace */
    const struct xml_attribute *next;
};
struct xml_element {
    str name;                        /* local */
    str text;                        /* all character data directly inside, joined; empty when none */
    const struct xml_attribute *attributes;
    const struct xml_element *first; /* child, in the order written */
    const struct xml_element *next;  /* sibling */
};

/* FAULT_SYNTAX says line, column and what is wrong; FAULT_LIMIT what was too much. */
const struct fault *xml_parse(str text, struct arena *, const struct xml_element **ret_root);

/* Readers take NULL and answer "absent", so paths can be chained. */
const struct xml_element *xml_get(const struct xml_element *, const char *child); /* the first so named */
const struct xml_element *xml_again(const struct xml_element *); /* the next sibling of the same name */
str xml_str(const struct xml_element *, const char *child);      /* its text; STR_NONE when absent */

#endif
