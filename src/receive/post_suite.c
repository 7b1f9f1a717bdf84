#include "receive/post_suite.h"

#include "receive/head.h"
#include "receive/timeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct fault *fake_lease(struct spool *spool, int64_t hold_ms, struct arena *a,
                                      struct lease *ret)
{
    struct one_spool *s = (struct one_spool *)spool;
    (void)hold_ms;
    *ret = (struct lease) { 0 };
    bool lives = s->record.state == SPOOL_QUEUED || s->record.state == SPOOL_RETRYING;
    if (!lives || s->leased || s->record.due_ms > s->clock->wall_ms)
        return NULL;
    s->leased = true;
    *ret = (struct lease) { .entry = s->record.entry,
                            .body_size = s->body.len,
                            .attempt = ++s->record.attempt,
                            .notes = arena_str(a, buf_str(&s->notes)),
                            .resumed = s->resumed,
                            .impl = s };
    s->resumed = false;
    return NULL;
}

static const struct fault *fake_read(const struct lease *lease, uint64_t offset, size_t wanted,
                                     struct arena *a, str *ret)
{
    const struct one_spool *s = lease->impl;
    *ret = arena_str(a, str_head(str_from(s->body, (size_t)offset),
                                 wanted < 7 ? wanted : 7)); /* in small pieces */
    return NULL;
}

void post_note(struct one_spool *s, str note)
{
    if (note.len) {
        buf_add(&s->notes, note);
        buf_addc(&s->notes, '\n');
    }
}

static const struct fault *fake_note(struct lease *lease, str note)
{
    struct one_spool *s = lease->impl;
    s->notes_written++;
    post_note(s, note);
    return NULL;
}

static const struct fault *fake_settle(struct lease *lease, enum settlement how,
                                       int64_t retry_at_ms, str note)
{
    static const enum spool_state states[] = {
        [SETTLE_DONE] = SPOOL_DONE, [SETTLE_RETRY] = SPOOL_RETRYING, [SETTLE_DEAD] = SPOOL_DEAD
    };
    struct one_spool *s = lease->impl;
    post_note(s, note);
    s->record.state = states[how];
    s->record.due_ms = retry_at_ms;
    s->leased = false;
    return NULL;
}

static void fake_hold(struct lease *lease, uint64_t group)
{
    struct one_spool *s = lease->impl;
    (void)group;
    s->held++;
    s->record.attempt--;
    s->leased = false;
}

static bool fake_resume(struct spool *spool, uint64_t group, bool caller_leases, bool *ret_more)
{
    struct one_spool *s = (struct one_spool *)spool;
    (void)group, (void)caller_leases;
    s->resumed = true;
    *ret_more = false;
    return true;
}

static const struct fault *fake_draft(struct spool *spool, spool_resume_fn *resume, void *context,
                                      struct spool_draft **ret_draft)
{
    (void)resume, (void)context;
    buf_clear(&((struct one_spool *)spool)->errand_body);
    *ret_draft = (struct spool_draft *)(void *)spool;
    return NULL;
}

static bool fake_write(struct spool_draft *draft, str chunk)
{
    buf_add(&((struct one_spool *)(void *)draft)->errand_body, chunk);
    return true;
}

static void fake_commit(struct spool_draft *draft, const struct spool_entry *entries, size_t count,
                        spool_committed_fn *committed, void *context)
{
    struct one_spool *s = (struct one_spool *)(void *)draft;
    assert_int_equal(count, 1);
    s->put += !s->full;
    s->errand_kind = entries->kind;
    committed(context, s->full);
}

static const struct spool_ops fake_ops = { .lease = fake_lease,
                                           .draft = fake_draft,
                                           .write = fake_write,
                                           .commit = fake_commit,
                                           .read = fake_read,
                                           .note = fake_note,
                                           .settle = fake_settle,
                                           .hold = fake_hold,
                                           .resume = fake_resume };

static const struct fault *fake_put(struct s3_port *port, const struct call *call,
                                    const struct put_object *put)
{
    struct bucket_port *b = (struct bucket_port *)port;
    b->puts++;
    snprintf(b->caller, sizeof b->caller, STR_FMT " " STR_FMT " " STR_FMT,
             STR_ARG(caller_name(call->caller, call->arena)),
             STR_ARG(call->caller->service.source_account),
             STR_ARG(call->caller->service.source_arn.text));
    if (b->needs && !arena_alloc(call->arena, b->needs, 1))
        return &fault_no_memory;
    if (b->says)
        return b->says;
    b->metadata_count = put->metadata_count;
    for (size_t i = 0; i < put->metadata_count; i++) {
        assert_true(i < 8);
        b->metadata[i] = (struct header) { arena_str(b->arena, put->metadata[i].name),
                                           arena_str(b->arena, put->metadata[i].value) };
    }
    buf_clear(&b->object);
    for (str chunk;;) {
        TRY(put->body->read(put->body, &chunk));
        if (!chunk.len)
            break;
        buf_add(&b->object, chunk);
    }
    assert_int_equal(b->object.len, put->body->size);
    snprintf(b->key, sizeof b->key, STR_FMT "/" STR_FMT, STR_ARG(put->bucket), STR_ARG(put->key));
    return NULL;
}

static void name_caller(char to[256], const struct call *call)
{
    snprintf(to, 256, STR_FMT, STR_ARG(caller_name(call->caller, call->arena)));
}

static const struct fault *fake_data_key(struct kms_port *port, const struct call *call, str key_id,
                                         const struct encryption_context *context,
                                         struct data_key *ret)
{
    struct key_port *k = (struct key_port *)port;
    k->asked++;
    name_caller(k->caller, call);
    if (k->says)
        return k->says;
    buf_clear(&k->context);
    for (size_t i = 0; i < context->count; i++)
        buf_addf(&k->context, STR_FMT "=" STR_FMT ";", STR_ARG(context->pairs[i].name),
                 STR_ARG(context->pairs[i].value));
    *ret = (struct data_key) { .ciphertext = STR("wrapped"), .key_arn = key_id };
    memset(ret->plaintext, 'k', sizeof ret->plaintext);
    return NULL;
}

static const struct fault *fake_publish(struct sns_port *port, const struct call *call,
                                        const struct publish *publish, str *ret_message_id)
{
    struct topic_port *t = (struct topic_port *)port;
    t->published++;
    name_caller(t->caller, call);
    if (t->says)
        return t->says;
    buf_clear(&t->message);
    buf_add(&t->message, publish->message);
    snprintf(t->subject, sizeof t->subject, STR_FMT, STR_ARG(publish->subject));
    snprintf(t->message_id, sizeof t->message_id, STR_FMT, STR_ARG(publish->message_id));
    *ret_message_id = publish->message_id;
    return NULL;
}

static const struct fault *fake_invoke(struct lambda_port *port, const struct call *call,
                                       const struct invoke *invoke, struct invoked *ret)
{
    struct function_port *f = (struct function_port *)port;
    (void)call;
    f->invoked++;
    f->type = invoke->type;
    if (f->says)
        return f->says;
    buf_clear(&f->payload);
    buf_add(&f->payload, invoke->payload);
    snprintf(f->request_id, sizeof f->request_id, STR_FMT, STR_ARG(invoke->request_id));
    *ret = (struct invoked) { .status = 200, .payload = f->answers, .function_error = f->error };
    return NULL;
}

static const struct fault *fake_assume(struct sts_port *port, const struct call *call, str role_arn,
                                       str session_name, struct caller *ret)
{
    (void)call;
    struct role_port *r = (struct role_port *)port;
    if (r->says)
        return r->says;
    str session = arena_strf(call->arena, "arn:aws:sts::111122223333:assumed-role/mail/" STR_FMT,
                             STR_ARG(session_name));
    *ret = (struct caller) { .kind = CALLER_ASSUMED_ROLE, .account = STR("111122223333") };
    assert_true(arn_parse(role_arn, &ret->assumed_role.role));
    assert_true(arn_parse(session, &ret->assumed_role.session));
    return NULL;
}

static const struct world *no_world(struct worlds *worlds)
{
    (void)worlds;
    return NULL; /* the fake bucket asks no policy */
}

const struct fault denied = { .kind = FAULT_DENIED, .says = STR_INIT("the bucket says no") };

struct post *post_open(const char *actions)
{
    struct arena *a = arena_new(16 << 20);
    struct post *p = ARENA_NEW(a, struct post);
    p->arena = a;
    p->clock = fake_clock_at("2026-03-02T09:15:42Z");
    p->journal = captured_journal_new();
    p->entropy = seeded_entropy(1);
    p->metrics = metrics_new(100);
    p->outside = (struct outside) { .clock = &p->clock.clock,
                                    .journal = captured_journal(p->journal),
                                    .entropy = &p->entropy.entropy };
    p->bucket =
        (struct bucket_port) { .port = { fake_put }, .object = buf_new(1 << 20), .arena = a };
    p->ports.s3 = &p->bucket.port;
    p->stamp.hostname = STR("mx.example");

    static struct forward_path rcpt = { .text = STR_INIT("you@example.com"),
                                        .mailbox = { STR_INIT("you"), STR_INIT("example.com") } };
    struct head head = { .account = STR("111122223333"),
                         .region = STR("us-east-1"),
                         .envelope = {
                             .message_id = STR(ID),
                             .rcpt_to = &rcpt,
                             .rcpt_count = 1,
                             .peer = { .address = STR("192.0.2.1"), .ehlo = STR("client.example") },
                             .mail_from = { .text = STR("me@sender.example"),
                                           .mailbox = { STR("me"), STR("sender.example") } },
                             .received_ms = p->clock.wall_ms } };
    struct buf bytes = buf_new(4096);
    head_encode(&head, &bytes);
    p->spool = (struct one_spool) {
        .spool = { &fake_ops },
        .clock = &p->clock,
        .body = STR("Subject: x\r\n\r\nhello\0\r\n"),
        .notes = buf_new(1 << 20),
        .errand_body = buf_new(1 << 20),
        .record = { .entry = { .id = STR(ID),
                               .kind = SPOOL_MAIL,
                               .head = arena_str(a, buf_str(&bytes)),
                               .rules = arena_strf(a,
                                                   "{\"Name\":\"main\",\"Account\":"
                                                   "\"111122223333\",\"Region\":\"us-east-1\","
                                                   "\"Rules\":[{\"Name\":\"store\",\"Enabled\":"
                                                   "true,\"Actions\":[%s]}]}",
                                                   actions) } },
    };
    buf_free(&bytes);
    p->delivery = (struct delivery) { .spool = &p->spool.spool,
                                      .ports = &p->ports,
                                      .outside = &p->outside,
                                      .metrics = p->metrics,
                                      .stamp = &p->stamp,
                                      .now = no_world };
    return p;
}

void post_with_services(struct post *p)
{
    p->key = (struct key_port) { .port = { .generate_data_key = fake_data_key },
                                 .context = buf_new(4096) };
    p->topic = (struct topic_port) { .port = { fake_publish }, .message = buf_new(1 << 20) };
    p->function = (struct function_port) { .port = { fake_invoke },
                                           .payload = buf_new(1 << 20),
                                           .answers = STR("null") };
    p->role = (struct role_port) { .port = { .assume_role = fake_assume } };
    p->ports = (struct ports) { .s3 = &p->bucket.port,
                                .kms = &p->key.port,
                                .sns = &p->topic.port,
                                .lambda = &p->function.port,
                                .sts = &p->role.port };
}

void post_close(struct post *p)
{
    buf_free(&p->spool.notes);
    buf_free(&p->spool.errand_body);
    buf_free(&p->bucket.object);
    buf_free(&p->key.context);
    buf_free(&p->topic.message);
    buf_free(&p->function.payload);
    captured_journal_free(p->journal);
    metrics_free(p->metrics);
    arena_free(p->arena);
}

bool post_attempt(struct post *p)
{
    AUTO_ARENA *a = arena_new(4 << 20);
    bool any;
    if (p->spool.record.state == SPOOL_RETRYING && p->spool.record.due_ms > p->clock.wall_ms)
        fake_clock_turn(&p->clock, p->spool.record.due_ms - p->clock.wall_ms);
    assert_null(deliver_one(&p->delivery, 0, a, &any));
    return any;
}

str post_timeline(struct post *p)
{
    struct buf out = buf_new(1 << 20);
    p->spool.record.notes = buf_str(&p->spool.notes);
    assert_null(timeline_write(&p->spool.record, p->arena, &out));
    str text = arena_str(p->arena, buf_str(&out));
    buf_free(&out);
    return text;
}
