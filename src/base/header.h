/* base/header.h - a name and a value: an HTTP header, a query pair, a form pair. */
#ifndef SESAME_BASE_HEADER_H
#define SESAME_BASE_HEADER_H

#include "base/str.h"

struct header {
    str name, value; /* value STR_NONE: a query pair without `=` */
};

#endif
