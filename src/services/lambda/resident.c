#include "services/lambda/resident.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* /proc/PID/stat, proc(5): session is the sixth field, resident pages the twenty-fourth. */
static bool read_process(const char *name, pid_t *session, unsigned *uid, long *pages)
{
    char path[64], text[1024];
    struct stat owner;
    snprintf(path, sizeof path, "/proc/%.16s/stat", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 && fstat(fd, &owner) == 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (len <= 0)
        return false;
    text[len] = '\0';
    const char *at = strrchr(text, ')'); /* the name may hold anything */
    *uid = owner.st_uid;
    return at && sscanf(at + 1,
                        " %*c %*d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
                        "%*d %*u %*u %ld",
                        session, pages) == 2;
}

void resident_measure(struct resident *list, size_t count)
{
    DIR *proc = opendir("/proc");
    for (size_t i = 0; i < count; i++)
        list[i].size = 0;
    for (struct dirent *e; proc && (e = readdir(proc));) {
        pid_t session;
        unsigned uid;
        long pages;
        if (!ascii_is_digit(e->d_name[0]) || !read_process(e->d_name, &session, &uid, &pages))
            continue;
        for (size_t i = 0; i < count; i++)
            if (list[i].session &&
                (session == list[i].session || (list[i].uid && uid == list[i].uid)))
                list[i].size += (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
    }
    if (proc)
        closedir(proc);
}
