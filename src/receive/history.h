/* receive/history.h - what earlier attempts noted, and how it is written: the notes of a spool
 * entry.
 *
 * A note is one line of JSON: an array of events. An event is a step's outcome,
 *   {"step":0,"at":1700000000000,"rule":"store","action":"S3","outcome":"retry","says":"...",
 *    "denial":"{...}"}                       (JSON as text: quoted, so that it stays as decided)
 * of a function that said so, or of a Stop, with "flow":"STOP_RULE" or "STOP_RULE_SET", of a step that serves each
 * recipient alone with "taken":"0 2","refused":"1";
 * or the same outcome with the same explanation once more, {"step":0,"at":...,"again":true}, or
 * {"redrive":true,"at":...}. Explanations are kept as decided and never computed again. When a
 * message is delivered its rule set is no longer kept beside it, so the last note of all tells how
 * its rules matched: {"ruleSet":"main","rules":"[...]"}, the timeline's members, quoted. */
#ifndef SESAME_RECEIVE_HISTORY_H
#define SESAME_RECEIVE_HISTORY_H

#include "base/buf.h"
#include "base/fault.h"

/* How evaluation goes on behind a step (ses-receiving spec 9.5). */
enum flow { FLOW_ON, FLOW_STOP_RULE, FLOW_STOP_RULE_SET };

enum outcome_kind { OUTCOME_DONE, OUTCOME_RETRY, OUTCOME_REFUSED, OUTCOME_EXPIRED };

struct outcome {
    size_t step;
    int64_t at_ms;
    str rule, action; /* names, as timelines show them */
    enum outcome_kind kind;
    str says;   /* one sentence; STR_NONE when there is nothing to say */
    str denial; /* the denial as JSON; STR_NONE when it was none */
    enum flow flow; /* what a function's disposition said, or a Stop action */
    /* Of a step that serves each recipient alone: the numbers of those for whom it is done, and of those
     * that were refused for good, all attempts together; blanks between. STR_NONE: none. */
    str taken, refused;
};

struct step_history {           /* where one step stands */
    bool ended;                 /* done, refused or expired since the last redrive */
    enum outcome_kind kind;     /* of the last outcome; meaningful when last != NULL */
    unsigned failures;          /* in a row, since the last redrive */
    const struct outcome *last; /* NULL: never tried */
};

struct history {
    const struct outcome *outcomes; /* every attempt, in order */
    size_t count;
    int64_t redriven_ms; /* 0: never */
    size_t redriven_at;  /* outcomes before the last redrive */
    str rule_set, rules; /* of a delivered message: its name, and JSON; else STR_NONE */
};

/* Notes damaged in the middle are a FAULT_DEFECT that says where. */
const struct fault *history_read(str notes, struct arena *, struct history *ret_history);
struct step_history history_of(const struct history *, size_t step);

struct history_note {
    const struct outcome *outcomes;
    size_t count;
    str rule_set, rules; /* STR_NONE: not the last note */
};
/* Writes one note (no newline). Outcomes that only repeat what `before` ends with for their step
 * are written short. */
void history_write(const struct history *before, const struct history_note *, struct buf *out);
str history_redrive_note(int64_t now_ms, struct arena *);

/* CONTINUE, STOP_RULE, STOP_RULE_SET: exactly; any other word goes on. */
str flow_name(enum flow);
enum flow flow_named(str name);
const char *outcome_name(enum outcome_kind); /* "done", "retry", "refused", "expired" */

#endif
