/* Loaded into the server by a test: at SIGRTMIN+3 it tries, as one who has taken the process over would, what the server
 * has given up, and writes each name with the error it met (0: it could) to the file named by FORBIDDEN_SAYS. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int says = -1;
static const char *outside, *inside;

static void say(const char *what, long result)
{
    dprintf(says, "%s %d\n", what, result < 0 ? errno : 0);
}

static void try_all(int signal)
{
    char *const none[] = { NULL };
    (void)signal;
    long child = syscall(SYS_fork);
    if (child == 0)
        _exit(0);
    say("fork", child);
    say("vfork by clone", syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0));
    say("execve", execve("/bin/true", none, none));
    say("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0));
    say("mount", mount("none", "/mnt", "tmpfs", 0, NULL));
    say("unshare", unshare(CLONE_NEWNS));
    say("setuid", setuid(0));
    say("capset", syscall(SYS_capset, NULL, NULL));
    say("bpf", syscall(SYS_bpf, 0, NULL, 0));
    say("io_uring", syscall(SYS_io_uring_setup, 1, NULL));
    say("packet socket", socket(AF_PACKET, SOCK_RAW, 0));
    say("raw socket", socket(AF_INET, SOCK_RAW, 1));
    say("bluetooth socket", socket(31, SOCK_STREAM, 0));
    say("tcp socket", socket(AF_INET, SOCK_STREAM, 0));
    say("make outside", open(outside, O_CREAT | O_WRONLY, 0600));
    say("write outside", open("/etc/hosts", O_WRONLY));
    say("remove outside", unlink(getenv("FORBIDDEN_KEPT")));
    say("mkdir outside", mkdir(outside, 0700));
    say("make inside", open(inside, O_CREAT | O_WRONLY, 0600));
    dprintf(says, "end 0\n");
}

__attribute__((constructor)) static void begin(void)
{
    const char *file = getenv("FORBIDDEN_SAYS");
    outside = getenv("FORBIDDEN_OUTSIDE");
    inside = getenv("FORBIDDEN_INSIDE");
    says = open(file, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    signal(SIGRTMIN + 3, try_all);
}
