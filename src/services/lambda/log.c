/* services/lambda/log.c - lines are gathered for a moment, since a busy function has three of them
 * in each of its calls, and a call takes less time than a write. */
#include "services/lambda/log.h"

#include "services/lambda/function.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    OPEN_FILES = 16,
    PATH_ROOM = 4096,
    GATHERED_MAX = 1 << 20,
    GATHERED_MANY = 64 * 1024, /* then they are written by who has the next */
    GATHER_NS = 20 * 1000 * 1000,
};

struct open_file {
    char path[PATH_ROOM];
    int fd;        /* -1: none */
    off_t size;    /* with what is gathered */
    uint64_t used; /* when last, by count */
    struct buf gathered;
};

struct function_log {
    pthread_mutex_t lock;
    const char *directory;
    struct open_file files[OPEN_FILES];
    uint64_t uses;
    bool any, ends; /* gathered since the writer looked; it is to end */
    pthread_cond_t changed;
    pthread_t writer;
};

static void write_gathered(struct open_file *f)
{
    str text = buf_str(&f->gathered);
    while (f->fd >= 0 && text.len) {
        ssize_t wrote = write(f->fd, text.ptr, text.len);
        if (wrote < 0 && errno != EINTR)
            break; /* a full disk: what functions print is the first to go */
        text = str_from(text, wrote > 0 ? (size_t)wrote : 0);
    }
    buf_clear(&f->gathered);
}

static void write_all_gathered(struct function_log *log)
{
    for (size_t i = 0; i < OPEN_FILES; i++)
        write_gathered(&log->files[i]);
}

static void shut(struct open_file *f)
{
    write_gathered(f);
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
    f->path[0] = '\0';
}

static void *write_now_and_then(void *self)
{
    struct function_log *log = self;
    const struct timespec moment = { .tv_nsec = GATHER_NS };
    pthread_mutex_lock(&log->lock);
    while (!log->ends) {
        while (!log->any && !log->ends)
            pthread_cond_wait(&log->changed, &log->lock);
        pthread_mutex_unlock(&log->lock);
        nanosleep(&moment, NULL);
        pthread_mutex_lock(&log->lock);
        log->any = false;
        write_all_gathered(log);
    }
    pthread_mutex_unlock(&log->lock);
    return NULL;
}

const struct fault *function_log_open(str directory, struct arena *arena,
                                      struct function_log **ret_log)
{
    struct function_log *log = ARENA_NEW(arena, struct function_log);
    const char *path = arena_cstr(arena, directory);
    if (!log || !path)
        return &fault_no_memory;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return fault(arena, FAULT_UNAVAILABLE, NULL, "cannot make %s: %s", path, strerror(errno));
    log->directory = path;
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->changed, NULL);
    for (size_t i = 0; i < OPEN_FILES; i++)
        log->files[i] = (struct open_file) { .fd = -1, .gathered = buf_new(GATHERED_MAX) };
    int why = pthread_create(&log->writer, NULL, write_now_and_then, log);
    if (why)
        return fault(arena, FAULT_UNAVAILABLE, NULL, "no thread for the functions' logs: %s",
                     strerror(why));
    *ret_log = log;
    return NULL;
}

void function_log_close(struct function_log *log)
{
    pthread_mutex_lock(&log->lock);
    log->ends = true;
    pthread_cond_signal(&log->changed);
    pthread_mutex_unlock(&log->lock);
    pthread_join(log->writer, NULL);
    for (size_t i = 0; i < OPEN_FILES; i++) {
        shut(&log->files[i]);
        buf_free(&log->files[i].gathered);
    }
    pthread_cond_destroy(&log->changed);
    pthread_mutex_destroy(&log->lock);
}

static void path_of(const struct function_log *log, const struct function_ref *ref, int n,
                    char to[PATH_ROOM])
{
    snprintf(to, PATH_ROOM, "%s/" STR_FMT "." STR_FMT "." STR_FMT ".%d", log->directory,
             STR_ARG(ref->account), STR_ARG(ref->region), STR_ARG(ref->name), n);
}

static struct open_file *file_for(struct function_log *log, const char *path)
{
    struct open_file *least = &log->files[0];
    for (size_t i = 0; i < OPEN_FILES; i++) {
        struct open_file *f = &log->files[i];
        if (f->fd >= 0 && strcmp(f->path, path) == 0)
            return f;
        if (f->fd < 0 || (least->fd >= 0 && f->used < least->used))
            least = f;
    }
    shut(least);
    struct stat info;
    least->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    least->size = least->fd >= 0 && fstat(least->fd, &info) == 0 ? info.st_size : 0;
    snprintf(least->path, sizeof least->path, "%s", path);
    return least;
}

static void move_up(struct function_log *log, const struct function_ref *ref)
{
    char from[PATH_ROOM], to[PATH_ROOM];
    for (int n = LOG_FILES - 1; n > 0; n--) {
        path_of(log, ref, n - 1, from);
        path_of(log, ref, n, to);
        rename(from, to);
    }
}

void function_log_add(struct function_log *log, const struct function_ref *ref, str text)
{
    char path[PATH_ROOM];
    path_of(log, ref, 0, path);
    pthread_mutex_lock(&log->lock);
    struct open_file *f = file_for(log, path);
    if (f->fd >= 0 && f->size + (off_t)text.len > LOG_FILE_MAX && f->size > 0) {
        shut(f);
        move_up(log, ref);
        f = file_for(log, path);
    }
    f->used = ++log->uses;
    if (f->fd >= 0) {
        buf_add(&f->gathered, text);
        f->gathered.failed = false;
        f->size += (off_t)text.len;
        if (f->gathered.len > GATHERED_MANY)
            write_gathered(f);
        if (!log->any)
            pthread_cond_signal(&log->changed);
        log->any = true;
    }
    pthread_mutex_unlock(&log->lock);
}

const struct fault *function_log_read(struct function_log *log, const struct function_ref *ref,
                                      size_t most, struct buf *out)
{
    char path[PATH_ROOM];
    AUTO_BUF all = buf_new(LOG_FILES * (LOG_FILE_MAX + (size_t)LOG_FILE_MAX));
    pthread_mutex_lock(&log->lock);
    write_all_gathered(log);
    for (int n = LOG_FILES - 1; n >= 0; n--) {
        struct stat info;
        path_of(log, ref, n, path);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && fstat(fd, &info) == 0) {
            char *to = buf_reserve(&all, (size_t)info.st_size);
            ssize_t got = to ? read(fd, to, (size_t)info.st_size) : 0;
            all.len += got > 0 ? (size_t)got : 0;
        }
        if (fd >= 0)
            close(fd);
    }
    pthread_mutex_unlock(&log->lock);
    if (all.failed)
        return &fault_no_memory;
    str text = buf_str(&all);
    if (text.len > most) {
        text = str_from(text, text.len - most);
        text = str_from(text, str_find(text, '\n') + 1);
    }
    buf_add(out, text);
    return NULL;
}

void function_log_remove(struct function_log *log, const struct function_ref *ref)
{
    char path[PATH_ROOM];
    pthread_mutex_lock(&log->lock);
    for (int n = 0; n < LOG_FILES; n++) {
        path_of(log, ref, n, path);
        for (size_t i = 0; i < OPEN_FILES; i++)
            if (log->files[i].fd >= 0 && strcmp(log->files[i].path, path) == 0)
                shut(&log->files[i]);
        unlink(path);
    }
    pthread_mutex_unlock(&log->lock);
}
