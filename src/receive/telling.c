/* receive/telling.c - what attempts come to, as counts and as lines of the log. */
#include "base/json.h"
#include "receive/attempt.h"

static void count_step(const struct attempt *t, const struct outcome *o)
{
    if (!t->d->metrics)
        return;
    AUTO_BUF labels = buf_new(4096);
    metric_label(&labels, "rule_set", t->set->name);
    metric_label(&labels, "rule", o->rule);
    metric_label(&labels, "action", o->action);
    str l = buf_str(&labels);
    if (o->kind == OUTCOME_DONE) {
        metric_add(metrics_counter(t->d->metrics, STR("sesame_publish_success_total"),
                                   STR("Actions done: PublishSuccess."), l),
                   1);
        return;
    }
    metric_add(metrics_counter(t->d->metrics, STR("sesame_publish_failure_total"),
                               STR("Attempts of actions that failed: PublishFailure."), l),
               1);
    if (o->kind == OUTCOME_EXPIRED || o->kind == OUTCOME_REFUSED)
        metric_add(metrics_counter(t->d->metrics, STR("sesame_publish_expired_total"),
                                   STR("Actions given up: PublishExpired."), l),
                   1);
}

void tell_received(const struct attempt *t)
{
    if (!t->d->metrics || t->lease->attempt > 1 || t->history.count > 0) /* also of a redrive */
        return;
    for (size_t i = 0; i < t->plan.count; i++) {
        const struct step *s = &t->plan.steps[i];
        if (s->part == STEP_NOTICE)
            continue;
        AUTO_BUF labels = buf_new(4096);
        metric_label(&labels, "rule_set", t->set->name);
        metric_label(&labels, "rule", s->rule->name);
        metric_label(&labels, "action", step_name(s));
        metric_add(metrics_counter(t->d->metrics, STR("sesame_received_total"),
                                   STR("Messages that met an action: Received."), buf_str(&labels)),
                   1);
    }
}

/* A line of the log has its bound, and policies may be longer than that: then what names the
 * message and the step is told, and the rest is left to the timeline. */
enum { LOG_MEMBERS_MAX = 60 * 1024, LOG_SAYS_MAX = 4 * 1024 };

static void write_outcome(const struct attempt *t, const struct outcome *o, bool in_brief,
                          struct buf *line)
{
    struct json_writer w = json_writer(line);
    json_add_str(&w, "id", t->lease->entry.id);
    json_add_str(&w, "account", t->head.account);
    json_add_str(&w, "ruleSet", t->set->name);
    json_add_str(&w, "rule", o->rule);
    json_add_str(&w, "action", o->action);
    json_add_int(&w, "attempt", t->lease->attempt);
    json_add_str(&w, "outcome", str_of(outcome_name(o->kind)));
    if (o->says.ptr)
        json_add_str(&w, "says", in_brief ? str_head(o->says, LOG_SAYS_MAX) : o->says);
    if (in_brief)
        json_add_bool(&w, "cut", true);
    else if (o->denial.ptr)
        json_add_raw(&w, "denial", o->denial);
}

void tell_outcome(const struct attempt *t, const struct outcome *o)
{
    count_step(t, o);
    AUTO_BUF line = buf_new(LOG_MEMBERS_MAX);
    write_outcome(t, o, false, &line);
    if (line.failed) {
        buf_clear(&line);
        write_outcome(t, o, true, &line);
    }
    bool well = o->kind == OUTCOME_DONE;
    t->d->outside->journal->note(t->d->outside->journal, well ? JOURNAL_DEBUG : JOURNAL_WARNING,
                                 STR("receive"), STR("action"), buf_str(&line));
}

void tell_settled(const struct delivery *d, const struct lease *lease, const struct delivered *done,
                  str id)
{
    static const char *const events[] = {
        [SETTLE_DONE] = "delivered", [SETTLE_RETRY] = "retrying", [SETTLE_DEAD] = "dead"
    };
    AUTO_BUF line = buf_new(4096);
    struct json_writer w = json_writer(&line);
    json_add_str(&w, "id", id);
    json_add_int(&w, "attempt", lease->attempt);
    if (done->settlement == SETTLE_RETRY)
        json_add_int(&w, "retryAtMs", done->retry_at_ms);
    d->outside->journal->note(d->outside->journal,
                              done->settlement == SETTLE_DEAD ? JOURNAL_WARNING : JOURNAL_INFO,
                              STR("receive"), str_of(events[done->settlement]), buf_str(&line));
}

void tell_trouble(const struct delivery *d, const char *event, str id, str says)
{
    AUTO_BUF line = buf_new(1 << 16);
    struct json_writer w = json_writer(&line);
    json_add_str(&w, "id", id);
    json_add_str(&w, "says", says);
    d->outside->journal->note(d->outside->journal, JOURNAL_ERROR, STR("receive"), str_of(event),
                              buf_str(&line));
}

void tell_errand(const struct delivery *d, const struct lease *lease, str target,
                 const struct outcome *o)
{
    const str kind = errand_kind_name(lease->entry.kind);
    if (d->metrics) {
        AUTO_BUF labels = buf_new(256);
        metric_label(&labels, "kind", kind);
        metric_label(&labels, "outcome", str_of(outcome_name(o->kind)));
        metric_add(
            metrics_counter(d->metrics, STR("sesame_errand_attempts_total"),
                            STR("Attempts to deliver notifications, asynchronous invocations "
                                "and outgoing mail."),
                            buf_str(&labels)),
            1);
    }
    AUTO_BUF line = buf_new(LOG_MEMBERS_MAX);
    struct json_writer w = json_writer(&line);
    json_add_str(&w, "id", lease->entry.id);
    json_add_str(&w, "kind", kind);
    json_add_str(&w, "target", target);
    json_add_int(&w, "attempt", lease->attempt);
    json_add_str(&w, "outcome", str_of(outcome_name(o->kind)));
    if (o->says.ptr)
        json_add_str(&w, "says", str_head(o->says, LOG_SAYS_MAX));
    if (o->denial.ptr && o->denial.len < LOG_MEMBERS_MAX / 2)
        json_add_raw(&w, "denial", o->denial);
    d->outside->journal->note(d->outside->journal,
                              o->kind == OUTCOME_DONE ? JOURNAL_DEBUG : JOURNAL_WARNING,
                              STR("receive"), STR("errand"), buf_str(&line));
}
