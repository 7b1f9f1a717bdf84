/* main/keeper.c - two vocabularies, one question. */
#include "main/keeper.h"

#include "store/spool.h"

struct keeper {
    struct smtp_gatekeeper keeper;
    struct gate gate;
};

static const struct fault *on_mail(struct smtp_gatekeeper *keeper, const struct peer *peer,
                                   const struct reverse_path *from, struct arena *a,
                                   struct smtp_pass **ret_pass)
{
    (void)from;
    struct gate_pass *pass;
    TRY(gate_mail(&((struct keeper *)keeper)->gate, peer, a, &pass));
    *ret_pass = (struct smtp_pass *)pass;
    return NULL;
}

static enum smtp_answer answer_of(enum gate_answer answer)
{
    switch (answer) {
    case GATE_TAKE:
        return SMTP_TAKE;
    case GATE_NO_MAILBOX:
        return SMTP_NO_MAILBOX;
    case GATE_NEEDS_TLS:
        return SMTP_NEEDS_TLS;
    case GATE_BLOCKED:
        return SMTP_BLOCKED;
    case GATE_BOUNCED:
        return SMTP_GIVEN;
    case GATE_LATER:
        return SMTP_LATER;
    }
    return SMTP_LATER;
}

static struct smtp_verdict on_rcpt(struct smtp_pass *pass, const struct envelope *e,
                                   const struct forward_path *to)
{
    const struct gate_verdict v = gate_rcpt((struct gate_pass *)pass, e, to);
    return (struct smtp_verdict) { .answer = answer_of(v.answer),
                                   .reason = gate_reason_label(v.reason),
                                   .accounts = v.accounts,
                                   .why = v.why,
                                   .given = { v.reply.code, v.reply.status, v.reply.text } };
}

static const struct fault *on_entries(struct smtp_pass *pass, const struct envelope *e,
                                      struct arena *a, struct spool_entry **ret_entries,
                                      size_t *ret_count)
{
    return gate_entries((struct gate_pass *)pass, e, a, ret_entries, ret_count);
}

struct smtp_gatekeeper *keeper_new(const struct gate *gate, struct arena *a)
{
    struct keeper *keeper = ARENA_NEW(a, struct keeper);
    if (!keeper)
        return NULL;
    *keeper =
        (struct keeper) { .keeper = { .mail = on_mail, .rcpt = on_rcpt, .entries = on_entries },
                          .gate = *gate };
    return &keeper->keeper;
}
