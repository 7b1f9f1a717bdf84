/* What who starts functions can no longer do, and what it still can: tried in a process that has given it up. */
#include "services/lambda/sandbox.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { NOT_HELD = 100, NO_FORK, NO_RUN };

static bool fails_with(long got, int with)
{
    return got == -1 && errno == with;
}

static long clone_into(unsigned long namespaces)
{
    const long pid = syscall(SYS_clone, namespaces | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
    return pid;
}

/* 0, or which of them was not as it should be. */
static int try_all(void)
{
    if (!fails_with(unshare(CLONE_NEWUSER), EPERM))
        return 1;
    if (!fails_with(clone_into(CLONE_NEWUSER), EPERM))
        return 2;
    if (!fails_with(clone_into(CLONE_NEWNET), EPERM))
        return 3;
    if (!fails_with(syscall(SYS_bpf, 0, NULL, 0), EPERM))
        return 4;
    if (!fails_with(syscall(SYS_process_vm_writev, getppid(), NULL, 0, NULL, 0, 0), EPERM))
        return 5;
    if (!fails_with(syscall(SYS_io_uring_setup, 1, NULL), ENOSYS))
        return 6;
    if (!fails_with(socket(AF_PACKET, SOCK_RAW, 0), EPERM))
        return 7;
    if (!fails_with(syscall(SYS_init_module, NULL, 0, ""), EPERM))
        return 8;
    if (!fails_with(chroot("/"), EPERM))
        return 9;
    return 0;
}

static int in_a_process(int (*run)(void))
{
    int status = 0;
    const pid_t pid = fork();
    if (pid == 0)
        _exit(sandbox_start_only() == SANDBOX_HELD ? run() : NOT_HELD);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int run_a_program(void)
{
    int status = 0;
    const pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(NO_RUN);
    }
    return pid < 0 || waitpid(pid, &status, 0) != pid ? NO_FORK : WEXITSTATUS(status);
}

static void who_starts_functions_can_do_no_more_than_that(void **state)
{
    (void)state;
    assert_int_equal(in_a_process(try_all), 0);
}

static void it_still_starts_programs(void **state)
{
    (void)state;
    assert_int_equal(in_a_process(run_a_program), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_starts_functions_can_do_no_more_than_that),
        cmocka_unit_test(it_still_starts_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
