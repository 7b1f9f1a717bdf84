/* smtp/lmtp.c - the talk in its LMTP manner, over one connection. */
#include "smtp/lmtp.h"

#include "mail/envelope.h"
#include "smtp/line.h"

enum { PATIENCE_MS = 2 * 60 * 1000 };

static void fail_all(struct sending *each, size_t count, str says)
{
    for (size_t i = 0; i < count; i++)
        each[i] = (struct sending) { SENT_LATER, says };
}

void lmtp_deliver(const struct lmtp_store *store, const struct workmail_mail *mail, struct arena *a,
                  struct sending *each)
{
    const int64_t patience_ms = store->patience_ms ? store->patience_ms : PATIENCE_MS;
    const struct line_call call = { .address = store->address,
                                    .clock = store->clock,
                                    .answer_ms = store->patience_ms ? 0 : LINE_ANSWER_MS,
                                    .deadline_ms =
                                        store->clock->steady_ms(store->clock) + patience_ms };
    const struct talk_manner manner = { .hostname = store->hostname, .lmtp = true };
    str *paths = ARENA_ARRAY(a, str, mail->recipient_count + 1);
    struct body *body;
    const struct fault *why = paths ? mail->open(mail->context, &body) : &fault_no_memory;
    if (why) {
        fail_all(each, mail->recipient_count, why->says);
        return;
    }
    for (size_t i = 0; i < mail->recipient_count; i++)
        paths[i] = mail->recipients[i]->text;
    const struct talk_mail what = { .reverse_path = mail->reverse_path,
                                    .forward_paths = paths,
                                    .forward_count = mail->recipient_count,
                                    .size = body->size };
    line_hand_over(&call, &what, &manner, body, a, each, NULL);
}
