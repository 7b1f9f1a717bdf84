/* base/journal.c - one JSON object a line, one write(2) a line, so that lines of several threads
 * (and of several processes on one pipe, up to PIPE_BUF) never mix. */
#include "base/json.h"
#include "base/outside.h"
#include "base/when.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINE_MAX_SIZE = 64 * 1024 };

struct fd_journal {
    struct journal journal;
    int fd;
    struct clock *clock;
    enum journal_level least;
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
    if (!line.failed)
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
    free(journal); /* the first member of what was allocated */
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
