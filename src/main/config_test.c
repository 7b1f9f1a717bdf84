#include "main/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define assert_str(got, want) assert_true(str_eq((got), STR(want)))

static const struct fault *read_with(struct arena *a, char *const *flags, char *const *environment,
                                     struct config *c)
{
    int count = 0;
    while (flags[count])
        count++;
    return config_read(FOR_SERVE, count, flags, environment, a, c);
}

#define FLAGS(...) ((char *const[]) { __VA_ARGS__ __VA_OPT__(, ) NULL })

static void without_anything_the_defaults_hold(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(4 << 20);
    struct config c;
    assert_null(read_with(a, FLAGS(), FLAGS(), &c));
    assert_str(c.data, "./sesame-data");
    assert_str(c.api, "127.0.0.1:4566");
    assert_str(c.account, "111122223333");
    assert_str(c.region, "us-east-1");
    assert_int_equal(c.smtp_count, 1);
    assert_str(c.smtp[0].address, "127.0.0.1:2525");
    assert_null(c.smtp[0].region.ptr);
    assert_int_equal(c.message_max, 41943040);
    assert_true(c.connections_per_address == NUMBER_UNSET);
    assert_false(c.demo);
    assert_int_equal(c.retry_wait_count, 7);
    assert_int_equal(c.retry_waits[6], 900);
    assert_null(read_with(a, FLAGS("--retry-waits", "1, 2"), FLAGS(), &c));
    assert_int_equal(c.retry_wait_count, 2);
    assert_int_equal(c.retry_waits[1], 2);
}

static void a_flag_wins_over_the_environment_and_that_over_the_file(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(8 << 20);
    char path[] = "/tmp/sesame-config-XXXXXX";
    int fd = mkstemp(path);
    static const char text[] =
        "# a comment\nregion = eu-west-1\naccount=999999999999\nworkers = 3\n"
        "smtp = 127.0.0.1:1\nsmtp = us-west-2=127.0.0.1:2\n";
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    struct config c;
    assert_null(read_with(
        a, FLAGS("--config", path, "--account", "000000000001"),
        FLAGS("SESAME_REGION=ap-south-1", "SESAME_ACCOUNT=000000000002", "SESAME_DATA="), &c));
    unlink(path);
    assert_str(c.account, "000000000001");
    assert_str(c.region, "ap-south-1");
    assert_str(c.data, "./sesame-data"); /* an empty variable is none */
    assert_int_equal(c.workers, 3);
    assert_int_equal(c.smtp_count, 2);
    assert_str(c.smtp[1].region, "us-west-2");
}

static void a_file_with_a_secret_is_its_owners_alone(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(8 << 20);
    char path[] = "/tmp/sesame-config-XXXXXX";
    int fd = mkstemp(path);
    static const char text[] = "relay = relay.test:587\nrelay-user = me\nrelay-password = x\n";
    struct config c;
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    assert_null(read_with(a, FLAGS("--config", path), FLAGS(), &c));
    assert_str(c.relay_password, "x");
    assert_int_equal(fchmod(fd, 0640), 0);
    const struct fault *f = read_with(a, FLAGS("--config", path), FLAGS(), &c);
    assert_non_null(f);
    assert_true(str_starts(f->says, STR("relay-password is in the config file /tmp/sesame-config-")));
    assert_true(str_ends(f->says, STR("which others than its owner can read: chmod 600 it")));
    close(fd);
    unlink(path);
}

static void several_listeners_may_serve_several_regions(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(4 << 20);
    struct config c;
    assert_null(
        read_with(a, FLAGS("--smtp", "127.0.0.1:0", "--smtp=eu-west-1=[::1]:25"), FLAGS(), &c));
    assert_int_equal(c.smtp_count, 2);
    assert_str(c.smtp[1].region, "eu-west-1");
    assert_str(c.smtp[1].address, "[::1]:25");
}

static void what_is_wrong_is_said_in_one_sentence(void **state)
{
    (void)state;
    static const struct {
        char *const flags[3];
        const char *says;
    } cases[] = {
        /* clang-format off */
        { { "--nonsense" }, "there is no flag --nonsense" },
        { { "--smtp" }, "--smtp wants a value: [REGION=]ADDR:PORT" },
        { { "--smtp", "nowhere" }, "--smtp wants [REGION=]ADDR:PORT, not \"nowhere\"" },
        { { "--smtp", "127.0.0.1:65536" }, "--smtp wants [REGION=]ADDR:PORT, not \"127.0.0.1:65536\"" },
        { { "--account", "12" }, "--account wants twelve digits, not \"12\"" },
        { { "--compat", "ses2" }, "--compat wants one of: none ses, not \"ses2\"" },
        { { "--workers", "0" }, "--workers wants a number from 1 to 1024, not \"0\"" },
        { { "--retry-waits", "1,0" }, "--retry-waits wants 1 to 16 numbers of seconds from 1 to 14400, not \"0\"" },
        { { "--retry-waits", "1,,2" }, "--retry-waits wants 1 to 16 numbers of seconds from 1 to 14400, not \"\"" },
        { { "--retry-waits", "14401" }, "--retry-waits wants 1 to 16 numbers of seconds from 1 to 14400, not \"14401\"" },
        { { "--retry-waits", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,7" }, "--retry-waits wants 1 to 16 numbers of seconds from 1 to 14400, not \"7\"" },
        { { "--tls-cert", "x.pem" }, "--tls-cert and --tls-key go together" },
        { { "--root-secret-access-key", "x" }, "there is no flag --root-secret-access-key" },
        { { "serve" }, "there is no place for \"serve\" here; flags begin with --" },
        { { "--config", "/nonexistent/x" }, "the config file /nonexistent/x cannot be read: No such file or directory" },
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO_ARENA *a = arena_new(4 << 20);
        struct config c;
        const struct fault *f = read_with(a, cases[i].flags, FLAGS(), &c);
        assert_non_null(f);
        assert_int_equal(f->kind, FAULT_SYNTAX);
        assert_string_equal(arena_cstr(a, f->says), cases[i].says);
    }
}

static void a_flag_whose_value_may_be_left_out_takes_what_is_no_flag(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(4 << 20);
    struct config c;
    const unsigned explain = FOR_ASK | FOR_EXPLAIN;
    assert_null(config_read(explain, 0, FLAGS(), FLAGS(), a, &c));
    assert_null(c.setup.ptr);
    assert_null(config_read(explain, 1, FLAGS("--setup"), FLAGS(), a, &c));
    assert_true(c.setup.ptr && c.setup.len == 0);
    assert_null(config_read(explain, 2, FLAGS("--setup", "--json"), FLAGS(), a, &c));
    assert_true(c.setup.ptr && c.setup.len == 0 && c.json);
    assert_null(config_read(explain, 3, FLAGS("--setup", "main/r", "--json"), FLAGS(), a, &c));
    assert_str(c.setup, "main/r");
    assert_null(config_read(explain, 1, FLAGS("--setup=main"), FLAGS(), a, &c));
    assert_str(c.setup, "main");
}

static void loopback_is_told_from_the_world(void **state)
{
    (void)state;
    assert_true(config_is_loopback(STR("127.0.0.1:25")));
    assert_true(config_is_loopback(STR("[::1]:25")));
    assert_false(config_is_loopback(STR("0.0.0.0:25")));
    assert_false(config_is_loopback(STR("[::]:25")));
    assert_false(config_is_loopback(STR("192.0.2.1:25")));
    assert_false(config_is_loopback(STR("127.example.com:25"))); /* a name leads anywhere */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_anything_the_defaults_hold),
        cmocka_unit_test(a_flag_wins_over_the_environment_and_that_over_the_file),
        cmocka_unit_test(a_file_with_a_secret_is_its_owners_alone),
        cmocka_unit_test(several_listeners_may_serve_several_regions),
        cmocka_unit_test(what_is_wrong_is_said_in_one_sentence),
        cmocka_unit_test(a_flag_whose_value_may_be_left_out_takes_what_is_no_flag),
        cmocka_unit_test(loopback_is_told_from_the_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
