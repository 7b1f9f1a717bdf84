/* The real outside: disk, clock, entropy, journal, metrics. */
#include "base/metrics.h"
#include "base/outside.h"
#include "testing/clock.h"
#include "testing/temp_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static void count(void *context, const char *name)
{
    (void)name;
    ++*(int *)context;
}

static void the_real_disk_does_what_its_calls_say(void **state)
{
    (void)state;
    AUTO_TEMP_DIR dir = temp_dir_make();
    struct disk *disk = disk_real();
    char a[512], b[512], bytes[16];
    temp_dir_path(&dir, "a", a);
    temp_dir_path(&dir, "b", b);
    errno = 77;
    assert_int_equal(disk->open(disk, a, O_RDWR, 0600), -ENOENT);
    int fd = disk->open(disk, a, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(disk->open(disk, a, O_RDWR | O_CREAT | O_EXCL, 0600), -EEXIST);
    struct iovec parts[] = { { (char[]) { 'a', 'b' }, 2 }, { (char[]) { 'c' }, 1 } };
    assert_int_equal(disk->pwritev(disk, fd, parts, 2, 5), 3);
    assert_int_equal(disk->size(disk, fd), 8);
    assert_int_equal(disk->pread(disk, fd, bytes, 16, 4), 4);
    assert_memory_equal(bytes, "\0abc", 4);
    assert_int_equal(disk->allocate(disk, fd, 10000), 0);
    assert_int_equal(disk->size(disk, fd), 10000);
    assert_int_equal(disk->allocate(disk, fd, 100), 0);
    assert_int_equal(disk->size(disk, fd), 10000);
    assert_int_equal(disk->truncate(disk, fd, 3), 0);
    assert_int_equal(disk->size(disk, fd), 3);
    assert_int_equal(disk->fdatasync(disk, fd), 0);
    assert_int_equal(disk->syncfs(disk, fd), 0);
    assert_int_equal(disk->close(disk, fd), 0);
    assert_int_equal(disk->rename(disk, a, b), 0);
    assert_int_equal(disk->make_directory(disk, a, 0700), 0);
    assert_int_equal(disk->make_directory(disk, a, 0700), -EEXIST);
    assert_int_equal(disk->sync_directory(disk, dir.path), 0);
    assert_int_equal(disk->sync_directory(disk, b), -ENOTDIR);
    int names = 0;
    assert_int_equal(disk->list(disk, dir.path, count, &names), 0);
    assert_int_equal(names, 2);
    assert_int_equal(disk->list(disk, b, count, &names), -ENOTDIR);
    assert_int_equal(disk->unlink(disk, b), 0);
    assert_int_equal(disk->unlink(disk, b), -ENOENT);
    assert_int_equal(disk->remove_directory(disk, a), 0);
    uint64_t left = 0;
    assert_int_equal(disk->free_bytes(disk, dir.path, &left), 0);
    assert_true(left > 0);
    assert_int_equal(errno, 77); /* errno is the caller's */
}

static void the_real_clock_is_of_this_century_and_steady_time_never_steps_back(void **state)
{
    (void)state;
    struct clock *clock = clock_real();
    assert_true(clock->wall_ms(clock) > 1700000000000);
    int64_t before = clock->steady_ms(clock);
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock->steady_ms(clock);
        assert_true(now >= before);
        before = now;
    }
}

static void a_child_draws_other_numbers_than_its_parent(void **state)
{
    (void)state;
    struct entropy *e = entropy_real();
    unsigned char mine[24], theirs[24], large[1000];
    int fds[2];
    e->fill(e, mine, sizeof(mine)); /* fills the pool */
    e->fill(e, large, sizeof(large));
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        e->fill(e, theirs, sizeof(theirs));
        _exit(write(fds[1], theirs, sizeof(theirs)) == (ssize_t)sizeof(theirs) ? 0 : 1);
    }
    e->fill(e, mine, sizeof(mine));
    assert_int_equal(read(fds[0], theirs, sizeof(theirs)), sizeof(theirs));
    waitpid(child, NULL, 0);
    close(fds[0]);
    close(fds[1]);
    assert_memory_not_equal(mine, theirs, sizeof(mine));
}

static void a_note_is_one_line_of_json(void **state)
{
    (void)state;
    int fds[2];
    char text[4096];
    assert_int_equal(pipe(fds), 0);
    struct fake_clock clock = fake_clock_at("2026-03-02T09:15:42.317Z");
    struct journal *j = journal_to_fd(fds[1], &clock.clock, JOURNAL_INFO);
    j->note(j, JOURNAL_DEBUG, STR("base"), STR("unheard"), STR(""));
    j->note(j, JOURNAL_INFO, STR("base"), STR("plain"), STR(""));
    journal_notef(j, JOURNAL_ERROR, STR("ba\"se"), STR("more"), "\"n\":%d", 7);
    ssize_t len = read(fds[0], text, sizeof(text) - 1);
    assert_true(len > 0);
    text[len] = '\0';
    assert_string_equal(text, "{\"time\":\"2026-03-02T09:15:42.317Z\",\"level\":\"info\",\"room\":"
                              "\"base\",\"event\":\"plain\"}\n"
                              "{\"time\":\"2026-03-02T09:15:42.317Z\",\"level\":\"error\",\"room\":"
                              "\"ba\\\"se\",\"event\":\"more\","
                              "\"n\":7}\n");
    char *large = calloc(1, 70001);
    memset(large, 'x', 70000);
    journal_notef(j, JOURNAL_INFO, STR("base"), STR("huge"), "\"x\":\"%s\"", large);
    free(large);
    len = read(fds[0], text, sizeof(text) - 1);
    text[len > 0 ? len : 0] = '\0';
    assert_non_null(strstr(text, "\"event\":\"huge\",\"cut\":true}\n"));
    close(fds[0]);
    close(fds[1]);
    free(j);
}

enum { NOTERS = 4, NOTES = 2000 };

static void *note_many(void *journal)
{
    for (int i = 0; i < NOTES; i++)
        journal_notef(journal, i % 500 ? JOURNAL_INFO : JOURNAL_WARNING, STR("base"), STR("many"), "\"n\":%d", i);
    return NULL;
}

static void gathered_lines_are_whole_in_order_and_complete(void **state)
{
    (void)state;
    char path[] = "/tmp/sesame-journal-XXXXXX", line[256];
    int fd = mkstemp(path), next[NOTES] = { 0 }, lines = 0;
    assert_true(fd >= 0);
    unlink(path);
    struct fake_clock clock = fake_clock_at("2026-03-02T09:15:42.317Z");
    struct journal *j = journal_to_fd(fd, &clock.clock, JOURNAL_INFO);
    journal_to_fd_gather(j);
    pthread_t threads[NOTERS];
    for (int i = 0; i < NOTERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, note_many, j), 0);
    for (int i = 0; i < NOTERS; i++)
        pthread_join(threads[i], NULL);
    journal_notef(j, JOURNAL_ERROR, STR("base"), STR("last"), "\"n\":0");
    assert_true(lseek(fd, 0, SEEK_CUR) > 0); /* an error is there at once, and all before it */
    FILE *in = fdopen(dup(fd), "r");
    rewind(in);
    while (fgets(line, sizeof line, in)) {
        const char *n = strstr(line, "\"n\":");
        assert_non_null(n);
        assert_string_equal(strchr(n, '}'), "}\n");
        int number = atoi(n + 4);
        if (strstr(line, "\"last\"")) {
            assert_int_equal(lines, NOTERS * NOTES);
        } else {
            assert_true(number == 0 || next[number - 1] > next[number]); /* of one thread: in order */
            next[number]++;
        }
        lines++;
    }
    assert_int_equal(lines, NOTERS * NOTES + 1);
    fclose(in);
    off_t before = lseek(fd, 0, SEEK_END);
    journal_notef(j, JOURNAL_INFO, STR("base"), STR("late"), "\"n\":1");
    journal_to_fd_free(j); /* takes along what is still gathered */
    assert_true(lseek(fd, 0, SEEK_END) > before);
    close(fd);
}

static void metrics_are_printed_by_family(void **state)
{
    (void)state;
    struct metrics *m = metrics_new(3);
    AUTO_BUF labels = buf_new(100), out = buf_new(4096);
    metric_label(&labels, "rule", STR("a\"b\\c\nd\xff"));
    metric_label(&labels, "action", STR("S3"));
    str name = STR("sesame_actions_total"), help = STR("Actions run");
    metric_add(metrics_counter(m, name, help, buf_str(&labels)), 2);
    metric_set(metrics_gauge(m, STR("sesame_queue"), STR("Entries\nwaiting"), STR_NONE), -5);
    metric_add(metrics_counter(m, name, help, buf_str(&labels)), 1);
    metric_add(metrics_counter(m, name, help, STR("rule=\"x\"")), 1);
    metric_add(metrics_counter(m, name, help, STR("rule=\"y\"")), 1); /* past three series */
    metric_add(metrics_counter(m, name, help, STR("rule=\"z\"")), 1);
    metrics_text(m, &out);
    buf_addc(&out, '\0');
    assert_string_equal(
        out.ptr, "# HELP sesame_actions_total Actions run\n"
                 "# TYPE sesame_actions_total counter\n"
                 "sesame_actions_total{rule=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\",action=\"S3\"} 3\n"
                 "sesame_actions_total{rule=\"x\"} 1\n"
                 "sesame_actions_total{overflow=\"true\"} 2\n"
                 "# HELP sesame_queue Entries\\nwaiting\n"
                 "# TYPE sesame_queue gauge\n"
                 "sesame_queue -5\n");
    metrics_free(m);
    metrics_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_real_disk_does_what_its_calls_say),
        cmocka_unit_test(the_real_clock_is_of_this_century_and_steady_time_never_steps_back),
        cmocka_unit_test(a_child_draws_other_numbers_than_its_parent),
        cmocka_unit_test(a_note_is_one_line_of_json),
        cmocka_unit_test(gathered_lines_are_whole_in_order_and_complete),
        cmocka_unit_test(metrics_are_printed_by_family),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
