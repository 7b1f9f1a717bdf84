/* main/privileges.c - user, groups, core dumps, new privileges. */
#include "main/privileges.h"

#include "base/buf.h"
#include "base/capabilities.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

const struct fault *privileges_of(str user, struct arena *a, struct privileges *ret_privileges)
{
    *ret_privileges = (struct privileges) { .user = user };
    if (!user.ptr || geteuid() != 0)
        return NULL;
    const struct passwd *entry = getpwnam(arena_cstr(a, user));
    if (!entry)
        return fault(a, FAULT_ABSENT, NULL, "there is no user " STR_FMT, STR_ARG(user));
    *ret_privileges = (struct privileges) {
        .changes = true, .uid = entry->pw_uid, .gid = entry->pw_gid, .user = user
    };
    return NULL;
}

static const struct fault *failed(const struct privileges *p, struct arena *a)
{
    return fault(a, FAULT_UNAVAILABLE, NULL, "cannot become the user " STR_FMT ": %s",
                 STR_ARG(p->user), strerror(errno));
}

const struct fault *privileges_give(const struct privileges *p, str path, struct arena *a)
{
    if (p->changes && chown(arena_cstr(a, path), p->uid, p->gid) != 0)
        return fault(a, FAULT_UNAVAILABLE, NULL,
                     "cannot give " STR_FMT " to the user " STR_FMT ": %s", STR_ARG(path),
                     STR_ARG(p->user), strerror(errno));
    return NULL;
}

const struct fault *privileges_lower(const struct privileges *p, struct arena *a)
{
    if (p->changes &&
        (initgroups(arena_cstr(a, p->user), p->gid) || setegid(p->gid) || seteuid(p->uid)))
        return failed(p, a);
    return NULL;
}

const struct fault *privileges_raise(const struct privileges *p, struct arena *a)
{
    return p->changes && seteuid(0) ? failed(p, a) : NULL;
}

/* ---- capabilities ---- */

bool privileges_shrink(const struct privileges *p)
{
    /* Others' files, as root always could: maildirs, and what a restore left behind. */
    const uint64_t serving = CAPABILITY(CAP_DAC_OVERRIDE) | CAPABILITY(CAP_DAC_READ_SEARCH) |
                             CAPABILITY(CAP_FOWNER) | CAPABILITY(CAP_NET_BIND_SERVICE);
    const uint64_t becoming = CAPABILITY(CAP_CHOWN) | CAPABILITY(CAP_SETUID) | CAPABILITY(CAP_SETGID);
    const uint64_t kept = p->changes ? serving | becoming : serving;
    return capabilities_keep(kept);
}

str privileges_left(struct arena *a)
{
    static const char *const names[] = {
        [CAP_CHOWN] = "chown",
        [CAP_DAC_OVERRIDE] = "dac_override",
        [CAP_DAC_READ_SEARCH] = "dac_read_search",
        [CAP_FOWNER] = "fowner",
        [CAP_SETGID] = "setgid",
        [CAP_SETUID] = "setuid",
        [CAP_NET_BIND_SERVICE] = "net_bind_service",
    };
    uint64_t left = 0;
    AUTO_BUF text = buf_new(1024);
    capabilities_left(&left);
    for (int n = 0; n <= CAP_LAST_CAP; n++) {
        if (!(left & CAPABILITY(n)))
            continue;
        if (text.len)
            buf_addc(&text, ' ');
        if ((size_t)n < sizeof names / sizeof *names && names[n])
            buf_add(&text, str_of(names[n]));
        else
            buf_addf(&text, "%d", n);
    }
    return arena_str(a, buf_str(&text));
}

/* Under a sanitizer the leak check traces its own process, which an undumpable one forbids. */
#if defined(__SANITIZE_ADDRESS__)
#define DUMPABLE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DUMPABLE 1
#endif
#endif
#ifndef DUMPABLE
#define DUMPABLE 0
#endif

void privileges_no_dumps(void)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit) { 0, 0 });
    prctl(PR_SET_DUMPABLE, DUMPABLE, 0, 0, 0);
}

const struct fault *privileges_drop(const struct privileges *p, struct arena *a)
{
    if (p->changes) {
        /* glibc's set*id reach every thread of the process. */
        if (setgroups(0, NULL) || setresgid(p->gid, p->gid, p->gid) ||
            setresuid(p->uid, p->uid, p->uid))
            return failed(p, a);
        if (setuid(0) == 0 || seteuid(0) == 0 || getuid() != p->uid || getgid() != p->gid)
            return fault(a, FAULT_DEFECT, NULL, "the privileges of root could be taken back");
    }
    privileges_no_dumps(); /* a change of user may have undone it */
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return NULL;
}
