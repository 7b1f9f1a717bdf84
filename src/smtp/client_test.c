/* smtp/client_test.c - the client against a real socket: what it says, what it waits for, and how
 * long. */
#include "smtp/client.h"

#include "base/buf.h"
#include "smtp/far_end_suite.h"
#include "testing/temp_dir.h"
#include "wire/listen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct sending send_with(struct far_end *f, const char *const *script,
                                struct smtp_client_settings settings, struct arena *a)
{
    static const struct outgoing mail = { .reverse_path = STR_INIT(""),
                                          .forward_path = STR_INIT("a@b.test"),
                                          .message = STR_INIT("S: s\r\n\r\n.\r\n") };
    struct mailer_port *mailer;
    f->script = script;
    far_end_listen(f, STR("127.0.0.1:0"), a);
    settings.relay = settings.tls == TALK_TLS_FIRST /* whose certificate is for a name */
                         ? arena_strf(a, "localhost" STR_FMT,
                                      STR_ARG(str_from(f->address, sizeof "127.0.0.1" - 1)))
                         : f->address;
    settings.hostname = STR("mx.test");
    assert_null(smtp_client_open(&settings, clock_real(), a, &mailer));
    assert_true(str_eq(mailer->target(mailer, mail.forward_path, a),
                       arena_strf(a, "smtp://" STR_FMT, STR_ARG(settings.relay))));
    far_end_begin(f);
    struct sending sending = mailer->send(mailer, &mail, a);
    far_end_end(f);
    return sending;
}

static struct sending send_to(struct far_end *f, const char *const *script, int64_t patience_ms,
                              struct arena *a)
{
    const struct smtp_client_settings settings = { .tls = TALK_TLS_OFFERED,
                                                   .patience_ms = patience_ms };
    return send_with(f, script, settings, a);
}

#define TAKING "250 x\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 taken\r\n"
#define SENT                                                                                       \
    "EHLO mx.test\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\nDATA\r\nS: "                            \
    "s\r\n\r\n..\r\n.\r\nQUIT\r\n"

static void a_mail_is_sent(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    struct far_end f = { .listener = -1 };
    struct sending s = send_to(&f, (const char *const[]) { "220 hi\r\n", TAKING, NULL }, 5000, a);
    assert_int_equal(s.sent, SENT_TAKEN);
    assert_true(str_eq(buf_str(&f.heard), STR(SENT)));
    buf_free(&f.heard);
}

static void open_tls(struct far_end *f, struct temp_dir *dir, struct arena *a)
{
    struct tls_settings settings = { .hostname = STR("mx.test"), .directory = str_of(dir->path) };
    assert_null(tls_server_open(&settings, a, &f->tls));
}

static void it_goes_under_tls_where_that_is_offered(void **state)
{
    (void)state;
    AUTO_TEMP_DIR dir = temp_dir_make();
    AUTO_ARENA *a = arena_new(1 << 20);
    struct far_end f = { .listener = -1 };
    open_tls(&f, &dir, a);
    struct sending s = send_to(&f,
                               (const char *const[]) { "220 hi\r\n", "250 STARTTLS\r\n",
                                                       "220 go\r\n", "<TLS>", TAKING, NULL },
                               5000, a);
    assert_int_equal(s.sent, SENT_TAKEN);
    assert_true(f.secure);
    assert_true(str_ends(buf_str(&f.heard), STR(SENT)));
    tls_server_free(f.tls);
    buf_free(&f.heard);
}

static void a_broken_handshake_is_followed_by_the_clear(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    struct far_end f = { .listener = -1 };
    struct sending s =
        send_to(&f,
                (const char *const[]) { "220 hi\r\n", "250 STARTTLS\r\n", "220 go\r\n", "",
                                        "220 hi\r\n", "250-x\r\n250 STARTTLS\r\n", "250 ok\r\n",
                                        "250 ok\r\n", "354 go\r\n", "250 taken\r\n", NULL },
                5000, a);
    assert_int_equal(s.sent, SENT_TAKEN);
    buf_free(&f.heard);
}

/* The far end's certificate is its own authority, for the name it is made for. */
static void a_checked_certificate_is_for_this_name_and_trusted(void **state)
{
    (void)state;
    static const struct {
        const char *says, *name; /* of the certificate */
        bool trusted;
        enum sent sent;
        const char *ending;
    } cases[] = {
        { "for us, and trusted", "localhost", true, SENT_TAKEN, "250 taken" },
        { "another's, and trusted", "other.test", true, SENT_LATER, "hostname mismatch" },
        { "for us, and nobody's", "localhost", false, SENT_LATER, "self-signed certificate" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        print_message("# %s\n", cases[i].says);
        AUTO_TEMP_DIR dir = temp_dir_make();
        AUTO_TEMP_DIR other = temp_dir_make();
        AUTO_ARENA *a = arena_new(1 << 20);
        struct tls_server *another;
        struct tls_settings make = { .hostname = str_of(cases[i].name),
                                     .directory = str_of(other.path) };
        assert_null(tls_server_open(&make, a, &another)); /* so there is a certificate of nobody here */
        make.directory = str_of(dir.path);
        struct far_end f = { .listener = -1 };
        assert_null(tls_server_open(&make, a, &f.tls));
        struct smtp_client_settings settings = {
            .tls = TALK_TLS_FIRST,
            .ca_file =
                arena_strf(a, "%s/tls-cert.pem", cases[i].trusted ? dir.path : other.path),
            .login = { STR("me"), STR("secret") },
            .patience_ms = 5000,
        };
        struct sending s = send_with(
            &f,
            cases[i].sent == SENT_TAKEN
                ? (const char *const[]) { "<TLS>", "220 hi\r\n", "250 AUTH PLAIN\r\n", "235 ok\r\n",
                                          "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 taken\r\n",
                                          NULL }
                : (const char *const[]) { "<TLS>", NULL },
            settings, a);
        assert_int_equal(s.sent, cases[i].sent);
        if (str_find_str(s.says, str_of(cases[i].ending)) == s.says.len)
            print_error(STR_FMT "\n", STR_ARG(s.says));
        assert_true(str_find_str(s.says, str_of(cases[i].ending)) < s.says.len);
        assert_int_equal(f.secure, cases[i].sent == SENT_TAKEN);
        tls_server_free(f.tls);
        tls_server_free(another);
        buf_free(&f.heard);
    }
}

static void who_hangs_up_or_is_silent_is_asked_again_later(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    struct far_end f = { .listener = -1 };
    struct sending s = send_to(&f, (const char *const[]) { "220 hi\r\n", "", NULL }, 5000, a);
    assert_int_equal(s.sent, SENT_LATER);
    assert_true(
        str_eq(s.says, STR("the connection was lost while waiting for the answer to EHLO")));
    buf_free(&f.heard);
    int64_t began_ms = clock_real()->steady_ms(clock_real());
    s = send_to(&f, (const char *const[]) { "220 hi\r\n", "250 x\r\n", "<...>", NULL }, 300, a);
    assert_int_equal(s.sent, SENT_LATER);
    assert_true(str_eq(s.says, STR("the time ran out while waiting for the answer to MAIL")));
    assert_in_range(clock_real()->steady_ms(clock_real()) - began_ms, 300, 6000);
    buf_free(&f.heard);
}

/* RFC 5321 4.5.3.2.6: a server that has all of it may need its time. */
static void the_answer_to_the_message_has_time_of_its_own(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    struct far_end f = { .listener = -1 };
    const struct smtp_client_settings settings = { .tls = TALK_TLS_OFFERED,
                                                   .patience_ms = 300,
                                                   .answer_ms = 900 };
    const int64_t began_ms = clock_real()->steady_ms(clock_real());
    struct sending s = send_with(&f,
                                 (const char *const[]) { "220 hi\r\n", "250 x\r\n", "250 ok\r\n",
                                                         "250 ok\r\n", "354 go\r\n", "<DOT>", "<...>",
                                                         NULL },
                                 settings, a);
    assert_int_equal(s.sent, SENT_LATER);
    assert_true(s.in_doubt);
    assert_true(str_eq(s.says, STR("the time ran out while waiting for the answer to the message, "
                                   "which may have arrived")));
    assert_in_range(clock_real()->steady_ms(clock_real()) - began_ms, 900, 6000);
    buf_free(&f.heard);
}

static void nobody_there_is_said(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    struct mailer_port *mailer;
    int listener;
    str address;
    assert_null(listen_at(STR("127.0.0.1:0"), LISTEN_SHARED, a, &listener, &address));
    close(listener); /* now nobody listens there */
    struct smtp_client_settings settings = { .relay = address, .hostname = STR("mx.test") };
    assert_null(smtp_client_open(&settings, clock_real(), a, &mailer));
    struct sending s =
        mailer->send(mailer, &(struct outgoing) { .forward_path = STR("a@b.test") }, a);
    assert_int_equal(s.sent, SENT_LATER);
    assert_true(str_starts(s.says, STR("no connection to 127.0.0.1:")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mail_is_sent),
        cmocka_unit_test(it_goes_under_tls_where_that_is_offered),
        cmocka_unit_test(a_broken_handshake_is_followed_by_the_clear),
        cmocka_unit_test(a_checked_certificate_is_for_this_name_and_trusted),
        cmocka_unit_test(who_hangs_up_or_is_silent_is_asked_again_later),
        cmocka_unit_test(the_answer_to_the_message_has_time_of_its_own),
        cmocka_unit_test(nobody_there_is_said),
    };
    return cmocka_run_group_tests_name("smtp/client", tests, NULL, NULL);
}
