#include "api/access.h"

#include "base/json.h"
#include "policy/decision.h"

#include <stdio.h>

static str operation_of(const struct api_request *r)
{
    if (r->own_page)
        return STR("page");
    return r->operation ? r->operation->name : STR("unknown");
}

/* By a policy, here or beneath; a signature that is nobody's is another matter. */
static bool is_denied(const struct api_request *r)
{
    return r->fault && (denial_of(r->fault) || (r->fault->kind == FAULT_DENIED &&
                                                str_starts(str_of(r->code), STR("AccessDenied"))));
}

/* Only names from our own tables become labels, so strangers cannot fill the registry. */
static void count(const struct api_request *r, bool denied)
{
    char status[16];
    AUTO_BUF labels = buf_new(256);
    struct metrics *metrics = r->api->metrics;
    int len = snprintf(status, sizeof status, "%d", r->x->answer.status);

    metric_label(&labels, "service", r->service ? r->service->name : STR("unknown"));
    metric_label(&labels, "operation", operation_of(r));
    if (denied)
        metric_add(metrics_counter(metrics, STR("sesame_api_denied_total"),
                                   STR("API requests that policies denied"), buf_str(&labels)),
                   1);
    metric_label(&labels, "status", (str) { status, len > 0 ? (size_t)len : 0 });
    metric_add(metrics_counter(metrics, STR("sesame_api_requests_total"),
                               STR("API requests by operation and status"), buf_str(&labels)),
               1);
}

static void write_fault(struct json_writer *w, const struct api_request *r)
{
    struct arena *arena = r->x->arena;
    const struct denial *denial = denial_of(r->fault);

    json_add_str(w, "code", str_of(r->code));
    json_add_str(w, "says", fault_sentence(r->fault, arena));
    if (denial)
        json_add_raw(w, "denial", denial_json(denial, arena));
}

void access_note(const struct api_request *r)
{
    struct outside *outside = r->api->outside;
    AUTO_BUF line = buf_new(64 * 1024);
    struct json_writer w = json_writer(&line);
    bool denied = is_denied(r);
    bool ours = r->fault && (r->fault->kind == FAULT_DEFECT || r->fault->kind == FAULT_UNAVAILABLE);

    json_add_str(&w, "requestId", r->call.request_id);
    json_add_str(&w, "service", r->service ? r->service->name : STR("unknown"));
    json_add_str(&w, "operation",
                 !r->operation && r->action.len ? str_head(r->action, 64) : operation_of(r));
    json_add_int(&w, "status", r->x->answer.status); /* 0: it broke off */
    if (!str_is_none(r->call.account))
        json_add_str(&w, "account", r->call.account);
    json_add_str(&w, "method", r->x->method);
    json_add_str(&w, "path", str_head(r->ask.raw_path, 1024));
    json_add_str(&w, "peer", r->x->peer);
    json_add_int(&w, "ms", outside->clock->steady_ms(outside->clock) - r->started_ms);
    if (r->fault)
        write_fault(&w, r);
    count(r, denied);
    if (!line.failed) /* the pages of this house are read by machines every few seconds */
        outside->journal->note(outside->journal,
                               ours                                        ? JOURNAL_ERROR
                               : denied                                    ? JOURNAL_WARNING
                               : r->own_page && r->x->answer.status == 200 ? JOURNAL_DEBUG
                                                                           : JOURNAL_INFO,
                               STR("api"), denied ? STR("denied") : STR("request"), buf_str(&line));
}

void access_note_refusal(struct api *api, str peer, int status, const char *why)
{
    AUTO_BUF line = buf_new(1024);
    struct json_writer w = json_writer(&line);

    json_add_int(&w, "status", status);
    json_add_str(&w, "peer", peer);
    json_add_str(&w, "says", str_of(why));
    metric_add(metrics_counter(api->metrics, STR("sesame_api_refused_total"),
                               STR("API requests refused for their form"), STR("")),
               1);
    if (!line.failed)
        api->outside->journal->note(api->outside->journal, JOURNAL_WARNING, STR("api"),
                                    STR("refused"), buf_str(&line));
}
