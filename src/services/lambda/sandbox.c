#include "services/lambda/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    FILES_MAX = 1024, /* as at AWS: "Lambda quotas", file descriptors and processes/threads */
    PROCESSES_MAX = 1024,
    DATA_ALLOWANCE_MB = 1024, /* stacks that are reserved and never touched count as data */
};
#define FILE_SIZE_MAX (512ULL << 20) /* /tmp at AWS, unless one pays for more */

/* ---- own mounts ---- */

/* The function's own /tmp, and a /proc that shows its own processes. What fails is left: the
 * scratch folder is then reached by TMPDIR alone. */
static void lay_mounts(const struct sandbox *s)
{
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return;
    const bool within = str_starts(str_of(s->code), STR("/tmp/")); /* it would hide the code */
    if (!within && mount(s->scratch, "/tmp", NULL, MS_BIND, NULL) == 0)
        mount(NULL, "/tmp", NULL, MS_BIND | MS_REMOUNT | MS_NOSUID | MS_NODEV, NULL);
    if (s->own_pids)
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

/* ---- limits ---- */

static bool limit(int what, uint64_t most)
{
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)what, &now) != 0)
        return false;
    if (now.rlim_max < most)
        most = now.rlim_max;
    return setrlimit((__rlimit_resource_t)what, &(struct rlimit) { most, most }) == 0;
}

static bool set_limits(const struct sandbox *s)
{
    return limit(RLIMIT_CORE, 0) && limit(RLIMIT_NOFILE, FILES_MAX) &&
           limit(RLIMIT_FSIZE, FILE_SIZE_MAX) && (!s->uid || limit(RLIMIT_NPROC, PROCESSES_MAX)) &&
           (!s->memory || limit(RLIMIT_DATA, s->memory + ((uint64_t)DATA_ALLOWANCE_MB << 20)));
}

/* ---- who we are ---- */

static bool become(unsigned uid)
{
    if (!uid)
        return true;
    if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
        return false;
    return setuid(0) != 0 && getuid() == uid && geteuid() == uid && getegid() == uid;
}

/* ---- Landlock ---- */

#define FS_READ   (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_RUN    (FS_READ | LANDLOCK_ACCESS_FS_EXECUTE)
#define FS_V1     ((1ULL << 13) - 1) /* ABI 1: up to MAKE_SYM */
#define FS_DEVICE (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE)
/* Younger than the headers of Debian 12. */
enum { FS_REFER_BIT = 13, FS_TRUNCATE_BIT = 14, FS_IOCTL_BIT = 15, SCOPE_ABI = 6, SCOPE_ALL = 3 };
struct ruleset_attr { /* struct landlock_ruleset_attr of ABI 6 */
    uint64_t fs, net, scoped;
};

static uint64_t handled(int abi)
{
    return FS_V1 | (abi >= 2 ? 1ULL << FS_REFER_BIT : 0) | (abi >= 3 ? 1ULL << FS_TRUNCATE_BIT : 0);
}

/* A folder that is not there needs no rule. */
static bool let(int ruleset, const char *path, uint64_t access)
{
    int fd = path ? open(path, O_PATH | O_CLOEXEC) : -1;
    if (fd < 0)
        return true;
    struct landlock_path_beneath_attr rule = { .allowed_access = access, .parent_fd = fd };
    bool well = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
    close(fd);
    return well;
}

static bool lock_files(const struct sandbox *s)
{
    static const char *const run[] = { "/usr", "/bin", "/sbin", "/lib", "/lib64", "/opt" };
    static const char *const read[] = { "/etc", "/proc", "/sys", "/run/systemd/resolve" };
    static const char *const device[] = { "/dev/null", "/dev/zero", "/dev/random", "/dev/urandom",
                                          "/dev/full" };
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1)
        return true; /* this kernel has none: the docs say what is left */
    uint64_t all = handled(abi);
    struct ruleset_attr attr = { .fs = all, .scoped = SCOPE_ALL };
    size_t size = abi >= SCOPE_ABI ? sizeof attr : sizeof attr.fs;
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (ruleset < 0)
        return false;
    bool well = let(ruleset, s->code, FS_RUN) && let(ruleset, s->modules, FS_RUN) &&
                let(ruleset, s->bootstrap, FS_READ) && let(ruleset, s->scratch, all);
    if (s->own_mounts)
        well = well && let(ruleset, "/tmp", all);
    for (size_t i = 0; i < sizeof run / sizeof run[0]; i++)
        well = well && let(ruleset, run[i], FS_RUN);
    for (size_t i = 0; i < sizeof read / sizeof read[0]; i++)
        well = well && let(ruleset, read[i], FS_READ);
    for (size_t i = 0; i < sizeof device / sizeof device[0]; i++)
        well = well && let(ruleset, device[i], FS_DEVICE);
    well = well && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
    close(ruleset);
    return well;
}

/* ---- system calls ---- */

/* What no function needs and what kernels have been broken through. Everything else is allowed: V8,
 * CPython and whatever a bootstrap is made of call more than a list could foresee. */
/* clang-format off */
static const int refused[] = {
    SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(kcmp),
    SCMP_SYS(process_madvise), SCMP_SYS(pidfd_getfd),
    SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(move_mount),
    SCMP_SYS(open_tree), SCMP_SYS(fsopen), SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick),
    SCMP_SYS(mount_setattr), SCMP_SYS(unshare), SCMP_SYS(setns),
    SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key),
    SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(fanotify_init),
    SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(init_module), SCMP_SYS(finit_module),
    SCMP_SYS(delete_module), SCMP_SYS(reboot), SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(acct),
    SCMP_SYS(quotactl), SCMP_SYS(nfsservctl), SCMP_SYS(lookup_dcookie), SCMP_SYS(syslog),
    SCMP_SYS(name_to_handle_at), SCMP_SYS(open_by_handle_at), SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname), SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(adjtimex),
    SCMP_SYS(clock_adjtime), SCMP_SYS(vhangup), SCMP_SYS(mbind), SCMP_SYS(migrate_pages),
    SCMP_SYS(move_pages), SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(modify_ldt),
};
/* clang-format on */
/* Answered as by an older kernel, so that libraries fall back to what the filter can judge. */
static const int unknown[] = { SCMP_SYS(clone3), SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
                               SCMP_SYS(io_uring_register) };
static const int domains[] = { AF_PACKET, AF_ALG, AF_VSOCK };
enum {
    NEW_NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                     CLONE_NEWPID | CLONE_NEWNET
};

/* A number that this machine's libseccomp does not know is a call that its kernel does not have. */
static bool refuse(scmp_filter_ctx filter, int call, int with)
{
    return call == __NR_SCMP_ERROR ||
           seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint32_t)with), call, 0) == 0;
}

static bool refuse_arguments(scmp_filter_ctx filter, unsigned namespaces)
{
    bool well = true;
    for (size_t i = 0; i < sizeof domains / sizeof domains[0]; i++)
        well = well && seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
                                        SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)domains[i])) == 0;
    for (unsigned bit = 0; bit < 32; bit++) {
        scmp_datum_t flag = 1U << bit;
        if (flag & namespaces)
            well = well && seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                                            SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag)) == 0;
    }
    /* TIOCSTI puts words into the terminal of whoever started the server. */
    return well && seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
                                    SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffU, 0x5412)) == 0;
}

/* keep_session: nothing else holds the function's processes together. */
static bool filter_calls(bool keep_session)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter)
        return false;
    bool well = true;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        well = well && refuse(filter, refused[i], EPERM);
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        well = well && refuse(filter, unknown[i], ENOSYS);
    if (keep_session)
        well = well && refuse(filter, SCMP_SYS(setsid), EPERM) &&
               refuse(filter, SCMP_SYS(setpgid), EPERM);
    well = well && refuse_arguments(filter, NEW_NAMESPACES) && seccomp_load(filter) == 0;
    seccomp_release(filter);
    return well;
}

/* ---- the server itself, and who starts functions for it ---- */

/* Under a sanitizer the search for leaks forks, and traces its own process. */
#if defined(__SANITIZE_ADDRESS__)
#define LOOKS_FOR_LEAKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LOOKS_FOR_LEAKS 1
#endif
#endif
#ifndef LOOKS_FOR_LEAKS
#define LOOKS_FOR_LEAKS 0
#endif

/* clang-format off */
static const int refused_to_servers[] = {
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork),
    SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(setreuid), SCMP_SYS(setregid), SCMP_SYS(setresuid),
    SCMP_SYS(setresgid), SCMP_SYS(setgroups), SCMP_SYS(setfsuid), SCMP_SYS(setfsgid), SCMP_SYS(capset),
    SCMP_SYS(personality), SCMP_SYS(mknod), SCMP_SYS(mknodat),
};
/* clang-format on */

static bool refuse_processes_and_raw_sockets(scmp_filter_ctx filter)
{
    enum { UNIX = AF_UNIX, INET = AF_INET, INET6 = AF_INET6, ROUTES = AF_NETLINK };
    bool well =
        LOOKS_FOR_LEAKS || seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                                            SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0)) == 0;
    for (int domain = 0; domain <= ROUTES; domain++) {
        if (domain != UNIX && domain != INET && domain != INET6 && domain != ROUTES)
            well = well && seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
                                            SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)domain)) == 0;
    }
    for (int domain = INET; domain <= INET6; domain += INET6 - INET)
        well = well && seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 2,
                                        SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)domain),
                                        SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_RAW)) == 0;
    return well && seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
                                    SCMP_A0(SCMP_CMP_GT, ROUTES)) == 0;
}

static bool traces(int call)
{
    return call == SCMP_SYS(ptrace) || call == SCMP_SYS(process_vm_readv);
}

enum sandbox_held sandbox_serve_only(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return SANDBOX_FAILED;
    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0)
        return SANDBOX_UNKNOWN;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter)
        return SANDBOX_FAILED;
    bool well = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) == 0;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        well =
            well && ((LOOKS_FOR_LEAKS && traces(refused[i])) || refuse(filter, refused[i], EPERM));
    for (size_t i = 0; i < sizeof refused_to_servers / sizeof refused_to_servers[0]; i++)
        well = well && refuse(filter, refused_to_servers[i], EPERM);
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        well = well && refuse(filter, unknown[i], ENOSYS);
    well = well && refuse_processes_and_raw_sockets(filter) && seccomp_load(filter) == 0;
    seccomp_release(filter);
    return well ? SANDBOX_HELD : SANDBOX_FAILED;
}

/* Of what no function may, making one its own takes a mount and three namespaces. */
enum sandbox_held sandbox_start_only(void)
{
    enum { OWN = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return SANDBOX_FAILED;
    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0)
        return SANDBOX_UNKNOWN;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter)
        return SANDBOX_FAILED;
    bool well = true;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        well = well && (refused[i] == SCMP_SYS(mount) || (LOOKS_FOR_LEAKS && traces(refused[i])) ||
                        refuse(filter, refused[i], EPERM));
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        well = well && refuse(filter, unknown[i], ENOSYS);
    well = well && refuse_arguments(filter, NEW_NAMESPACES & ~(unsigned)OWN) && seccomp_load(filter) == 0;
    seccomp_release(filter);
    return well ? SANDBOX_HELD : SANDBOX_FAILED;
}

static size_t folder_len(const char *path, size_t len)
{
    while (len > 1 && path[len - 1] != '/')
        len--;
    while (len > 1 && path[len - 1] == '/')
        len--;
    return len;
}

/* Rights to the folder, or to the nearest one above it that is there. */
static bool let_write(int ruleset, const char *folder, uint64_t rights)
{
    char path[4096];
    size_t len = strlen(folder);
    if (len >= sizeof path)
        return false;
    memcpy(path, folder, len + 1);
    while (access(path, F_OK) != 0 && len > 1) {
        len = folder_len(path, len);
        path[len] = 0;
        if (len == 1 && path[0] != '/')
            memcpy(path, ".", 2);
    }
    return let(ruleset, path, rights);
}

enum sandbox_held sandbox_write_only(const char *const *folders, size_t count,
                                     const char *removable)
{
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1)
        return SANDBOX_UNKNOWN;
    const uint64_t rights = handled(abi) & ~FS_READ;
    const uint64_t all = rights & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE;
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &rights, sizeof rights, 0);
    bool well = ruleset >= 0;
    for (size_t i = 0; i < count; i++)
        well = well && let_write(ruleset, folders[i], all);
    if (removable) {
        char folder[4096];
        size_t len = folder_len(removable, strlen(removable));
        well = well && len < sizeof folder;
        snprintf(folder, sizeof folder, "%.*s", (int)len,
                 len == 1 && removable[0] != '/' ? "." : removable);
        well = well && let(ruleset, folder, LANDLOCK_ACCESS_FS_REMOVE_FILE);
    }
    well = well && let(ruleset, "/dev/null", LANDLOCK_ACCESS_FS_WRITE_FILE) &&
           prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
    if (ruleset >= 0)
        close(ruleset);
    return well ? SANDBOX_HELD : SANDBOX_FAILED;
}

/* ---- all of it ---- */

/* Ignored signals and the mask outlive exec; the server's are none of the function's. */
static void usual_signals(void)
{
    sigset_t none;
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

const char *sandbox_enter(const struct sandbox *s)
{
    usual_signals();
    umask(022);
    if (s->own_mounts)
        lay_mounts(s);
    if (chdir(s->code) != 0)
        return "its folder";
    if (!become(s->uid))
        return "its user";
    /* After the change of user, which takes the wish back. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return "its privileges";
    if (!lock_files(s))
        return "its files (Landlock)";
    if (!filter_calls(!s->uid && !s->own_pids))
        return "its system calls (seccomp)";
    /* Last: what stands above may want memory, of which a sanitizer alone has more than any limit. */
    return set_limits(s) ? NULL : "its limits";
}

const char *sandbox_enter_bare(unsigned uid)
{
    usual_signals();
    if (!become(uid))
        return "its user";
    if (!limit(RLIMIT_CORE, 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return "its privileges";
    return filter_calls(true) ? NULL : "its system calls (seccomp)";
}
