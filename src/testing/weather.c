/* testing/weather.c - what is told in the control, carried out; and the calls that stand before
 * libc's.
 *
 * It uses system calls, not libc's functions of the same name, so that it needs no look-up and
 * never meets itself. Threads are many: the control's fields are read and counted atomically,
 * nothing else is shared but the table of descriptors, of which each entry belongs to whoever has
 * the descriptor open. */
#include "testing/weather.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { DESCRIPTORS = 65536 };

static struct weather calm, *control = &calm;
static struct weather_file files[DESCRIPTORS];
static uint32_t handles;
static char root[4096];
static size_t root_len;
static int elsewhere = 1; /* in a child, or before the beginning */
static uintptr_t own_from, own_to;

/* ---- beginning ---- */

static void in_child(void)
{
    elsewhere = 1;
}

/* The program itself comes first; its code is where its own allocations are asked for. */
static int find_program(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    (void)context;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X) {
            own_from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            own_to = own_from + info->dlpi_phdr[i].p_memsz;
        }
    return 1;
}

/* Where it was that it aborted, for the tester: descriptor 2 is the server's log. */
static void in_agony(int signal)
{
    void *frames[64];
    backtrace_symbols_fd(frames, backtrace(frames, 64), STDERR_FILENO);
    struct sigaction usual = { .sa_handler = SIG_DFL };
    sigaction(signal, &usual, NULL);
    raise(signal);
}

__attribute__((constructor)) static void begin(void)
{
    const char *name = getenv("WEATHER_CONTROL"), *below = getenv("WEATHER_ROOT");
    unsetenv("LD_PRELOAD"); /* whoever is started from here has weather of his own */
    if (!name || !below || strlen(below) >= sizeof root)
        return;
    strcpy(root, below);
    root_len = strlen(root);
    int fd = (int)syscall(SYS_open, name, O_RDWR | O_CLOEXEC, 0);
    void *at = fd < 0 ? MAP_FAILED
                      : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        abort();
    syscall(SYS_close, fd);
    control = at;
    dl_iterate_phdr(find_program, NULL);
    weather_record_open(control);
    pthread_atfork(NULL, NULL, in_child);
    static const int deaths[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL };
    for (size_t i = 0; i < sizeof deaths / sizeof deaths[0]; i++)
        sigaction(deaths[i], &(struct sigaction) { .sa_handler = in_agony }, NULL);
    elsewhere = 0;
}

/* ---- deciding ---- */

void weather_die(void)
{
    for (;;)
        syscall(SYS_kill, getpid(), SIGKILL);
}

enum weather_verdict weather_meet(enum weather_call call, enum weather_place place)
{
    if (elsewhere)
        return GO_ON;
    __atomic_fetch_add(&control->counts[call][place], 1, __ATOMIC_RELAXED);
    enum weather_mode mode = (enum weather_mode)__atomic_load_n(&control->mode, __ATOMIC_ACQUIRE);
    if (mode == WEATHER_CALM || !(control->calls >> call & 1) || !(control->places >> place & 1))
        return GO_ON;
    int64_t left = __atomic_sub_fetch(&control->countdown, 1, __ATOMIC_ACQ_REL);
    int lasting = mode == WEATHER_FAIL_ON || mode == WEATHER_FAIL_HALF;
    if (left > 0 || (left < 0 && !lasting))
        return GO_ON;
    __atomic_fetch_add(&control->struck, 1, __ATOMIC_RELAXED);
    control->last_call = call;
    control->last_place = place;
    switch (mode) {
    case WEATHER_CALM:
        return GO_ON;
    case WEATHER_KILL_BEFORE:
        weather_die();
    case WEATHER_KILL_HALF:
        return HALF_THEN_DIE;
    case WEATHER_KILL_AFTER:
        return DIE_AFTER;
    case WEATHER_FAIL_HALF:
        if (left == 0 && call == CALL_WRITE)
            return HALF;
        break;
    case WEATHER_FAIL_ONCE:
    case WEATHER_FAIL_ON:
        break;
    }
    errno = (int)control->error;
    return FAIL;
}

/* ---- whose file is it ---- */

struct weather_file *weather_file(int fd)
{
    return !elsewhere && fd >= 0 && fd < DESCRIPTORS && files[fd].handle ? &files[fd] : NULL;
}

const char *weather_below_root(const char *path)
{
    if (elsewhere || strncmp(path, root, root_len) != 0 || path[root_len] != '/')
        return NULL;
    const char *at = path + root_len;
    while (*at == '/')
        at++;
    return at;
}

int weather_place_of(const char *path)
{
    static const struct {
        const char *begins;
        enum weather_place place;
    } places[] = {
        { "spool/log", PLACE_LOG },         { "spool/bodies", PLACE_BODIES },
        { "spool/history", PLACE_HISTORY }, { "spool/dead", PLACE_DEAD },
        { "spool", PLACE_SPOOL },           { "objects/index.sqlite", PLACE_INDEX },
        { "objects", PLACE_OBJECTS },       { "state.sqlite", PLACE_STATE },
        { "queues.sqlite", PLACE_QUEUES },  { "functions", PLACE_FUNCTIONS },
    };
    const char *below = weather_below_root(path);
    if (!below)
        return -1;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (strncmp(below, places[i].begins, strlen(places[i].begins)) == 0)
            return (int)places[i].place;
    return PLACE_OTHER;
}

/* ---- files opened and closed ---- */

/* The folder itself: it is opened to be synced, for the names in it. */
static int is_root(const char *path)
{
    return !elsewhere && strcmp(path, root) == 0;
}

static int opened(int fd, const char *path, int place, int was_there, int flags)
{
    struct stat s;
    if (fd < 0 || fd >= DESCRIPTORS)
        return fd;
    uint32_t handle = __atomic_add_fetch(&handles, 1, __ATOMIC_RELAXED);
    files[fd] = (struct weather_file) { .handle = handle,
                                        .place = (uint8_t)place,
                                        .is_directory = fstat(fd, &s) == 0 && S_ISDIR(s.st_mode) };
    if (weather_recording()) {
        const char *below = is_root(path) ? "" : weather_below_root(path);
        uint64_t how = !was_there ? 1 : flags & O_TRUNC ? 2 : 0;
        weather_record_put(RECORD_OPEN, handle, how, below, strlen(below));
    }
    return fd;
}

static int open_one(const char *path, int flags, unsigned mode)
{
    int place = is_root(path) ? (int)PLACE_OTHER : weather_place_of(path);
    if (place < 0)
        return (int)syscall(SYS_open, path, flags, mode);
    int may_make = flags & O_CREAT && !(flags & O_DIRECTORY);
    enum weather_verdict v =
        weather_meet(may_make ? CALL_CREATE : CALL_OPEN, (enum weather_place)place);
    if (v == FAIL)
        return -1;
    weather_record_lock(); /* whether it is there, and making it, are one */
    struct stat s;
    int saved = errno, was_there = !may_make || lstat(path, &s) == 0;
    errno = saved;
    int fd = (int)syscall(SYS_open, path, flags, mode);
    fd = opened(fd, path, place, was_there, flags);
    weather_record_unlock();
    if (v == DIE_AFTER || v == HALF_THEN_DIE)
        weather_die();
    return fd;
}

#define OPEN_LIKE(name)                                                                            \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        va_list more;                                                                              \
        va_start(more, flags);                                                                     \
        unsigned mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, unsigned) : 0;                \
        va_end(more);                                                                              \
        return open_one(path, flags, mode);                                                        \
    }
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
OPEN_LIKE(open)
OPEN_LIKE(open64)
int __open_2(const char *path, int flags)
{
    return open_one(path, flags, 0);
}
int __open64_2(const char *path, int flags)
{
    return open_one(path, flags, 0);
}

int close(int fd)
{
    if (!elsewhere && fd >= 0 && fd < DESCRIPTORS)
        files[fd].handle = 0;
    return (int)syscall(SYS_close, fd);
}

/* ---- reads ---- */

static ssize_t read_at(int fd, void *to, size_t size, off_t offset)
{
    const struct weather_file *f = weather_file(fd);
    enum weather_verdict v = f ? weather_meet(CALL_READ, (enum weather_place)f->place) : GO_ON;
    if (v == FAIL)
        return -1;
    ssize_t n =
        offset < 0 ? syscall(SYS_read, fd, to, size) : syscall(SYS_pread64, fd, to, size, offset);
    if (v == DIE_AFTER || v == HALF_THEN_DIE)
        weather_die();
    return n;
}

ssize_t __pread_chk(int fd, void *to, size_t size, off_t offset, size_t room);
ssize_t __pread64_chk(int fd, void *to, size_t size, off_t offset, size_t room);
ssize_t __read_chk(int fd, void *to, size_t size, size_t room);

static void check_room(size_t size, size_t room)
{
    if (size > room)
        abort();
}

ssize_t read(int fd, void *to, size_t size)
{
    return read_at(fd, to, size, -1);
}
ssize_t pread(int fd, void *to, size_t size, off_t offset)
{
    return read_at(fd, to, size, offset);
}
ssize_t pread64(int fd, void *to, size_t size, off_t offset)
{
    return read_at(fd, to, size, offset);
}
ssize_t __pread_chk(int fd, void *to, size_t size, off_t offset, size_t room)
{
    check_room(size, room);
    return read_at(fd, to, size, offset);
}
ssize_t __pread64_chk(int fd, void *to, size_t size, off_t offset, size_t room)
{
    check_room(size, room);
    return read_at(fd, to, size, offset);
}
ssize_t __read_chk(int fd, void *to, size_t size, size_t room)
{
    check_room(size, room);
    return read_at(fd, to, size, -1);
}

/* ---- writes ---- */

static size_t size_of(const struct iovec *parts, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += parts[i].iov_len;
    return size;
}

/* In one piece, as recorded. */
static const char *gathered(const struct iovec *parts, int count, size_t size, char **ret_made)
{
    if (count == 1)
        return parts[0].iov_base;
    char *at = *ret_made = malloc(size ? size : 1);
    if (!at)
        abort();
    for (int i = 0; i < count; i++) {
        memcpy(at, parts[i].iov_base, parts[i].iov_len);
        at += parts[i].iov_len;
    }
    return *ret_made;
}

/* offset -1: where the file stands. */
static ssize_t write_at(int fd, const struct iovec *parts, int count, off_t offset)
{
    const struct weather_file *f = weather_file(fd);
    if (!f)
        return offset < 0 ? syscall(SYS_writev, fd, parts, count)
                          : syscall(SYS_pwritev, fd, parts, count, offset, 0);
    enum weather_verdict v = weather_meet(CALL_WRITE, (enum weather_place)f->place);
    if (v == FAIL)
        return -1;
    size_t size = size_of(parts, count);
    char *made = NULL;
    const char *bytes = gathered(parts, count, size, &made);
    if (v == HALF || v == HALF_THEN_DIE)
        size = (size + 1) / 2;
    weather_record_lock();
    off_t at = offset;
    if (at < 0)
        at = syscall(SYS_lseek, fd, 0,
                     syscall(SYS_fcntl, fd, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR);
    ssize_t n = offset < 0 ? syscall(SYS_write, fd, bytes, size)
                           : syscall(SYS_pwrite64, fd, bytes, size, offset);
    int saved = errno;
    if (n > 0 && weather_recording())
        weather_record_put(RECORD_WRITE, f->handle, (uint64_t)at, bytes, (size_t)n);
    weather_record_unlock();
    free(made);
    if (v == DIE_AFTER || v == HALF_THEN_DIE)
        weather_die();
    errno = saved;
    return n;
}

static ssize_t write_one(int fd, const void *bytes, size_t size, off_t offset)
{
    struct iovec part = { (void *)bytes, size };
    return write_at(fd, &part, 1, offset);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    return weather_file(fd) ? write_one(fd, bytes, size, -1) : syscall(SYS_write, fd, bytes, size);
}
ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    return write_one(fd, bytes, size, offset);
}
ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t offset)
{
    return write_one(fd, bytes, size, offset);
}
ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return write_at(fd, parts, count, -1);
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    return write_at(fd, parts, count, offset);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t offset)
{
    return write_at(fd, parts, count, offset);
}

/* ---- sizes ---- */

static int resize(int fd, off_t size, enum weather_call call)
{
    const struct weather_file *f = weather_file(fd);
    enum weather_verdict v = f ? weather_meet(call, (enum weather_place)f->place) : GO_ON;
    if (v == FAIL)
        return -1;
    weather_record_lock();
    struct stat s;
    int got = (int)(call == CALL_ALLOCATE ? syscall(SYS_fallocate, fd, 0, (off_t)0, size)
                                          : syscall(SYS_ftruncate, fd, size));
    int saved = errno;
    if (f && got == 0 && weather_recording() && fstat(fd, &s) == 0)
        weather_record_put(RECORD_SIZE, f->handle, (uint64_t)s.st_size, NULL, 0);
    weather_record_unlock();
    if (v == DIE_AFTER || v == HALF_THEN_DIE)
        weather_die();
    errno = saved;
    return got;
}

int ftruncate(int fd, off_t size)
{
    return resize(fd, size, CALL_TRUNCATE);
}
int ftruncate64(int fd, off_t size)
{
    return resize(fd, size, CALL_TRUNCATE);
}

/* A hole reads as zeros, and one that did not reach the disk is as zeros that did not. */
static int punch(int fd, int mode, off_t offset, off_t size)
{
    const struct weather_file *f = weather_file(fd);
    enum weather_verdict v = weather_meet(CALL_PUNCH, (enum weather_place)f->place);
    struct stat s;
    if (v == FAIL)
        return -1;
    weather_record_lock();
    int got = (int)syscall(SYS_fallocate, fd, mode, offset, size);
    int saved = errno;
    if (got == 0 && weather_recording() && fstat(fd, &s) == 0 && offset < s.st_size) {
        size_t len = (size_t)(size < s.st_size - offset ? size : s.st_size - offset);
        char *zeros = calloc(1, len);
        if (!zeros)
            abort();
        weather_record_put(RECORD_WRITE, f->handle, (uint64_t)offset, zeros, len);
        free(zeros);
    }
    weather_record_unlock();
    if (v == DIE_AFTER || v == HALF_THEN_DIE)
        weather_die();
    errno = saved;
    return got;
}

static int allocate(int fd, int mode, off_t offset, off_t size)
{
    if (weather_file(fd) && mode == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
        return punch(fd, mode, offset, size);
    if (weather_file(fd) && (mode != 0 || offset != 0))
        abort(); /* not one of ours: the record would be wrong */
    return weather_file(fd) ? resize(fd, size, CALL_ALLOCATE)
                            : (int)syscall(SYS_fallocate, fd, mode, offset, size);
}
int fallocate(int fd, int mode, off_t offset, off_t size)
{
    return allocate(fd, mode, offset, size);
}
int fallocate64(int fd, int mode, off_t offset, off_t size)
{
    return allocate(fd, mode, offset, size);
}

/* ---- syncs ---- */

static int sync_one(int fd, long number)
{
    const struct weather_file *f = weather_file(fd);
    if (!f)
        return (int)syscall(number, fd);
    enum weather_call call = number == SYS_syncfs ? CALL_SYNC_ALL
                             : f->is_directory    ? CALL_SYNC_DIRECTORY
                                                  : CALL_SYNC;
    enum weather_verdict v = weather_meet(call, (enum weather_place)f->place);
    if (v == FAIL)
        return -1;
    uint32_t handle = f->handle;
    enum record_kind from = number == SYS_syncfs ? RECORD_ALL_FROM : RECORD_SYNC_FROM;
    enum record_kind done = number == SYS_syncfs ? RECORD_ALL_DONE : RECORD_SYNC_DONE;
    uint64_t at = weather_recording() ? weather_record_put(from, handle, 0, NULL, 0) : 0;
    int got = (int)syscall(number, fd);
    int saved = errno;
    if (got == 0 && weather_recording())
        weather_record_put(done, handle, at, NULL, 0);
    if (v == DIE_AFTER || v == HALF_THEN_DIE)
        weather_die();
    errno = saved;
    return got;
}

int fsync(int fd)
{
    return sync_one(fd, SYS_fsync);
}
int fdatasync(int fd)
{
    return sync_one(fd, SYS_fdatasync);
}
int syncfs(int fd)
{
    return sync_one(fd, SYS_syncfs);
}

/* ---- names ---- */

/* `two`, when there is one, lies below the root too. */
static int name_call(long number, enum weather_call call, enum record_kind kind, const char *one,
                     const char *two, unsigned mode)
{
    int place = weather_place_of(one);
    enum weather_verdict v = place < 0 ? GO_ON : weather_meet(call, (enum weather_place)place);
    if (v == FAIL)
        return -1;
    weather_record_lock();
    int got = (int)(two ? syscall(number, one, two) : syscall(number, one, mode));
    int saved = errno;
    if (place >= 0 && got == 0 && weather_recording()) {
        char names[2 * sizeof root];
        const char *from = weather_below_root(one), *to = two ? weather_below_root(two) : NULL;
        size_t len = strlen(from), more = to ? strlen(to) + 1 : 0;
        if ((two && !to) || len + more > sizeof names)
            abort();
        memcpy(names, from, len);
        if (to) {
            names[len] = 0;
            memcpy(names + len + 1, to, more - 1);
        }
        weather_record_put(kind, 0, 0, names, len + more);
    }
    weather_record_unlock();
    if (v == DIE_AFTER || v == HALF_THEN_DIE)
        weather_die();
    errno = saved;
    return got;
}

int rename(const char *from, const char *to)
{
    return name_call(SYS_rename, CALL_RENAME, RECORD_RENAME, from, to, 0);
}
int unlink(const char *path)
{
    return name_call(SYS_unlink, CALL_UNLINK, RECORD_UNLINK, path, NULL, 0);
}
int mkdir(const char *path, mode_t mode)
{
    return name_call(SYS_mkdir, CALL_MAKE_DIRECTORY, RECORD_MAKE_DIRECTORY, path, NULL, mode);
}
int rmdir(const char *path)
{
    return name_call(SYS_rmdir, CALL_REMOVE_DIRECTORY, RECORD_REMOVE_DIRECTORY, path, NULL, 0);
}

/* ---- connections, memory, time ---- */

static int accept_one(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    enum weather_verdict v = weather_meet(CALL_ACCEPT, PLACE_NONE);
    if (v == FAIL)
        return -1;
    int got = (int)syscall(SYS_accept4, fd, address, size, flags);
    if (v == DIE_AFTER || v == HALF_THEN_DIE)
        weather_die();
    return got;
}
int accept(int fd, struct sockaddr *address, socklen_t *size)
{
    return accept_one(fd, address, size, 0);
}
int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    return accept_one(fd, address, size, flags);
}

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static int no_memory(const void *asked_from)
{
    uintptr_t from = (uintptr_t)asked_from;
    if (elsewhere || from < own_from || from >= own_to)
        return 0;
    enum weather_verdict v = weather_meet(CALL_MEMORY, PLACE_NONE);
    if (v == DIE_AFTER || v == HALF_THEN_DIE)
        weather_die();
    return v == FAIL;
}
void *malloc(size_t size)
{
    return no_memory(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}
void *calloc(size_t count, size_t size)
{
    return no_memory(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}
void *realloc(void *old, size_t size)
{
    return no_memory(__builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}

static int64_t wall_ns(clockid_t clock)
{
    struct timespec t;
    syscall(SYS_clock_gettime, clock, &t);
    int64_t ns = t.tv_sec * 1000000000LL + t.tv_nsec;
    return elsewhere ? ns : ns + __atomic_load_n(&control->wall_offset_ns, __ATOMIC_RELAXED);
}
int clock_gettime(clockid_t clock, struct timespec *to)
{
    if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
        return (int)syscall(SYS_clock_gettime, clock, to);
    int64_t ns = wall_ns(clock);
    *to = (struct timespec) { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
    return 0;
}
int gettimeofday(struct timeval *restrict to, void *restrict zone)
{
    (void)zone;
    int64_t ns = wall_ns(CLOCK_REALTIME);
    *to = (struct timeval) { .tv_sec = ns / 1000000000, .tv_usec = ns % 1000000000 / 1000 };
    return 0;
}
time_t time(time_t *to)
{
    time_t now = wall_ns(CLOCK_REALTIME) / 1000000000;
    if (to)
        *to = now;
    return now;
}
