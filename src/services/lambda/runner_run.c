/* services/lambda/runner_run.c - the runner's own process: one thread, one loop.
 *
 *     folder/            made with a random name at the first need, gone at the end
 *       node_modules     -> the operator's modules, found by Node from every code folder
 *       bootstrap/       our own bootstraps, copied
 *       code/HASH/       unpacked once, owned by the first user, read by all
 *       code/HASH.new/   being unpacked
 *       scratch/SLOT/    a process's own, emptied after it
 *
 *     slot:  FREE --START--> RUNNING --its first process ends, KILL, too much memory--> ENDING
 * --last one reaped--> FREE
 *
 * What a slot goes through is right only as one text with the loop that sees it, so it stays whole. */
#include "services/lambda/runner.h"

#include "base/capabilities.h"
#include "services/lambda/cgroup.h"
#include "services/lambda/packet.h"
#include "services/lambda/resident.h"
#include "services/lambda/sandbox.h"
#include "services/lambda/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_ROOM = 4096, WATCH_MS = 100, UNPACKINGS = 16 };

struct process {
    pid_t pid; /* 0: the slot is free */
    uint64_t memory;
    uint64_t ooms, peak;
    bool bounded; /* by a cgroup */
    bool own_pids;
    bool too_large; /* we killed it for that */
};

struct unpacking {
    pid_t pid; /* 0: none */
    uint32_t ticket;
    char hash[65];
};

struct den {
    const struct runner_settings *settings;
    int socket, signals;
    bool root;
    char folder[PATH_ROOM / 2];
    struct cgroups cgroups;
    struct process *processes;
    struct unpacking unpackings[UNPACKINGS];
    struct packet packet;
    char bytes[PACKET_MAX];
};

/* ---- answers ---- */

static void say(struct den *d, const struct packet *f)
{
    AUTO_BUF out = buf_new(PACKET_MAX);
    packet_write(f, &out);
    /* A server that does not read is gone or going: the next receive tells. */
    while (!out.failed && send(d->socket, out.ptr, out.len, MSG_NOSIGNAL) < 0 && errno == EINTR)
        ;
}

static void say_done(struct den *d, uint32_t ticket, str text, uint64_t number)
{
    struct packet f = { .word = PACKET_DONE, .ticket = ticket, .text = text, .number = number };
    say(d, &f);
}

static void say_failed(struct den *d, uint32_t ticket, const char *what, bool with_errno)
{
    char text[512];
    int len = snprintf(text, sizeof text, "%s%s%s", what, with_errno ? ": " : "",
                       with_errno ? strerror(errno) : "");
    struct packet f = { .word = PACKET_FAILED,
                        .ticket = ticket,
                        .text = { text, len < (int)sizeof text ? (size_t)len : sizeof text - 1 } };
    say(d, &f);
}

/* ---- folders ---- */

static bool hash_ok(str hash)
{
    for (size_t i = 0; i < hash.len; i++) {
        char c = hash.ptr[i];
        if (!ascii_is_digit(c) && (c < 'a' || c > 'f'))
            return false;
    }
    return hash.len == 64;
}

__attribute__((format(printf, 3, 4))) static const char *
path_to(const struct den *d, char to[PATH_ROOM], const char *fmt, ...)
{
    va_list list;
    int len = snprintf(to, PATH_ROOM, "%s/", d->folder);
    va_start(list, fmt);
    vsnprintf(to + len, (size_t)(PATH_ROOM - len), fmt, list);
    va_end(list);
    return to;
}

/* In a process of its own: what functions leave behind may be much, or deep. */
static void remove_later(const char *path)
{
    if (fork() == 0) {
        close_range(3, ~0U, 0);
        execl("/bin/rm", "rm", "-rf", "--", path, (char *)NULL);
        _exit(127);
    }
}

static bool copy_file(const char *from, const char *to)
{
    char bytes[65536];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = in < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    ssize_t n = -1;
    while (out >= 0 && (n = read(in, bytes, sizeof bytes)) > 0)
        if (write(out, bytes, (size_t)n) != n)
            break;
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return n == 0;
}

static bool copy_bootstraps(struct den *d)
{
    static const char *const names[] = { "node.cjs", "python.py" };
    char from[PATH_ROOM], to[PATH_ROOM];
    if (mkdir(path_to(d, to, "bootstrap"), 0755) != 0)
        return false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(from, sizeof from, "%s/%s", d->settings->bootstrap, names[i]);
        if (!copy_file(from, path_to(d, to, "bootstrap/%s", names[i])))
            return false;
    }
    return true;
}

static bool make_folder(struct den *d)
{
    char path[PATH_ROOM];
    if (d->folder[0])
        return true;
    char name[sizeof d->folder];
    int len = snprintf(name, sizeof name, "%s/sesame-functions-XXXXXX", d->settings->folder);
    if (len < 0 || (size_t)len >= sizeof name || !mkdtemp(name) || chmod(name, 0711) != 0)
        return false;
    memcpy(d->folder, name, sizeof name);
    cgroups_open(&d->cgroups);
    if (d->settings->modules &&
        symlink(d->settings->modules, path_to(d, path, "node_modules")) != 0)
        return false;
    return copy_bootstraps(d) && mkdir(path_to(d, path, "code"), 0711) == 0 &&
           mkdir(path_to(d, path, "scratch"), 0711) == 0;
}

/* ---- unpacking ---- */

static void unpack_child(struct den *d, const char *folder, int zip)
{
    unsigned uid = d->root ? d->settings->first_uid : 0;
    int kept = dup2(zip, 3);
    close_range(4, ~0U, 0);
    if (kept != 3 || chdir(folder) != 0 || sandbox_enter_bare(uid))
        _exit(UNPACKED_NO_ROOM);
    umask(022);
    _exit((int)unpack_here(3));
}

static void on_unpack(struct den *d, const struct packet *f, int zip)
{
    char path[PATH_ROOM];
    struct unpacking *free_one = NULL;
    if (!hash_ok(f->text) || zip < 0) {
        say_failed(d, f->ticket, "that is no code", false);
        return;
    }
    path_to(d, path, "code/" STR_FMT, STR_ARG(f->text));
    if (access(path, F_OK) == 0) {
        say_done(d, f->ticket, str_of(path), 0);
        return;
    }
    for (size_t i = 0; i < UNPACKINGS; i++)
        if (!d->unpackings[i].pid)
            free_one = &d->unpackings[i];
    path_to(d, path, "code/" STR_FMT ".%u", STR_ARG(f->text), f->ticket);
    if (!free_one || mkdir(path, 0755) != 0 ||
        (d->root && chown(path, d->settings->first_uid, d->settings->first_uid) != 0)) {
        say_failed(d, f->ticket, "the code cannot be unpacked now", free_one != NULL);
        return;
    }
    pid_t pid = fork();
    if (pid == 0)
        unpack_child(d, path, zip);
    if (pid < 0) {
        rmdir(path);
        say_failed(d, f->ticket, "the code cannot be unpacked now", true);
        return;
    }
    *free_one = (struct unpacking) { .pid = pid, .ticket = f->ticket };
    memcpy(free_one->hash, f->text.ptr, 64);
}

static void unpacked(struct den *d, struct unpacking *u, int status)
{
    char fresh[PATH_ROOM], path[PATH_ROOM];
    path_to(d, fresh, "code/%s.%u", u->hash, u->ticket);
    path_to(d, path, "code/%s", u->hash);
    enum unpacked how = WIFEXITED(status) ? (enum unpacked)WEXITSTATUS(status) : UNPACKED_NO_ZIP;
    bool well = how == UNPACKED_WELL && (rename(fresh, path) == 0 || access(path, F_OK) == 0);
    if (well)
        say_done(d, u->ticket, str_of(path), 0);
    else
        say_failed(d, u->ticket, unpacked_says(how == UNPACKED_WELL ? UNPACKED_NO_ROOM : how),
                   false);
    if (access(fresh, F_OK) == 0) /* another was faster, or it failed */
        remove_later(fresh);
    u->pid = 0;
}

static void on_forget(struct den *d, const struct packet *f)
{
    char path[PATH_ROOM], gone[PATH_ROOM];
    if (!hash_ok(f->text) || !d->folder[0])
        return;
    path_to(d, path, "code/" STR_FMT, STR_ARG(f->text));
    path_to(d, gone, "code/" STR_FMT ".gone", STR_ARG(f->text));
    if (rename(path, gone) == 0)
        remove_later(gone);
}

/* ---- starting ---- */

struct start {
    char code[PATH_ROOM], scratch[PATH_ROOM], bootstrap[PATH_ROOM];
    char *arguments[PACKET_ARGUMENTS_MAX + 1], *environment[PACKET_ENVIRONMENT_MAX + 2];
    unsigned slot, uid;
    uint64_t memory;
    bool bounded;
    int runtime, output;
};

static char *copied(str text)
{
    char *to = malloc(text.len + 1);
    if (!to)
        _exit(127);
    memcpy(to, text.ptr, text.len);
    to[text.len] = '\0';
    return to;
}

static void start_child(struct den *d, struct start *s, bool own_pids, bool own_mounts)
{
    if (s->bounded && !cgroup_join(&d->cgroups, s->slot))
        s->bounded = false;
    setsid();
    int in = open("/dev/null", O_RDWR | O_CLOEXEC);
    /* Out of the way of 0 to 3 first: they may lie crosswise. */
    int runtime = fcntl(s->runtime, F_DUPFD_CLOEXEC, 16),
        output = fcntl(s->output, F_DUPFD_CLOEXEC, 16);
    if (in < 0 || runtime < 0 || output < 0 || dup2(in, 0) != 0 || dup2(output, 1) != 1 ||
        dup2(output, 2) != 2 || dup2(runtime, 3) != 3)
        _exit(127);
    close_range(4, ~0U, 0);
    struct sandbox box = { .code = s->code,
                           .scratch = s->scratch,
                           .modules = d->settings->modules,
                           .bootstrap = s->bootstrap,
                           .uid = s->uid,
                           .memory = s->bounded ? 0 : s->memory,
                           .own_mounts = own_mounts,
                           .own_pids = own_pids };
    const char *failed = sandbox_enter(&box);
    if (!failed) {
        execve(s->arguments[0], s->arguments, s->environment);
        failed = s->arguments[0];
    }
    dprintf(2, "Error: Couldn't start the function's process: %s: %s\n", failed, strerror(errno));
    _exit(127);
}

/* With namespaces of its own where we may, else without. */
static pid_t fork_apart(bool *ret_apart)
{
    const unsigned long flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | SIGCHLD;
    pid_t pid = (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
    *ret_apart = pid >= 0;
    return pid >= 0 ? pid : fork();
}

static bool prepare(struct den *d, const struct packet *f, struct start *s)
{
    path_to(d, s->code, "code/" STR_FMT, STR_ARG(f->text));
    path_to(d, s->scratch, "scratch/%u", f->slot);
    path_to(d, s->bootstrap, "bootstrap");
    if (access(s->code, F_OK) != 0 || mkdir(s->scratch, 0700) != 0 ||
        (d->root && chown(s->scratch, s->uid, s->uid) != 0))
        return false;
    for (size_t i = 0; i < f->argument_count; i++)
        s->arguments[i] = copied(f->arguments[i]);
    if (f->argument_count == 1 && strcmp(s->arguments[0], "bootstrap") == 0) {
        char path[PATH_ROOM + 16];
        snprintf(path, sizeof path, "%s/bootstrap", s->code);
        free(s->arguments[0]);
        s->arguments[0] = copied(str_of(path));
    }
    for (size_t i = 0; i < f->environment_count; i++)
        s->environment[i] = copied(f->environment[i]);
    char path[PATH_ROOM + 16];
    snprintf(path, sizeof path, "TMPDIR=%s", s->scratch);
    s->environment[f->environment_count] = copied(str_of(path));
    s->bounded = cgroup_begin(&d->cgroups, f->slot, s->memory);
    return true;
}

static void release(struct start *s)
{
    for (size_t i = 0; s->arguments[i]; i++)
        free(s->arguments[i]);
    for (size_t i = 0; s->environment[i]; i++)
        free(s->environment[i]);
    free(s);
}

static void on_start(struct den *d, const struct packet *f, int runtime, int output)
{
    struct process *p = f->slot < d->settings->slots ? &d->processes[f->slot] : NULL;
    if (!p || p->pid || !hash_ok(f->text) || !f->argument_count || runtime < 0 || output < 0) {
        say_failed(d, f->ticket, "there is no such place for a process", false);
        return;
    }
    struct start *s = calloc(1, sizeof *s);
    if (!s)
        return;
    s->slot = f->slot;
    s->uid = d->root ? d->settings->first_uid + 1 + f->slot : 0;
    s->memory = f->number << 20;
    s->runtime = runtime;
    s->output = output;
    bool apart = false;
    pid_t pid = prepare(d, f, s) ? 0 : -1;
    if (pid == 0) {
        *p = (struct process) { .memory = s->memory,
                                .bounded = s->bounded,
                                .ooms = cgroup_ooms(&d->cgroups, f->slot) };
        pid = fork_apart(&apart);
        if (pid == 0)
            start_child(d, s, apart, apart);
    }
    if (pid > 0) {
        p->pid = pid;
        p->own_pids = apart;
        say_done(d, f->ticket, STR(""), (uint64_t)pid);
    } else {
        say_failed(d, f->ticket, "the function's process could not be started", true);
    }
    release(s);
}

/* ---- ending ---- */

/* Everything of the slot's user, wherever it went. */
static void kill_user(unsigned uid)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0 && getuid() == uid)
            kill(-1, SIGKILL); /* kill(2): not the caller itself */
        _exit(0);
    }
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

static void kill_all(struct den *d, unsigned slot)
{
    struct process *p = &d->processes[slot];
    if (!p->pid)
        return;
    kill(p->pid, SIGKILL); /* of its process namespace that is all */
    kill(-p->pid, SIGKILL);
    if (d->root && !p->own_pids)
        kill_user(d->settings->first_uid + 1 + slot);
}

static void ended(struct den *d, unsigned slot, int status, const struct rusage *usage)
{
    char path[PATH_ROOM], gone[PATH_ROOM];
    struct process *p = &d->processes[slot];
    pid_t pid = p->pid;
    kill_all(d, slot);
    uint64_t peak = p->bounded ? cgroup_peak(&d->cgroups, slot) : p->peak;
    struct packet f = { .word = PACKET_ENDED,
                        .slot = slot,
                        .text = STR(""),
                        .number = (uint64_t)status,
                        .peak = peak ? peak : (uint64_t)usage->ru_maxrss * 1024 };
    if (p->too_large || (p->bounded && cgroup_ooms(&d->cgroups, slot) > p->ooms))
        f.flags = PACKET_OUT_OF_MEMORY;
    p->pid = 0;
    path_to(d, path, "scratch/%u", slot);
    path_to(d, gone, "scratch/%u.%d", slot, (int)pid);
    if (rename(path, gone) == 0)
        remove_later(gone);
    say(d, &f);
}

static void reap(struct den *d)
{
    struct signalfd_siginfo info;
    ssize_t n = read(d->signals, &info, sizeof info);
    (void)n; /* several deaths may be one signal: ask for all */
    int status;
    struct rusage usage;
    for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0;) {
        for (unsigned i = 0; i < d->settings->slots; i++)
            if (d->processes[i].pid == pid)
                ended(d, i, status, &usage);
        for (size_t i = 0; i < UNPACKINGS; i++)
            if (d->unpackings[i].pid == pid)
                unpacked(d, &d->unpackings[i], status);
    }
}

/* ---- memory, where no cgroup bounds it ---- */

static bool watches(const struct den *d)
{
    for (unsigned i = 0; i < d->settings->slots; i++)
        if (d->processes[i].pid && !d->processes[i].bounded)
            return true;
    return false;
}

static void watch(struct den *d)
{
    struct resident *residents = calloc(d->settings->slots + 1, sizeof *residents);
    if (!residents)
        return;
    for (unsigned i = 0; i < d->settings->slots; i++)
        residents[i] = (struct resident) { .session = d->processes[i].pid,
                                           .uid = d->root ? d->settings->first_uid + 1 + i : 0 };
    resident_measure(residents, d->settings->slots);
    for (unsigned i = 0; i < d->settings->slots; i++) {
        struct process *p = &d->processes[i];
        if (!p->pid || p->bounded)
            continue;
        p->peak = residents[i].size > p->peak ? residents[i].size : p->peak;
        if (residents[i].size > p->memory && !p->too_large) {
            p->too_large = true;
            kill_all(d, i);
        }
    }
    free(residents);
}

/* ---- the loop ---- */

static size_t take_fds(struct msghdr *message, int fds[2])
{
    size_t count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t given = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < given; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (count < 2)
                fds[count++] = fd;
            else
                close(fd);
        }
    }
    return count;
}

static void act(struct den *d, const int fds[2])
{
    const struct packet *f = &d->packet;
    if ((f->word == PACKET_UNPACK || f->word == PACKET_START) && !make_folder(d)) {
        say_failed(d, f->ticket, "the folder of the functions cannot be made", true);
        return;
    }
    switch (f->word) {
    case PACKET_UNPACK:
        on_unpack(d, f, fds[0]);
        break;
    case PACKET_START:
        on_start(d, f, fds[0], fds[1]);
        break;
    case PACKET_KILL:
        if (f->slot < d->settings->slots)
            kill_all(d, f->slot);
        break;
    case PACKET_FORGET:
        on_forget(d, f);
        break;
    case PACKET_DONE:
    case PACKET_FAILED:
    case PACKET_ENDED:
        break; /* our own words */
    }
}

/* False: the server is gone. */
static bool obey(struct den *d)
{
    int fds[2] = { -1, -1 };
    union {
        char room[CMSG_SPACE(8 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec piece = { d->bytes, sizeof d->bytes };
    struct msghdr message = { .msg_iov = &piece,
                              .msg_iovlen = 1,
                              .msg_control = control.room,
                              .msg_controllen = sizeof control.room };
    ssize_t len = recvmsg(d->socket, &message, MSG_CMSG_CLOEXEC);
    if (len < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (len <= 0)
        return false;
    take_fds(&message, fds);
    bool well = packet_read((str) { d->bytes, (size_t)len }, &d->packet);
    if (well)
        act(d, fds);
    for (size_t i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return well;
}

static void end_everything(struct den *d)
{
    for (unsigned i = 0; i < d->settings->slots; i++)
        kill_all(d, i);
    for (size_t i = 0; i < UNPACKINGS; i++)
        if (d->unpackings[i].pid)
            kill(d->unpackings[i].pid, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
    cgroups_close(&d->cgroups, d->settings->slots);
    if (d->folder[0]) {
        remove_later(d->folder);
        while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
            ;
    }
}

/* What a function's process wants done before it is its own: namespaces and mounts, another user; and what is
 * done to it and its folders from outside. */
static void keep_what_is_needed(void)
{
    capabilities_keep(CAPABILITY(CAP_SYS_ADMIN) | CAPABILITY(CAP_SETUID) | CAPABILITY(CAP_SETGID) |
                      CAPABILITY(CAP_KILL) | CAPABILITY(CAP_CHOWN) | CAPABILITY(CAP_FOWNER) |
                      CAPABILITY(CAP_DAC_OVERRIDE) | CAPABILITY(CAP_DAC_READ_SEARCH));
}

/* The server's lock, its terminal's signals and its output are none of ours. */
static bool stand_apart(struct den *d)
{
    int kept = fcntl(d->socket, F_DUPFD_CLOEXEC, 1024);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (kept < 0)
        kept = fcntl(d->socket, F_DUPFD_CLOEXEC, 16);
    if (kept < 0 || null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
        return false;
    close_range(3, (unsigned)kept - 1, 0);
    close_range((unsigned)kept + 1, ~0U, 0);
    d->socket = kept;
    keep_what_is_needed();
    if (sandbox_start_only() == SANDBOX_FAILED)
        return false;
    umask(022);
    prctl(PR_SET_NAME, "sesame-runner", 0, 0, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* what it was told may hold credentials */
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    d->signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    return d->signals >= 0;
}

int runner_run(const struct runner_settings *settings, int socket)
{
    struct den *d = calloc(1, sizeof *d);
    struct process *processes = calloc(settings->slots + 1, sizeof *processes);
    if (!d || !processes)
        return 1;
    d->settings = settings;
    d->processes = processes;
    d->socket = socket;
    d->root = geteuid() == 0;
    if (!stand_apart(d))
        return 1;
    for (bool serves = true; serves;) {
        struct pollfd fds[] = { { .fd = d->socket, .events = POLLIN },
                                { .fd = d->signals, .events = POLLIN } };
        if (poll(fds, 2, watches(d) ? WATCH_MS : -1) < 0 && errno != EINTR)
            break;
        if (fds[1].revents)
            reap(d);
        if (watches(d))
            watch(d);
        if (fds[0].revents)
            serves = obey(d);
    }
    end_everything(d);
    return 0;
}
