/* main/messages.c - the lists below /_sesame/: which messages there are, or are awaited; which
 * errands.
 *
 * Who waits keeps no thread: the page looks when the spool's numbers have moved, every 25 ms, and
 * answers as soon as there is what is asked for. */
#include "base/when.h"
#include "main/page.h"
#include "receive/head.h"
#include "receive/timeline.h"

enum {
    LIST_MAX = 1000,
    LIST_USUAL = 100,
    PAGE = 200,
    LOOK_MOST = 20000, /* records for one answer */
    WAIT_MAX_S = 300,
    TICK_MS = 25,
    LOOK_ANYWAY_MS = 1000, /* numbers may move and come back */
    LOOK_ARENA = 48 << 20, /* a page of records with all that was said of them */
};

/* ---- what is asked for ---- */

struct wanted {
    bool mail;
    str to, after;
    uint64_t before; /* a record's serial; UINT64_MAX: begin with the newest */
    int64_t since_ms;
    unsigned states; /* a bit each; 0: any */
    size_t max;
    int64_t wait_ms;
};

static const struct fault *read_since(str text, struct arena *a, int64_t *ret_ms)
{
    uint64_t ms;
    *ret_ms = 0;
    if (!text.len || when_parse_iso(text, ret_ms))
        return NULL;
    if (!str_u64(text, &ms) || ms > INT64_MAX)
        return fault(a, FAULT_SYNTAX, NULL,
                     "since is a moment like 2026-03-02T09:15:42Z, or milliseconds since 1970");
    *ret_ms = (int64_t)ms;
    return NULL;
}

static const struct fault *read_states(str text, struct arena *a, unsigned *ret_states)
{
    *ret_states = 0;
    for (str rest = text, one; rest.len;) {
        enum spool_state state;
        str_cut(rest, ',', &one, &rest);
        if (!timeline_state_named(one, &state))
            return fault(
                a, FAULT_SYNTAX, NULL,
                "a state is queued, retrying, delivered or dead; several are separated by commas");
        *ret_states |= 1u << state;
    }
    return NULL;
}

static const struct fault *read_wanted(str query, bool mail, struct arena *a, struct wanted *w)
{
    uint64_t max, seconds = 0;
    str wait = page_parameter(query, "wait", a), before = page_parameter(query, "before", a);
    *w = (struct wanted) { .mail = mail,
                           .to = page_parameter(query, "to", a),
                           .after = page_parameter(query, "after", a),
                           .before = UINT64_MAX,
                           .max = LIST_USUAL };
    TRY(read_since(page_parameter(query, "since", a), a, &w->since_ms));
    TRY(read_states(page_parameter(query, "state", a), a, &w->states));
    if (str_u64(page_parameter(query, "max", a), &max) && max)
        w->max = max < LIST_MAX ? (size_t)max : LIST_MAX;
    if (before.len && !str_u64(before, &w->before))
        return fault(a, FAULT_SYNTAX, NULL, "before is what the page before said");
    if (wait.len && (!str_u64(wait, &seconds) || seconds > WAIT_MAX_S))
        return fault(a, FAULT_SYNTAX, NULL, "wait is a number of seconds, at most %d", WAIT_MAX_S);
    w->wait_ms = (int64_t)seconds * 1000;
    return NULL;
}

static bool is_to(const struct head *head, str address)
{
    for (size_t i = 0; i < head->envelope.rcpt_count; i++) {
        if (str_eq_nocase(head->envelope.rcpt_to[i].text, address))
            return true;
    }
    return false;
}

static const struct fault *fits(const struct wanted *w, const struct spool_record *r,
                                struct arena *a, bool *ret_fits)
{
    struct head head;
    *ret_fits =
        (r->entry.kind == SPOOL_MAIL) == w->mail && (!w->states || w->states & 1u << r->state);
    if (!*ret_fits || !w->mail || (!w->to.len && !w->since_ms))
        return NULL;
    TRY(head_decode(r->entry.head, a, &head));
    *ret_fits = (!w->to.len || is_to(&head, w->to)) && head.envelope.received_ms >= w->since_ms;
    return NULL;
}

/* ---- one look ---- */

struct listing {
    const struct wanted *wanted;
    struct buf *out;
    size_t listed;
    uint64_t serial; /* of the last record that was looked at */
    bool over;       /* what was asked for is there, or what was to come behind was met */
};

static const struct fault *list_page(struct listing *l, const struct spool_record *records,
                                     size_t count, struct arena *a)
{
    for (size_t i = 0; i < count && !l->over; i++) {
        const struct spool_record *r = &records[i];
        bool fitting;
        l->over = l->wanted->after.len && str_eq(r->entry.id, l->wanted->after);
        if (l->over)
            break;
        l->serial = r->serial;
        TRY(fits(l->wanted, r, a, &fitting));
        if (!fitting)
            continue;
        if (l->listed++)
            buf_addc(l->out, ',');
        TRY(timeline_write_brief(r, a, l->out));
        l->over = l->listed == l->wanted->max;
    }
    return NULL;
}

/* The newest first; who asks for the next page says where this one ended. */
static const struct fault *list(struct spool *spool, const struct wanted *w, struct arena *scratch,
                                struct buf *out, size_t *ret_listed)
{
    struct listing l = { .wanted = w, .out = out, .serial = w->before };
    size_t count = PAGE;
    buf_clear(out);
    buf_addf(out, "{\"%s\":[", w->mail ? "messages" : "errands");
    for (size_t looked = 0; !l.over && count == PAGE && looked < LOOK_MOST; looked += count) {
        struct spool_record *records;
        arena_reset(scratch);
        TRY(l.serial == UINT64_MAX
                ? spool->ops->recent(spool, PAGE, scratch, &records, &count)
                : spool->ops->older(spool, l.serial, PAGE, scratch, &records, &count));
        TRY(list_page(&l, records, count, scratch));
    }
    buf_addc(out, ']');
    if (count == PAGE || l.over)
        buf_addf(out, ",\"before\":\"%llu\"", (unsigned long long)l.serial);
    buf_addc(out, '}');
    *ret_listed = l.listed;
    return NULL;
}

static const struct fault *look(struct server *s, const struct wanted *w, struct arena *a,
                                struct buf *out, size_t *ret_listed)
{
    AUTO_ARENA *scratch = arena_new(LOOK_ARENA);
    const struct fault *f =
        scratch ? list(s->spool, w, scratch, out, ret_listed) : &fault_no_memory;
    return f ? fault_keep(a, f) : NULL;
}

/* ---- and again ---- */

struct watching { /* between two turns of a page that waits */
    struct wanted wanted;
    struct spool_health seen;
    int64_t looked_ms, took_ms; /* the last look: when it ended, and how long it took */
};

static bool has_moved(const struct spool_health *a, const struct spool_health *b)
{
    return a->commits != b->commits || a->queued != b->queued || a->retrying != b->retrying ||
           a->leased != b->leased || a->held != b->held || a->dead != b->dead;
}

/* Of the time that goes by, a tenth is spent on looking at most. */
static bool may_look(const struct watching *w, const struct spool_health *now, int64_t now_ms)
{
    const int64_t rested_ms = now_ms - w->looked_ms;
    return rested_ms >= 10 * w->took_ms &&
           (has_moved(&w->seen, now) || rested_ms >= LOOK_ANYWAY_MS);
}

static const struct fault *watch(struct server *s, const struct own_page *page, bool mail,
                                 struct arena *a, struct own_answer *answer)
{
    struct watching *w = *page->kept;
    const bool first = !w;
    const int64_t now_ms = s->outside.clock->steady_ms(s->outside.clock);
    size_t listed = 0;
    struct spool_health health = { 0 };
    if (first) {
        *page->kept = w = ARENA_NEW(a, struct watching);
        if (!w)
            return &fault_no_memory;
        TRY(read_wanted(page->query, mail, a, &w->wanted));
    }
    s->spool->ops->health(s->spool,
                          &health); /* before the look: what comes in it moves them again */
    const bool last = s->ending || now_ms - page->asked_ms >= w->wanted.wait_ms;
    if (first || last || may_look(w, &health, now_ms)) {
        TRY(look(s, &w->wanted, a, &answer->text, &listed));
        w->seen = health;
        w->looked_ms = s->outside.clock->steady_ms(s->outside.clock);
        w->took_ms = w->looked_ms - now_ms;
    }
    if (!listed && !last)
        answer->later_ms = TICK_MS;
    return NULL;
}

const struct fault *page_messages(struct server *s, const struct own_page *page, str segment,
                                  struct arena *a, struct own_answer *answer)
{
    (void)segment;
    return watch(s, page, true, a, answer);
}

const struct fault *page_errands(struct server *s, const struct own_page *page, str segment,
                                 struct arena *a, struct own_answer *answer)
{
    (void)segment;
    return watch(s, page, false, a, answer);
}
