/* receive/gate.c - the RCPT-time answer, from the snapshot taken at MAIL. */
#include "receive/gate.h"

#include "base/crc.h"
#include "base/random_id.h"
#include "receive/head.h"
#include "services/ses/filters.h"
#include "services/ses/identities.h"
#include "services/ses/recipients.h"

#include <arpa/inet.h>

struct gate_pass {
    struct gate *gate;
    const struct world *world;
    struct arena *arena;
    str peer; /* its address */
    struct network network;
    bool has_network; /* else no filter can speak of it */
    const struct block_list *block_list;
    bool listed; /* the peer is on it: */
    struct block_list_entry entry;
    bool tls;
};

struct answered { /* what one account says to a recipient, and on what ground */
    enum gate_answer answer;
    enum gate_reason reason;
    str account;
    const struct receipt_rule_set *set;  /* its active one */
    const struct receipt_rule *rule; /* which wants TLS; bounces; or would match, were it enabled */
    const struct receipt_filter *filter; /* which blocks the peer */
    bool bounces; /* it takes the recipient, and would bounce before all else: */
    struct bounce_reply reply;
};

static void let_go(void *world)
{
    world_unref(world);
}
static void let_list_go(void *list)
{
    block_list_unref(list);
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
    pass->has_network = filter_peer_read(pass->peer, &pass->network);
    pass->world = gate->now(gate->worlds);
    if (!arena_on_reset(a, let_go, (void *)(uintptr_t)pass->world)) {
        world_unref(pass->world);
        return &fault_no_memory;
    }
    pass->block_list = block_lists_now(gate->block_lists);
    if (!arena_on_reset(a, let_list_go, (void *)(uintptr_t)pass->block_list)) {
        block_list_unref(pass->block_list);
        return &fault_no_memory;
    }
    pass->listed = pass->block_list && pass->has_network &&
                   block_list_find(pass->block_list, &pass->network, &pass->entry);
    *ret_pass = pass;
    return NULL;
}

/* ---- the answer ---- */

/* Would the account's rules bounce the recipient's mail before anything else, and can that be said
 * now? The sender of the bounce must be verified, as for the action: else it is the action that
 * fails, is seen to fail, and is tried again. */
static void ask_bounce(const struct gate_pass *pass, const struct mailbox *rcpt, struct answered *a)
{
    const struct gate *gate = pass->gate;
    const struct receipt_rule *rule =
        gate->bounce_in_session ? bounce_reply_rule(a->set, rcpt) : NULL;
    if (!rule || !bounce_reply_of(&rule->actions[0], pass->arena, &a->reply) ||
        !identity_covers_address(pass->world, gate->region, rule->actions[0].bounce.sender,
                                 a->account))
        return;
    a->bounces = true;
    a->rule = rule;
}

/* What one account says to the recipient: ses-receiving spec 6.2. Its filters come first (spec 1): who
 * is blocked is not told which mailboxes there are. */
static struct answered ask_account(const struct gate_pass *pass, str account,
                                   const struct mailbox *rcpt)
{
    str region = pass->gate->region;
    struct answered a = { .answer = GATE_NO_MAILBOX,
                          .reason = GATE_REASON_NO_RULE,
                          .account = account,
                          .set = rule_set_active(pass->world, account, region) };
    const struct receipt_filter *filter =
        pass->has_network
            ? filters_judge(filters_find(pass->world, account, region), &pass->network)
            : NULL;
    if (filter && !filter->allow) {
        a.answer = GATE_BLOCKED;
        a.reason = GATE_REASON_FILTER;
        a.filter = filter;
        return a;
    }
    if (pass->listed && !filter) { /* which allows it */
        a.answer = GATE_BLOCKED;
        a.reason = GATE_REASON_BLOCK_LIST;
        return a;
    }
    if (!a.set) {
        a.reason = GATE_REASON_NO_ACTIVE_SET;
        return a;
    }
    bool matched = false;
    const struct receipt_rule *off = NULL, *needs_tls = NULL;
    struct recipient recipient;
    recipient_aim(&recipient, rcpt);
    for (size_t i = 0; i < a.set->rule_count; i++) {
        const struct receipt_rule *rule = &a.set->rules[i];
        if (!rule_means(rule, &recipient))
            continue;
        if (!rule->enabled) {
            off = off ? off : rule;
            continue;
        }
        matched = true;
        if (rule->tls_required && !needs_tls)
            needs_tls = rule;
    }
    if (!matched) {
        a.rule = off;
    } else if (needs_tls && !pass->tls) { /* any enabled matching rule: spec 2.2, U2 */
        a.answer = GATE_NEEDS_TLS;
        a.reason = GATE_REASON_NEEDS_TLS;
        a.rule = needs_tls;
    } else {
        a.answer = GATE_TAKE;
        a.reason = GATE_REASON_NONE;
        ask_bounce(pass, rcpt, &a);
    }
    return a;
}

struct answers { /* of every account that holds the recipient's domain, oldest first */
    const struct answered *list;
    size_t count;
    const struct answered *first_taker;
    bool all_bounce; /* all that take it */
};

static const struct fault *ask_accounts(const struct gate_pass *pass, const struct mailbox *rcpt,
                                        struct answers *ret_answers)
{
    const str *accounts;
    size_t count;
    TRY(accounts_receiving(pass->world, pass->gate->region, rcpt->domain, pass->arena, &accounts,
                           &count));
    struct answered *list = ARENA_ARRAY(pass->arena, struct answered, count + 1);
    if (!list)
        return &fault_no_memory;
    *ret_answers = (struct answers) { .list = list, .count = count, .all_bounce = true };
    for (size_t i = 0; i < count; i++) {
        list[i] = ask_account(pass, accounts[i], rcpt);
        if (list[i].answer != GATE_TAKE)
            continue;
        ret_answers->all_bounce = ret_answers->all_bounce && list[i].bounces;
        if (!ret_answers->first_taker)
            ret_answers->first_taker = &list[i];
    }
    return NULL;
}

/* ---- why not, for the operator ---- */

str gate_reason_label(enum gate_reason reason)
{
    static const str labels[] = {
#define X(name, label) [GATE_REASON_##name] = STR_INIT(label),
        GATE_REASONS(X)
#undef X
    };
    return labels[reason];
}

/* Somebody began to verify the domain or one above it, and did not end. */
static const struct identity *find_unverified(const struct gate_pass *pass, str domain)
{
    char room[DOMAIN_ROOM];
    str rest = { room, domain_normal_to(room, domain) }, label;
    for (bool more = true; more && rest.len > 0; more = str_cut(rest, '.', &label, &rest)) {
        const struct identity *identity;
        if (identity_next(pass->world, pass->gate->region, rest, STR_NONE, &identity))
            return identity;
    }
    return NULL;
}

static void say_listed(const struct gate_pass *pass, struct buf *out)
{
    const struct block_list_entry *e = &pass->entry;
    char room[INET6_ADDRSTRLEN] = "";
    inet_ntop(e->network.size == 4 ? AF_INET : AF_INET6, e->network.bytes, room, sizeof room);
    buf_addf(out, "line %u of the block list " STR_FMT " has %s/%u, where " STR_FMT " lies",
             (unsigned)e->line, STR_ARG(block_list_name(pass->block_list)), room,
             (unsigned)e->network.prefix, STR_ARG(pass->peer));
}

static void say_nobody(const struct gate_pass *pass, const struct mailbox *rcpt, struct buf *out)
{
    const struct identity *identity = find_unverified(pass, rcpt->domain);
    buf_addf(out, "no account has verified " STR_FMT " or a domain above it in " STR_FMT,
             STR_ARG(rcpt->domain), STR_ARG(pass->gate->region));
    if (identity)
        buf_addf(out, ": with account " STR_FMT " the identity " STR_FMT " is " STR_FMT,
                 STR_ARG(identity->account), STR_ARG(identity->domain),
                 STR_ARG(identity_status_name(identity->status)));
}

static void say_account(const struct gate_pass *pass, const struct answered *a, struct buf *out)
{
    str region = pass->gate->region;
    switch (a->reason) {
    case GATE_REASON_FILTER:
        buf_addf(out,
                 "the filter \"" STR_FMT "\" of account " STR_FMT " in " STR_FMT " blocks " STR_FMT
                 ", where " STR_FMT " lies, and none of its filters allows it",
                 STR_ARG(a->filter->name), STR_ARG(a->account), STR_ARG(region),
                 STR_ARG(a->filter->cidr), STR_ARG(pass->peer));
        return;
    case GATE_REASON_BLOCK_LIST:
        say_listed(pass, out);
        buf_addf(out, ", and no filter of account " STR_FMT " in " STR_FMT " allows it",
                 STR_ARG(a->account), STR_ARG(region));
        return;
    case GATE_REASON_NO_ACTIVE_SET:
        buf_addf(out, "account " STR_FMT " has no active rule set in " STR_FMT, STR_ARG(a->account),
                 STR_ARG(region));
        return;
    case GATE_REASON_NO_RULE:
        buf_addf(out,
                 "no enabled rule of \"" STR_FMT "\", the active rule set of account " STR_FMT
                 " in " STR_FMT ", matches the recipient",
                 STR_ARG(a->set->name), STR_ARG(a->account), STR_ARG(region));
        if (a->rule)
            buf_addf(out, "; its rule \"" STR_FMT "\" would, and is disabled",
                     STR_ARG(a->rule->name));
        return;
    case GATE_REASON_NEEDS_TLS:
        buf_addf(
            out,
            "the rule \"" STR_FMT "\" of \"" STR_FMT "\", the active rule set of account " STR_FMT
            " in " STR_FMT ", has TlsPolicy Require, and the session is in the clear",
            STR_ARG(a->rule->name), STR_ARG(a->set->name), STR_ARG(a->account), STR_ARG(region));
        return;
    case GATE_REASON_NONE: /* it would take the recipient, and bounce its mail */
        buf_addf(
            out,
            "the rule \"" STR_FMT "\" of \"" STR_FMT "\", the active rule set of account " STR_FMT
            " in " STR_FMT ", begins with a Bounce action, which --bounce in-session says at once",
            STR_ARG(a->rule->name), STR_ARG(a->set->name), STR_ARG(a->account), STR_ARG(region));
        return;
    case GATE_REASON_NO_IDENTITY:
    case GATE_REASON_BOUNCE:
    case GATE_REASON_LOCAL:
        return;
    }
}

enum { WHY_MAX = 4096 };

/* Of a recipient that others take only what an account did about the peer is worth telling: to hold
 * a domain and have no rule for an address is the usual case. */
static bool is_told(const struct answered *a, enum gate_answer verdict)
{
    return verdict != GATE_TAKE || a->answer == GATE_BLOCKED || a->answer == GATE_NEEDS_TLS;
}

static struct gate_verdict explain(const struct gate_pass *pass, const struct mailbox *rcpt,
                                   const struct answers *answers, struct gate_verdict verdict)
{
    AUTO_BUF why = buf_new(WHY_MAX);
    AUTO_BUF accounts = buf_new(WHY_MAX);
    if (answers->count == 0 && pass->listed)
        say_listed(pass, &why);
    else if (answers->count == 0)
        say_nobody(pass, rcpt, &why);
    for (size_t i = 0; i < answers->count; i++) {
        if (!is_told(&answers->list[i], verdict.answer))
            continue;
        if (why.len)
            buf_add(&why, STR(". And "));
        say_account(pass, &answers->list[i], &why);
        buf_addf(&accounts, "%s" STR_FMT, accounts.len ? " " : "",
                 STR_ARG(answers->list[i].account));
    }
    /* Whoever shares a domain with hundreds of accounts reads of the first. */
    verdict.why = arena_str(pass->arena, buf_str(&why));
    verdict.accounts = arena_str(pass->arena, buf_str(&accounts));
    return verdict;
}

/* Somebody takes it; others that hold the domain may have refused the peer for themselves. */
static struct gate_verdict taken(const struct gate_pass *pass, const struct mailbox *rcpt,
                                 const struct answers *answers)
{
    for (size_t i = 0; i < answers->count; i++) {
        const struct answered *a = &answers->list[i];
        if (is_told(a, GATE_TAKE))
            return explain(pass, rcpt, answers,
                           (struct gate_verdict) { .answer = GATE_TAKE, .reason = a->reason });
    }
    return (struct gate_verdict) { .answer = GATE_TAKE };
}

/* Each account decides for itself, so that one which demands TLS does not turn away the mail of
 * another. The answer when nobody takes it is the one most worth hearing. */
struct gate_verdict gate_rcpt(struct gate_pass *pass, const struct envelope *e,
                              const struct forward_path *rcpt)
{
    (void)e;
    struct answers answers;
    if (ask_accounts(pass, &rcpt->mailbox, &answers))
        return (struct gate_verdict) { .answer = GATE_LATER,
                                       .reason = GATE_REASON_LOCAL,
                                       .why = STR("memory for the transaction ran out") };
    if (answers.first_taker && answers.all_bounce) /* the oldest's words, where several would */
        return explain(pass, &rcpt->mailbox, &answers,
                       (struct gate_verdict) { .answer = GATE_BOUNCED,
                                               .reason = GATE_REASON_BOUNCE,
                                               .reply = answers.first_taker->reply });
    if (answers.first_taker)
        return taken(pass, &rcpt->mailbox, &answers);
    /* Nobody's domain has no Allow filter; and who is listed is not told whose domains are here. */
    struct gate_verdict verdict =
        pass->listed ? (struct gate_verdict) { GATE_BLOCKED, .reason = GATE_REASON_BLOCK_LIST }
                     : (struct gate_verdict) { GATE_NO_MAILBOX, .reason = GATE_REASON_NO_IDENTITY };
    for (size_t i = 0; i < answers.count; i++) {
        const struct answered *a = &answers.list[i];
        bool louder = (a->answer == GATE_NEEDS_TLS && verdict.answer != GATE_NEEDS_TLS) ||
                      (a->answer == GATE_BLOCKED && verdict.answer == GATE_NO_MAILBOX);
        if (i == 0 || louder) {
            verdict.answer = a->answer;
            verdict.reason = a->reason;
        }
    }
    return explain(pass, &rcpt->mailbox, &answers, verdict);
}

/* ---- the entries ---- */

struct share { /* one account's part of the transaction */
    str account;
    const struct receipt_rule_set *set;
    struct forward_path *rcpt_to;
    size_t rcpt_count;
};
struct shares {
    struct share *list;
    size_t count, room;
};

static struct share *share_of(struct shares *shares, const struct answered *who, size_t rcpt_max,
                              struct arena *a)
{
    for (size_t i = 0; i < shares->count; i++) {
        if (str_eq(shares->list[i].account, who->account))
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
    *made = (struct share) { .account = who->account, .set = who->set, .rcpt_to = rcpt_to };
    return made;
}

static const struct fault *share_out(const struct gate_pass *pass, const struct envelope *e,
                                     struct arena *a, struct shares *shares)
{
    for (size_t i = 0; i < e->rcpt_count; i++) {
        struct answers answers;
        TRY(ask_accounts(pass, &e->rcpt_to[i].mailbox, &answers));
        if (!answers.first_taker) /* the same world, so the same answer as at RCPT */
            return fault(a, FAULT_UNAVAILABLE, NULL, "no account takes " STR_FMT " any more",
                         STR_ARG(e->rcpt_to[i].text));
        for (size_t t = 0; t < answers.count; t++) {
            if (answers.list[t].answer != GATE_TAKE)
                continue;
            struct share *share = share_of(shares, &answers.list[t], e->rcpt_count - i, a);
            if (!share)
                return &fault_no_memory;
            share->rcpt_to[share->rcpt_count++] = e->rcpt_to[i];
        }
    }
    return NULL;
}

/* The same rules make the same plan for the same recipients. */
static uint64_t likeness_of(const struct head *head)
{
    uint64_t sum = crc64_nvme(0, head->account.ptr, head->account.len);
    sum = crc64_nvme(sum, head->region.ptr, head->region.len);
    for (size_t i = 0; i < head->envelope.rcpt_count; i++) {
        str to = head->envelope.rcpt_to[i].text;
        sum = crc64_nvme(crc64_nvme(sum, to.ptr, to.len), "", 1);
    }
    return sum;
}

static const struct fault *make_entry(const struct gate_pass *pass, const struct envelope *whole,
                                      const struct share *share, struct arena *a,
                                      struct spool_entry *entry)
{
    char id[MESSAGE_ID_LEN + 1];
    struct head head = { .account = share->account,
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
                                    .rules = share->set->text,
                                    .rules_number = share->set->number,
                                    .likeness = likeness_of(&head) };
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
