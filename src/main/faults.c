/* main/faults.c - /_sesame/faults: failures on order, for tests. */
#include "base/json.h"
#include "main/page.h"
#include "services/mishaps.h"

static const struct fault *check_allowed(const struct server *s, struct arena *a)
{
    return s->may_fail
               ? NULL
               : fault(a, FAULT_DENIED, NULL,
                       "failures are not made to order here: a listener is not on loopback, "
                       "and --allow-faults was not given");
}

static void note(struct server *s, const char *event, str order)
{
    AUTO_BUF members = buf_new(8192);
    struct json_writer w = json_writer(&members);
    json_add_raw(&w, "order", order);
    s->outside.journal->note(s->outside.journal, JOURNAL_WARNING, STR("main"), str_of(event),
                             order.len ? buf_str(&members) : STR(""));
}

const struct fault *page_faults(struct server *s, const struct own_page *page, str segment,
                                struct arena *a, struct own_answer *answer)
{
    (void)page, (void)segment, (void)a;
    mishaps_write(s->ports.mishaps, &answer->text);
    return NULL;
}

const struct fault *page_order_fault(struct server *s, const struct own_page *page, str segment,
                                     struct arena *a, struct own_answer *answer)
{
    (void)segment;
    TRY(check_allowed(s, a));
    TRY(mishaps_order(s->ports.mishaps, page->body, a, &answer->text));
    answer->status = 201;
    note(s, "fault-ordered", buf_str(&answer->text));
    return NULL;
}

const struct fault *page_cancel_fault(struct server *s, const struct own_page *page, str id,
                                      struct arena *a, struct own_answer *answer)
{
    (void)page;
    TRY(check_allowed(s, a));
    if (!mishaps_cancel(s->ports.mishaps, id))
        return fault(a, FAULT_ABSENT, NULL, "there is no order " STR_FMT, STR_ARG(id));
    mishaps_write(s->ports.mishaps, &answer->text);
    return NULL;
}

const struct fault *page_cancel_faults(struct server *s, const struct own_page *page, str segment,
                                       struct arena *a, struct own_answer *answer)
{
    (void)page, (void)segment;
    TRY(check_allowed(s, a));
    mishaps_cancel_all(s->ports.mishaps);
    note(s, "faults-cancelled", STR(""));
    mishaps_write(s->ports.mishaps, &answer->text);
    return NULL;
}
