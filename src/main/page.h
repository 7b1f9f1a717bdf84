/* main/page.h - one of Sesame's own pages below /_sesame/, as a row of pages.c. */
#ifndef SESAME_MAIN_PAGE_H
#define SESAME_MAIN_PAGE_H

#include "main/assemble.h"

/* `segment`: what stands at the * of its path. */
typedef const struct fault *page_fn(struct server *, const struct own_page *, str segment,
                                    struct arena *, struct own_answer *);

/* "max=10&rule=a%2Fb": the value behind a name, decoded; STR_NONE when there is none. */
str page_parameter(str query, const char *wanted, struct arena *);

page_fn page_messages, page_errands;                                               /* messages.c */
page_fn page_reset;                                                             /* reset.c */
page_fn page_faults, page_order_fault, page_cancel_fault, page_cancel_faults; /* faults.c */

#endif
