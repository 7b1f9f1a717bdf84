#include "services/ses/block_list.h"

#include "base/buf.h"
#include "services/ses/filters.h"
#include "testing/temp_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

static const struct block_list *list_of(const char *text)
{
    AUTO_ARENA *a = arena_new(1 << 20);
    const struct block_list *list;
    assert_null(block_list_read(str_of(text), STR("bad.txt"), a, &list));
    return list;
}

/* The line that has it, 0: none. */
static unsigned line_of(const struct block_list *list, const char *address)
{
    struct network peer;
    struct block_list_entry entry = { .line = 0 };
    assert_true(filter_peer_read(str_of(address), &peer));
    return block_list_find(list, &peer, &entry) ? entry.line : 0;
}

static void an_address_is_listed_by_the_network_that_holds_it(void **state)
{
    (void)state;
    const struct block_list *list = list_of("# comment\n"
                                            "192.0.2.0/24\n"
                                            "\n"
                                            "198.51.100.7 # one\r\n"
                                            "203.0.113.9/28 ; host bits\n"
                                            "\t 2001:db8::/32 \t\n"
                                            "2001:db9::5\n"
                                            "::ffff:10.1.0.0/112\n"
                                            "224.0.0.0/3");
    static const struct {
        const char *address;
        unsigned line;
    } cases[] = {
        { "192.0.1.255", 0 },
        { "192.0.2.0", 2 },
        { "192.0.2.255", 2 },
        { "192.0.3.0", 0 },
        { "198.51.100.6", 0 },
        { "198.51.100.7", 4 },
        { "198.51.100.8", 0 },
        { "203.0.113.0", 5 },
        { "203.0.113.15", 5 },
        { "203.0.113.16", 0 },
        { "2001:db7:ffff::1", 0 },
        { "2001:db8::", 6 },
        { "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 6 },
        { "2001:db9::4", 0 },
        { "2001:db9::5", 7 },
        { "2001:db9::6", 0 },
        { "10.1.2.3", 8 },
        { "::ffff:10.1.2.3", 8 },
        { "10.2.0.0", 0 },
        { "255.255.255.255", 9 },
        { "::ffff:192.0.2.9", 2 },
        { "0.0.0.0", 0 },
        { "::", 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (line_of(list, cases[i].address) != cases[i].line)
            fail_msg("%s: line %u", cases[i].address, line_of(list, cases[i].address));
    assert_int_equal(block_list_count(list), 7);
    block_list_unref(list);
}

static void a_network_in_another_is_told_by_the_widest(void **state)
{
    (void)state;
    const struct block_list *list =
        list_of("10.1.2.3\n10.1.0.0/16\n10.1.2.0/24\n10.2.0.0/16\n10.1.0.0/16\n"
                "2001:db8:1::/48\n2001:db8::/32\n2001:db8:1::1\n");
    assert_int_equal(block_list_count(list), 3);
    assert_int_equal(line_of(list, "10.1.2.3"), 2);
    assert_int_equal(line_of(list, "10.2.2.3"), 4);
    assert_int_equal(line_of(list, "2001:db8:1::1"), 7);
    block_list_unref(list);
    list = list_of("::/0\n");
    assert_int_equal(line_of(list, "::1"), 1);
    assert_int_equal(line_of(list, "ffff::1"), 1);
    assert_int_equal(line_of(list, "10.0.0.1"), 0); /* the families stay apart */
    block_list_unref(list);
    list = list_of("0.0.0.0/0\n");
    assert_int_equal(line_of(list, "10.0.0.1"), 1);
    assert_int_equal(line_of(list, "::1"), 0);
    struct network network;
    struct block_list_entry entry;
    assert_true(network_read(STR("10.0.0.0/8"), &network));
    assert_true(block_list_find(list, &network, &entry));
    assert_int_equal(entry.network.prefix, 0);
    block_list_unref(list);
    list = list_of("");
    assert_int_equal(line_of(list, "10.0.0.1"), 0);
    block_list_unref(list);
}

static void the_first_wrong_line_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "10.0.0.1\n10.0.0.256\n",
          "line 2 of the block list bad.txt is no address or network: 10.0.0.256" },
        { "10.0.0.0/33", "line 1 of the block list bad.txt is no address or network: 10.0.0.0/33" },
        { "# x\n\nmail.example # y",
          "line 3 of the block list bad.txt is no address or network: mail.example" },
        { "10.0.0.0/8 10.0.0.1",
          "line 1 of the block list bad.txt is no address or network: 10.0.0.0/8 10.0.0.1" },
        { "fe80::1%eth0",
          "line 1 of the block list bad.txt is no address or network: fe80::1%eth0" },
        { "10.0.0.0/", "line 1 of the block list bad.txt is no address or network: 10.0.0.0/" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO_ARENA *a = arena_new(1 << 20);
        const struct block_list *list;
        const struct fault *f = block_list_read(str_of(cases[i].text), STR("bad.txt"), a, &list);
        assert_non_null(f);
        assert_int_equal(f->kind, FAULT_SYNTAX);
        if (!str_eq(f->says, str_of(cases[i].says)))
            fail_msg(STR_FMT, STR_ARG(f->says));
    }
    AUTO_ARENA *a = arena_new(1 << 20);
    const struct block_list *list;
    char longer[BLOCK_LIST_LINE_MAX + 2];
    memset(longer, '#', sizeof longer);
    const struct fault *f =
        block_list_read((str) { longer, sizeof longer }, STR("bad.txt"), a, &list);
    assert_true(
        f && str_eq(f->says, STR("line 1 of the block list bad.txt is longer than 1024 octets")));
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void a_list_that_cannot_be_read_again_leaves_the_one_before(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    struct temp_dir folder = temp_dir_make();
    char path[512];
    struct block_lists *lists;
    temp_dir_path(&folder, "list", path);
    const struct fault *f = block_lists_open(str_of(path), disk_real(), a, &lists);
    assert_true(f && f->kind == FAULT_UNAVAILABLE);
    assert_null(block_lists_now(NULL));

    write_file(path, "10.0.0.1\n");
    assert_null(block_lists_open(str_of(path), disk_real(), a, &lists));
    const struct block_list *before = block_lists_now(lists);
    write_file(path, "10.0.0.1\n10.0.0.2\n");
    assert_int_equal(line_of(before, "10.0.0.2"), 0);
    assert_null(block_lists_read(lists, a));
    assert_int_equal(line_of(before, "10.0.0.2"), 0); /* who took it before keeps it */
    block_list_unref(before);
    write_file(path, "10.0.0.3\nnonsense\n");
    f = block_lists_read(lists, a);
    assert_true(f && f->kind == FAULT_SYNTAX);
    const struct block_list *now = block_lists_now(lists);
    assert_int_equal(line_of(now, "10.0.0.2"), 2);
    assert_int_equal(line_of(now, "10.0.0.3"), 0);
    block_list_unref(now);
    block_lists_close(lists);
    temp_dir_remove(&folder);
}

/* A walk over a tree of prefixes, or a scan, would take more steps the more networks there are. */
static void a_million_networks_are_searched_like_a_few(void **state)
{
    (void)state;
    enum { MANY = 1 << 20 };
    AUTO_ARENA *a = arena_new(1 << 20);
    AUTO_BUF text = buf_new(64 << 20);
    for (unsigned i = 0; i < MANY; i++) /* every second /29 of half of IPv4, out of order */
        buf_addf(&text, "%u.%u.%u.%u/29\n", i * 5 % 128, i >> 12 & 255, i >> 4 & 255,
                 (i & 15) << 4);
    const struct block_list *list;
    assert_null(block_list_read(buf_str(&text), STR("million"), a, &list));
    const size_t count = block_list_count(list);
    assert_int_equal(count, MANY);
    struct clock *clock = clock_real();
    size_t found = 0;
    const int64_t since = clock->steady_ms(clock);
    enum { ASKED = 2000000 };
    for (uint32_t i = 0; i < ASKED; i++) {
        const uint32_t n = i * 2654435761u;
        struct network peer = { .bytes = { (uint8_t)(n >> 24), (uint8_t)(n >> 16),
                                           (uint8_t)(n >> 8), (uint8_t)n },
                                .size = 4,
                                .prefix = 32 };
        struct block_list_entry entry;
        found += block_list_find(list, &peer, &entry);
    }
    const int64_t took = clock->steady_ms(clock) - since;
    print_message("%zu networks: %lld ns an address, %zu of %d listed\n", count,
                  (long long)(took * 1000000 / ASKED), found, ASKED);
    assert_true(found > 0 && found < ASKED);
    assert_true(took < 60000); /* a scan of the list would take an hour */
    block_list_unref(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_listed_by_the_network_that_holds_it),
        cmocka_unit_test(a_network_in_another_is_told_by_the_widest),
        cmocka_unit_test(the_first_wrong_line_is_named),
        cmocka_unit_test(a_list_that_cannot_be_read_again_leaves_the_one_before),
        cmocka_unit_test(a_million_networks_are_searched_like_a_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
