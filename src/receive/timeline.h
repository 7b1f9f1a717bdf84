/* receive/timeline.h - the story of one message, as the API and `sesame explain --message` show it.
 *
 * Made from what lies in the spool alone (head, rule set, notes), so it is the same after a
 * restart. */
#ifndef SESAME_RECEIVE_TIMELINE_H
#define SESAME_RECEIVE_TIMELINE_H

#include "base/buf.h"
#include "mail/envelope.h"
#include "services/ses/ruleset.h"
#include "store/spool.h"

/* {"messageId","account","state",...}: the object of design.md, "The faces of the program". Of an
 * errand: {"errandId","kind","account","region","target","about","state","takenAt","attempts"}. */
const struct fault *timeline_write(const struct spool_record *, struct arena *, struct buf *out);

/* "queued", "retrying", "delivered", "dead". */
bool timeline_state_named(str, enum spool_state *ret_state);

/* Its "rules": a JSON array that tells of each rule whether it matched, and why; of a long set in a
 * few words where it did not. */
const struct fault *timeline_rules(const struct receipt_rule_set *, const struct envelope *,
                                   struct arena *, struct buf *out);
/* The same as the last note of a delivered message has it: shorter, and read back by timeline_write. */
const struct fault *timeline_rules_kept(const struct receipt_rule_set *, const struct envelope *,
                                        struct arena *, struct buf *out);

/* One line of the list: the members up to "envelope"; of an errand also "says", what came of its last
 * attempt. */
const struct fault *timeline_write_brief(const struct spool_record *, struct arena *,
                                         struct buf *out);

/* The timeline's JSON as text for a person. */
const struct fault *timeline_print(str json, struct arena *, struct buf *out);

#endif
