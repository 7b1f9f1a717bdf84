/* main/descriptors.c - asks for the most, and shares out what there is. */
#include "main/descriptors.h"

#include "base/json.h"

#include <sys/resource.h>

enum {
    FILES = 64,        /* databases, lock, logs, listeners of the API, what libraries hold */
    SEGMENTS = 64,     /* of the spool: 4 GB of mail that waits */
    OF_A_LOOP = 8,     /* epoll, eventfd, and who is just being turned away */
    OF_A_DELIVERY = 3, /* the message's file, the object's, a connection */
    OF_AN_API_CALL = 2,
    OF_A_FUNCTION = 6,
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

struct descriptors descriptors_share(size_t limit, const struct config *c, unsigned loops,
                                     unsigned functions)
{
    struct descriptors d = { .limit = limit };
    const size_t wanted = FILES + SEGMENTS + (OF_A_LOOP + c->smtp_count) * loops +
                          OF_A_DELIVERY * c->workers + OF_AN_API_CALL * c->api_workers +
                          OF_A_FUNCTION * (size_t)functions;
    d.own = smaller(wanted, limit / 2);
    d.api = smaller(API_CONNECTIONS, limit / 8);
    d.sessions = smaller(c->connections_max, limit - d.own - d.api);
    return d;
}

const struct fault *descriptors_raise(struct arena *arena, size_t *ret_limit)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return fault(arena, FAULT_UNAVAILABLE, NULL, "the limit of open files cannot be read");
    const rlim_t soft = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        limit.rlim_cur = soft;
    *ret_limit = limit.rlim_cur < SIZE_MAX ? (size_t)limit.rlim_cur : SIZE_MAX;
    if (*ret_limit < DESCRIPTORS_LEAST)
        return fault(arena, FAULT_LIMIT, NULL,
                     "the process may have %zu files open, and a server takes %d at the least: "
                     "raise the limit (ulimit -Hn, LimitNOFILE= of systemd)",
                     *ret_limit, DESCRIPTORS_LEAST);
    return NULL;
}

struct share { /* and the names of both numbers in the log */
    const char *what, *what_most;
    size_t have, most;
};

static void note_few(struct journal *journal, const struct share *share, size_t limit,
                     const char *says)
{
    if (share->have >= share->most)
        return;
    AUTO_BUF members = buf_new(1024);
    struct json_writer w = json_writer(&members);
    json_add_int(&w, share->what, (int64_t)share->have);
    json_add_int(&w, share->what_most, (int64_t)share->most);
    json_add_int(&w, "openFiles", (int64_t)limit);
    json_add_str(&w, "says", str_of(says));
    journal->note(journal, JOURNAL_WARNING, STR("main"), STR("few-descriptors"), buf_str(&members));
}

void descriptors_note(const struct descriptors *d, const struct config *c, struct journal *journal)
{
    const struct share smtp = { "connections", "connectionsMax", d->sessions, c->connections_max };
    const struct share api = { "apiConnections", "apiConnectionsMax", d->api, API_CONNECTIONS };
    note_few(journal, &smtp, d->limit,
             "fewer SMTP connections than --connections-max: the process may not have more files "
             "open; raise the limit (ulimit -Hn, LimitNOFILE= of systemd) or lower "
             "--connections-max");
    note_few(journal, &api, d->limit,
             "fewer HTTP connections than the API otherwise takes: the process may not have more "
             "files open; raise the limit (ulimit -Hn, LimitNOFILE= of systemd)");
}
