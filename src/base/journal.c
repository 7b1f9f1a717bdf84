/* base/journal.c - one JSON object a line, whole lines in each write(2), so that lines of several
 * threads (and of several processes on one pipe, up to PIPE_BUF) never mix.
 *
 * A server that takes thousands of messages a second has a line for each; gathered, they cost a
 * copy instead of a system call. */
#include "base/json.h"
#include "base/outside.h"
#include "base/thread.h"
#include "base/when.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    LINE_MAX_SIZE = 64 * 1024,
    GATHERED_MAX = 1 << 20,  /* then whoever has a line writes them all himself */
    GATHER_NS = 1000 * 1000, /* what comes within it is written together */
};

struct fd_journal {
    struct journal journal;
    int fd;
    struct clock *clock;
    enum journal_level least;
    bool gathers;
    pthread_t writer;
    pthread_mutex_t writing; /* whose turn it is at the descriptor; taken before `lock` */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct buf gathered; /* guarded by lock */
    bool ends;
};

static void write_all(int fd, str line)
{
    int saved = errno;
    while (line.len) {
        ssize_t wrote = write(fd, line.ptr, line.len);
        if (wrote < 0 && errno != EINTR)
            break; /* nobody is left to tell */
        if (wrote > 0)
            line = str_from(line, (size_t)wrote);
    }
    errno = saved;
}

static str level_name(enum journal_level level)
{
    switch (level) {
    case JOURNAL_ERROR:
        return STR("error");
    case JOURNAL_WARNING:
        return STR("warning");
    case JOURNAL_INFO:
        return STR("info");
    case JOURNAL_DEBUG:
        return STR("debug");
    }
    return STR("error");
}

static void build(struct buf *line, const struct fd_journal *j, enum journal_level level, str room,
                  str event, str members)
{
    char time[WHEN_SIZE];
    struct json_writer w = json_writer(line);
    json_open(&w, '{');
    json_add_str(&w, "time", when_iso_ms(time, j->clock->wall_ms(j->clock)));
    json_add_str(&w, "level", level_name(level));
    json_add_str(&w, "room", room);
    json_add_str(&w, "event", event);
    if (members.len) {
        buf_addc(line, ',');
        buf_add(line, members);
    }
    json_close(&w, '}');
    buf_addc(line, '\n');
}

/* ---- gathering ---- */

static void write_gathered(struct fd_journal *j)
{
    pthread_mutex_lock(&j->writing);
    pthread_mutex_lock(&j->lock);
    struct buf lines = j->gathered;
    j->gathered = buf_new(GATHERED_MAX);
    pthread_mutex_unlock(&j->lock);
    write_all(j->fd, buf_str(&lines));
    pthread_mutex_unlock(&j->writing);
    buf_free(&lines);
}

static void *write_now_and_then(void *self)
{
    struct fd_journal *j = self;
    thread_begins("journal", THREAD_GATHERS);
    const struct timespec moment = { .tv_nsec = GATHER_NS };
    pthread_mutex_lock(&j->lock);
    while (!j->ends) {
        while (!j->ends && !j->gathered.len)
            pthread_cond_wait(&j->changed, &j->lock);
        pthread_mutex_unlock(&j->lock);
        nanosleep(&moment, NULL);
        write_gathered(j);
        pthread_mutex_lock(&j->lock);
    }
    pthread_mutex_unlock(&j->lock);
    return NULL;
}

/* False: it is still to be written, and what was gathered before it stands. A warning waits for
 * nobody: it may be the last thing that is said. */
static bool gather(struct fd_journal *j, enum journal_level level, str line)
{
    pthread_mutex_lock(&j->lock);
    const bool first = !j->gathered.len, fits = line.len <= GATHERED_MAX - j->gathered.len;
    if (fits)
        buf_add(&j->gathered, line);
    const bool took = fits && !j->gathered.failed;
    j->gathered.failed = false;
    if (first && took)
        pthread_cond_signal(&j->changed);
    pthread_mutex_unlock(&j->lock);
    if (!took || level <= JOURNAL_WARNING)
        write_gathered(j);
    return took;
}

void journal_to_fd_gather(struct journal *journal)
{
    struct fd_journal *j = (struct fd_journal *)journal;
    pthread_mutex_init(&j->writing, NULL);
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->changed, NULL);
    j->gathered = buf_new(GATHERED_MAX);
    j->gathers = pthread_create(&j->writer, NULL, write_now_and_then, j) == 0;
}

void journal_to_fd_flush(struct journal *journal)
{
    struct fd_journal *j = (struct fd_journal *)journal;
    if (j->gathers)
        write_gathered(j);
}

static void note(struct journal *journal, enum journal_level level, str room, str event,
                 str members)
{
    struct fd_journal *j = (struct fd_journal *)journal;
    if (level > j->least)
        return;
    AUTO_BUF line = buf_new(LINE_MAX_SIZE);
    build(&line, j, level, room, event, members);
    if (line.failed) { /* too long, or no memory: the event is told, its members are not */
        buf_clear(&line);
        build(&line, j, level, room, event, STR("\"cut\":true"));
    }
    if (line.failed)
        return;
    if (j->gathers && gather(j, level, buf_str(&line)))
        return;
    write_all(j->fd, buf_str(&line));
}

/* One for each descriptor the program logs to. */
struct journal *journal_to_fd(int fd, struct clock *clock, enum journal_level least)
{
    struct fd_journal *j = calloc(1, sizeof(*j));
    if (!j)
        return NULL;
    *j = (struct fd_journal) {
        .journal = { .note = note }, .fd = fd, .clock = clock, .least = least
    };
    return &j->journal;
}

void journal_to_fd_free(struct journal *journal)
{
    struct fd_journal *j = (struct fd_journal *)journal;
    if (j && j->gathers) {
        pthread_mutex_lock(&j->lock);
        j->ends = true;
        pthread_cond_signal(&j->changed);
        pthread_mutex_unlock(&j->lock);
        pthread_join(j->writer, NULL);
        write_gathered(j);
        buf_free(&j->gathered);
    }
    free(j);
}

void journal_notef(struct journal *j, enum journal_level level, str room, str event,
                   const char *members_fmt, ...)
{
    va_list args;
    char small[1024];
    va_start(args, members_fmt);
    int len = vsnprintf(small, sizeof(small), members_fmt, args);
    va_end(args);
    if (len < 0)
        return;
    if ((size_t)len < sizeof(small)) {
        j->note(j, level, room, event, (str) { small, (size_t)len });
        return;
    }
    char *large = malloc((size_t)len + 1);
    if (large) {
        va_start(args, members_fmt);
        vsnprintf(large, (size_t)len + 1, members_fmt, args);
        va_end(args);
    }
    j->note(j, level, room, event, large ? (str) { large, (size_t)len } : STR("\"cut\":true"));
    free(large);
}
