/* receive/bounce_reply.h - a Bounce action said at RCPT instead of written later, so that no bounce goes to a
 * sender whose address was forged (`--bounce in-session`, which SES has not). */
#ifndef SESAME_RECEIVE_BOUNCE_REPLY_H
#define SESAME_RECEIVE_BOUNCE_REPLY_H

#include "base/arena.h"
#include "mail/mailbox.h"
#include "services/ses/ruleset.h"

struct bounce_reply { /* "550 5.1.1 Mailbox does not exist" */
    int code;
    str status, text; /* printable ASCII, and short enough for a line of 512 octets */
};

/* The reply in the action's own words. False when it can be none, and the bounce has to follow the message:
 *
 *   - its code is not 4yz or 5yz (RFC 5321 4.2), or is 421, which says that the connection ends
 *   - its status is no RFC 3463 code, or of another class than the reply code (RFC 2034 4)
 *   - its text is empty or not ASCII, which a session without SMTPUTF8 must not hear (RFC 6531 3.7.4)
 *   - its TopicArn wants to be told of a message, and there will be none
 *
 * Newlines and other control octets of the text become blanks; what does not fit the line is cut. */
bool bounce_reply_of(const struct action *, struct arena *, struct bounce_reply *ret_reply);

/* The first enabled rule that matches the mailbox and has an action at all, when that action is a Bounce: then
 * nothing needs the message before it is bounced. NULL: there is none. */
const struct receipt_rule *bounce_reply_rule(const struct receipt_rule_set *, const struct mailbox *);

#endif
