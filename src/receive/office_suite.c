#include "receive/office_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct sending fake_send(struct mailer_port *port, const struct outgoing *mail,
                                struct arena *a)
{
    struct fake_mailer *f = (struct fake_mailer *)port;
    (void)a;
    f->sends++;
    snprintf(f->to, sizeof f->to, STR_FMT, STR_ARG(mail->forward_path));
    snprintf(f->from, sizeof f->from, STR_FMT, STR_ARG(mail->reverse_path));
    buf_clear(&f->message);
    buf_add(&f->message, mail->message);
    return (struct sending) { f->sent, STR("RCPT was answered so"), f->host, f->reply, f->status };
}

static str fake_target(struct mailer_port *port, str forward_path, struct arena *a)
{
    (void)port, (void)forward_path;
    return arena_str(a, STR("smtp://relay.test:25"));
}

struct fake_mailer fake_mailer_saying(enum sent sent)
{
    return (struct fake_mailer) { .port = { .send = fake_send, .target = fake_target },
                                  .sent = sent,
                                  .message = buf_new(1 << 20) };
}

struct office *office_open(void)
{
    struct office *o = calloc(1, sizeof *o);
    o->dir = temp_dir_make();
    o->arena = arena_new(64 << 20);
    o->clock = fake_clock_at("2015-10-01T13:48:58.000Z");
    o->entropy = seeded_entropy(1);
    o->journal = captured_journal_new();
    o->outside = (struct outside) { .clock = &o->clock.clock,
                                    .entropy = &o->entropy.entropy,
                                    .journal = captured_journal(o->journal),
                                    .disk = disk_real() };
    struct spool_limits limits = { .segment_bytes = 1 << 20, .history_bytes = 1 << 20 };
    assert_null(spool_log_open(str_of(o->dir.path), &limits, &o->outside, o->arena, &o->spool));
    o->mailer = fake_mailer_saying(SENT_TAKEN);
    o->way = (struct outgoing_way) { o->spool, &o->mailer.port, &o->entropy.entropy };
    o->head = (struct head) {
        .account = STR("111122223333"),
        .region = STR("us-west-2"),
        .envelope = { .message_id = STR(ID),
                      .mail_from = { .text = STR("me@sender.example"),
                                     .mailbox = { STR("me"), STR("sender.example") } },
                      .received_ms = o->clock.wall_ms - 4000 },
    };
    return o;
}

void office_close(struct office *o)
{
    o->spool->ops->stop(o->spool);
    o->spool->ops->close(o->spool);
    captured_journal_free(o->journal);
    buf_free(&o->mailer.message);
    arena_free(o->arena);
    temp_dir_remove(&o->dir);
    free(o);
}

struct errand office_take(struct office *o, struct lease *lease, str *ret_body)
{
    struct errand errand;
    int64_t taken_ms;
    assert_null(o->spool->ops->lease(o->spool, 5000, o->arena, lease));
    assert_non_null(lease->impl);
    assert_int_equal(lease->entry.kind, SPOOL_OUTGOING);
    assert_null(errand_read(&lease->entry, o->arena, &errand, &taken_ms));
    assert_null(o->spool->ops->read(lease, 0, lease->body_size, o->arena, ret_body));
    return errand;
}
