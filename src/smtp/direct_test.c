/* smtp/direct_test.c - mail by exchanges of a zone in a table, to servers on loopback. */
#include "smtp/direct.h"

#include "smtp/far_end_suite.h"
#include "testing/entropy.h"
#include "testing/resolver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define TAKES "220 hi\r\n", "250 x\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 taken\r\n", NULL

static const struct table_row zone[] = {
    { "two.test", DNS_MX, DNS_FOUND, "10 first.test" },
    { "two.test", DNS_MX, DNS_FOUND, "20 second.test" },
    { "halfway.test", DNS_MX, DNS_FOUND, "5 gone.test" },
    { "halfway.test", DNS_MX, DNS_FOUND, "10 we.test" },
    { "halfway.test", DNS_MX, DNS_FOUND, "20 second.test" },
    { "first.test", DNS_A, DNS_FOUND, "127.0.0.2" },
    { "second.test", DNS_A, DNS_FOUND, "127.0.0.3" },
    { "we.test", DNS_A, DNS_FOUND, "127.0.0.1" },
    { "dead.test", DNS_MX, DNS_FAILED, NULL },
};

struct walk_case {
    const char *says, *to;
    const char *first[8], *second[8]; /* scripts of 127.0.0.2 and .3; none: nobody listens there */
    bool barred;                      /* private addresses are not dialled */
    enum sent sent;
    const char *why;
};
/* clang-format off */
static const struct walk_case walks[] = {
    { "the first exchange takes it", "a@two.test", { TAKES }, { NULL }, false, SENT_TAKEN, "first.test (127.0.0.2:%u): the server said 250 taken" },
    { "one that is not there is passed by", "a@two.test", { NULL }, { TAKES }, false, SENT_TAKEN, "second.test (127.0.0.3:%u): the server said 250 taken" },
    { "so is one that turns everybody away", "a@two.test", { "554 not here\r\n", NULL }, { TAKES }, false, SENT_TAKEN, "second.test" },
    { "and one that is busy", "a@two.test", { "220 hi\r\n", "250 x\r\n", "250 ok\r\n", "451 4.7.1 later\r\n", NULL }, { TAKES }, false, SENT_TAKEN, "second.test" },
    { "a refusal is for good", "a@two.test", { "220 hi\r\n", "250 x\r\n", "250 ok\r\n", "550 5.1.1 no\r\n", NULL }, { NULL }, false, SENT_REFUSED, "first.test (127.0.0.2:%u): RCPT was answered 550 5.1.1 no" },
    { "also behind one that was busy", "a@two.test", { "421 busy\r\n", NULL }, { "220 hi\r\n", "250 x\r\n", "550 5.7.1 no\r\n", NULL }, false, SENT_REFUSED, "second.test (127.0.0.3:%u): MAIL was answered 550" },
    { "what may have been taken is offered to nobody else at once", "a@two.test", { "220 hi\r\n", "250 x\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "<DOT>", "", NULL }, { NULL }, false, SENT_LATER, "first.test (127.0.0.2:%u): the connection was lost while waiting for the answer to the message, which may have arrived" },
    { "what was cut off before its end was taken by nobody", "a@two.test", { "220 hi\r\n", "250 x\r\n", "250 ok\r\n", "250 ok\r\n", "", NULL }, { TAKES }, false, SENT_TAKEN, "second.test" },
    { "nobody there is asked later", "a@two.test", { NULL }, { NULL }, false, SENT_LATER, "no connection to 127.0.0.3" },
    { "without an MX the host itself", "a@first.test", { TAKES }, { NULL }, false, SENT_TAKEN, "first.test" },
    { "an address literal", "a@[127.0.0.3]", { NULL }, { TAKES }, false, SENT_TAKEN, "[127.0.0.3]" },
    { "we are asked as anybody is, and nobody behind us", "a@we.test", { NULL }, { NULL }, false, SENT_LATER, "we.test (127.0.0.1:%u): no connection to" },
    { "nor past us", "a@halfway.test", { NULL }, { NULL }, false, SENT_LATER, "we.test (127.0.0.1:%u): no connection to" },
    { "no private address, where they are barred", "a@two.test", { NULL }, { NULL }, true, SENT_REFUSED, "no address out on the Internet" },
    { "nor one in a literal", "a@[127.0.0.2]", { NULL }, { NULL }, true, SENT_REFUSED, "no address out on the Internet" },
    { "a domain that DNS does not answer for", "a@dead.test", { NULL }, { NULL }, false, SENT_LATER, "SERVFAIL" },
    { "a domain that is not there", "a@gone.test", { NULL }, { NULL }, false, SENT_REFUSED, "does not exist" },
};
/* clang-format on */

/* Both on one port, as exchanges are. */
static unsigned listen_both(struct far_end *first, struct far_end *second, struct arena *a)
{
    far_end_listen(first, STR("127.0.0.2:0"), a);
    str port, host;
    str_cut(first->address, ':', &host, &port);
    far_end_listen(second, arena_strf(a, "127.0.0.3:" STR_FMT, STR_ARG(port)), a);
    uint64_t number = 0;
    assert_true(str_u64(port, &number));
    return (unsigned)number;
}

static void far_end_use(struct far_end *f, const char *const *script)
{
    f->script = script;
    if (script[0])
        far_end_begin(f);
    else
        close(f->listener);
}

static void far_end_leave(struct far_end *f)
{
    if (f->script[0])
        far_end_end(f);
    buf_free(&f->heard);
}

static void mail_walks_along_its_route(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof walks / sizeof *walks; i++) {
        const struct walk_case *c = &walks[i];
        AUTO_ARENA *a = arena_new(1 << 20);
        struct far_end first = { .listener = -1 }, second = { .listener = -1 };
        struct table_resolver table = table_resolver(zone, sizeof zone / sizeof *zone);
        struct seeded_entropy entropy = seeded_entropy(1);
        const struct outside outside = { .clock = clock_real(),
                                         .entropy = &entropy.entropy,
                                         .resolver = &table.resolver };
        struct ourselves own = { .count = 0 };
        unsigned port = listen_both(&first, &second, a);
        struct smtp_direct_settings settings = { .hostname = STR("mx.test"),
                                                 .port = port,
                                                 .private_targets = !c->barred,
                                                 .patience_ms = 20000,
                                                 .own = &own };
        struct mailer_port *mailer;
        ourselves_add(&own, arena_strf(a, "127.0.0.1:%u", port));
        assert_null(smtp_direct_open(&settings, &outside, a, &mailer));
        print_message("# %s\n", c->says);
        far_end_use(&first, c->first);
        far_end_use(&second, c->second);
        const struct outgoing mail = { .reverse_path = STR(""),
                                       .forward_path = str_of(c->to),
                                       .message = STR("S: s\r\n\r\nx\r\n") };
        struct sending s = mailer->send(mailer, &mail, a);
        far_end_leave(&first);
        far_end_leave(&second);
        char why[200];
        snprintf(why, sizeof why, c->why, port);
        if (s.sent != c->sent || str_find_str(s.says, str_of(why)) == s.says.len)
            fail_msg("%d " STR_FMT, s.sent, STR_ARG(s.says));
    }
}

static void each_domain_is_a_target_of_its_own(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    struct ourselves own = { .count = 0 };
    struct smtp_direct_settings settings = { .hostname = STR("mx.test"), .port = 25, .own = &own };
    const struct outside outside = { .clock = clock_real() };
    struct mailer_port *mailer;
    assert_null(smtp_direct_open(&settings, &outside, a, &mailer));
    assert_true(str_eq(mailer->target(mailer, STR("a@Two.Test"), a), STR("smtp://two.test")));
    assert_true(str_eq(mailer->target(mailer, STR("a@[192.0.2.1]"), a), STR("smtp://[192.0.2.1]")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_walks_along_its_route),
        cmocka_unit_test(each_domain_is_a_target_of_its_own),
    };
    return cmocka_run_group_tests_name("smtp/direct", tests, NULL, NULL);
}
