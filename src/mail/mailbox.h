/* mail/mailbox.h - RFC 5321 paths and mailboxes: reading them, and comparing their domains.
 *
 * Strictness is the caller's choice. LENIENT takes what SES takes and what real senders write: a
 * reverse path without @, dots anywhere in a local part, underscores in a domain. Neither takes a
 * control octet, a bare newline, or malformed UTF-8, wherever it stands. Length is bounded by the
 * caller's line; STRICT adds the limits of RFC 5321 4.5.3.1. */
#ifndef SESAME_MAIL_MAILBOX_H
#define SESAME_MAIL_MAILBOX_H

#include "mail/envelope.h"

enum mailbox_rules { MAILBOX_STRICT, MAILBOX_LENIENT };

/* Each reads from in->at. PARSE_DONE: in->at stands after it. PARSE_MORE: the input ends inside it.
 * PARSE_BAD: in->at shows where. Results are views of the input; only a local part with quoted
 * pairs is copied into the arena (which at its limit answers PARSE_BAD). */
enum parse reverse_path_parse(struct cursor *in, enum mailbox_rules, struct arena *, struct reverse_path *ret_path);
enum parse forward_path_parse(struct cursor *in, enum mailbox_rules, struct arena *, struct forward_path *ret_path);
/* local-part@domain without brackets. */
enum parse mailbox_parse(struct cursor *in, enum mailbox_rules, struct arena *, struct mailbox *ret_mailbox);

/* The same for a text that must be a mailbox and nothing else. */
bool mailbox_of(str text, enum mailbox_rules, struct arena *, struct mailbox *ret_mailbox);

/* A domain as DNS and rules compare it: A-labels, lower case, no final dot; in the arena. STR_NONE:
 * it is no domain name (an address literal, an empty or overlong label, a bad U-label). */
str mailbox_domain_ascii(str domain, struct arena *);

/* No octet beyond ASCII: the path needs no SMTPUTF8 (RFC 6531). */
bool mailbox_is_ascii(str);

#endif
