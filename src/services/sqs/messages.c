/* services/sqs/messages.c - a table of messages, and the batches that change it.
 *
 * queues.sqlite: table message
 *
 *     sequence     in the order of sending
 *     queue        the id of its queue
 *     visible_ms   not to be received before; moved when the wall clock is set back (follow_clock)
 *     expires_ms   gone then
 *     nonce        of the latest receive; 0: never received
 *     receives, first_ms, sent_ms, id, sender, body, attributes
 *     sum          row_sum of the others but the sequence (store/database.h)
 *
 * A message whose sum is another is set aside, in a queue that nobody has, and told of in the log; the
 * others of its queue are received as ever.
 *
 * WAL with synchronous=FULL: a send that was answered survives a power cut, and so does a delete. A
 * stop in the middle of a batch leaves all of it or nothing, and nobody was answered yet. That a
 * receive is durable too costs a sync and keeps the count that sends a message to the dead-letter
 * queue.
 *
 * One connection and one thread: a batch of many small changes costs one sync, which carries some
 * thousands of sends a second. Readers have no connection of their own: what they ask stands in the
 * same line as the changes, so an answer holds all that was answered before. */
#include "services/sqs/messages.h"

#include "store/batcher.h"
#include "store/database.h"

#include <assert.h>
#include <stdlib.h>

enum { BATCH_MEMORY = 64 * 1024 * 1024, SWEEP_MS = 60 * 1000, DEAD_ROUNDS = 100, SET_BACK_MS = 5 * 1000 };

#define SUM(visible, nonce, receives, first, queue) \
    "row_sum(" queue ", " visible ", expires_ms, " nonce ", " receives ", " first ", sent_ms, id, sender, body, attributes)"
#define SUM_NOW SUM("visible_ms", "nonce", "receives", "first_ms", "queue")

/* Version 1 had no sums. */
static const struct fault *upgrade(sqlite3 *db, int from, struct arena *arena)
{
    (void)from;
    return database_run(db, "ALTER TABLE message ADD COLUMN sum INTEGER NOT NULL DEFAULT 0; UPDATE message SET sum = " SUM_NOW,
                        arena);
}

static const struct database_kind kind = {
    .schema =
        "CREATE TABLE message (sequence INTEGER PRIMARY KEY AUTOINCREMENT, queue BLOB NOT NULL,"
        " visible_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, nonce INTEGER NOT NULL,"
        " receives INTEGER NOT NULL, first_ms INTEGER NOT NULL, sent_ms INTEGER NOT NULL,"
        " id BLOB NOT NULL, sender BLOB NOT NULL, body BLOB NOT NULL, attributes BLOB NOT NULL,"
        " sum INTEGER NOT NULL DEFAULT 0);"
        "CREATE INDEX message_due ON message (queue, visible_ms);"
        "CREATE INDEX message_expiry ON message (expires_ms);",
    .version = 2,
    .upgrade = upgrade,
    .holds = "messages of queues",
};

/* clang-format off */
enum question { BEGIN, COMMIT, ROLLBACK, SEND, DUE, TAKE, BURY, SET_ASIDE, DELETE, HIDE, PURGE, COUNT, SWEEP, BACK, LATEST, QUEUES, QUESTIONS };
static const char *const questions[QUESTIONS] = {
    [BEGIN]    = "BEGIN IMMEDIATE",
    [COMMIT]   = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [SEND]     = "INSERT INTO message (queue, visible_ms, expires_ms, nonce, receives, first_ms, sent_ms, id, sender, body,"
                 " attributes, sum) VALUES (?1, ?2, ?3, 0, 0, 0, ?4, ?5, ?6, ?7, ?8,"
                 " row_sum(?1, ?2, ?3, 0, 0, 0, ?4, ?5, ?6, ?7, ?8))",
    [DUE]      = "SELECT sequence, receives, first_ms, sent_ms, id, sender, body, attributes, sum = " SUM_NOW " FROM message"
                 " WHERE queue = ?1 AND visible_ms <= ?2 AND expires_ms > ?2 ORDER BY visible_ms, sequence LIMIT ?3",
    [TAKE]     = "UPDATE message SET visible_ms = ?2, nonce = ?3, receives = ?4, first_ms = ?5,"
                 " sum = " SUM("?2", "?3", "?4", "?5", "queue") " WHERE sequence = ?1",
    [BURY]     = "UPDATE message SET queue = ?2, visible_ms = ?3, nonce = 0, receives = 0, first_ms = 0,"
                 " sum = " SUM("?3", "0", "0", "0", "?2") " WHERE sequence = ?1",
    [SET_ASIDE] = "UPDATE message SET queue = x'00' WHERE sequence = ?1", /* with the sum it had */
    [DELETE]   = "DELETE FROM message WHERE sequence = ?1 AND queue = ?2 AND nonce = ?3",
    [HIDE]     = "UPDATE message SET visible_ms = ?4, sum = " SUM("?4", "nonce", "receives", "first_ms", "queue")
                 " WHERE sequence = ?1 AND queue = ?2 AND nonce = ?3 AND sum = " SUM_NOW,
    [PURGE]    = "DELETE FROM message WHERE queue = ?1",
    [COUNT]    = "SELECT sum(visible_ms <= ?2), sum(visible_ms > ?2 AND nonce <> 0), sum(visible_ms > ?2 AND nonce = 0)"
                 " FROM message WHERE queue = ?1 AND expires_ms > ?2",
    [SWEEP]    = "DELETE FROM message WHERE expires_ms <= ?1",
    [BACK]     = "UPDATE message SET visible_ms = visible_ms - ?2, sent_ms = min(sent_ms, ?1),"
                 " expires_ms = CASE WHEN sent_ms > ?1 THEN expires_ms - ?2 ELSE expires_ms END,"
                 " sum = row_sum(queue, visible_ms - ?2, CASE WHEN sent_ms > ?1 THEN expires_ms - ?2 ELSE expires_ms END,"
                 " nonce, receives, first_ms, min(sent_ms, ?1), id, sender, body, attributes)"
                 " WHERE visible_ms > ?1 AND (nonce <> 0 OR sent_ms > ?1) AND sum = " SUM_NOW,
    [LATEST]   = "SELECT max(sent_ms) FROM message",
    [QUEUES]   = "SELECT DISTINCT queue FROM message WHERE queue > ?1 AND queue <> x'00' ORDER BY queue LIMIT ?2",
};
/* clang-format on */

struct messages {
    struct outside *outside;
    sqlite3 *db;
    sqlite3_stmt *statements[QUESTIONS];
    struct batcher *batcher;
    int64_t swept_ms;
    int64_t latest_ms; /* that the wall clock has shown, so far as is known */
    int64_t now_ms;    /* of the batch under way */
};

struct job {
    struct batch_job batch;
    enum question what; /* SEND, DUE (receive), DELETE, HIDE, PURGE, COUNT or QUEUES */
    str queue;
    struct arena *arena; /* whoever waits: answers live in it */
    const struct message_new *messages;
    size_t count;
    const struct message_wish *wish;
    struct message_held *held;
    int64_t sequence, nonce, at_ms;
    bool found;
    struct message_counts *counts;
    str *ids;
    size_t ids_max;
};

/* ---- one statement ---- */

static const struct fault *trouble(struct messages *m, struct arena *arena)
{
    return database_fault(m->db, arena, "could not change a queue's messages");
}

static const struct fault *run(struct messages *m, enum question q, struct arena *arena)
{
    int result = sqlite3_step(m->statements[q]);
    const struct fault *why =
        result == SQLITE_DONE || result == SQLITE_ROW ? NULL : trouble(m, arena);
    sqlite3_reset(m->statements[q]);
    return why;
}

/* Who waited for this batch may have looked at a clock that was ahead, and is set back by now: then follow_clock, which
 * comes before the jobs of a batch, knows nothing of his times. By how much they are too late. */
static int64_t ahead_ms(const struct messages *m, int64_t his_now_ms)
{
    return his_now_ms - m->now_ms >= SET_BACK_MS ? his_now_ms - m->now_ms : 0;
}

static const struct fault *send(struct messages *m, const struct job *job, struct arena *arena)
{
    sqlite3_stmt *s = m->statements[SEND];
    for (size_t i = 0; i < job->count; i++) {
        const struct message_new *n = &job->messages[i];
        const int64_t ahead = ahead_ms(m, n->sent_ms);
        database_bind(s, 1, job->queue);
        sqlite3_bind_int64(s, 2, n->visible_ms - ahead);
        sqlite3_bind_int64(s, 3, n->expires_ms - ahead);
        sqlite3_bind_int64(s, 4, n->sent_ms - ahead);
        database_bind(s, 5, n->id);
        database_bind(s, 6, n->sender);
        database_bind(s, 7, n->body);
        database_bind(s, 8, n->attributes);
        TRY(run(m, SEND, arena));
    }
    return NULL;
}

static int64_t new_nonce(struct messages *m)
{
    uint64_t bits;
    m->outside->entropy->fill(m->outside->entropy, &bits, sizeof bits);
    return (int64_t)(bits >> 1 | 1);
}

/* Reads up to `max` that are due. Nothing is changed while the rows are walked. */
static const struct fault *read_due(struct messages *m, const struct job *job, size_t max,
                                    struct message_held *held, bool *sound, size_t *ret_count)
{
    sqlite3_stmt *s = m->statements[DUE];
    int result;
    bool full = false;
    size_t count = 0;
    database_bind(s, 1, job->queue);
    sqlite3_bind_int64(s, 2, job->wish->now_ms);
    sqlite3_bind_int64(s, 3, (int64_t)max);
    while ((result = sqlite3_step(s)) == SQLITE_ROW && count < max) {
        sound[count] = sqlite3_column_int(s, 8) == 1;
        struct message_held *h = &held[count++];
        *h = (struct message_held) { .sequence = sqlite3_column_int64(s, 0),
                                     .receive_count = sqlite3_column_int64(s, 1),
                                     .first_receive_ms = sqlite3_column_int64(s, 2),
                                     .sent_ms = sqlite3_column_int64(s, 3),
                                     .id = database_column(s, 4, job->arena),
                                     .sender = database_column(s, 5, job->arena),
                                     .body = database_column(s, 6, job->arena),
                                     .attributes = database_column(s, 7, job->arena) };
        full = full || (sound[count - 1] && (str_is_none(h->attributes) || str_is_none(h->body)));
    }
    const struct fault *why = full ? &fault_no_memory
                              : result == SQLITE_DONE || result == SQLITE_ROW
                                  ? NULL
                                  : trouble(m, job->arena);
    sqlite3_reset(s);
    *ret_count = count;
    return why;
}

static const struct fault *take(struct messages *m, const struct job *job, struct message_held *h)
{
    sqlite3_stmt *s = m->statements[TAKE];
    h->nonce = new_nonce(m);
    h->receive_count++;
    if (!h->first_receive_ms)
        h->first_receive_ms = job->wish->now_ms;
    sqlite3_bind_int64(s, 1, h->sequence);
    sqlite3_bind_int64(s, 2, job->wish->hidden_until_ms - ahead_ms(m, job->wish->now_ms));
    sqlite3_bind_int64(s, 3, h->nonce);
    sqlite3_bind_int64(s, 4, h->receive_count);
    sqlite3_bind_int64(s, 5, h->first_receive_ms);
    return run(m, TAKE, job->arena);
}

static const struct fault *bury(struct messages *m, const struct job *job,
                                const struct message_held *h)
{
    sqlite3_stmt *s = m->statements[BURY];
    sqlite3_bind_int64(s, 1, h->sequence);
    database_bind(s, 2, job->wish->dead_queue_id);
    sqlite3_bind_int64(s, 3, job->wish->now_ms);
    return run(m, BURY, job->arena);
}

static const struct fault *set_aside(struct messages *m, const struct job *job, const struct message_held *h)
{
    sqlite3_bind_int64(m->statements[SET_ASIDE], 1, h->sequence);
    TRY(run(m, SET_ASIDE, job->arena));
    journal_notef(m->outside->journal, JOURNAL_ERROR, STR("sqs"), STR("message-damaged"),
                  "\"queue\":\"" STR_FMT "\",\"sequence\":%lld,\"says\":\"what was written of it reads otherwise; it is received no more\"",
                  STR_ARG(job->queue), (long long)h->sequence);
    return NULL;
}

static const struct fault *receive(struct messages *m, struct job *job)
{
    const struct message_wish *wish = job->wish;
    bool buried = true;
    job->count = 0;
    for (int round = 0; buried && round < DEAD_ROUNDS && job->count < wish->max; round++) {
        struct message_held due[MESSAGES_AT_ONCE];
        bool sound[MESSAGES_AT_ONCE];
        size_t count;
        buried = false;
        TRY(read_due(m, job, wish->max - job->count, due, sound, &count));
        for (size_t i = 0; i < count; i++) {
            if (!sound[i]) {
                TRY(set_aside(m, job, &due[i]));
                buried = true;
                continue;
            }
            if (!str_is_none(wish->dead_queue_id) && due[i].receive_count >= wish->max_receives) {
                TRY(bury(m, job, &due[i]));
                buried = true;
                continue;
            }
            TRY(take(m, job, &due[i]));
            job->held[job->count++] = due[i];
        }
    }
    return NULL;
}

static const struct fault *by_receipt(struct messages *m, struct job *job, struct arena *arena)
{
    sqlite3_stmt *s = m->statements[job->what];
    sqlite3_bind_int64(s, 1, job->sequence);
    database_bind(s, 2, job->queue);
    sqlite3_bind_int64(s, 3, job->nonce);
    if (job->what == HIDE)
        sqlite3_bind_int64(s, 4, job->at_ms);
    TRY(run(m, job->what, arena));
    job->found = sqlite3_changes(m->db) > 0;
    return NULL;
}

static const struct fault *count(struct messages *m, struct job *job)
{
    sqlite3_stmt *s = m->statements[COUNT];
    database_bind(s, 1, job->queue);
    sqlite3_bind_int64(s, 2, job->at_ms);
    const struct fault *why = sqlite3_step(s) == SQLITE_ROW ? NULL : trouble(m, job->arena);
    if (!why)
        *job->counts = (struct message_counts) { .visible = sqlite3_column_int64(s, 0),
                                                 .in_flight = sqlite3_column_int64(s, 1),
                                                 .delayed = sqlite3_column_int64(s, 2) };
    sqlite3_reset(s);
    return why;
}

static const struct fault *list_queues(struct messages *m, struct job *job)
{
    sqlite3_stmt *s = m->statements[QUEUES];
    int result;
    database_bind(s, 1, job->queue);
    sqlite3_bind_int64(s, 2, (int64_t)job->ids_max);
    job->count = 0;
    while ((result = sqlite3_step(s)) == SQLITE_ROW && job->count < job->ids_max)
        job->ids[job->count++] = database_column(s, 0, job->arena);
    const struct fault *why =
        result == SQLITE_DONE || result == SQLITE_ROW ? NULL : trouble(m, job->arena);
    sqlite3_reset(s);
    return why;
}

/* ---- batches ---- */

static const struct fault *act_one(struct messages *m, struct job *job, struct arena *arena)
{
    switch (job->what) {
    case SEND:
        return send(m, job, arena);
    case DUE:
        return receive(m, job);
    case DELETE:
    case HIDE:
        return by_receipt(m, job, arena);
    case PURGE:
        database_bind(m->statements[PURGE], 1, job->queue);
        return run(m, PURGE, arena);
    case COUNT:
        return count(m, job);
    case QUEUES:
        return list_queues(m, job);
    case BEGIN:
    case COMMIT:
    case ROLLBACK:
    case TAKE:
    case BURY:
    case SET_ASIDE:
    case SWEEP:
    case BACK:
    case LATEST:
    case QUESTIONS:
        break;
    }
    return fault(arena, FAULT_DEFECT, NULL, "no job is of this kind");
}

/* When the wall clock was ahead and is set back, what was sent or received meanwhile would stay hidden until
 * it has come there again. Those times are moved back with it: a message shows at the worst too early,
 * which a queue may do, and never hours late. What a clock does by itself, or a synchronised one, is less. */
static const struct fault *follow_clock(struct messages *m, int64_t now_ms, struct arena *arena)
{
    int64_t back_ms = m->latest_ms - now_ms;
    if (back_ms > 0 && back_ms < SET_BACK_MS)
        return NULL;
    if (back_ms > 0) {
        sqlite3_bind_int64(m->statements[BACK], 1, now_ms);
        sqlite3_bind_int64(m->statements[BACK], 2, back_ms);
        TRY(run(m, BACK, arena));
    }
    m->latest_ms = now_ms;
    return NULL;
}

static const struct fault *sweep(struct messages *m, int64_t now_ms, struct arena *arena)
{
    if (now_ms - m->swept_ms < SWEEP_MS && now_ms >= m->swept_ms)
        return NULL;
    m->swept_ms = now_ms;
    sqlite3_bind_int64(m->statements[SWEEP], 1, now_ms);
    return run(m, SWEEP, arena);
}

/* One transaction for all: what one cannot do, nobody did. A second try goes job by job, so that
 * one that cannot does not spoil the others. */
static bool act_together(struct messages *m, struct batch_job *jobs, struct arena *arena)
{
    int64_t now_ms = m->now_ms = m->outside->clock->wall_ms(m->outside->clock), latest_ms = m->latest_ms;
    const struct fault *why = run(m, BEGIN, arena);
    if (!why)
        why = follow_clock(m, now_ms, arena);
    if (!why)
        why = sweep(m, now_ms, arena);
    for (struct batch_job *j = jobs; j && !why; j = j->next)
        why = act_one(m, (struct job *)j, arena);
    if (!why)
        why = run(m, COMMIT, arena);
    if (why) {
        run(m, ROLLBACK, arena);
        m->latest_ms = latest_ms;
    }
    return !why;
}

static void act_alone(struct messages *m, struct batch_job *job, struct arena *arena)
{
    const struct fault *why = run(m, BEGIN, arena);
    if (!why)
        why = act_one(m, (struct job *)job, arena);
    if (!why)
        why = run(m, COMMIT, arena);
    if (why) {
        batch_job_fail(job, why, arena);
        run(m, ROLLBACK, arena);
    }
}

static void act(void *context, struct batch_job *jobs, struct arena *arena)
{
    struct messages *m = context;
    if (act_together(m, jobs, arena))
        return;
    for (struct batch_job *j = jobs; j; j = j->next)
        act_alone(m, j, arena);
}

/* ---- the calls ---- */

const struct fault *messages_send(struct messages *m, str queue, const struct message_new *messages,
                                  size_t count, struct arena *arena)
{
    struct job job = {
        .what = SEND, .queue = queue, .arena = arena, .messages = messages, .count = count
    };
    return count ? batcher_wait(m->batcher, &job.batch, arena) : NULL;
}

const struct fault *messages_receive(struct messages *m, str queue, const struct message_wish *wish,
                                     struct arena *arena,
                                     struct message_held ret_held[MESSAGES_AT_ONCE],
                                     size_t *ret_count)
{
    struct job job = {
        .what = DUE, .queue = queue, .arena = arena, .wish = wish, .held = ret_held
    };
    assert(wish->max <= MESSAGES_AT_ONCE && "ret_held has room for ten");
    TRY(batcher_wait(m->batcher, &job.batch, arena));
    *ret_count = job.count;
    return NULL;
}

static const struct fault *with_receipt(struct messages *m, struct job *job, bool *ret_found)
{
    TRY(batcher_wait(m->batcher, &job->batch, job->arena));
    *ret_found = job->found;
    return NULL;
}

const struct fault *messages_delete(struct messages *m, str queue, int64_t sequence, int64_t nonce,
                                    struct arena *arena, bool *ret_found)
{
    struct job job = {
        .what = DELETE, .queue = queue, .arena = arena, .sequence = sequence, .nonce = nonce
    };
    return with_receipt(m, &job, ret_found);
}

const struct fault *messages_hide(struct messages *m, str queue, int64_t sequence, int64_t nonce,
                                  int64_t until_ms, struct arena *arena, bool *ret_found)
{
    struct job job = { .what = HIDE,
                       .queue = queue,
                       .arena = arena,
                       .sequence = sequence,
                       .nonce = nonce,
                       .at_ms = until_ms };
    return with_receipt(m, &job, ret_found);
}

const struct fault *messages_purge(struct messages *m, str queue, struct arena *arena)
{
    struct job job = { .what = PURGE, .queue = queue, .arena = arena };
    return batcher_wait(m->batcher, &job.batch, arena);
}

const struct fault *messages_count(struct messages *m, str queue, int64_t now_ms,
                                   struct arena *arena, struct message_counts *ret_counts)
{
    struct job job = {
        .what = COUNT, .queue = queue, .arena = arena, .at_ms = now_ms, .counts = ret_counts
    };
    return batcher_wait(m->batcher, &job.batch, arena);
}

const struct fault *messages_queues(struct messages *m, str after, struct arena *arena,
                                    str *ret_ids, size_t max, size_t *ret_count)
{
    struct job job = {
        .what = QUEUES, .queue = after, .arena = arena, .ids = ret_ids, .ids_max = max
    };
    TRY(batcher_wait(m->batcher, &job.batch, arena));
    *ret_count = job.count;
    return NULL;
}

void messages_close(struct messages *m)
{
    if (!m)
        return;
    batcher_close(m->batcher);
    for (int q = 0; q < QUESTIONS; q++)
        sqlite3_finalize(m->statements[q]);
    database_close(m->db);
    free(m);
}

static const struct fault *open_all(struct messages *m, str path, struct arena *arena)
{
    TRY(database_open(path, &kind, arena, &m->db));
    for (int q = 0; q < QUESTIONS; q++)
        TRY(database_prepare(m->db, questions[q], arena, &m->statements[q]));
    if (sqlite3_step(m->statements[LATEST]) == SQLITE_ROW) /* set back while we were away */
        m->latest_ms = sqlite3_column_int64(m->statements[LATEST], 0);
    sqlite3_reset(m->statements[LATEST]);
    return batcher_open("queues", act, m, BATCH_MEMORY, arena, &m->batcher);
}

const struct fault *messages_open(str path, struct outside *outside, struct arena *arena,
                                  struct messages **ret_messages)
{
    struct messages *m = calloc(1, sizeof *m);
    if (!m)
        return &fault_no_memory;
    m->outside = outside;
    const struct fault *why = open_all(m, path, arena);
    if (why)
        messages_close(m);
    else
        *ret_messages = m;
    return why;
}
