/* mail/envelope_test.c - what the spool gives back is what it was given. */
#include "mail/envelope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct forward_path rcpts[] = {
    { .text = STR_INIT("a@b.test"), .mailbox = { STR_INIT("a"), STR_INIT("b.test") } },
    { .text = STR_INIT("Postmaster"), .mailbox = { STR_INIT("Postmaster"), { NULL, 0 } } },
};
static const struct envelope example = {
    .message_id = STR_INIT("id"),
    .peer = { .address = STR_INIT("192.0.2.1"),
              .ehlo = STR_INIT("h\0st"),
              .ptr = { NULL, 0 },
              .tls = true,
              .tls_version = STR_INIT("TLSv1.3"),
              .tls_cipher = STR_INIT("C") },
    .mail_from = { .text = STR_INIT("s@x.test"), .mailbox = { STR_INIT("s"), STR_INIT("x.test") } },
    .rcpt_to = rcpts,
    .rcpt_count = 2,
    .received_ms = -5,
    .size = UINT64_C(0x1234567890),
};

static void same(str a, str b)
{
    assert_int_equal(str_is_none(a), str_is_none(b));
    assert_true(str_eq(a, b));
}

static void an_envelope_comes_back_as_it_went(void **state)
{
    (void)state;
    AUTO_BUF bytes = buf_new(4096);
    AUTO_ARENA *arena = arena_new(1 << 16);
    envelope_encode(&example, &bytes);
    struct envelope e;
    assert_null(envelope_decode(buf_str(&bytes), arena, &e));
    same(e.message_id, example.message_id);
    same(e.peer.address, example.peer.address);
    same(e.peer.ehlo, example.peer.ehlo);
    same(e.peer.ptr, STR_NONE);
    same(e.peer.tls_version, example.peer.tls_version);
    same(e.peer.tls_cipher, example.peer.tls_cipher);
    same(e.mail_from.text, example.mail_from.text);
    same(e.mail_from.mailbox.local_part, STR("s"));
    same(e.mail_from.mailbox.domain, STR("x.test"));
    assert_true(e.peer.tls && !e.mail_from.null);
    assert_int_equal(e.rcpt_count, 2);
    same(e.rcpt_to[0].mailbox.domain, STR("b.test"));
    same(e.rcpt_to[1].text, STR("Postmaster"));
    same(e.rcpt_to[1].mailbox.domain, STR_NONE);
    assert_int_equal(e.received_ms, -5);
    assert_int_equal(e.size, example.size);
}

static void a_damaged_one_is_refused(void **state)
{
    (void)state;
    AUTO_BUF bytes = buf_new(4096);
    envelope_encode(&example, &bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        AUTO_ARENA *arena = arena_new(1 << 16);
        char *cut = malloc(len ? len : 1);
        struct envelope e;
        memcpy(cut, bytes.ptr, len);
        const struct fault *f = envelope_decode((str) { cut, len }, arena, &e);
        assert_non_null(f);
        assert_int_equal(f->kind, FAULT_SYNTAX);
        free(cut);
    }
    AUTO_ARENA *arena = arena_new(1 << 16);
    struct envelope e;
    buf_addc(&bytes, 'x');
    assert_non_null(envelope_decode(buf_str(&bytes), arena, &e));
    bytes.ptr[0] = 9;
    assert_non_null(envelope_decode(buf_str(&bytes), arena, &e));
    AUTO_ARENA *tiny = arena_new(64);
    bytes.ptr[0] = 1;
    bytes.len--;
    assert_int_equal(envelope_decode(buf_str(&bytes), tiny, &e)->kind, FAULT_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_envelope_comes_back_as_it_went),
        cmocka_unit_test(a_damaged_one_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
