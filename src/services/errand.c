/* services/errand.c - errands put into the spool, and read back.
 *
 * The head of an entry is JSON: {"account","region","target","taken_ms","about","head":"..."}. */
#include "services/errand.h"

#include "base/crc.h"
#include "base/json.h"

#include <assert.h>
#include <pthread.h>

enum { HEAD_MAX = 1 << 20 };

struct wait {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool room, ended;
    const struct fault *fault;
    struct arena *arena;
};

static void on_room(void *context)
{
    struct wait *w = context;
    pthread_mutex_lock(&w->lock);
    w->room = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static void on_committed(void *context, const struct fault *fault)
{
    struct wait *w = context;
    pthread_mutex_lock(&w->lock);
    w->fault = fault ? fault_keep(w->arena, fault) : NULL;
    w->ended = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static void await(struct wait *w, const bool *what)
{
    pthread_mutex_lock(&w->lock);
    while (!*what)
        pthread_cond_wait(&w->changed, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

static const struct fault *put(struct spool *spool, const struct spool_entry *entries, size_t count,
                               str body, struct wait *w)
{
    enum { PIECE = 64 * 1024 };
    struct spool_draft *draft;
    TRY(spool->ops->draft(spool, on_room, w, &draft));
    while (body.len) {
        size_t piece = body.len < PIECE ? body.len : PIECE;
        pthread_mutex_lock(&w->lock);
        w->room = false;
        pthread_mutex_unlock(&w->lock);
        if (!spool->ops->write(draft, str_head(body, piece)))
            await(w, &w->room);
        body = str_from(body, piece);
    }
    spool->ops->commit(draft, entries, count, on_committed, w);
    await(w, &w->ended);
    return w->fault;
}

static const struct fault *write_head(const struct errand *e, int64_t now_ms, struct arena *arena,
                                      str *ret_head)
{
    AUTO_BUF text = buf_new(HEAD_MAX);
    struct json_writer w = json_writer(&text);
    json_open(&w, '{');
    json_add_str(&w, "account", e->account);
    json_add_str(&w, "region", e->region);
    json_add_str(&w, "target", e->target);
    json_add_int(&w, "taken_ms", now_ms);
    if (e->about.ptr)
        json_add_str(&w, "about", e->about);
    json_add_str(&w, "head", e->head);
    json_close(&w, '}');
    *ret_head = text.failed ? STR_NONE : arena_str(arena, buf_str(&text));
    return ret_head->ptr ? NULL : &fault_no_memory;
}

/* Errands of one kind begin with the same: with their target. */
static uint64_t likeness_of(const struct errand *e)
{
    const unsigned char kind = (unsigned char)e->kind;
    return crc64_nvme(crc64_nvme(0, &kind, 1), e->target.ptr, e->target.len);
}

const struct fault *errands_put(struct spool *spool, const struct errand *errands, size_t count,
                                str body, int64_t now_ms, struct arena *arena)
{
    struct spool_entry *entries = ARENA_ARRAY(arena, struct spool_entry, count ? count : 1);
    if (!entries)
        return &fault_no_memory;
    if (count == 0)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        assert(errands[i].kind != SPOOL_MAIL && "mail has a head and a rule set of its own");
        entries[i] = (struct spool_entry) { .id = errands[i].id,
                                            .kind = errands[i].kind,
                                            .rules = STR(""),
                                            .due_ms = errands[i].due_ms,
                                            .likeness = likeness_of(&errands[i]) };
        TRY(write_head(&errands[i], now_ms, arena, &entries[i].head));
    }
    struct wait w = { .arena = arena };
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.changed, NULL);
    const struct fault *why = put(spool, entries, count, body, &w);
    pthread_cond_destroy(&w.changed);
    pthread_mutex_destroy(&w.lock);
    return why;
}

str errand_kind_name(enum spool_kind kind)
{
    static const str names[] = { [SPOOL_MAIL] = STR_INIT("mail"),
                                 [SPOOL_NOTIFICATION] = STR_INIT("notification"),
                                 [SPOOL_INVOCATION] = STR_INIT("invocation"),
                                 [SPOOL_OUTGOING] = STR_INIT("outgoing") };
    return names[kind];
}

const struct fault *errand_read(const struct spool_entry *entry, struct arena *arena,
                                struct errand *ret_errand, int64_t *ret_taken_ms)
{
    const struct json *root;
    TRY(json_parse(entry->head, arena, &root));
    *ret_errand = (struct errand) { .kind = entry->kind,
                                    .id = entry->id,
                                    .account = json_str(root, "account"),
                                    .region = json_str(root, "region"),
                                    .target = json_str(root, "target"),
                                    .about = json_str(root, "about"),
                                    .head = json_str(root, "head"),
                                    .due_ms = entry->due_ms };
    *ret_taken_ms = json_int(root, "taken_ms", 0);
    if (str_is_none(ret_errand->target) || str_is_none(ret_errand->head))
        return fault(arena, FAULT_SYNTAX, NULL, "the head of an errand names no target or no work");
    return NULL;
}
