/* receive/timeline.c - a spool record told as JSON, and that JSON told to a person. */
#include "receive/timeline.h"

#include "base/json.h"
#include "base/when.h"
#include "receive/head.h"
#include "receive/history.h"
#include "receive/outgoing.h"
#include "receive/plan.h"
#include "services/errand.h"

static const char *const state_names[] = { [SPOOL_QUEUED] = "queued",
                                           [SPOOL_RETRYING] = "retrying",
                                           [SPOOL_DONE] = "delivered",
                                           [SPOOL_DEAD] = "dead" };

bool timeline_state_named(str name, enum spool_state *ret_state)
{
    for (size_t i = 0; i < sizeof state_names / sizeof state_names[0]; i++) {
        if (str_eq(name, str_of(state_names[i]))) {
            *ret_state = (enum spool_state)i;
            return true;
        }
    }
    return false;
}

static void add_when(struct json_writer *w, const char *member, int64_t ms)
{
    char text[WHEN_SIZE];
    json_add_str(w, member, when_iso_ms(text, ms));
}

static void write_envelope(struct json_writer *w, const struct envelope *e)
{
    json_name(w, STR("envelope"));
    json_open(w, '{');
    json_add_str(w, "from", e->mail_from.null ? STR("") : e->mail_from.text);
    json_name(w, STR("recipients"));
    json_open(w, '[');
    for (size_t i = 0; i < e->rcpt_count; i++)
        json_put_str(w, e->rcpt_to[i].text);
    json_close(w, ']');
    json_close(w, '}');
}

static void write_connection(struct json_writer *w, const struct peer *peer)
{
    json_add_str(w, "peer", peer->address);
    json_name(w, STR("connection"));
    json_open(w, '{');
    json_add_str(w, "ehlo", peer->ehlo);
    json_add_bool(w, "tls", peer->tls);
    if (peer->tls) {
        json_add_str(w, "tlsVersion", peer->tls_version);
        json_add_str(w, "tlsCipher", peer->tls_cipher);
    }
    json_close(w, '}');
}

static void write_beginning(struct json_writer *w, const struct spool_record *r,
                            const struct head *head)
{
    json_add_str(w, "messageId", r->entry.id);
    json_add_str(w, "account", head->account);
    json_add_str(w, "state", str_of(state_names[r->state]));
    add_when(w, "receivedAt", head->envelope.received_ms);
    json_add_str(w, "region", head->region);
    write_connection(w, &head->envelope.peer);
    write_envelope(w, &head->envelope);
}

enum {
    RULES_TOLD_MAX = 8 * 1024, /* then in brief */
    RULES_TOLD_MANY = 16,      /* kept one by one */
};

static void write_match(struct json_writer *w, str rule, bool matched, str why)
{
    json_open(w, '{');
    json_add_str(w, "rule", rule);
    json_add_bool(w, "matched", matched);
    json_add_str(w, "why", why);
    json_close(w, '}');
}

/* False: no memory. */
static bool write_rules(struct json_writer *w, const struct match *matches, size_t count,
                        const struct envelope *e, bool in_brief, struct arena *a)
{
    json_open(w, '[');
    for (size_t i = 0; i < count; i++) {
        str why = match_why(&matches[i], e, in_brief, a);
        if (!why.ptr)
            return false;
        write_match(w, matches[i].rule->name, match_runs(&matches[i]), why);
    }
    json_close(w, ']');
    return true;
}

const struct fault *timeline_rules(const struct receipt_rule_set *set, const struct envelope *e,
                                   struct arena *a, struct buf *out)
{
    struct match *matches;
    TRY(plan_matches(set, e, a, &matches));
    size_t begin = out->len;
    struct json_writer w = json_writer(out);
    bool written = write_rules(&w, matches, set->rule_count, e, false, a);
    if (written && out->len - begin > RULES_TOLD_MAX) {
        out->len = begin;
        w = json_writer(out);
        written = write_rules(&w, matches, set->rule_count, e, true, a);
    }
    return written && !out->failed ? NULL : &fault_no_memory;
}

/* One such array is kept for every message: of a long set those rules that mean nobody are a text
 * of their names, run by run. */
const struct fault *timeline_rules_kept(const struct receipt_rule_set *set,
                                        const struct envelope *e, struct arena *a, struct buf *out)
{
    if (set->rule_count <= RULES_TOLD_MANY)
        return timeline_rules(set, e, a, out);
    struct match *matches;
    TRY(plan_matches(set, e, a, &matches));
    AUTO_BUF names = buf_new(1 << 20);
    struct json_writer w = json_writer(out);
    json_open(&w, '[');
    for (size_t i = 0; i < set->rule_count; i++) {
        const struct match *m = &matches[i];
        if (m->reason == PASSED_NOBODY) {
            if (names.len)
                buf_addc(&names, ' ');
            buf_add(&names, m->rule->name);
        }
        if (names.len && (m->reason != PASSED_NOBODY || i + 1 == set->rule_count)) {
            json_put_str(&w, buf_str(&names));
            names.len = 0;
        }
        if (m->reason == PASSED_NOBODY)
            continue;
        str why = match_why(m, e, true, a);
        if (!why.ptr)
            return &fault_no_memory;
        write_match(&w, m->rule->name, match_runs(m), why);
    }
    json_close(&w, ']');
    return out->failed || names.failed ? &fault_no_memory : NULL;
}

/* As timeline_rules would have told it in brief. */
static const struct fault *write_rules_kept(struct json_writer *w, str kept, struct arena *a)
{
    const struct json *all;
    TRY(json_parse(kept, a, &all));
    json_open(w, '[');
    for (size_t i = 0; i < json_size(all); i++) {
        const struct json *one = json_at(all, i);
        if (json_kind(one) != JSON_STRING) {
            json_put_value(w, one);
            continue;
        }
        for (str rest = json_text(one); rest.len;) {
            str name = str_head(rest, str_find(rest, ' '));
            rest = str_from(rest, name.len < rest.len ? name.len + 1 : name.len);
            write_match(w, name, false, STR("no recipient matches"));
        }
    }
    json_close(w, ']');
    return NULL;
}

/* While a message lives, and when it is dead, its rule set lies beside it; a delivered one has
 * noted how its rules matched. */
static const struct fault *write_rule_set(struct json_writer *w, const struct spool_record *r,
                                          const struct head *head, const struct history *history,
                                          struct arena *a)
{
    if (history->rule_set.ptr) {
        json_add_str(w, "ruleSet", history->rule_set);
        json_name(w, STR("rules"));
        return write_rules_kept(w, history->rules, a);
    }
    struct receipt_rule_set set;
    TRY(rule_set_read(r->entry.rules, a, &set));
    json_add_str(w, "ruleSet", set.name);
    AUTO_BUF rules = buf_new(1 << 20);
    TRY(timeline_rules(&set, &head->envelope, a, &rules));
    json_add_raw(w, "rules", buf_str(&rules));
    return NULL;
}

static void write_attempts(struct json_writer *w, const struct history *history)
{
    json_name(w, STR("attempts"));
    json_open(w, '[');
    for (size_t i = 0; i < history->count; i++) {
        const struct outcome *o = &history->outcomes[i];
        json_open(w, '{');
        add_when(w, "at", o->at_ms);
        json_add_str(w, "rule", o->rule);
        json_add_str(w, "action", o->action);
        json_add_str(w, "outcome", str_of(outcome_name(o->kind)));
        json_add_str(w, "says", o->says.ptr ? o->says : STR(""));
        if (o->denial.ptr)
            json_add_raw(w, "denial", o->denial);
        json_close(w, '}');
    }
    json_close(w, ']');
}

/* {"errandId","kind","account","region","target","about","from","to","state","takenAt"}: what a
 * service does later; from and to of outgoing mail. */
static const struct fault *write_errand(struct json_writer *w, const struct spool_record *r,
                                        struct arena *a)
{
    struct errand errand;
    int64_t taken_ms;
    TRY(errand_read(&r->entry, a, &errand, &taken_ms));
    json_add_str(w, "errandId", r->entry.id);
    json_add_str(w, "kind", errand_kind_name(r->entry.kind));
    json_add_str(w, "account", errand.account);
    json_add_str(w, "region", errand.region);
    json_add_str(w, "target", errand.target);
    if (errand.about.ptr)
        json_add_str(w, "about", errand.about);
    str from, to;
    if (r->entry.kind == SPOOL_OUTGOING && outgoing_paths(&errand, a, &from, &to)) {
        json_add_str(w, "from", from);
        json_add_str(w, "to", to);
    }
    json_add_str(w, "state", str_of(state_names[r->state]));
    add_when(w, "takenAt", taken_ms);
    if (r->state == SPOOL_RETRYING)
        add_when(w, "dueAt", r->due_ms);
    return NULL;
}

const struct fault *timeline_write(const struct spool_record *r, struct arena *a, struct buf *out)
{
    struct head head;
    struct history history;
    if (r->entry.kind != SPOOL_MAIL) {
        struct json_writer errand = json_writer(out);
        TRY(history_read(r->notes, a, &history));
        json_open(&errand, '{');
        TRY(write_errand(&errand, r, a));
        write_attempts(&errand, &history);
        json_close(&errand, '}');
        return out->failed ? &fault_no_memory : NULL;
    }
    TRY(head_decode(r->entry.head, a, &head));
    TRY(history_read(r->notes, a, &history));
    struct json_writer w = json_writer(out);
    json_open(&w, '{');
    write_beginning(&w, r, &head);
    TRY(write_rule_set(&w, r, &head, &history, a));
    write_attempts(&w, &history);
    json_close(&w, '}');
    return out->failed ? &fault_no_memory : NULL;
}

const struct fault *timeline_write_brief(const struct spool_record *r, struct arena *a,
                                         struct buf *out)
{
    struct head head;
    struct json_writer w = json_writer(out);
    json_open(&w, '{');
    if (r->entry.kind != SPOOL_MAIL) {
        struct history history;
        TRY(write_errand(&w, r, a));
        TRY(history_read(r->notes, a, &history));
        const str says = history.count ? history.outcomes[history.count - 1].says : STR_NONE;
        if (says.ptr)
            json_add_str(&w, "says", says);
    } else {
        TRY(head_decode(r->entry.head, a, &head));
        write_beginning(&w, r, &head);
    }
    json_close(&w, '}');
    return out->failed ? &fault_no_memory : NULL;
}

/* ---- for a person ---- */

static void print_envelope(const struct json *message, struct buf *out)
{
    const struct json *envelope = json_get(message, "envelope"),
                      *rcpts = json_get(envelope, "recipients");
    buf_addf(out, "  from <" STR_FMT "> to", STR_ARG(json_str(envelope, "from")));
    for (size_t i = 0; i < json_size(rcpts); i++)
        buf_addf(out, "%s <" STR_FMT ">", i ? "," : "", STR_ARG(json_text(json_at(rcpts, i))));
    buf_addc(out, '\n');
}

static void print_rules(const struct json *message, struct buf *out)
{
    const struct json *rules = json_get(message, "rules");
    buf_addf(out, "  rule set " STR_FMT "\n", STR_ARG(json_str(message, "ruleSet")));
    for (size_t i = 0; i < json_size(rules); i++) {
        const struct json *rule = json_at(rules, i);
        buf_addf(out, "    rule " STR_FMT " %s: " STR_FMT "\n", STR_ARG(json_str(rule, "rule")),
                 json_bool(rule, "matched", false) ? "matched" : "did not match",
                 STR_ARG(json_str(rule, "why")));
    }
}

/* The facts of a denial, one a line: what the sentence says, for whoever looks for one of them. */
static void print_facts(const struct json *denial, struct buf *out)
{
    static const char *const members[] = { "policy", "sid",    "element", "operator",
                                           "key",    "wanted", "got" };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        const struct json *value = json_get(denial, members[i]);
        if (!value)
            continue;
        buf_addf(out, "        %-8s  ", members[i]);
        struct json_writer w = json_writer(out);
        if (json_kind(value) == JSON_STRING)
            buf_add(out, json_text(value));
        else if (json_kind(value) == JSON_NULL)
            buf_add(out, STR("absent"));
        else
            json_put_value(&w, value);
        buf_addc(out, '\n');
    }
}

static void print_statement(const struct json *statement, struct buf *out)
{
    buf_add(out, STR("      "));
    struct json_writer w = json_writer(out);
    json_put_value(&w, statement);
    buf_addc(out, '\n');
}

/* Each policy that lacks something has a remedy of its own; timelines kept by older versions know
 * the first one alone. */
static void print_remedies(const struct json *denial, struct buf *out)
{
    const struct json *remedies = json_get(denial, "remedies"), *one = json_get(denial, "remedy");
    const size_t count = json_size(remedies);
    if (count || json_kind(one) == JSON_OBJECT)
        buf_add(out, count > 1 ? STR("      these statements together would allow it:\n")
                               : STR("      this statement would allow it:\n"));
    for (size_t i = 0; i < count; i++) {
        const struct json *remedy = json_at(remedies, i), *whole = json_get(remedy, "document");
        buf_addf(out, "      " STR_FMT "\n", STR_ARG(json_str(remedy, "says")));
        print_statement(whole ? whole : json_get(remedy, "statement"), out);
    }
    if (!count && json_kind(one) == JSON_OBJECT)
        print_statement(one, out);
    const str instead = json_str(denial, "instead");
    if (instead.len)
        buf_addf(out, "      " STR_FMT "\n", STR_ARG(instead));
}

/* What the policy that decided says and its author hardly meant: docs/hints.md. */
static void print_hints(const struct json *denial, struct buf *out)
{
    const struct json *hints = json_get(denial, "hints");
    for (size_t i = 0; i < json_size(hints); i++) {
        const struct json *hint = json_at(hints, i);
        buf_addf(out, "      " STR_FMT " (" STR_FMT "): " STR_FMT "\n",
                 STR_ARG(json_str(hint, "severity")), STR_ARG(json_str(hint, "id")),
                 STR_ARG(json_str(hint, "says")));
    }
}

static void print_attempts(const struct json *message, struct buf *out)
{
    const struct json *attempts = json_get(message, "attempts");
    str said = STR_NONE;
    buf_addf(out, "  %s\n", json_size(attempts) ? "attempts" : "no attempt yet");
    for (size_t i = 0; i < json_size(attempts); i++) {
        const struct json *attempt = json_at(attempts, i);
        str says = json_str(attempt, "says");
        buf_addf(out, "    " STR_FMT "  ", STR_ARG(json_str(attempt, "at")));
        if (!json_get(message, "errandId"))
            buf_addf(out, "rule " STR_FMT ", " STR_FMT ": ", STR_ARG(json_str(attempt, "rule")),
                     STR_ARG(json_str(attempt, "action")));
        buf_addf(out, STR_FMT "\n", STR_ARG(json_str(attempt, "outcome")));
        if (str_eq(says, said)) /* the same once more: said above */
            continue;
        said = says;
        if (says.len)
            buf_addf(out, "      " STR_FMT "\n", STR_ARG(says));
        print_facts(json_get(attempt, "denial"), out);
        print_remedies(json_get(attempt, "denial"), out);
        print_hints(json_get(attempt, "denial"), out);
    }
}

static void print_errand(const struct json *errand, struct buf *out)
{
    buf_addf(out, STR_FMT " " STR_FMT " of account " STR_FMT ": " STR_FMT "\n",
             STR_ARG(json_str(errand, "kind")), STR_ARG(json_str(errand, "errandId")),
             STR_ARG(json_str(errand, "account")), STR_ARG(json_str(errand, "state")));
    buf_addf(out, "  taken on " STR_FMT ", for " STR_FMT "\n", STR_ARG(json_str(errand, "takenAt")),
             STR_ARG(json_str(errand, "target")));
    if (json_str(errand, "about").len)
        buf_addf(out, "  " STR_FMT "\n", STR_ARG(json_str(errand, "about")));
}

const struct fault *timeline_print(str text, struct arena *a, struct buf *out)
{
    const struct json *message;
    TRY(json_parse(text, a, &message));
    if (json_get(message, "errandId")) {
        print_errand(message, out);
        print_attempts(message, out);
        return out->failed ? &fault_no_memory : NULL;
    }
    buf_addf(out, "message " STR_FMT " of account " STR_FMT ": " STR_FMT "\n",
             STR_ARG(json_str(message, "messageId")), STR_ARG(json_str(message, "account")),
             STR_ARG(json_str(message, "state")));
    const struct json *connection = json_get(message, "connection");
    buf_addf(out, "  received " STR_FMT " from " STR_FMT " (" STR_FMT ")" STR_FMT STR_FMT "\n",
             STR_ARG(json_str(message, "receivedAt")), STR_ARG(json_str(message, "peer")),
             STR_ARG(json_str(connection, "ehlo")),
             STR_ARG(json_bool(connection, "tls", false) ? STR(", ") : STR(", in the clear")),
             STR_ARG(json_str(connection, "tlsVersion")));
    print_envelope(message, out);
    print_rules(message, out);
    print_attempts(message, out);
    return out->failed ? &fault_no_memory : NULL;
}
