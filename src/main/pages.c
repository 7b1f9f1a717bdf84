/* main/pages.c - Sesame's own pages, below /_sesame/: health, metrics, messages, set-ups. */
#include "main/assemble.h"

#include "base/json.h"
#include "base/percent.h"
#include "mail/envelope.h"
#include "receive/history.h"
#include "receive/timeline.h"
#include "services/s3/bucket.h"
#include "services/ses/grants.h"
#include "services/ses/rule_sets.h"

enum { LIST_MAX = 1000, LIST_USUAL = 100 };

struct page {
    const char *method;
    const char *path; /* a * stands for one segment */
    bool open;        /* to everybody, from anywhere */
    const struct fault *(*answer)(struct server *, const struct own_page *, str segment,
                                  struct arena *, struct own_answer *);
};

/* ---- health and metrics ---- */

static const struct fault *on_health(struct server *s, const struct own_page *page, str segment,
                                     struct arena *a, struct own_answer *answer)
{
    (void)page, (void)segment, (void)a;
    struct spool_health h = { 0 };
    s->spool->ops->health(s->spool, &h);
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    json_add_str(&w, "status", h.accepting ? STR("ok") : STR("failing"));
    if (!h.accepting)
        json_add_str(&w, "says", str_of(h.says));
    json_add_bool(&w, "accepting", h.accepting);
    json_add_int(&w, "queued", (int64_t)h.queued);
    json_add_int(&w, "retrying", (int64_t)h.retrying);
    json_add_int(&w, "delivering", (int64_t)h.leased);
    json_add_int(&w, "dead", (int64_t)h.dead);
    json_add_int(&w, "damagedFrames", (int64_t)h.damaged_frames);
    json_close(&w, '}');
    answer->status = h.accepting ? 200 : 503;
    return NULL;
}

static void set_gauges(struct server *s)
{
    struct spool_health h = { 0 };
    s->spool->ops->health(s->spool, &h);
    /* clang-format off */
    const struct {
        bool counts; /* since the start */
        str name, help;
        uint64_t value;
    } rows[] = {
        { false, STR("sesame_spool_accepting"), STR("1 while mail can be accepted."), h.accepting },
        { false, STR("sesame_spool_queued"), STR("Messages due or soon due."), h.queued },
        { false, STR("sesame_spool_retrying"), STR("Messages waiting for another attempt."), h.retrying },
        { false, STR("sesame_spool_delivering"), STR("Messages being delivered."), h.leased },
        { false, STR("sesame_spool_dead"), STR("Dead letters."), h.dead },
        { false, STR("sesame_spool_segments"), STR("Segment files of the spool."), h.segments },
        { false, STR("sesame_spool_disk_bytes"), STR("Bytes of the spool on disk."), h.disk_bytes },
        { false, STR("sesame_spool_draft_bytes"), STR("Memory of messages still arriving."), h.draft_bytes },
        { true,  STR("sesame_spool_commits_total"), STR("Transactions committed."), h.commits },
        { true,  STR("sesame_spool_batches_total"), STR("Batches written, each with one sync."), h.batches },
        { true,  STR("sesame_spool_damaged_frames_total"), STR("Frames of the spool found damaged."), h.damaged_frames },
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct metric *metric =
            rows[i].counts ? metrics_counter(s->metrics, rows[i].name, rows[i].help, STR(""))
                           : metrics_gauge(s->metrics, rows[i].name, rows[i].help, STR(""));
        metric_set(metric, (int64_t)rows[i].value);
    }
}

static const struct fault *on_metrics(struct server *s, const struct own_page *page, str segment,
                                      struct arena *a, struct own_answer *answer)
{
    (void)page, (void)segment, (void)a;
    set_gauges(s);
    answer->content_type = STR("text/plain; version=0.0.4; charset=utf-8");
    metrics_text(s->metrics, &answer->text);
    return NULL;
}

/* ---- messages ---- */

static size_t wanted_count(str query)
{
    for (str rest = query, pair; rest.len;) {
        str name, value;
        uint64_t max;
        str_cut(rest, '&', &pair, &rest);
        if (str_cut(pair, '=', &name, &value) && str_eq(name, STR("max")) && str_u64(value, &max) &&
            max)
            return max < LIST_MAX ? (size_t)max : LIST_MAX;
    }
    return LIST_USUAL;
}

static const struct fault *on_messages(struct server *s, const struct own_page *page, str segment,
                                       struct arena *a, struct own_answer *answer)
{
    (void)segment;
    struct spool_record *records;
    size_t count;
    TRY(s->spool->ops->recent(s->spool, wanted_count(page->query), a, &records, &count));
    buf_add(&answer->text, STR("{\"messages\":["));
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_addc(&answer->text, ',');
        TRY(timeline_write_brief(&records[i], a, &answer->text));
    }
    buf_add(&answer->text, STR("]}"));
    return NULL;
}

static const struct fault *on_message(struct server *s, const struct own_page *page, str id,
                                      struct arena *a, struct own_answer *answer)
{
    (void)page;
    struct spool_record record;
    TRY(s->spool->ops->find(s->spool, id, a, &record));
    return timeline_write(&record, a, &answer->text);
}

static const struct fault *on_redrive(struct server *s, const struct own_page *page, str id,
                                      struct arena *a, struct own_answer *answer)
{
    struct clock *clock = s->outside.clock;
    str note = history_redrive_note(clock->wall_ms(clock), a);
    if (!note.ptr)
        return &fault_no_memory;
    TRY(s->spool->ops->redrive(s->spool, id, note));
    AUTO_BUF members = buf_new(4096);
    struct json_writer w = json_writer(&members);
    json_add_str(&w, "id", id);
    s->outside.journal->note(s->outside.journal, JOURNAL_INFO, STR("main"), STR("redriven"),
                             buf_str(&members));
    return on_message(s, page, id, a, answer);
}

static const struct fault *on_setups(struct server *s, const struct own_page *page, str segment,
                                     struct arena *a, struct own_answer *answer)
{
    (void)page, (void)segment, (void)a;
    buf_add(&answer->text, STR("{\"setups\":"));
    setup_write_recent(s->setup, &answer->text);
    buf_add(&answer->text, STR("}"));
    return NULL;
}

/* ---- what a rule needs ---- */

/* The value of one name in a query; STR_NONE when absent or not encoded as one must. */
static str query_value(str query, const char *wanted, struct arena *a)
{
    for (str rest = query, pair; rest.len;) {
        str name, value, decoded;
        str_cut(rest, '&', &pair, &rest);
        if (str_cut(pair, '=', &name, &value) && str_eq(name, str_of(wanted)))
            return percent_decode(value, true, a, &decoded) ? decoded : STR_NONE;
    }
    return STR_NONE;
}

static str owner_in_world(void *context, str bucket)
{
    const struct world *world = context;
    const struct bucket *found = bucket_find(world, bucket);
    return found ? found->owner : STR_NONE;
}

static const struct fault *write_policies(const struct config *c, const struct world *world,
                                          const struct own_page *page, struct arena *a,
                                          struct buf *out)
{
    const str set_name = query_value(page->query, "ruleSet", a),
              rule_name = query_value(page->query, "rule", a),
              only = query_value(page->query, "kind", a);
    struct grants_question q = {
        .account = query_value(page->query, "account", a),
        .region = query_value(page->query, "region", a),
        .rule_set = set_name,
        .bucket_owner = owner_in_world,
        .context = (void *)world,
        .bucket_key = query_value(page->query, "bucketKey", a),
        .topic_key = query_value(page->query, "topicKey", a),
        .only = only,
    };
    enum grant_kind kind;
    if (only.len && !grant_kind_named(only, &kind))
        return fault(a, FAULT_SYNTAX, NULL, "there is no kind of policy named \"" STR_FMT "\"",
                     STR_ARG(only));
    if (!q.account.len)
        q.account = c->account;
    if (!q.region.len)
        q.region = c->region;
    const struct receipt_rule_set *set = rule_set_find(world, q.account, q.region, set_name);
    if (!set)
        return fault(a, FAULT_ABSENT, NULL, "Rule set does not exist: " STR_FMT, STR_ARG(set_name));
    q.rule = rule_find(set, rule_name);
    if (!q.rule)
        return fault(a, FAULT_ABSENT, NULL, "Rule does not exist: " STR_FMT, STR_ARG(rule_name));
    return grants_write(&q, a, out);
}

static const struct fault *on_policies(struct server *s, const struct own_page *page, str segment,
                                       struct arena *a, struct own_answer *answer)
{
    (void)segment;
    const struct world *world = worlds_now(s->worlds);
    const struct fault *f = write_policies(s->config, world, page, a, &answer->text);
    world_unref(world);
    return f;
}

/* clang-format off */
static const struct page pages[] = {
    { "GET",  "health",             true,  on_health   },
    { "GET",  "metrics",            false, on_metrics  },
    { "GET",  "messages",           false, on_messages },
    { "GET",  "messages/*",         false, on_message  },
    { "POST", "messages/*/redrive", false, on_redrive  },
    { "GET",  "setups",             false, on_setups   },
    { "GET",  "policies",           false, on_policies },
};
/* clang-format on */
enum { PAGES = sizeof pages / sizeof pages[0] };

/* ---- finding the page ---- */

static bool path_fits(str pattern, str path, str *ret_segment)
{
    *ret_segment = STR_NONE;
    for (;;) {
        str want, have, want_rest, have_rest;
        bool more_wanted = str_cut(pattern, '/', &want, &want_rest);
        bool more = str_cut(path, '/', &have, &have_rest);
        bool any = str_eq(want, STR("*"));
        if (any)
            *ret_segment = have;
        if (!(any ? have.len > 0 : str_eq(want, have)) || more != more_wanted)
            return false;
        if (!more)
            return true;
        pattern = want_rest;
        path = have_rest;
    }
}

static void say(struct own_answer *answer, int status, str says)
{
    buf_clear(&answer->text);
    answer->status = status;
    answer->content_type = STR("application/json");
    struct json_writer w = json_writer(&answer->text);
    json_open(&w, '{');
    json_add_str(&w, "message", says);
    json_close(&w, '}');
}

static int status_of(const struct fault *f)
{
    switch (f->kind) {
    case FAULT_ABSENT:
        return 404;
    case FAULT_CONFLICT:
        return 409;
    case FAULT_UNAVAILABLE:
        return 503;
    case FAULT_SYNTAX:
        return 400;
    case FAULT_SEQUENCE:
    case FAULT_LIMIT:
    case FAULT_DENIED:
    case FAULT_UNBUILT:
    case FAULT_DEFECT:
        return 500;
    }
    return 500;
}

void pages_answer(void *context, const struct own_page *page, struct arena *a,
                  struct own_answer *ret_answer)
{
    struct server *s = context;
    ret_answer->status = 200;
    ret_answer->content_type = STR("application/json");
    if (!ret_answer->text.max)
        ret_answer->text = buf_new(16 << 20);
    bool path_known = false;
    for (size_t i = 0; i < PAGES; i++) {
        str segment;
        if (!path_fits(str_of(pages[i].path), page->path, &segment))
            continue;
        path_known = true;
        bool head =
            str_eq(page->method, STR("HEAD")) && str_eq(str_of(pages[i].method), STR("GET"));
        if (!head && !str_eq(page->method, str_of(pages[i].method)))
            continue;
        if (!pages[i].open && !page->local && !page->root) {
            say(ret_answer, 403,
                STR("this page needs the root credentials unless it is asked for over loopback"));
            return;
        }
        const struct fault *f = pages[i].answer(s, page, segment, a, ret_answer);
        if (!f && ret_answer->text.failed)
            f = &fault_no_memory;
        if (f)
            say(ret_answer, status_of(f), fault_sentence(f, a));
        return;
    }
    say(ret_answer, path_known ? 405 : 404,
        path_known ? STR("not with this method") : STR("there is no such page"));
}
