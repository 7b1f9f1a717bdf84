/* receive/gate.c - the RCPT-time answer, from the snapshot taken at MAIL. */
#include "receive/gate.h"

#include "base/random_id.h"
#include "receive/head.h"
#include "services/ses/filters.h"
#include "services/ses/recipients.h"

struct gate_pass {
    struct gate *gate;
    const struct world *world;
    struct arena *arena;
    str peer; /* its address */
    bool tls;
};

struct candidate { /* an account that would take the recipient */
    str account;
    const struct receipt_rule_set *set;
};

static void let_go(void *world)
{
    world_unref(world);
}

const struct fault *gate_mail(struct gate *gate, const struct peer *peer, struct arena *a,
                              struct gate_pass **ret_pass)
{
    struct gate_pass *pass = ARENA_NEW(a, struct gate_pass);
    if (!pass)
        return &fault_no_memory;
    *pass = (struct gate_pass) {
        .gate = gate, .arena = a, .peer = arena_str(a, peer->address), .tls = peer->tls
    };
    if (peer->address.len && str_is_none(pass->peer))
        return &fault_no_memory;
    pass->world = gate->now(gate->worlds);
    if (!arena_on_reset(a, let_go, (void *)(uintptr_t)pass->world)) {
        world_unref(pass->world);
        return &fault_no_memory;
    }
    *ret_pass = pass;
    return NULL;
}

/* What one account says to the recipient: ses-receiving spec 6.2. Its filters come first (spec 1): who
 * is blocked is not told which mailboxes there are. */
static enum gate_answer ask_account(const struct gate_pass *pass, str account,
                                    const struct mailbox *rcpt,
                                    const struct receipt_rule_set **ret_set)
{
    const struct receipt_rule_set *set = rule_set_active(pass->world, account, pass->gate->region);
    if (filters_block(filters_find(pass->world, account, pass->gate->region), pass->peer))
        return GATE_BLOCKED;
    if (!set)
        return GATE_NO_MAILBOX;
    bool matched = false, needs_tls = false;
    for (size_t i = 0; i < set->rule_count; i++) {
        const struct receipt_rule *rule = &set->rules[i];
        if (!rule->enabled || !rule_matches(rule, rcpt))
            continue;
        matched = true;
        needs_tls = needs_tls || rule->tls_required;
    }
    if (!matched)
        return GATE_NO_MAILBOX;
    if (needs_tls && !pass->tls)
        return GATE_NEEDS_TLS; /* any enabled matching rule: spec 2.2, U2 */
    *ret_set = set;
    return GATE_TAKE;
}

/* The accounts that take the recipient, oldest first. Each account decides for itself, so that one
 * which demands TLS does not turn away the mail of another. The answer when nobody takes it is the
 * one most worth hearing. */
static enum gate_answer ask_accounts(const struct gate_pass *pass, const struct mailbox *rcpt,
                                     struct candidate **ret_takers, size_t *ret_count)
{
    const str *accounts;
    size_t count;
    if (accounts_receiving(pass->world, pass->gate->region, rcpt->domain, pass->arena, &accounts,
                           &count))
        return GATE_LATER;
    struct candidate *takers = ARENA_ARRAY(pass->arena, struct candidate, count ? count : 1);
    if (!takers)
        return GATE_LATER;
    enum gate_answer otherwise = GATE_NO_MAILBOX;
    size_t taken = 0;
    for (size_t i = 0; i < count; i++) {
        const struct receipt_rule_set *set;
        enum gate_answer answer = ask_account(pass, accounts[i], rcpt, &set);
        if (answer == GATE_TAKE)
            takers[taken++] = (struct candidate) { .account = accounts[i], .set = set };
        else if (answer == GATE_NEEDS_TLS || otherwise == GATE_NO_MAILBOX)
            otherwise = answer;
    }
    *ret_takers = takers;
    *ret_count = taken;
    return taken ? GATE_TAKE : otherwise;
}

enum gate_answer gate_rcpt(struct gate_pass *pass, const struct envelope *e,
                           const struct forward_path *rcpt)
{
    (void)e;
    struct candidate *takers;
    size_t count;
    return ask_accounts(pass, &rcpt->mailbox, &takers, &count);
}

struct share { /* one account's part of the transaction */
    struct candidate who;
    struct forward_path *rcpt_to;
    size_t rcpt_count;
};
struct shares {
    struct share *list;
    size_t count, room;
};

static struct share *share_of(struct shares *shares, const struct candidate *who, size_t rcpt_max,
                              struct arena *a)
{
    for (size_t i = 0; i < shares->count; i++) {
        if (str_eq(shares->list[i].who.account, who->account))
            return &shares->list[i];
    }
    if (shares->count == shares->room) {
        size_t room = shares->room ? 2 * shares->room : 4;
        struct share *longer = ARENA_ARRAY(a, struct share, room);
        if (!longer)
            return NULL;
        if (shares->count)
            memcpy(longer, shares->list, shares->count * sizeof *longer);
        shares->list = longer;
        shares->room = room;
    }
    struct forward_path *rcpt_to = ARENA_ARRAY(a, struct forward_path, rcpt_max);
    if (!rcpt_to)
        return NULL;
    struct share *made = &shares->list[shares->count++];
    *made = (struct share) { .who = *who, .rcpt_to = rcpt_to };
    return made;
}

static const struct fault *share_out(const struct gate_pass *pass, const struct envelope *e,
                                     struct arena *a, struct shares *shares)
{
    for (size_t i = 0; i < e->rcpt_count; i++) {
        struct candidate *takers;
        size_t count;
        /* The same world, so the same answer as at RCPT. */
        if (ask_accounts(pass, &e->rcpt_to[i].mailbox, &takers, &count) != GATE_TAKE)
            return fault(a, FAULT_UNAVAILABLE, NULL, "no account takes " STR_FMT " any more",
                         STR_ARG(e->rcpt_to[i].text));
        for (size_t t = 0; t < count; t++) {
            struct share *share = share_of(shares, &takers[t], e->rcpt_count - i, a);
            if (!share)
                return &fault_no_memory;
            share->rcpt_to[share->rcpt_count++] = e->rcpt_to[i];
        }
    }
    return NULL;
}

static const struct fault *make_entry(const struct gate_pass *pass, const struct envelope *whole,
                                      const struct share *share, struct arena *a,
                                      struct spool_entry *entry)
{
    char id[MESSAGE_ID_LEN + 1];
    struct head head = { .account = share->who.account,
                         .region = pass->gate->region,
                         .envelope = *whole };
    head.envelope.message_id = arena_str(a, random_message_id(pass->gate->outside->entropy, id));
    head.envelope.rcpt_to = share->rcpt_to;
    head.envelope.rcpt_count = share->rcpt_count;
    if (!head.envelope.received_ms)
        head.envelope.received_ms = pass->gate->outside->clock->wall_ms(pass->gate->outside->clock);

    AUTO_BUF bytes = buf_new(1 << 20);
    head_encode(&head, &bytes);
    *entry = (struct spool_entry) { .id = head.envelope.message_id,
                                    .kind = SPOOL_MAIL,
                                    .head = arena_str(a, buf_str(&bytes)),
                                    .rules = share->who.set->text };
    return bytes.failed || !entry->id.ptr || !entry->head.ptr ? &fault_no_memory : NULL;
}

const struct fault *gate_entries(struct gate_pass *pass, const struct envelope *e, struct arena *a,
                                 struct spool_entry **ret_entries, size_t *ret_count)
{
    struct shares shares = { 0 };
    TRY(share_out(pass, e, a, &shares));
    struct spool_entry *entries =
        ARENA_ARRAY(a, struct spool_entry, shares.count ? shares.count : 1);
    if (!entries)
        return &fault_no_memory;
    for (size_t i = 0; i < shares.count; i++)
        TRY(make_entry(pass, e, &shares.list[i], a, &entries[i]));
    *ret_entries = entries;
    *ret_count = shares.count;
    return NULL;
}
