#include "services/lambda/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT_V2 "/sys/fs/cgroup"
#define ROOT_V1 "/sys/fs/cgroup/memory"

static bool write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool well = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return well;
}

static bool read_text(const char *path, char *to, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, to, room - 1) : -1;
    if (fd >= 0)
        close(fd);
    to[len > 0 ? len : 0] = '\0';
    return len > 0;
}

static bool file_of(const struct cgroups *c, unsigned slot, const char *name,
                    char to[CGROUP_PATH_MAX])
{
    int len = snprintf(to, CGROUP_PATH_MAX, "%s/%u/%s", c->base, slot, name);
    return c->base[0] && len > 0 && len < CGROUP_PATH_MAX;
}

static bool write_slot(const struct cgroups *c, unsigned slot, const char *name, const char *text)
{
    char path[CGROUP_PATH_MAX];
    return file_of(c, slot, name, path) && write_text(path, text);
}

/* The number behind a word of a file, or the file's own where the word is empty. */
static uint64_t read_number(const struct cgroups *c, unsigned slot, const char *name,
                            const char *word)
{
    char path[CGROUP_PATH_MAX], text[1024];
    if (!file_of(c, slot, name, path) || !read_text(path, text, sizeof text))
        return 0;
    const char *at = strstr(text, word);
    return at ? strtoull(at + strlen(word), NULL, 10) : 0;
}

/* Where /proc/self/cgroup says we are: "0::/path" in version 2, "4:memory:/path" in version 1. */
static bool own_path(const char *mark, char *to, size_t room)
{
    char text[4096];
    if (!read_text("/proc/self/cgroup", text, sizeof text))
        return false;
    const char *at = strstr(text, mark);
    if (!at || (at != text && mark[0] != ':' && at[-1] != '\n'))
        return false;
    at += strlen(mark);
    size_t len = strcspn(at, "\n");
    if (len >= room)
        return false;
    memcpy(to, at, len);
    to[len] = '\0';
    return true;
}

static bool make(struct cgroups *c, const char *root, const char *own)
{
    int len = snprintf(c->base, sizeof c->base, "%s%s/sesame-functions-%d", root,
                       strcmp(own, "/") == 0 ? "" : own, (int)getpid());
    if (len > 0 && (size_t)len < sizeof c->base - 64 && mkdir(c->base, 0755) == 0)
        return true;
    c->base[0] = '\0';
    return false;
}

/* Children may bound their memory only where the parent hands the controller on, and it can do so
 * only while no process is in it: the server steps down into a leaf of its own. */
static bool hand_on(const char *own)
{
    char path[CGROUP_PATH_MAX + 64], pid[32];
    snprintf(path, sizeof path, ROOT_V2 "%s/cgroup.subtree_control", own);
    if (write_text(path, "+memory"))
        return true;
    if (errno != EBUSY)
        return false;
    snprintf(path, sizeof path, ROOT_V2 "%s/sesame-server", own);
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        return false;
    snprintf(path, sizeof path, ROOT_V2 "%s/sesame-server/cgroup.procs", own);
    snprintf(pid, sizeof pid, "%d", (int)getppid());
    if (!write_text(path, pid) || !write_text(path, "0"))
        return false;
    snprintf(path, sizeof path, ROOT_V2 "%s/cgroup.subtree_control", own);
    return write_text(path, "+memory");
}

void cgroups_open(struct cgroups *c)
{
    char own[CGROUP_PATH_MAX - 128], path[CGROUP_PATH_MAX + 64], text[1024];
    *c = (struct cgroups) { .v2 = true };
    if (own_path("0::", own, sizeof own)) {
        snprintf(path, sizeof path, ROOT_V2 "%s/cgroup.controllers", own);
        if (read_text(path, text, sizeof text) && strstr(text, "memory") && hand_on(own) &&
            make(c, ROOT_V2, own)) {
            snprintf(path, sizeof path, "%s/cgroup.subtree_control", c->base);
            if (write_text(path, "+memory"))
                return;
            rmdir(c->base);
            c->base[0] = '\0';
        }
    }
    c->v2 = false;
    if (own_path(":memory:", own, sizeof own))
        make(c, ROOT_V1, own);
}

bool cgroup_begin(const struct cgroups *c, unsigned slot, uint64_t memory_bytes)
{
    char path[CGROUP_PATH_MAX], most[32];
    if (!file_of(c, slot, "", path) || (mkdir(path, 0755) != 0 && errno != EEXIST))
        return false;
    snprintf(most, sizeof most, "%llu", (unsigned long long)memory_bytes);
    if (!c->v2) {
        /* What lingers of the slot's last function would count against this one. Where swap is
         * counted too, its bound is never below memory's: up first, then down. */
        write_slot(c, slot, "memory.memsw.limit_in_bytes", "-1");
        write_slot(c, slot, "memory.limit_in_bytes", "-1");
        write_slot(c, slot, "memory.force_empty", "0");
        write_slot(c, slot, "memory.max_usage_in_bytes", "0");
        bool well = write_slot(c, slot, "memory.limit_in_bytes", most);
        write_slot(c, slot, "memory.memsw.limit_in_bytes", most);
        return well;
    }
    write_slot(c, slot, "memory.swap.max", "0");
    write_slot(c, slot, "memory.oom.group", "1");
    return write_slot(c, slot, "memory.max", most);
}

bool cgroup_join(const struct cgroups *c, unsigned slot)
{
    return write_slot(c, slot, "cgroup.procs", "0");
}

uint64_t cgroup_ooms(const struct cgroups *c, unsigned slot)
{
    return c->v2 ? read_number(c, slot, "memory.events", "oom_kill ")
                 : read_number(c, slot, "memory.oom_control", "oom_kill ");
}

uint64_t cgroup_peak(const struct cgroups *c, unsigned slot)
{
    return c->v2 ? read_number(c, slot, "memory.peak", "")
                 : read_number(c, slot, "memory.max_usage_in_bytes", "");
}

void cgroups_close(const struct cgroups *c, unsigned slots)
{
    char path[CGROUP_PATH_MAX];
    for (unsigned i = 0; i < slots && c->base[0]; i++) {
        if (file_of(c, i, "", path))
            rmdir(path);
    }
    if (c->base[0])
        rmdir(c->base);
}
