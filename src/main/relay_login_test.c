/* Where user and password for the relay may come from, and who must not be able to read them. */
#include "main/relay_login.h"

#include "testing/temp_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <cmocka.h>

#define assert_str(got, want) assert_true(str_eq((got), STR(want)))

static str put(struct arena *a, const struct temp_dir *dir, const char *name, const char *text,
               unsigned mode)
{
    const str path = arena_strf(a, "%s/%s", dir->path, name);
    FILE *file = fopen(path.ptr, "w");
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path.ptr, mode), 0);
    return path;
}

static void variables_are_read_and_the_password_wiped(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    char password[] = "s3cret";
    const struct config c = { .relay = STR("relay.test:587"),
                              .relay_user = STR("me"),
                              .relay_password = str_of(password) };
    struct login login;
    assert_null(relay_login_read(&c, NULL, a, &login));
    assert_str(login.user, "me");
    assert_str(login.password, "s3cret");
    assert_memory_equal(password, "\0\0\0\0\0\0", 6);
}

static void a_file_has_two_lines_and_one_reader(void **state)
{
    (void)state;
    static const struct {
        const char *says, *text;
        unsigned mode;
        const char *fault; /* a part of it; NULL: it is read */
    } cases[] = {
        { "two lines", "me\ns3cret\n", 0600, NULL },
        { "without the last line's end", "me\ns3cret", 0400, NULL },
        { "with CRLF", "me\r\ns3cret\r\n", 0600, NULL },
        { "the group may read it", "me\ns3cret\n", 0640, "chmod 600" },
        { "others may read it", "me\ns3cret\n", 0604, "chmod 600" },
        { "one line", "me\n", 0600, "no user and password" },
        { "three lines", "me\ns3cret\nmore\n", 0600, "no user and password" },
        { "no user", "\ns3cret\n", 0600, "no user and password" },
        { "a control", "me\ns3c\tret\n", 0600, "no user and password" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        print_message("# %s\n", cases[i].says);
        AUTO_TEMP_DIR dir = temp_dir_make();
        AUTO_ARENA *a = arena_new(1 << 20);
        struct login login;
        const struct config c = { .relay = STR("relay.test:587"),
                                  .relay_credentials =
                                      put(a, &dir, "login", cases[i].text, cases[i].mode) };
        const struct fault *f = relay_login_read(&c, NULL, a, &login);
        assert_true(!f == !cases[i].fault);
        assert_true(!f || str_find_str(f->says, str_of(cases[i].fault)) < f->says.len);
        assert_true(!f || str_find_str(f->says, STR("s3c")) == f->says.len);
        if (!f) {
            assert_str(login.user, "me");
            assert_str(login.password, "s3cret");
        }
    }
}

static void a_longer_word_than_can_be_said_is_refused(void **state)
{
    (void)state;
    AUTO_TEMP_DIR dir = temp_dir_make();
    AUTO_ARENA *a = arena_new(1 << 20);
    struct login login;
    const str longest = arena_strf(a, "%0255d\n%0255d\n", 0, 0),
              longer = arena_strf(a, "%0255d\n%0256d\n", 0, 0);
    struct config c = { .relay = STR("relay.test:587"),
                        .relay_credentials = put(a, &dir, "fits", longest.ptr, 0600) };
    assert_null(relay_login_read(&c, NULL, a, &login));
    assert_int_equal(login.password.len, LOGIN_MAX);
    c.relay_credentials = put(a, &dir, "longer", longer.ptr, 0600);
    assert_int_equal(relay_login_read(&c, NULL, a, &login)->kind, FAULT_SYNTAX);
    c.relay_credentials = STR("/nonexistent/login");
    assert_int_equal(relay_login_read(&c, NULL, a, &login)->kind, FAULT_ABSENT);
}

/* systemd gives it 0440 and an ACL to a service's user. */
static void a_credential_of_systemd_is_found(void **state)
{
    (void)state;
    AUTO_TEMP_DIR dir = temp_dir_make();
    AUTO_ARENA *a = arena_new(1 << 20);
    struct login login;
    const struct config c = { .relay = STR("relay.test:587") }, no_relay = { .relay = STR_NONE };
    assert_null(relay_login_read(&c, dir.path, a, &login));
    assert_null(login.user.ptr);
    put(a, &dir, "sesame-relay", "me\ns3cret\n", 0440);
    assert_null(relay_login_read(&c, dir.path, a, &login));
    assert_str(login.user, "me");
    assert_null(relay_login_read(&no_relay, dir.path, a, &login));
    assert_null(login.user.ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variables_are_read_and_the_password_wiped),
        cmocka_unit_test(a_file_has_two_lines_and_one_reader),
        cmocka_unit_test(a_longer_word_than_can_be_said_is_refused),
        cmocka_unit_test(a_credential_of_systemd_is_found),
    };
    return cmocka_run_group_tests_name("main/relay_login", tests, NULL, NULL);
}
