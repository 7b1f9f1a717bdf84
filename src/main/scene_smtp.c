/* main/scene_smtp.c - a transcript spoken to a session, whose wishes go to the real spool. */
#include "main/keeper.h"
#include "main/scene_suite.h"
#include "services/world.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_done, failed;
};

static void on_committed(void *context, const struct fault *f)
{
    struct waiter *w = context;
    pthread_mutex_lock(&w->lock);
    w->is_done = true;
    w->failed = f != NULL;
    pthread_cond_signal(&w->done);
    pthread_mutex_unlock(&w->lock);
}

static void on_resume(void *context)
{
    (void)context;
}

static const struct fault *commit(struct scene *s, struct smtp_gatekeeper *keeper)
{
    struct spool_entry *entries;
    size_t count;
    TRY(keeper->entries(smtp_pass(s->session), smtp_envelope(s->session), s->work, &entries,
                        &count));
    smtp_envelope(s->session)->message_id = entries[0].id;
    s->id = arena_str(s->arena, entries[0].id);
    struct waiter w = { .lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER };
    s->spool->ops->commit(s->draft, entries, count, on_committed, &w);
    s->draft = NULL;
    pthread_mutex_lock(&w.lock);
    while (!w.is_done)
        pthread_cond_wait(&w.done, &w.lock);
    pthread_mutex_unlock(&w.lock);
    return w.failed ? fault(s->arena, FAULT_UNAVAILABLE, NULL, "not committed") : NULL;
}

static void follow(struct scene *s, struct smtp_gatekeeper *keeper, struct smtp_turn turn,
                   struct buf *replies)
{
    buf_add(replies, turn.reply);
    const struct fault *f;
    switch (turn.wish) {
    case WISH_OPEN_DRAFT:
        f = s->spool->ops->draft(s->spool, on_resume, NULL, &s->draft);
        follow(s, keeper, smtp_granted(s->session, f), replies);
        return;
    case WISH_WRITE_DRAFT:
        s->spool->ops->write(s->draft, turn.data);
        return;
    case WISH_COMMIT:
        f = commit(s, keeper);
        follow(s, keeper, smtp_granted(s->session, f), replies);
        return;
    case WISH_START_TLS:
        follow(s, keeper,
               smtp_tls_granted(s->session, STR("TLSv1.3"), STR("TLS_AES_256_GCM_SHA384")),
               replies);
        return;
    case WISH_ABANDON:
    case WISH_CLOSE:
        if (s->draft)
            s->spool->ops->abandon(s->draft);
        s->draft = NULL;
        return;
    case WISH_NONE:
        return;
    }
}

static struct smtp_gatekeeper *keeper_of(struct scene *s)
{
    struct gate gate = {
        .worlds = s->worlds, .outside = &s->outside, .region = s->region, .now = worlds_now
    };
    return keeper_new(&gate, s->arena);
}

/* One line of the transcript: what the client sends (| is a line end in a message) and the codes it
 * gets. */
static void smtp_line(struct scene *s, struct smtp_gatekeeper *keeper, str text)
{
    size_t reply_at = str_find_str(text, STR("S: "));
    str says = str_trim(str_head(text, reply_at)), want = str_trim(str_from(text, reply_at + 3)),
        part;
    if (!scene_take(&says, "C:") || reply_at == text.len)
        scene_wrong(s, "a line of smtp is C: ... S: ...", text);
    AUTO_BUF bytes = buf_new(1 << 20), replies = buf_new(1 << 20);
    for (bool more = true; more;) {
        more = str_cut(says, '|', &part, &says);
        buf_add(&bytes, str_trim(part));
        buf_add(&bytes, STR("\r\n"));
    }
    for (str rest = buf_str(&bytes); rest.len;) {
        struct smtp_turn turn = smtp_feed(s->session, rest);
        size_t used = turn.consumed;
        bool stuck = !used && turn.wish == WISH_NONE;
        follow(s, keeper, turn, &replies);
        if (stuck || turn.wish == WISH_CLOSE)
            break;
        rest = str_from(rest, used);
    }
    /* the last line of the reply begins with what is wanted */
    str got = buf_str(&replies);
    size_t line = 0;
    for (size_t i = 0; i + 2 < got.len; i++) {
        if (got.ptr[i] == '\n')
            line = i + 1;
    }
    if (!str_starts(str_from(got, line), want))
        scene_wrong(s, "the server said", got);
}

static void open_session(struct scene *s, struct smtp_gatekeeper *keeper)
{
    static const struct smtp_settings settings = {
        .limits = { .line_max = 2048,
                    .rcpt_max = 100,
                    .message_max = 41943040,
                    .errors_max = 20,
                    .commands_max = 1000 },
        .hostname = STR_INIT("mx.example"),
        .offer_tls = true,
    };
    static const struct peer peer = { .address = STR_INIT("192.0.2.1") };
    s->work = s->work ? s->work : arena_new(8 << 20);
    if (s->session)
        smtp_close(s->session);
    arena_reset(s->work);
    s->session = smtp_open(&settings, &peer, STR("token"), keeper, s->work);
    assert_non_null(s->session);
    smtp_greet(s->session);
}

void scene_smtp(struct scene *s, str lines)
{
    struct smtp_gatekeeper *keeper = keeper_of(s);
    open_session(s, keeper);
    for (str line; lines.len; s->line++) {
        str_cut(lines, '\n', &line, &lines);
        line = str_trim(line);
        if (line.len)
            smtp_line(s, keeper, line);
    }
    stage_deliver(s);
}
