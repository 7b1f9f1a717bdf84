/* main/pages.c - Sesame's own pages, below /_sesame/: health, metrics, messages, set-ups, rehearsals. */
#include "main/assemble.h"
#include "main/page.h"

#include "base/json.h"
#include "base/percent.h"
#include "mail/envelope.h"
#include "main/outgoing.h"
#include "main/refused.h"
#include "receive/history.h"
#include "receive/rehearse.h"
#include "receive/timeline.h"
#include "services/kms/key.h"
#include "services/s3/bucket.h"
#include "services/ses/grants.h"
#include "services/ses/rule_sets.h"
#include "services/sns/sns.h"
#include "services/sns/topic.h"

enum { OUTGOING_ARENA = 256 << 20 };

struct page {
    const char *method;
    const char *path; /* a * stands for one segment */
    bool open;        /* to everybody, from anywhere */
    page_fn *answer;
};

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

str page_parameter(str query, const char *wanted, struct arena *a)
{
    for (str rest = query, pair; rest.len;) {
        str name, value, decoded;
        str_cut(rest, '&', &pair, &rest);
        if (str_cut(pair, '=', &name, &value) && str_eq(name, str_of(wanted)) &&
            percent_decode(value, true, a, &decoded))
            return decoded;
    }
    return STR_NONE;
}

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
        { false, STR("sesame_spool_held"), STR("Messages whose target has all the workers it may have."), h.held },
        { false, STR("sesame_spool_dead"), STR("Dead letters."), h.dead },
        { false, STR("sesame_spool_segments"), STR("Segment files of the spool."), h.segments },
        { false, STR("sesame_spool_disk_bytes"), STR("Bytes of the spool on disk."), h.disk_bytes },
        { false, STR("sesame_spool_draft_bytes"), STR("Memory of messages still arriving."), h.draft_bytes },
        { true,  STR("sesame_spool_commits_total"), STR("Transactions committed."), h.commits },
        { true,  STR("sesame_spool_batches_total"), STR("Batches written, each with one sync."), h.batches },
        { true,  STR("sesame_spool_batches_ahead_total"), STR("Batches written in part while the one before was synced."), h.batches_ahead },
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
    (void)segment;
    uint64_t max = 0;
    str_u64(page_parameter(page->query, "max", a), &max);
    const struct setup_question q = {
        .account = page_parameter(page->query, "account", a),
        .region = page_parameter(page->query, "region", a),
        .rule_set = page_parameter(page->query, "ruleSet", a),
        .rule = page_parameter(page->query, "rule", a),
        .max = (size_t)max,
    };
    buf_add(&answer->text, STR("{\"setups\":"));
    setup_write_recent(s->setup, &q, &answer->text);
    buf_add(&answer->text, STR("}"));
    return NULL;
}

static const struct fault *on_refused(struct server *s, const struct own_page *page, str segment,
                                      struct arena *a, struct own_answer *answer)
{
    (void)segment;
    const struct refused_asked asked = { .account = page_parameter(page->query, "account", a),
                                         .address = page_parameter(page->query, "address", a),
                                         .limit = page_parameter(page->query, "limit", a),
                                         .after = page_parameter(page->query, "after", a) };
    return refused_write(s->refusals, &asked, a, &answer->text);
}

/* ---- outgoing mail ---- */

static const struct fault *on_outgoing(struct server *s, const struct own_page *page, str segment,
                                       struct arena *a, struct own_answer *answer)
{
    (void)segment;
    const struct outgoing_asked asked = { .account = page_parameter(page->query, "account", a),
                                          .address = page_parameter(page->query, "address", a),
                                          .limit = page_parameter(page->query, "limit", a),
                                          .after = page_parameter(page->query, "after", a) };
    return outgoing_write(s->spool, &asked, a, &answer->text);
}

static const struct fault *on_outgoing_text(struct server *s, const struct own_page *page, str id,
                                            struct arena *a, struct own_answer *answer)
{
    (void)page;
    str text;
    AUTO_ARENA *own = arena_new(OUTGOING_ARENA); /* the page's has no room for a whole message */
    const struct fault *f = own ? outgoing_text(s->spool, id, own, &text) : &fault_no_memory;
    if (f)
        return fault_keep(a, f);
    buf_free(&answer->text);
    answer->text = buf_new(text.len + 1024);
    answer->content_type = STR("message/rfc822");
    buf_add(&answer->text, text);
    return NULL;
}

/* ---- what a rule needs, and what it would meet ---- */

struct rule_asked {
    str account, region;
    const struct receipt_rule_set *set;
    const struct receipt_rule *rule;
};

/* ruleSet, rule, account and region of the query; of what is not named the server's own. */
static const struct fault *find_rule(const struct config *c, const struct world *world, str query,
                                     struct arena *a, struct rule_asked *asked)
{
    const str set = page_parameter(query, "ruleSet", a), rule = page_parameter(query, "rule", a);
    const str account = page_parameter(query, "account", a), region = page_parameter(query, "region", a);
    if (!set.len || !rule.len || (account.len && !account_id_ok(account)) ||
        (region.len && !region_name_ok(region)))
        return fault(a, FAULT_SYNTAX, NULL,
                     "this page wants ruleSet and rule, and takes account, of twelve digits, and region");
    *asked = (struct rule_asked) { .account = account.len ? account : c->account,
                                   .region = region.len ? region : c->region };
    asked->set = rule_set_find(world, asked->account, asked->region, set);
    if (!asked->set)
        return fault(a, FAULT_ABSENT, NULL,
                     "account " STR_FMT " has no rule set " STR_FMT " in " STR_FMT,
                     STR_ARG(asked->account), STR_ARG(set), STR_ARG(asked->region));
    asked->rule = rule_find(asked->set, rule);
    if (!asked->rule)
        return fault(a, FAULT_ABSENT, NULL, "the rule set " STR_FMT " has no rule " STR_FMT,
                     STR_ARG(set), STR_ARG(rule));
    return NULL;
}

/* What a rule does not say itself, looked up as of now. */
struct known {
    const struct world *world;
    const struct rule_asked *asked;
};

static str owner_known(void *context, str bucket)
{
    const struct known *known = context;
    const struct bucket *found = bucket_find(known->world, bucket);
    return found ? found->owner : STR_NONE;
}

/* Of a managed key there is nothing to write: its policy is AWS's. */
static str key_behind(const struct known *known, str account, str region, str name)
{
    const struct kms_key *key =
        name.len ? kms_key_named(known->world, account, region, name) : NULL;
    return key && str_is_none(key->managed) ? key->arn.text : STR_NONE;
}

static str key_of_bucket(void *context, str bucket)
{
    const struct known *known = context;
    const struct bucket *found = bucket_find(known->world, bucket);
    if (!found || found->encryption.kind != SSE_KMS)
        return STR_NONE;
    return key_behind(known, found->owner, found->region, found->encryption.kms_key_id);
}

static str key_of_topic(void *context, str topic_arn)
{
    const struct known *known = context;
    struct arn arn;
    const struct topic *found = arn_parse(topic_arn, &arn) ? topic_find(known->world, &arn) : NULL;
    return found ? key_behind(known, arn.account, arn.region, found->kms_key_id) : STR_NONE;
}

static str key_known(void *context, str kms_key_arn)
{
    const struct known *known = context;
    const struct kms_key *key =
        kms_key_named(known->world, known->asked->account, known->asked->region, kms_key_arn);
    return key ? key->arn.text : STR_NONE;
}

static const struct fault *write_policies(const struct config *c, const struct world *world,
                                          const struct own_page *page, struct arena *a,
                                          struct buf *out)
{
    const str only = page_parameter(page->query, "kind", a);
    enum grant_kind kind;
    if (only.len && !grant_kind_named(only, &kind))
        return fault(a, FAULT_SYNTAX, NULL, "there is no kind of policy named \"" STR_FMT "\"",
                     STR_ARG(only));
    struct rule_asked asked;
    TRY(find_rule(c, world, page->query, a, &asked));
    struct known known = { world, &asked };
    const struct grants_question q = {
        .account = asked.account,
        .region = asked.region,
        .rule_set = asked.set->name,
        .rule = asked.rule,
        .bucket_owner = owner_known,
        .bucket_encrypts_with = key_of_bucket,
        .topic_encrypts_with = key_of_topic,
        .key_named = key_known,
        .context = &known,
        .bucket_key = page_parameter(page->query, "bucketKey", a),
        .topic_key = page_parameter(page->query, "topicKey", a),
        .only = only,
    };
    return grants_write(&q, a, out);
}

static const struct fault *on_policies(struct server *s, const struct own_page *page, str segment,
                                       struct arena *a, struct own_answer *answer)
{
    (void)segment;
    const struct world *world = worlds_now(s->worlds);
    const struct fault *f = write_policies(s->config, world, page, a, &answer->text);
    if (f) /* it may point into the world */
        f = fault_keep(a, f);
    world_unref(world);
    return f;
}

static const struct fault *rehearse(struct server *s, const struct world *world,
                                    const struct own_page *page, struct arena *a, struct buf *out)
{
    struct rule_asked asked;
    TRY(find_rule(s->config, world, page->query, a, &asked));
    const struct receipt_rule_set *active = rule_set_active(world, asked.account, asked.region);
    struct clock *clock = s->outside.clock;
    struct acting as = { .world = world,
                         .ports = &s->rehearsal_ports,
                         .entropy = s->outside.entropy,
                         .account = asked.account,
                         .region = asked.region,
                         .rule_set = asked.set->name,
                         .rule = asked.rule,
                         .now_ms = clock->wall_ms(clock),
                         .bounce_in_session = str_eq(s->config->bounce, STR("in-session")),
                         .arena = a };
    return rehearse_rule(&as, active && str_eq(active->name, asked.set->name), out);
}

static const struct fault *on_explain(struct server *s, const struct own_page *page, str segment,
                                      struct arena *a, struct own_answer *answer)
{
    (void)segment;
    const struct world *world = worlds_now(s->worlds);
    const struct fault *f = rehearse(s, world, page, a, &answer->text);
    if (f)
        f = fault_keep(a, f);
    world_unref(world);
    return f;
}

/* ---- functions ---- */

enum { LOG_SHOWN = 1 << 20 };

static const struct fault *on_function_logs(struct server *s, const struct own_page *page, str name,
                                            struct arena *a, struct own_answer *answer)
{
    struct function_ref ref;
    const str account = page_parameter(page->query, "account", a), region = page_parameter(page->query, "region", a);
    if (!function_ref_parse(name, STR_NONE, account.len ? account : s->config->account,
                            region.len ? region : s->config->region, &ref) ||
        !account_id_ok(ref.account) || !region_name_ok(ref.region))
        return fault(a, FAULT_SYNTAX, NULL,
                     "this page wants a function's name or ARN, and takes account, of twelve digits, and region");
    const struct world *world = worlds_now(s->worlds);
    const bool known = function_find(world, &ref) != NULL;
    world_unref(world);
    if (!known)
        return fault(a, FAULT_ABSENT, NULL, "account " STR_FMT " has no function " STR_FMT " in " STR_FMT,
                     STR_ARG(ref.account), STR_ARG(ref.name), STR_ARG(ref.region));
    answer->content_type = STR("text/plain; charset=utf-8");
    return function_log_read(s->lambda->log, &ref, LOG_SHOWN, &answer->text);
}

/* clang-format off */
static const struct page pages[] = {
    { "GET",  "health",             true,  on_health   },
    { "GET",  "metrics",            false, on_metrics  },
    { "GET",  "errands",            false, page_errands },
    { "GET",  "messages",           false, page_messages },
    { "GET",  "messages/*",         false, on_message  },
    { "POST", "messages/*/redrive", false, on_redrive  },
    { "GET",  "outgoing",           false, on_outgoing },
    { "GET",  "outgoing/*",         false, on_outgoing_text },
    { "GET",  "refused",            false, on_refused  },
    { "GET",  "faults",             false, page_faults },
    { "POST", "faults",             false, page_order_fault },
    { "DELETE", "faults",           false, page_cancel_faults },
    { "DELETE", "faults/*",         false, page_cancel_fault },
    { "GET",  "setups",             false, on_setups   },
    { "GET",  "policies",           false, on_policies },
    { "GET",  "explain",            false, on_explain  },
    { "POST", "/moto-api/reset",    false, page_reset }, /* moto's own path, whole */
    { "GET",  "functions/*/logs",   false, on_function_logs },
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
    case FAULT_DENIED:
        return 403;
    case FAULT_SEQUENCE:
    case FAULT_LIMIT:
    case FAULT_UNBUILT:
    case FAULT_DEFECT:
        return 500;
    }
    return 500;
}

/* What SigningCertURL leads to: for everybody, as subscribers may be anywhere. */
static bool answer_certificate(const struct server *s, const struct own_page *page,
                               struct own_answer *answer)
{
    bool read = str_eq(page->method, STR("GET")) || str_eq(page->method, STR("HEAD"));
    if (!read || !str_eq(page->path, sns_signer_path(s->sns->signer)))
        return false;
    answer->content_type = STR("application/x-pem-file");
    buf_add(&answer->text, sns_signer_certificate(s->sns->signer));
    return true;
}

void pages_answer(void *context, const struct own_page *page, struct arena *a,
                  struct own_answer *ret_answer)
{
    struct server *s = context;
    ret_answer->status = 200;
    ret_answer->content_type = STR("application/json");
    if (!ret_answer->text.max)
        ret_answer->text = buf_new(16 << 20);
    if (answer_certificate(s, page, ret_answer))
        return;
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
