/* What a worker has under way at a time: the order of things, and that nobody waits for what is slow. */
#include "receive/post_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { MAILS_MOST = 12 };

struct mail {
    struct row *row;
    str id, rules;
    uint64_t size;
    enum spool_kind kind;
    bool ended;
};

/* A spool with a row of messages, and services, all of which write down what is asked of them. */
struct row {
    struct spool spool;
    struct s3_port s3;
    struct sns_port sns;
    struct post *post; /* for all else */
    struct mail mails[MAILS_MOST];
    size_t count, next, stops_at;
    struct buf story;
    const char *refused, *lost; /* ids: a put that is denied at once, and one that the disk fails */
};

static void told(struct row *r, const char *what, str id)
{
    buf_addf(&r->story, "%s " STR_FMT "; ", what, STR_ARG(id));
}

static const struct fault *row_lease(struct spool *spool, int64_t hold_ms, struct arena *a,
                                     struct lease *ret)
{
    static const struct fault stopped = { .kind = FAULT_UNAVAILABLE, .says = STR_INIT("stopped") };
    struct row *r = (struct row *)spool;
    (void)a;
    for (size_t i = 0; i < r->next; i++) /* who has something under way does not sleep here */
        assert_true(r->mails[i].ended || hold_ms == 0);
    *ret = (struct lease) { 0 };
    if (r->stops_at && r->next >= r->stops_at)
        return &stopped;
    if (r->next == r->count)
        return NULL;
    struct mail *m = &r->mails[r->next++];
    struct spool_entry entry = r->post->spool.record.entry;
    entry.id = m->id;
    entry.kind = m->kind;
    entry.rules = m->rules;
    *ret = (struct lease) { .entry = entry,
                            .body_size = m->size,
                            .attempt = 1,
                            .notes = STR(""),
                            .impl = (struct lease_impl *)(void *)m };
    return NULL;
}

static struct mail *mail_of(const struct lease *lease)
{
    return (struct mail *)(void *)lease->impl;
}

static const struct fault *row_read(const struct lease *lease, uint64_t offset, size_t wanted,
                                    struct arena *a, str *ret)
{
    static const char text[] = "Subject: x\r\n\r\n";
    const uint64_t size = mail_of(lease)->size;
    if (wanted > size - offset)
        wanted = (size_t)(size - offset);
    if (wanted > 64 * 1024)
        wanted = 64 * 1024;
    char *to = arena_alloc(a, wanted, 1);
    for (size_t i = 0; i < wanted; i++)
        to[i] = offset + i < sizeof text - 1 ? text[offset + i] : 'x';
    *ret = (str) { to, wanted };
    return NULL;
}

static const struct fault *row_note(struct lease *lease, str note)
{
    (void)note;
    told(mail_of(lease)->row, "note", mail_of(lease)->id);
    return NULL;
}

static const struct fault *row_settle(struct lease *lease, enum settlement how, int64_t retry_at_ms,
                                      str note)
{
    static const char *const ends[] = {
        [SETTLE_DONE] = "done", [SETTLE_RETRY] = "retry", [SETTLE_DEAD] = "dead"
    };
    struct mail *m = mail_of(lease);
    (void)retry_at_ms;
    assert_true(note.len > 0 || m->kind != SPOOL_MAIL);
    assert_false(m->ended);
    m->ended = true;
    told(m->row, ends[how], m->id);
    return NULL;
}

static void row_hold(struct lease *lease, uint64_t group)
{
    struct mail *m = mail_of(lease);
    (void)group;
    m->ended = true;
    told(m->row, "held", m->id);
}

static bool row_resume(struct spool *spool, uint64_t group, bool caller_leases, bool *ret_more)
{
    (void)spool, (void)group, (void)caller_leases;
    *ret_more = false;
    return false;
}

static const struct spool_ops row_ops = { .lease = row_lease,
                                          .read = row_read,
                                          .note = row_note,
                                          .settle = row_settle,
                                          .hold = row_hold,
                                          .resume = row_resume };

static struct row *row_of_s3(struct s3_port *port)
{
    return (struct row *)(void *)((char *)port - offsetof(struct row, s3));
}

static const struct fault *read_whole(const struct put_object *put)
{
    uint64_t size = 0;
    for (str chunk;; size += chunk.len) {
        TRY(put->body->read(put->body, &chunk));
        if (!chunk.len)
            break;
    }
    assert_int_equal(size, put->body->size);
    return NULL;
}

static const struct fault *row_put(struct s3_port *port, const struct call *call,
                                   const struct put_object *put)
{
    (void)call;
    TRY(read_whole(put));
    told(row_of_s3(port), "put", put->key);
    return NULL;
}

struct s3_upload {
    struct row *row;
    str key;
};

static const struct fault *row_begin(struct s3_port *port, const struct call *call,
                                     const struct put_object *put, struct s3_upload **ret_upload)
{
    struct row *r = row_of_s3(port);
    if (r->refused && str_eq(put->key, str_of(r->refused))) {
        told(r, "refuse", put->key);
        return &denied;
    }
    TRY(read_whole(put));
    struct s3_upload *u = ARENA_NEW(call->arena, struct s3_upload);
    *u = (struct s3_upload) { r, arena_str(call->arena, put->key) };
    told(r, "begin", u->key);
    *ret_upload = u;
    return NULL;
}

static const struct fault *row_await(struct s3_upload *u, const struct call *call)
{
    told(u->row, "await", u->key);
    return u->row->lost && str_eq(u->key, str_of(u->row->lost))
               ? fault(call->arena, FAULT_UNAVAILABLE, NULL, "the disk failed")
               : NULL;
}

static const struct fault *row_publish(struct sns_port *port, const struct call *call,
                                       const struct publish *publish, str *ret_message_id)
{
    struct row *r = (struct row *)(void *)((char *)port - offsetof(struct row, sns));
    (void)call;
    told(r, "publish", STR("it"));
    *ret_message_id = publish->message_id;
    return NULL;
}

static struct row *row_open(void)
{
    struct row *r = calloc(1, sizeof *r);
    r->post = post_open("");
    r->spool.ops = &row_ops;
    r->s3 = (struct s3_port) { row_put, row_begin, row_await };
    r->sns = (struct sns_port) { .publish = row_publish };
    r->post->ports = (struct ports) { .s3 = &r->s3, .sns = &r->sns };
    r->post->delivery.spool = &r->spool;
    r->story = buf_new(1 << 16);
    return r;
}

static struct mail *arrives(struct row *r, const char *id, const char *actions)
{
    struct mail *m = &r->mails[r->count++];
    assert_true(r->count <= MAILS_MOST);
    *m = (struct mail) {
        .row = r,
        .id = str_of(id),
        .size = 1000,
        .kind = SPOOL_MAIL,
        .rules = arena_strf(r->post->arena,
                            "{\"Name\":\"main\",\"Account\":\"111122223333\",\"Region\":\"us-east-1\","
                            "\"Rules\":[{\"Name\":\"store\",\"Enabled\":true,\"Actions\":[%s]}]}",
                            actions),
    };
    return m;
}

static bool works(struct row *r)
{
    AUTO_ARENA *a = arena_new(16 << 20);
    bool any;
    assert_null(deliver_some(&r->post->delivery, 60000, a, &any));
    return any;
}

static void row_close(struct row *r)
{
    for (size_t i = 0; i < r->next; i++)
        assert_true(r->mails[i].ended);
    post_close(r->post);
    buf_free(&r->story);
    free(r);
}

#define assert_story(r, what)                                                                      \
    do {                                                                                           \
        buf_addc(&(r)->story, '\0');                                                               \
        assert_string_equal((r)->story.ptr, what);                                                 \
        buf_clear(&(r)->story);                                                                    \
    } while (0)

#define TOPIC "{\"SNSAction\":{\"TopicArn\":\"arn:aws:sns:us-east-1:111122223333:t\"}}"

static void puts_are_begun_one_after_the_other_and_awaited_together(void **state)
{
    (void)state;
    struct row *r = row_open();
    arrives(r, "m1", S3), arrives(r, "m2", HEADER("X-A", "b") "," S3), arrives(r, "m3", S3);
    assert_true(works(r));
    assert_story(r, "begin m1; begin m2; begin m3; await m1; done m1; await m2; done m2; "
                    "await m3; done m3; ");
    assert_false(works(r));
    row_close(r);
}

static void no_more_than_eight_are_under_way(void **state)
{
    (void)state;
    struct row *r = row_open();
    const char *const ids[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i" };
    for (size_t i = 0; i < 9; i++)
        arrives(r, ids[i], S3);
    assert_true(works(r));
    assert_int_equal(r->next, 8);
    buf_clear(&r->story);
    assert_true(works(r));
    assert_story(r, "begin i; await i; done i; ");
    row_close(r);
}

/* A message that calls something else is begun when the others have ended, and nothing is begun beside it. */
static void what_may_be_slow_is_alone(void **state)
{
    (void)state;
    struct row *r = row_open();
    arrives(r, "m1", S3), arrives(r, "m2", S3 "," TOPIC), arrives(r, "m3", S3);
    assert_true(works(r));
    assert_story(r, "begin m1; await m1; done m1; put m2; note m2; publish it; done m2; ");
    assert_true(works(r));
    assert_story(r, "begin m3; await m3; done m3; ");
    row_close(r);

    r = row_open();
    arrives(r, "m1", S3), arrives(r, "m2", S3)->size = 20 << 20, arrives(r, "m3", S3);
    assert_true(works(r));
    assert_story(r, "begin m1; await m1; done m1; put m2; done m2; ");
    assert_true(works(r));
    row_close(r);
}

static void two_puts_of_one_message_are_made_in_turn(void **state)
{
    (void)state;
    struct row *r = row_open();
    arrives(r, "m1", S3_IN("a") "," S3_IN("b")), arrives(r, "m2", S3);
    assert_true(works(r));
    assert_story(r, "begin a/m1; begin m2; await a/m1; note m1; put b/m1; done m1; await m2; done m2; ");
    row_close(r);
}

static void what_fails_fails_alone(void **state)
{
    (void)state;
    struct row *r = row_open();
    r->refused = "m1", r->lost = "m2";
    arrives(r, "m1", S3), arrives(r, "m2", S3), arrives(r, "m3", S3);
    assert_true(works(r));
    assert_story(r, "refuse m1; retry m1; begin m2; begin m3; await m2; retry m2; await m3; done m3; ");
    row_close(r);
}

/* Two workers' worth of shares: the third put has to wait for one of the first, which are this worker's own. */
static void a_share_that_is_missing_is_waited_for_when_ours_are_given_back(void **state)
{
    (void)state;
    struct row *r = row_open();
    assert_null(shares_open(&r->spool, 2, &r->post->entropy.entropy, r->post->arena,
                            &r->post->delivery.shares));
    arrives(r, "m1", S3), arrives(r, "m2", S3), arrives(r, "m3", S3), arrives(r, "m4", S3);
    assert_true(works(r));
    assert_story(r, "begin m1; begin m2; await m1; done m1; await m2; done m2; put m3; done m3; ");
    assert_true(works(r));
    assert_story(r, "begin m4; await m4; done m4; ");
    shares_close(r->post->delivery.shares);
    row_close(r);
}

static void who_is_stopped_ends_what_is_under_way(void **state)
{
    (void)state;
    struct row *r = row_open();
    arrives(r, "m1", S3), arrives(r, "m2", S3), arrives(r, "m3", S3);
    r->stops_at = 2;
    assert_true(works(r));
    assert_story(r, "begin m1; begin m2; await m1; done m1; await m2; done m2; ");
    AUTO_ARENA *a = arena_new(1 << 20);
    bool any;
    const struct fault *f = deliver_some(&r->post->delivery, 0, a, &any);
    assert_int_equal(f->kind, FAULT_UNAVAILABLE);
    assert_false(any);
    row_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_are_begun_one_after_the_other_and_awaited_together),
        cmocka_unit_test(no_more_than_eight_are_under_way),
        cmocka_unit_test(what_may_be_slow_is_alone),
        cmocka_unit_test(two_puts_of_one_message_are_made_in_turn),
        cmocka_unit_test(what_fails_fails_alone),
        cmocka_unit_test(a_share_that_is_missing_is_waited_for_when_ours_are_given_back),
        cmocka_unit_test(who_is_stopped_ends_what_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
