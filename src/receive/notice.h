/* receive/notice.h - what a consumer is told of a message: the JSON documents of ses-receiving spec 11.
 *
 *   notice_write          {"notificationType":"Received","mail":{...},"receipt":{...}}   to a TopicArn
 *   notice_write_content  the same and "content": what the SNS action publishes
 *   notice_write_event    {"Records":[{..."ses":{"mail":{...},"receipt":{...}}}]}        to a function
 *
 * Pure: the same notice gives the same bytes at every attempt, but for processing_ms. Members and
 * their order are SES's own and none is ours. */
#ifndef SESAME_RECEIVE_NOTICE_H
#define SESAME_RECEIVE_NOTICE_H

#include "base/random_id.h"
#include "mail/auth.h"
#include "mail/envelope.h"
#include "receive/plan.h"

/* A stored form longer than this is not published whole: spec 9.4. */
enum { NOTICE_CONTENT_MAX = 150 * 1024 };

struct notice {
    const struct envelope *envelope; /* message id, reverse path, when it was received */
    str stored; /* the stored form: SES's block, added fields, the message. Its header section is
                   enough (stamp_head); notice_write_content wants it whole */
    const struct step *step; /* the action, and the recipients its rule matched */
    struct verdicts verdicts;
    int64_t processing_ms; /* since reception */
};

/* Each appends compact JSON; FAULT_LIMIT when the buffer's maximum or memory was met. A megabyte is
 * ample for a header section of any size but the most hostile; content adds twice its own at least. */
const struct fault *notice_write(const struct notice *, struct buf *out);
const struct fault *notice_write_content(const struct notice *, struct buf *out);
const struct fault *notice_write_event(const struct notice *, struct buf *out);

/* The SNS MessageId of this step's notice: a UUID that is the same at each attempt, so that who gets it
 * twice can tell. SES's own JSON has mail.messageId and receipt.action; this joins both. */
str notice_dedupe_id(str message_id, size_t step, char to[REQUEST_ID_LEN + 1]);

#endif
