/* Maildirs: where an address leads, and a letter that is there once and whole, whatever fails. */
#include "store/maildir.h"

#include "base/buf.h"
#include "testing/disk_sim.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct folder_case {
    const char *says, *domain, *local_part, *folder; /* NULL: none */
};
/* clang-format off */
static const struct folder_case folders[] = {
    { "a mailbox",                           "example.com", "user",            "/m/example.com/user" },
    { "letters are small",                   "Example.COM", "User",            "/m/example.com/user" },
    { "a label goes",                        "example.com", "user+a+b",        "/m/example.com/user" },
    { "a local part that is all label stays", "example.com", "+a",             "/m/example.com/%2Ba" },
    { "nothing leads up",                    "example.com", "..",              "/m/example.com/%2E." },
    { "nor does a path",                     "example.com", "../../etc/passwd", "/m/example.com/%2E.%2F..%2Fetc%2Fpasswd" },
    { "nothing is hidden",                   "example.com", ".profile",        "/m/example.com/%2Eprofile" },
    { "nothing is the folder itself",        "example.com", ".",               "/m/example.com/%2E" },
    { "dots within stay",                    "example.com", "a.b",             "/m/example.com/a.b" },
    { "quotes, blanks, controls, UTF-8",     "example.com", "a \"\n\xc3\xa4:",  "/m/example.com/a%20%22%0A%C3%A4%3A" },
    { "a percent sign is no escape",         "example.com", "a%2fb",           "/m/example.com/a%252fb" },
    { "a domain is no path either",          "../x",        "user",            "/m/%2E.%2Fx/user" },
    { "an empty local part",                 "example.com", "",                NULL },
    { "an empty domain",                     "",            "user",            NULL },
};
/* clang-format on */

static void an_address_leads_to_one_folder(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        print_message("# %s\n", folders[i].says);
        str got =
            maildir_folder(STR("/m"), str_of(folders[i].domain), str_of(folders[i].local_part), a);
        assert_true(folders[i].folder ? str_eq(got, str_of(folders[i].folder)) : str_is_none(got));
    }
    char long_one[201];
    memset(long_one, 'a', sizeof long_one);
    assert_false(str_is_none(maildir_folder(STR("/m"), STR("x"), (str) { long_one, 200 }, a)));
    assert_true(str_is_none(maildir_folder(STR("/m"), STR("x"), (str) { long_one, 201 }, a)));
}

#define NAME   "1772442942.0bj6h9o5vlt5t6hug8b40eo1q4o9fk5ql6gj23o1.0"
#define FOLDER "/m/example.com/user"

struct text {
    str rest;
    unsigned reads;
};

static const struct fault *give(void *context, str *ret_piece)
{
    struct text *t = context;
    t->reads++;
    *ret_piece = str_head(t->rest, 7);
    t->rest = str_from(t->rest, 7);
    return NULL;
}

static const struct fault *put(struct disk_sim *sim, bool again, unsigned *ret_reads,
                               struct arena *a)
{
    struct text text = { .rest = STR("Subject: s\r\n\r\nhello there\r\n") };
    const struct maildir_letter letter = {
        .name = STR(NAME), .again = again, .read = give, .context = &text
    };
    const struct fault *f = maildir_put(disk_sim_disk(sim), STR("/m"), STR(FOLDER), &letter, a);
    if (ret_reads)
        *ret_reads = text.reads;
    return f;
}

static struct disk_sim *disk(void)
{
    struct disk_sim *sim = disk_sim_new();
    struct disk *d = disk_sim_disk(sim);
    d->make_directory(d, "/m", 0700);
    d->sync_directory(d, "/");
    return sim;
}

static bool is_there(struct disk_sim *sim, struct arena *a)
{
    str bytes = disk_sim_bytes(sim, FOLDER "/new/" NAME, a);
    if (str_is_none(bytes))
        return false;
    assert_true(str_eq(bytes, STR("Subject: s\r\n\r\nhello there\r\n")));
    return true;
}

static void it_is_delivered_once(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    unsigned reads;
    struct disk_sim *sim = disk();
    struct disk *d = disk_sim_disk(sim);
    assert_null(put(sim, false, &reads, a));
    assert_true(is_there(sim, a) && reads);
    assert_null(put(sim, false, &reads, a));
    assert_int_equal(reads, 0);
    d->rename(d, FOLDER "/new/" NAME, FOLDER "/cur/" NAME ":2,S"); /* it was read */
    assert_null(put(sim, true, &reads, a));
    assert_int_equal(reads, 0);
    assert_false(is_there(sim, a));
    disk_sim_free(sim);
}

/* Told that it is there: it is, after any power cut. Told no: once more, and it is there whole. */
static void check_after(struct disk_sim *sim, const struct fault *why, struct arena *a)
{
    for (int cut = DISK_CUT_DROP; cut <= DISK_CUT_TEAR; cut++) {
        struct disk_sim *after =
            disk_sim_after_cut(sim, disk_sim_steps(sim), (enum disk_cut)cut, 7);
        assert_non_null(after);
        assert_true(why || is_there(after, a));
        assert_null(put(after, true, NULL, a));
        assert_true(is_there(after, a));
        struct disk_sim *last = disk_sim_after_cut(after, disk_sim_steps(after), DISK_CUT_DROP, 1);
        assert_true(is_there(last, a));
        disk_sim_free(last);
        disk_sim_free(after);
    }
}

static void whatever_call_fails_it_is_there_in_the_end(void **state)
{
    (void)state;
    struct disk_sim *whole = disk();
    AUTO_ARENA *a = arena_new(16 << 20);
    const uint64_t before = disk_sim_calls(whole);
    assert_null(put(whole, false, NULL, a));
    const uint64_t calls = disk_sim_calls(whole);
    assert_in_range(calls - before, 12, 40);
    disk_sim_free(whole);
    for (uint64_t call = before + 1; call <= calls; call++) {
        for (int killed = 0; killed < 2; killed++) {
            struct disk_sim *sim = disk();
            if (killed)
                disk_sim_kill(sim, call);
            else
                disk_sim_fail(sim, call, call % 2 ? EIO : ENOSPC);
            const struct fault *f = put(sim, false, NULL, a);
            assert_true(!f || f->kind == FAULT_UNAVAILABLE || f->kind == FAULT_LIMIT);
            assert_true(!killed || f);
            disk_sim_heal(sim);
            check_after(sim, f, a);
            assert_null(put(sim, true, NULL, a)); /* no cut: the process alone ended */
            check_after(sim, NULL, a);
            disk_sim_free(sim);
            arena_reset(a);
        }
    }
}

static void a_name_leads_nowhere_else(void **state)
{
    (void)state;
    static const char *const bad[] = { "", ".", "../x", "a/b", "a:2,S", "a\n" };
    AUTO_ARENA *a = arena_new(1 << 20);
    struct disk_sim *sim = disk();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct text text = { .rest = STR("x") };
        const struct maildir_letter letter = { .name = str_of(bad[i]),
                                               .read = give,
                                               .context = &text };
        const struct fault *f = maildir_put(disk_sim_disk(sim), STR("/m"), STR(FOLDER), &letter, a);
        assert_int_equal(f->kind, FAULT_DEFECT);
    }
    disk_sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_leads_to_one_folder),
        cmocka_unit_test(it_is_delivered_once),
        cmocka_unit_test(whatever_call_fails_it_is_there_in_the_end),
        cmocka_unit_test(a_name_leads_nowhere_else),
    };
    return cmocka_run_group_tests_name("store/maildir", tests, NULL, NULL);
}
