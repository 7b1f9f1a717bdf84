#include "receive/gate.h"

#include "receive/head.h"
#include "services/account.h"
#include "services/ses/filters.h"
#include "services/ses/identities.h"
#include "services/ses/rule_sets.h"
#include "store/state.h"
#include "testing/clock.h"
#include "testing/entropy.h"
#include "testing/journal.h"
#include "testing/temp_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

/* A configuration in a folder of its own, changed through the services as the API does. */
struct town {
    struct temp_dir folder;
    struct fake_clock clock;
    struct seeded_entropy entropy;
    struct captured_journal *journal;
    struct outside outside;
    struct arena *arena;
    struct state *state;
    struct worlds *worlds;
    struct gate gate;
};

static struct town *town_open(void)
{
    struct arena *a = arena_new(16 << 20);
    struct town *t = ARENA_NEW(a, struct town);
    char path[512];
    t->arena = a;
    t->folder = temp_dir_make();
    t->clock = fake_clock_at("2026-03-02T09:15:42Z");
    t->entropy = seeded_entropy(7);
    t->journal = captured_journal_new();
    t->outside = (struct outside) { .clock = &t->clock.clock,
                                    .entropy = &t->entropy.entropy,
                                    .journal = captured_journal(t->journal),
                                    .disk = disk_real() };
    assert_null(state_sqlite_open(str_of(temp_dir_path(&t->folder, "state.sqlite", path)),
                                  &t->outside, a, &t->state));
    assert_null(worlds_open(t->state, &t->outside, a, &t->worlds));
    t->gate = (struct gate) {
        .worlds = t->worlds, .outside = &t->outside, .region = STR("us-east-1"), .now = worlds_now
    };
    return t;
}

static void town_close(struct town *t)
{
    worlds_close(t->worlds);
    t->state->ops->close(t->state);
    captured_journal_free(t->journal);
    temp_dir_remove(&t->folder);
    arena_free(t->arena);
}

#define AS(t, account_id)                                                                          \
    struct caller caller = caller_root(account_id);                                                \
    const struct world *world = worlds_now((t)->worlds);                                           \
    struct call call = { .caller = &caller,                                                        \
                         .world = world,                                                           \
                         .region = STR("us-east-1"),                                               \
                         .now_ms = (t)->clock.wall_ms,                                             \
                         .arena = (t)->arena }

static void own_domain(struct town *t, str account, str domain)
{
    str token;
    AS(t, account);
    assert_null(account_begin(t->state, &call));
    assert_null(identity_verify_domain(t->state, &call, &t->entropy.entropy, domain, true, &token));
    world_unref(world);
    fake_clock_turn(&t->clock, 1000);
}

static void add_rule(struct town *t, str account, const struct receipt_rule *rule)
{
    AS(t, account);
    const struct fault *f = rule_set_create(t->state, &call, STR("main"));
    assert_true(!f || f->kind == FAULT_CONFLICT);
    assert_null(rule_create(t->state, &call, STR("main"), STR_NONE, rule, NULL));
    world_unref(world);
}

static void activate(struct town *t, str account)
{
    AS(t, account);
    assert_null(rule_set_activate(t->state, &call, STR("main")));
    world_unref(world);
}

static struct forward_path to(const char *local, const char *domain, struct arena *a)
{
    return (struct forward_path) { .text = arena_strf(a, "%s@%s", local, domain),
                                   .mailbox = { str_of(local), str_of(domain) } };
}

static enum gate_answer ask(struct town *t, bool tls, const char *local, const char *domain)
{
    AUTO_ARENA *a = arena_new(1 << 20);
    struct gate_pass *pass;
    struct envelope e = { 0 };
    struct peer peer = { .address = STR("192.0.2.1"), .tls = tls };
    assert_null(gate_mail(&t->gate, &peer, a, &pass));
    struct forward_path rcpt = to(local, domain, a);
    return gate_rcpt(pass, &e, &rcpt).answer;
}

#define ONE STR("111122223333")
#define TWO STR("444455556666")
static const str only_a[] = { STR_INIT("a@example.com") };
static const str two_as[] = { STR_INIT("a@example.com"), STR_INIT("b@example.com") };

static void mail_is_taken_for_what_an_enabled_rule_of_the_active_set_matches(void **state)
{
    (void)state;
    struct town *t = town_open();
    assert_int_equal(ask(t, false, "a", "example.com"), GATE_NO_MAILBOX); /* nobody's domain */
    own_domain(t, ONE, STR("example.com"));
    assert_int_equal(ask(t, false, "a", "example.com"), GATE_NO_MAILBOX); /* no rule set */
    add_rule(t, ONE,
             &(struct receipt_rule) {
                 .name = STR("r"), .enabled = true, .recipients = only_a, .recipient_count = 1 });
    assert_int_equal(ask(t, false, "a", "example.com"), GATE_NO_MAILBOX); /* not active */
    activate(t, ONE);
    assert_int_equal(ask(t, false, "a", "example.com"), GATE_TAKE);
    assert_int_equal(ask(t, false, "A", "EXAMPLE.com"), GATE_TAKE);
    assert_int_equal(ask(t, false, "b", "example.com"), GATE_NO_MAILBOX);
    assert_int_equal(ask(t, false, "a", "other.example"), GATE_NO_MAILBOX);
    add_rule(t, ONE, &(struct receipt_rule) { .name = STR("off"), .enabled = false });
    assert_int_equal(ask(t, false, "b", "example.com"),
                     GATE_NO_MAILBOX); /* a disabled rule means nobody */
    t->gate.region = STR("eu-west-1");
    assert_int_equal(ask(t, false, "a", "example.com"),
                     GATE_NO_MAILBOX); /* everything is per region */
    town_close(t);
}

static void a_matching_rule_may_demand_tls(void **state)
{
    (void)state;
    struct town *t = town_open();
    own_domain(t, ONE, STR("example.com"));
    add_rule(t, ONE, &(struct receipt_rule) { .name = STR("any"), .enabled = true });
    add_rule(t, ONE,
             &(struct receipt_rule) { .name = STR("tls"),
                                      .enabled = true,
                                      .tls_required = true,
                                      .recipients = only_a,
                                      .recipient_count = 1 });
    activate(t, ONE);
    assert_int_equal(ask(t, false, "a", "example.com"), GATE_NEEDS_TLS);
    assert_int_equal(ask(t, true, "a", "example.com"), GATE_TAKE);
    assert_int_equal(ask(t, false, "b", "example.com"), GATE_TAKE);
    town_close(t);
}

/* ---- what the operator is told ---- */

static struct gate_verdict verdict(struct town *t, const char *peer_address, struct arena *a)
{
    struct gate_pass *pass;
    const struct envelope e = { 0 };
    struct peer peer = { .address = str_of(peer_address) };
    struct forward_path rcpt = to("a", "example.com", a);
    arena_reset(a);
    rcpt.text = STR("a@example.com");
    assert_null(gate_mail(&t->gate, &peer, a, &pass));
    return gate_rcpt(pass, &e, &rcpt);
}

static void add_filter(struct town *t, str account, str name, bool allow, str cidr)
{
    AS(t, account);
    assert_null(filter_create(t->state, &call, name, allow, cidr));
    world_unref(world);
}

static void says(struct gate_verdict v, enum gate_answer answer, enum gate_reason reason,
                 const char *accounts, const char *why)
{
    assert_int_equal(v.answer, answer);
    assert_int_equal(v.reason, reason);
    if (!str_eq(v.accounts, str_of(accounts)) || !str_eq(v.why, str_of(why)))
        fail_msg(STR_FMT ": " STR_FMT, STR_ARG(v.accounts), STR_ARG(v.why));
}

static void the_filter_or_the_line_that_blocks_is_named(void **state)
{
    (void)state;
    struct town *t = town_open();
    AUTO_ARENA *a = arena_new(1 << 20);
    AUTO_ARENA *lists = arena_new(1 << 20);
    char path[512];
    FILE *file = fopen(temp_dir_path(&t->folder, "list", path), "w");
    fputs("# ours\n192.0.2.0/28\n", file);
    assert_int_equal(fclose(file), 0);
    assert_null(block_lists_open(str_of(path), disk_real(), lists, &t->gate.block_lists));

    says(verdict(t, "203.0.113.1", a), GATE_NO_MAILBOX, GATE_REASON_NO_IDENTITY, "",
         "no account has verified example.com or a domain above it in us-east-1");
    struct gate_verdict v = verdict(t, "192.0.2.1", a); /* not even that it is nobody's */
    assert_int_equal(v.answer, GATE_BLOCKED);
    assert_true(str_ends(v.why, STR(" has 192.0.2.0/28, where 192.0.2.1 lies")));

    own_domain(t, ONE, STR("example.com"));
    add_rule(t, ONE, &(struct receipt_rule) { .name = STR("any"), .enabled = true });
    activate(t, ONE);
    says(verdict(t, "203.0.113.1", a), GATE_TAKE, GATE_REASON_NONE, "", "");
    v = verdict(t, "192.0.2.1", a);
    assert_int_equal(v.answer, GATE_BLOCKED);
    assert_int_equal(v.reason, GATE_REASON_BLOCK_LIST);
    assert_true(str_starts(v.why, STR("line 2 of the block list ")));
    assert_int_equal(verdict(t, "::ffff:192.0.2.1", a).answer, GATE_BLOCKED);

    add_filter(t, ONE, STR("friend"), true, STR("192.0.2.1"));
    says(verdict(t, "192.0.2.1", a), GATE_TAKE, GATE_REASON_NONE, "", "");
    assert_int_equal(verdict(t, "192.0.2.2", a).reason, GATE_REASON_BLOCK_LIST);
    add_filter(t, ONE, STR("foes"), false, STR("192.0.2.9/24"));
    says(verdict(t, "192.0.2.2", a), GATE_BLOCKED, GATE_REASON_FILTER, "111122223333",
         "the filter \"foes\" of account 111122223333 in us-east-1 blocks 192.0.2.9/24, where "
         "192.0.2.2 "
         "lies, and none of its filters allows it");
    assert_int_equal(verdict(t, "192.0.2.1", a).answer, GATE_TAKE);

    own_domain(t, TWO,
               STR("example.com")); /* which has no rule at all, and then one that takes it */
    v = verdict(t, "192.0.2.99", a);
    assert_true(str_eq(v.accounts, STR("111122223333 444455556666")));
    assert_true(
        str_ends(v.why, STR(". And account 444455556666 has no active rule set in us-east-1")));
    add_rule(t, TWO, &(struct receipt_rule) { .name = STR("any"), .enabled = true });
    activate(t, TWO);
    v = verdict(t, "192.0.2.99", a);
    assert_int_equal(v.answer, GATE_TAKE);
    assert_true(str_eq(v.accounts, ONE) && str_starts(v.why, STR("the filter \"foes\"")));
    arena_reset(a);
    block_lists_close(t->gate.block_lists);
    town_close(t);
}

static void a_bounce_that_comes_first_is_the_answer_where_the_operator_wants_it(void **state)
{
    (void)state;
    struct town *t = town_open();
    AUTO_ARENA *a = arena_new(1 << 20);
    const struct action gone = { .kind = ACTION_BOUNCE,
                                 .bounce = { .smtp_reply_code = STR("550"),
                                             .status_code = STR("5.1.1"),
                                             .message = STR("Gone"),
                                             .sender = STR("postmaster@one.example") } };
    own_domain(t, ONE, STR("example.com"));
    own_domain(t, ONE, STR("one.example"));
    add_rule(t, ONE,
             &(struct receipt_rule) {
                 .name = STR("gone"), .enabled = true, .actions = &gone, .action_count = 1 });
    activate(t, ONE);
    assert_int_equal(verdict(t, "192.0.2.1", a).answer, GATE_TAKE);
    t->gate.bounce_in_session = true;
    struct gate_verdict v = verdict(t, "192.0.2.1", a);
    assert_int_equal(v.answer, GATE_BOUNCED);
    assert_int_equal(v.reply.code, 550);
    assert_true(str_eq(v.reply.status, STR("5.1.1")) && str_eq(v.reply.text, STR("Gone")));

    own_domain(t, TWO, STR("example.com"));
    add_rule(t, TWO, &(struct receipt_rule) { .name = STR("any"), .enabled = true });
    assert_int_equal(verdict(t, "192.0.2.1", a).answer, GATE_BOUNCED); /* its set is not active */
    activate(t, TWO);
    assert_int_equal(verdict(t, "192.0.2.1", a).answer, GATE_TAKE);
    add_filter(t, TWO, STR("all"), false, STR("0.0.0.0/0")); /* so it takes nothing after all */
    assert_int_equal(verdict(t, "192.0.2.1", a).answer, GATE_BOUNCED);

    AS(t, ONE);
    assert_null(identity_delete(t->state, &call, STR("one.example")));
    world_unref(world);
    assert_int_equal(verdict(t, "192.0.2.1", a).answer,
                     GATE_TAKE); /* the action fails, and is seen to */
    arena_reset(a);
    town_close(t);
}

static void a_transaction_sees_the_world_it_took_at_mail(void **state)
{
    (void)state;
    struct town *t = town_open();
    own_domain(t, ONE, STR("example.com"));
    AUTO_ARENA *a = arena_new(1 << 20);
    struct gate_pass *before;
    struct peer peer = { .address = STR("192.0.2.1") };
    assert_null(gate_mail(&t->gate, &peer, a, &before));
    add_rule(t, ONE, &(struct receipt_rule) { .name = STR("any"), .enabled = true });
    activate(t, ONE);
    struct forward_path rcpt = to("a", "example.com", a);
    struct envelope e = { 0 };
    assert_int_equal(gate_rcpt(before, &e, &rcpt).answer, GATE_NO_MAILBOX);
    assert_int_equal(ask(t, false, "a", "example.com"), GATE_TAKE);
    arena_reset(a); /* lets the old world go */
    town_close(t);
}

static void each_account_gets_an_entry_with_its_own_recipients(void **state)
{
    (void)state;
    struct town *t = town_open();
    own_domain(t, ONE, STR("example.com"));
    own_domain(t, TWO,
               STR("example.com")); /* the younger one holds the same domain, and one of its own */
    own_domain(t, TWO, STR("two.example"));
    add_rule(t, ONE,
             &(struct receipt_rule) {
                 .name = STR("one"), .enabled = true, .recipients = two_as, .recipient_count = 2 });
    add_rule(t, TWO, &(struct receipt_rule) { .name = STR("two"), .enabled = true });
    activate(t, ONE);
    activate(t, TWO);

    AUTO_ARENA *a = arena_new(1 << 20);
    struct gate_pass *pass;
    struct peer peer = { .address = STR("192.0.2.1"), .ehlo = STR("client.example") };
    struct forward_path rcpts[] = { to("a", "example.com", a), to("x", "two.example", a),
                                    to("b", "example.com", a) };
    struct envelope e = { .peer = peer,
                          .mail_from = { .text = STR("s@x.test") },
                          .rcpt_to = rcpts,
                          .rcpt_count = 3,
                          .size = 9 };
    struct spool_entry *entries;
    size_t count;
    assert_null(gate_mail(&t->gate, &peer, a, &pass));
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(gate_rcpt(pass, &e, &rcpts[i]).answer, GATE_TAKE);
    assert_null(gate_entries(pass, &e, a, &entries, &count));
    assert_int_equal(count, 2);
    assert_int_equal(entries[0].id.len, 40);
    assert_false(str_eq(entries[0].id, entries[1].id));

    struct head one, two;
    assert_null(head_decode(entries[0].head, a, &one));
    assert_null(head_decode(entries[1].head, a, &two));
    assert_true(str_eq(one.account, ONE)); /* the first recipient's, and the oldest of its two */
    assert_true(str_eq(two.account, TWO));
    assert_true(str_eq(one.region, STR("us-east-1")));
    assert_true(str_eq(one.envelope.message_id, entries[0].id));
    assert_true(str_eq(two.envelope.message_id, entries[1].id));
    assert_int_equal(one.envelope.rcpt_count, 2);
    assert_true(str_eq(one.envelope.rcpt_to[1].text, STR("b@example.com")));
    assert_int_equal(two.envelope.rcpt_count, 3); /* its rule means everybody of its domains */
    assert_int_equal(one.envelope.received_ms, t->clock.wall_ms);
    assert_int_equal(one.envelope.size, 9);
    struct receipt_rule_set set;
    assert_null(rule_set_read(entries[1].rules, a, &set));
    assert_true(str_eq(set.rules[0].name, STR("two")));
    assert_true(str_eq(set.account, TWO));
    arena_reset(a);
    town_close(t);
}

static void a_head_cut_anywhere_is_refused(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    AUTO_BUF bytes = buf_new(4096);
    struct forward_path rcpt = to("a", "example.com", a);
    struct head head = { .account = ONE,
                         .region = STR("us-east-1"),
                         .envelope = { .message_id = STR("id"),
                                       .rcpt_to = &rcpt,
                                       .rcpt_count = 1 } },
                got;
    head_encode(&head, &bytes);
    assert_null(head_decode(buf_str(&bytes), a, &got));
    assert_true(str_eq(got.account, ONE));
    assert_true(str_eq(got.envelope.rcpt_to[0].text, rcpt.text));
    for (size_t len = 0; len < bytes.len; len++)
        assert_non_null(head_decode((str) { bytes.ptr, len }, a, &got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_is_taken_for_what_an_enabled_rule_of_the_active_set_matches),
        cmocka_unit_test(a_matching_rule_may_demand_tls),
        cmocka_unit_test(the_filter_or_the_line_that_blocks_is_named),
        cmocka_unit_test(a_bounce_that_comes_first_is_the_answer_where_the_operator_wants_it),
        cmocka_unit_test(a_transaction_sees_the_world_it_took_at_mail),
        cmocka_unit_test(each_account_gets_an_entry_with_its_own_recipients),
        cmocka_unit_test(a_head_cut_anywhere_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
