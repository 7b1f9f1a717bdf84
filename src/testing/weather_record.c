/* testing/weather_record.c - the log of what a process did to its disk.
 *
 * Records follow each other, each a struct weather_record and `size` bytes. A record is in the log
 * before the call it tells of returns, and `recorded` in the control is behind it; so a tester who
 * reads `recorded` once he has an answer knows a prefix in which everything that led to the answer
 * stands. */
#include "testing/weather.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static struct weather *shared;
static int log_fd = -1;
static pthread_mutex_t changing = PTHREAD_MUTEX_INITIALIZER, appending = PTHREAD_MUTEX_INITIALIZER;

void weather_record_open(struct weather *control)
{
    enum { OUT_OF_THE_WAY = 500 }; /* the descriptors' order shall be as without us */
    const char *path = getenv("WEATHER_LOG");
    if (!path)
        return;
    int fd = (int)syscall(SYS_open, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        abort();
    log_fd = fcntl(fd, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
    syscall(SYS_close, fd);
    shared = control;
}

int weather_recording(void)
{
    return log_fd >= 0;
}

void weather_record_lock(void)
{
    pthread_mutex_lock(&changing);
}

void weather_record_unlock(void)
{
    pthread_mutex_unlock(&changing);
}

uint64_t weather_record_put(enum record_kind kind, uint32_t handle, uint64_t offset,
                            const void *bytes, size_t size)
{
    struct weather_record record = {
        .kind = kind, .handle = handle, .offset = offset, .size = size
    };
    struct iovec parts[2] = { { &record, sizeof record }, { (void *)bytes, size } };
    pthread_mutex_lock(&appending);
    uint64_t at = shared->recorded;
    if (syscall(SYS_writev, log_fd, parts, size ? 2 : 1) != (long)(sizeof record + size))
        abort(); /* a record with holes proves nothing */
    __atomic_store_n(&shared->recorded, at + sizeof record + size, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&appending);
    return at;
}
