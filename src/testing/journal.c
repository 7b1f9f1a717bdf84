/* testing/journal.c - a journal that keeps its lines. */
#include "testing/journal.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

enum { TEXT_MAX = 64 * 1024 * 1024 };

struct captured_journal {
    struct journal journal;
    pthread_mutex_t lock;
    struct buf text;
};

static void note(struct journal *journal, enum journal_level level, str room, str event,
                 str members)
{
    static const char *const names[] = { "error", "warning", "info", "debug" };
    struct captured_journal *j = (struct captured_journal *)journal;
    pthread_mutex_lock(&j->lock);
    buf_addf(&j->text, "%s ", names[level]);
    buf_add(&j->text, room);
    buf_addc(&j->text, ' ');
    buf_add(&j->text, event);
    buf_add(&j->text, STR(" {"));
    buf_add(&j->text, members);
    buf_add(&j->text, STR("}\n"));
    pthread_mutex_unlock(&j->lock);
}

struct captured_journal *captured_journal_new(void)
{
    struct captured_journal *j = calloc(1, sizeof(*j));
    assert(j && "a test has memory");
    j->journal.note = note;
    j->text = buf_new(TEXT_MAX);
    pthread_mutex_init(&j->lock, NULL);
    return j;
}

void captured_journal_free(struct captured_journal *j)
{
    if (!j)
        return;
    pthread_mutex_destroy(&j->lock);
    buf_free(&j->text);
    free(j);
}

struct journal *captured_journal(struct captured_journal *j)
{
    return &j->journal;
}

size_t captured_journal_count(struct captured_journal *j, const char *containing)
{
    size_t count = 0;
    str line, rest;
    pthread_mutex_lock(&j->lock);
    for (str text = buf_str(&j->text); str_cut(text, '\n', &line, &rest); text = rest)
        count += str_find_str(line, str_of(containing)) < line.len || *containing == '\0';
    pthread_mutex_unlock(&j->lock);
    return count;
}

str captured_journal_text(struct captured_journal *j, struct arena *arena)
{
    pthread_mutex_lock(&j->lock);
    str copy = arena_str(arena, buf_str(&j->text));
    pthread_mutex_unlock(&j->lock);
    return copy;
}

void captured_journal_clear(struct captured_journal *j)
{
    pthread_mutex_lock(&j->lock);
    buf_clear(&j->text);
    pthread_mutex_unlock(&j->lock);
}
