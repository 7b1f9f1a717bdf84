/* receive/history.c - notes read and written; the form is drawn in history.h. */
#include "receive/history.h"

#include "base/json.h"

static const struct {
    enum outcome_kind kind;
    const char *name;
    bool ends; /* the step is not tried again, short of a redrive */
} kinds[] = {
    { OUTCOME_DONE, "done", true },
    { OUTCOME_RETRY, "retry", false },
    { OUTCOME_REFUSED, "refused", true },
    { OUTCOME_EXPIRED, "expired", true },
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

const char *outcome_name(enum outcome_kind kind)
{
    return kinds[kind].name;
}

str flow_name(enum flow flow)
{
    static const str names[] = { [FLOW_ON] = STR_INIT("CONTINUE"),
                                 [FLOW_STOP_RULE] = STR_INIT("STOP_RULE"),
                                 [FLOW_STOP_RULE_SET] = STR_INIT("STOP_RULE_SET") };
    return names[flow];
}

enum flow flow_named(str name)
{
    return str_eq(name, flow_name(FLOW_STOP_RULE))       ? FLOW_STOP_RULE
           : str_eq(name, flow_name(FLOW_STOP_RULE_SET)) ? FLOW_STOP_RULE_SET
                                                         : FLOW_ON;
}

static bool kind_read(str name, enum outcome_kind *ret_kind)
{
    for (size_t i = 0; i < KINDS; i++) {
        if (str_eq(name, str_of(kinds[i].name))) {
            *ret_kind = kinds[i].kind;
            return true;
        }
    }
    return false;
}

static const struct outcome *last_of(const struct outcome *outcomes, size_t count, size_t step)
{
    while (count) {
        if (outcomes[--count].step == step)
            return &outcomes[count];
    }
    return NULL;
}

/* The denial was written as JSON inside JSON; it is kept as the text it was. */
static const struct fault *read_event(const struct json *event, struct history *h,
                                      struct outcome *room, struct arena *a)
{
    int64_t at = json_int(event, "at", -1);
    if (json_bool(event, "redrive", false)) {
        h->redriven_ms = at;
        h->redriven_at = h->count;
        return NULL;
    }
    if (json_get(event, "ruleSet")) {
        h->rule_set = json_str(event, "ruleSet");
        h->rules = json_str(event, "rules");
        return NULL;
    }
    int64_t step = json_int(event, "step", -1);
    if (at < 0 || step < 0)
        return fault(a, FAULT_DEFECT, NULL, "a note names no step or no time");
    struct outcome *o = &room[h->count];
    if (json_bool(event, "again", false)) {
        const struct outcome *before = last_of(room, h->count, (size_t)step);
        if (!before)
            return fault(a, FAULT_DEFECT, NULL, "a note repeats an outcome that was never noted");
        *o = *before;
        o->at_ms = at;
    } else {
        *o = (struct outcome) { .step = (size_t)step,
                                .at_ms = at,
                                .rule = json_str(event, "rule"),
                                .action = json_str(event, "action"),
                                .says = json_str(event, "says"),
                                .denial = json_str(event, "denial") };
        o->flow = flow_named(json_str(event, "flow"));
        o->taken = json_str(event, "taken");
        o->refused = json_str(event, "refused");
        if (!kind_read(json_str(event, "outcome"), &o->kind))
            return fault(a, FAULT_DEFECT, NULL, "a note has an outcome this program does not know");
    }
    h->count++;
    return NULL;
}

static size_t count_lines(str notes)
{
    size_t count = 1;
    for (size_t i = 0; i < notes.len; i++)
        count += notes.ptr[i] == '\n';
    return count;
}

/* Every line parsed, and how many events they hold together. */
static const struct fault *parse_lines(str notes, struct arena *a, const struct json ***ret_lines,
                                       size_t *ret_count, size_t *ret_events)
{
    const struct json **lines = ARENA_ARRAY(a, const struct json *, count_lines(notes));
    size_t count = 0, events = 0;
    if (!lines)
        return &fault_no_memory;
    for (str rest = notes; rest.len;) {
        str line;
        str_cut(rest, '\n', &line, &rest);
        if (!line.len)
            continue;
        TRY(json_parse(line, a, &lines[count]));
        events += json_size(lines[count++]);
    }
    *ret_lines = lines;
    *ret_count = count;
    *ret_events = events;
    return NULL;
}

const struct fault *history_read(str notes, struct arena *a, struct history *ret_history)
{
    struct history h = { 0 };
    const struct json **lines;
    size_t line_count, events;
    TRY(parse_lines(notes, a, &lines, &line_count, &events));
    struct outcome *outcomes = ARENA_ARRAY(a, struct outcome, events ? events : 1);
    if (!outcomes)
        return &fault_no_memory;
    for (size_t l = 0; l < line_count; l++) {
        for (size_t i = 0; i < json_size(lines[l]); i++)
            TRY(read_event(json_at(lines[l], i), &h, outcomes, a));
    }
    h.outcomes = outcomes;
    *ret_history = h;
    return NULL;
}

struct step_history history_of(const struct history *h, size_t step)
{
    struct step_history s = { 0 };
    for (size_t i = 0; i < h->count; i++) {
        const struct outcome *o = &h->outcomes[i];
        if (o->step != step)
            continue;
        s.last = o;
        s.kind = o->kind;
        /* What was done stays done; what was given up before a redrive has its turn again. */
        bool before_redrive = h->redriven_ms && i < h->redriven_at;
        s.ended = o->kind == OUTCOME_DONE || (kinds[o->kind].ends && !before_redrive);
        s.failures = o->kind == OUTCOME_DONE || before_redrive ? 0 : s.failures + 1;
    }
    return s;
}

static bool repeats(const struct outcome *o, const struct outcome *before)
{
    return before && before->kind == o->kind && str_eq(before->says, o->says) &&
           str_eq(before->denial, o->denial) && str_eq(before->taken, o->taken) &&
           str_eq(before->refused, o->refused);
}

static void write_outcome(struct json_writer *w, const struct outcome *o, bool again)
{
    json_open(w, '{');
    json_add_int(w, "step", (int64_t)o->step);
    json_add_int(w, "at", o->at_ms);
    if (again) {
        json_add_bool(w, "again", true);
    } else {
        json_add_str(w, "rule", o->rule);
        json_add_str(w, "action", o->action);
        json_add_str(w, "outcome", str_of(outcome_name(o->kind)));
        if (o->says.ptr)
            json_add_str(w, "says", o->says);
        if (o->denial.ptr)
            json_add_str(w, "denial", o->denial);
        if (o->flow != FLOW_ON)
            json_add_str(w, "flow", flow_name(o->flow));
        if (o->taken.len)
            json_add_str(w, "taken", o->taken);
        if (o->refused.len)
            json_add_str(w, "refused", o->refused);
    }
    json_close(w, '}');
}

void history_write(const struct history *before, const struct history_note *note, struct buf *out)
{
    struct json_writer w = json_writer(out);
    json_open(&w, '[');
    for (size_t i = 0; i < note->count; i++) {
        const struct outcome *o = &note->outcomes[i], *last = last_of(note->outcomes, i, o->step);
        if (!last)
            last = last_of(before->outcomes, before->count, o->step);
        write_outcome(&w, o, repeats(o, last));
    }
    if (note->rule_set.ptr) {
        json_open(&w, '{');
        json_add_str(&w, "ruleSet", note->rule_set);
        json_add_str(&w, "rules", note->rules);
        json_close(&w, '}');
    }
    json_close(&w, ']');
}

str history_redrive_note(int64_t now_ms, struct arena *a)
{
    return arena_strf(a, "[{\"redrive\":true,\"at\":%lld}]", (long long)now_ms);
}
