/* What server and runner say, written and read; and what is no message at all. */
#include "services/lambda/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static struct packet *start(void)
{
    struct packet *p = calloc(1, sizeof *p);
    *p = (struct packet) { .word = PACKET_START,
                           .ticket = 0xfffefdfc,
                           .slot = 3,
                           .number = 1ULL << 40,
                           .text = STR("hash"),
                           .arguments = { STR("/usr/bin/node"), STR("") },
                           .argument_count = 2,
                           .environment = { STR("A=b") },
                           .environment_count = 1 };
    return p;
}

static void a_message_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct packet *p = start(), *read = calloc(1, sizeof *read);
    AUTO_BUF out = buf_new(PACKET_MAX);
    packet_write(p, &out);
    assert_true(packet_read(buf_str(&out), read));
    assert_int_equal(read->word, PACKET_START);
    assert_int_equal(read->ticket, 0xfffefdfc);
    assert_int_equal(read->number, 1ULL << 40);
    assert_true(str_eq(read->text, STR("hash")));
    assert_int_equal(read->argument_count, 2);
    assert_true(str_eq(read->environment[0], STR("A=b")));
    for (size_t len = 0; len < out.len; len++)
        assert_false(packet_read(str_head(buf_str(&out), len), read));
    buf_addc(&out, 'x');
    assert_false(packet_read(buf_str(&out), read));
    free(p);
    free(read);
}

static void what_does_not_fit_or_would_end_early_is_none(void **state)
{
    (void)state;
    struct packet *p = start(), *read = calloc(1, sizeof *read);
    char *large = calloc(1, PACKET_MAX);
    AUTO_BUF out = buf_new(2 * PACKET_MAX);
    p->text = (str) { "a\0b", 3 }; /* would be cut at execve */
    packet_write(p, &out);
    assert_false(packet_read(buf_str(&out), read));
    buf_clear(&out);
    p->text = (str) { large, PACKET_MAX };
    packet_write(p, &out);
    assert_true(out.failed);
    buf_clear(&out);
    p->word = (enum packet_word)9;
    p->text = STR("");
    packet_write(p, &out);
    assert_false(packet_read(buf_str(&out), read));
    free(large);
    free(p);
    free(read);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_read_as_it_was_written),
        cmocka_unit_test(what_does_not_fit_or_would_end_early_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
