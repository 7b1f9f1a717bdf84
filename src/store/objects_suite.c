/* store/objects_suite.c - the conformance suite of object stores. */
#include "store/objects_suite.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct suite {
    const struct objects_maker *maker;
    struct arena *arena;
    struct objects *objects;
};

static struct suite suite; /* cmocka passes one pointer; the maker comes from outside the group */

static int begin(void **state)
{
    *state = &suite;
    suite.arena = arena_new(64 << 20);
    suite.maker->clear(suite.maker->context);
    return suite.maker->open(suite.maker->context, suite.arena, &suite.objects) ? -1 : 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(suite.arena);
    suite.objects->ops->close(suite.objects);
    suite.maker->clear(suite.maker->context);
    return 0;
}

static struct object_upload *start(struct suite *s, str bucket, str key)
{
    struct object_upload *upload;
    assert_null(
        s->objects->ops->begin(s->objects, bucket, key, STR("{\"a\":\"b\"}"), s->arena, &upload));
    return upload;
}

static struct object_info put(struct suite *s, str bucket, str key, str bytes)
{
    struct object_info info;
    struct object_upload *upload = start(s, bucket, key);
    assert_null(s->objects->ops->write(upload, bytes, s->arena));
    assert_null(objects_finish(s->objects, upload, OBJECT_ANY, s->arena, &info));
    return info;
}

static void assert_holds(struct suite *s, str bucket, str key, str bytes)
{
    struct object_info info;
    str got;
    const struct fault *f = s->objects->ops->head(s->objects, bucket, key, s->arena, &info);
    if (f)
        fail_msg(STR_FMT, STR_ARG(fault_sentence(f, s->arena)));
    assert_int_equal(info.size, bytes.len);
    f = s->objects->ops->read(s->objects, bucket, key, 0, bytes.len + 10, s->arena, &got);
    if (f)
        fail_msg(STR_FMT, STR_ARG(fault_sentence(f, s->arena)));
    if (!str_eq(got, bytes))
        fail_msg(STR_FMT " holds " STR_FMT, STR_ARG(key), STR_ARG(got));
}

static void assert_absent(struct suite *s, str bucket, str key)
{
    struct object_info info;
    str got;
    const struct fault *f = s->objects->ops->head(s->objects, bucket, key, s->arena, &info);
    assert_true(f && f->kind == FAULT_ABSENT);
    f = s->objects->ops->read(s->objects, bucket, key, 0, 1, s->arena, &got);
    assert_true(f && f->kind == FAULT_ABSENT);
}

static void what_was_put_is_read_back_with_its_digest_and_headers(void **state)
{
    struct suite *s = *state;
    struct object_info info = put(s, STR("b"), STR("k"), STR("abc\0\xff"));
    assert_int_equal(info.size, 5);
    assert_true(str_eq(info.etag, STR("0b44e1d31c72c175e7a4380ae5fe5e6a")));
    struct object_info again;
    assert_null(s->objects->ops->head(s->objects, STR("b"), STR("k"), s->arena, &again));
    assert_true(str_eq(again.etag, info.etag));
    assert_true(again.modified_ms == info.modified_ms && again.modified_ms > 0);
    assert_true(str_eq(again.headers_json, STR("{\"a\":\"b\"}")));
    assert_holds(s, STR("b"), STR("k"), STR("abc\0\xff"));
    info = put(s, STR("b"), STR("empty"), STR(""));
    assert_true(str_eq(info.etag, STR("d41d8cd98f00b204e9800998ecf8427e")));
    assert_holds(s, STR("b"), STR("empty"), STR(""));
}

/* Two are under way for one thread, which waits for the later one first. */
static void handed_in_is_made_whether_it_is_awaited_or_not(void **state)
{
    struct suite *s = *state;
    struct object_upload *uploads[2];
    struct object_info info;
    const char *const keys[] = { "first", "second" };
    for (size_t i = 0; i < 2; i++) {
        uploads[i] = start(s, STR("mail"), str_of(keys[i]));
        assert_null(s->objects->ops->write(uploads[i], str_of(keys[i]), s->arena));
        assert_null(s->objects->ops->hand_in(uploads[i], OBJECT_ANY, s->arena));
    }
    for (size_t i = 2; i-- > 0;) {
        assert_null(s->objects->ops->await(uploads[i], s->arena, &info));
        assert_int_equal(info.size, strlen(keys[i]));
        assert_int_equal(info.etag.len, 32);
        assert_null(s->objects->ops->head(s->objects, STR("mail"), str_of(keys[i]), s->arena, &info));
    }
}

static void an_object_is_not_there_before_it_is_finished(void **state)
{
    struct suite *s = *state;
    struct object_upload *upload = start(s, STR("b"), STR("k"));
    assert_null(s->objects->ops->write(upload, STR("half"), s->arena));
    assert_absent(s, STR("b"), STR("k"));
    s->objects->ops->cancel(upload);
    assert_absent(s, STR("b"), STR("k"));
    put(s, STR("b"), STR("k"), STR("old"));
    upload = start(s, STR("b"), STR("k"));
    assert_null(s->objects->ops->write(upload, STR("new"), s->arena));
    assert_holds(s, STR("b"), STR("k"), STR("old"));
    struct object_info info;
    assert_null(objects_finish(s->objects, upload, OBJECT_ANY, s->arena, &info));
    assert_holds(s, STR("b"), STR("k"), STR("new"));
}

static void of_many_that_must_be_new_one_is(void **state)
{
    struct suite *s = *state;
    struct object_upload *uploads[3];
    struct object_info info;
    for (size_t i = 0; i < 3; i++) {
        uploads[i] = start(s, STR("b"), STR("once"));
        assert_null(s->objects->ops->write(uploads[i], STR("abc"), s->arena));
    }
    assert_null(objects_finish(s->objects, uploads[1], OBJECT_NEW, s->arena, &info));
    const struct fault *why = objects_finish(s->objects, uploads[0], OBJECT_NEW, s->arena, &info);
    assert_true(why && why->kind == FAULT_CONFLICT);
    assert_holds(s, STR("b"), STR("once"), STR("abc"));
    assert_null(s->objects->ops->remove(s->objects, STR("b"), STR("once"), s->arena));
    assert_null(objects_finish(s->objects, uploads[2], OBJECT_NEW, s->arena, &info));
    assert_holds(s, STR("b"), STR("once"), STR("abc"));
}

static void large_bytes_may_come_in_any_pieces(void **state)
{
    struct suite *s = *state;
    enum { SIZE = 3000000 };
    char *bytes = malloc(SIZE);
    assert_non_null(bytes);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (char)(i * 31 + i / 977);
    struct object_info whole = put(s, STR("b"), STR("whole"), (str) { bytes, SIZE }), info;
    struct object_upload *upload = start(s, STR("b"), STR("k"));
    for (size_t at = 0, step = 1; at < SIZE; at += step, step = step * 3 % 200003 + 1) {
        if (step > SIZE - at)
            step = SIZE - at;
        assert_null(s->objects->ops->write(upload, (str) { bytes + at, step }, s->arena));
    }
    assert_null(objects_finish(s->objects, upload, OBJECT_ANY, s->arena, &info));
    assert_true(info.size == SIZE && str_eq(info.etag, whole.etag));
    assert_holds(s, STR("b"), STR("k"), (str) { bytes, SIZE });
    str got;
    assert_null(s->objects->ops->read(s->objects, STR("b"), STR("k"), 70000, 5, s->arena, &got));
    assert_true(str_eq(got, (str) { bytes + 70000, 5 }));
    assert_null(s->objects->ops->read(s->objects, STR("b"), STR("k"), SIZE - 2, 5, s->arena, &got));
    assert_true(str_eq(got, (str) { bytes + SIZE - 2, 2 }));
    assert_null(s->objects->ops->read(s->objects, STR("b"), STR("k"), SIZE + 9, 5, s->arena, &got));
    assert_int_equal(got.len, 0);
    free(bytes);
}

/* clang-format off */
static const str odd_keys[] = { /* each beside all others */
    STR_INIT("a"), STR_INIT("a/"), STR_INIT("a/b"), STR_INIT("a/b/"), STR_INIT("a/b/c"), STR_INIT("a//b"),
    STR_INIT("/"), STR_INIT("//"), STR_INIT("/a"), STR_INIT("."), STR_INIT(".."), STR_INIT("../x"), STR_INIT("a/../b"),
    STR_INIT("a/./b"), STR_INIT("a\0b"), STR_INIT("a%"), STR_INIT("a%00b"), STR_INIT("a%v2"), STR_INIT("a%_"),
    STR_INIT("a%_/b"), STR_INIT("index.sqlite"), STR_INIT("\xff\xfe"), STR_INIT("A"), STR_INIT(" "),
};
/* clang-format on */

static void every_key_is_another_object(void **state)
{
    struct suite *s = *state;
    enum { ODD = sizeof odd_keys / sizeof *odd_keys };
    char name[1024];
    memset(name, 'n', sizeof name);
    for (int round = 0; round < 3; round++) { /* made, and overwritten in both orders */
        for (size_t i = 0; i < ODD; i++) {
            str key = odd_keys[round == 1 ? ODD - 1 - i : i];
            put(s, STR("b"), key, arena_strf(s->arena, "%d " STR_FMT, round, STR_ARG(key)));
        }
        for (size_t i = 0; i < ODD; i++)
            assert_holds(s, STR("b"), odd_keys[i],
                         arena_strf(s->arena, "%d " STR_FMT, round, STR_ARG(odd_keys[i])));
    }
    for (size_t len = 253; len <= 1024; len += 257) {
        put(s, STR("b"), (str) { name, len }, str_head(STR("0123456789"), len % 10));
        assert_holds(s, STR("b"), (str) { name, len }, str_head(STR("0123456789"), len % 10));
    }
    assert_absent(s, STR("c"), STR("a"));
    for (size_t i = 0; i < ODD; i++) {
        assert_null(s->objects->ops->remove(s->objects, STR("b"), odd_keys[i], s->arena));
        assert_absent(s, STR("b"), odd_keys[i]);
        if (i + 1 < ODD)
            assert_holds(s, STR("b"), odd_keys[i + 1],
                         arena_strf(s->arena, "2 " STR_FMT, STR_ARG(odd_keys[i + 1])));
    }
}

struct list_case {
    const char *says;
    str prefix, delimiter, after;
    size_t max;
    const char *entries; /* each followed by a blank; a common prefix in brackets */
    bool more;
};
/* clang-format off */
static const struct list_case lists[] = {
    /* says                                 prefix             delimiter      after               max  entries                                       more  */
    { "all keys in byte order",             STR_INIT(""),      STR_INIT(""),  STR_INIT(""),       100, "A a a!b a/1 a/2 a/b/1 a/b/2 a0 b/1 b/2 c/ z ", false },
    { "folders of the top",                 STR_INIT(""),      STR_INIT("/"), STR_INIT(""),       100, "A a a!b [a/] a0 [b/] [c/] z ",               false },
    { "inside a folder",                    STR_INIT("a/"),    STR_INIT("/"), STR_INIT(""),       100, "a/1 a/2 [a/b/] ",                            false },
    { "a folder without its slash",         STR_INIT("a"),     STR_INIT("/"), STR_INIT(""),       100, "a a!b [a/] a0 ",                             false },
    { "the first page",                     STR_INIT(""),      STR_INIT("/"), STR_INIT(""),       4,   "A a a!b [a/] ",                              true  },
    { "the page behind a common prefix",    STR_INIT(""),      STR_INIT("/"), STR_INIT("a/"),     4,   "a0 [b/] [c/] z ",                            false },
    { "the page behind a key",              STR_INIT(""),      STR_INIT("/"), STR_INIT("a!b"),    1,   "[a/] ",                                      true  },
    { "from the midst of a folder",         STR_INIT(""),      STR_INIT("/"), STR_INIT("a/2"),    100, "[a/] a0 [b/] [c/] z ",                       false },
    { "from the end of a folder",           STR_INIT(""),      STR_INIT("/"), STR_INIT("a/b/2"),  100, "a0 [b/] [c/] z ",                            false },
    { "a key that is the prefix itself",    STR_INIT("c/"),    STR_INIT("/"), STR_INIT(""),       100, "c/ ",                                        false },
    { "no delimiter, but a prefix",         STR_INIT("a/b"),   STR_INIT(""),  STR_INIT(""),       100, "a/b/1 a/b/2 ",                               false },
    { "any text may delimit",               STR_INIT(""),      STR_INIT("/b"), STR_INIT(""),      100, "A a a!b a/1 a/2 [a/b] a0 b/1 b/2 c/ z ",     false },
    { "exactly as many as there are",       STR_INIT("b/"),    STR_INIT(""),  STR_INIT(""),       2,   "b/1 b/2 ",                                   false },
    { "nothing has the prefix",             STR_INIT("nope"),  STR_INIT("/"), STR_INIT(""),       100, "",                                           false },
    { "after stands behind the prefix",     STR_INIT("a/"),    STR_INIT("/"), STR_INIT("b"),      100, "",                                           false },
    { "after stands before the prefix",     STR_INIT("b/"),    STR_INIT("/"), STR_INIT("a"),      100, "b/1 b/2 ",                                   false },
};
/* clang-format on */

static void a_list_shows_keys_and_common_prefixes_in_byte_order(void **state)
{
    struct suite *s = *state;
    static const str keys[] = { STR_INIT("z"),   STR_INIT("a/b/2"), STR_INIT("a/b/1"),
                                STR_INIT("a/2"), STR_INIT("a/1"),   STR_INIT("a"),
                                STR_INIT("a!b"), STR_INIT("a0"),    STR_INIT("b/2"),
                                STR_INIT("b/1"), STR_INIT("A"),     STR_INIT("c/") };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        put(s, STR("b"), keys[i], STR("x"));
    put(s, STR("another"), STR("a"), STR("y"));
    put(s, STR("b0"), STR("a"), STR("y"));
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const struct list_case *c = &lists[i];
        struct object_range range = { .bucket = STR("b"),
                                      .prefix = c->prefix,
                                      .delimiter = c->delimiter,
                                      .after = c->after,
                                      .max = c->max };
        struct object_entry *entries;
        size_t count, used = 0;
        bool more;
        char got[512] = "";
        assert_null(s->objects->ops->list(s->objects, &range, s->arena, &entries, &count, &more));
        for (size_t j = 0; j < count; j++) {
            bool prefix = entries[j].common_prefix;
            used += (size_t)snprintf(got + used, sizeof got - used, "%s" STR_FMT "%s ",
                                     prefix ? "[" : "", STR_ARG(entries[j].key), prefix ? "]" : "");
            assert_true(prefix || (entries[j].info.size == 1 && entries[j].info.etag.len == 32));
        }
        if (strcmp(got, c->entries) != 0 || more != c->more)
            fail_msg("%s: got %s%s", c->says, got, more ? "and more" : "");
    }
}

static void pages_of_any_size_add_up_to_the_whole(void **state)
{
    struct suite *s = *state;
    for (int i = 0; i < 30; i++)
        put(s, STR("b"), arena_strf(s->arena, "%d/%d", i % 4, i), STR("x"));
    for (size_t max = 1; max < 7; max++) {
        struct object_range range = { .bucket = STR("b"), .max = max, .delimiter = STR("/") };
        for (int deep = 0; deep < 2; deep++, range.delimiter = STR("")) {
            size_t total = 0;
            bool more = true;
            str last = STR("");
            for (range.after = STR(""); more;) {
                struct object_entry *entries;
                size_t count;
                assert_null(
                    s->objects->ops->list(s->objects, &range, s->arena, &entries, &count, &more));
                for (size_t i = 0; i < count; i++, total++) {
                    assert_true(str_cmp(entries[i].key, last) > 0);
                    last = entries[i].key;
                }
                range.after = last;
                assert_true(!more || count == max);
            }
            assert_int_equal(total, deep ? 30 : 4);
        }
    }
}

static void a_removed_object_is_gone_and_removing_it_again_is_no_fault(void **state)
{
    struct suite *s = *state;
    put(s, STR("b"), STR("a/k"), STR("x"));
    assert_null(s->objects->ops->remove(s->objects, STR("b"), STR("a/k"), s->arena));
    assert_absent(s, STR("b"), STR("a/k"));
    assert_null(s->objects->ops->remove(s->objects, STR("b"), STR("a/k"), s->arena));
    put(s, STR("b"), STR("a"), STR("y"));
    assert_holds(s, STR("b"), STR("a"), STR("y"));
}

static void a_reader_keeps_its_version(void **state)
{
    struct suite *s = *state;
    put(s, STR("b"), STR("k"), STR("the old one"));
    struct arena *arena = arena_new(1 << 20);
    struct object_reader *reader;
    struct object_info info;
    char to[64];
    size_t size;
    assert_null(s->objects->ops->open(s->objects, STR("b"), STR("k"), arena, &info, &reader));
    put(s, STR("b"), STR("k"), STR("new"));
    put(s, STR("b"), STR("k"), STR("newer"));
    assert_null(s->objects->ops->remove(s->objects, STR("b"), STR("k"), s->arena));
    assert_int_equal(info.size, 11);
    assert_null(s->objects->ops->read_into(reader, 4, to, sizeof to, arena, &size));
    assert_true(str_eq((str) { to, size }, STR("old one")));
    arena_free(arena);
    assert_non_null(
        s->objects->ops->open(s->objects, STR("b"), STR("k"), s->arena, &info, &reader));
}

static void a_bucket_goes_only_when_it_is_empty(void **state)
{
    struct suite *s = *state;
    assert_null(s->objects->ops->remove_bucket(s->objects, STR("never"), s->arena));
    put(s, STR("b"), STR("a/k"), STR("x"));
    const struct fault *f = s->objects->ops->remove_bucket(s->objects, STR("b"), s->arena);
    assert_true(f && f->kind == FAULT_CONFLICT);
    assert_holds(s, STR("b"), STR("a/k"), STR("x"));
    assert_null(s->objects->ops->remove(s->objects, STR("b"), STR("a/k"), s->arena));
    struct object_upload *upload = start(s, STR("b"), STR("late"));
    assert_null(s->objects->ops->remove_bucket(s->objects, STR("b"), s->arena));
    struct object_info info;
    f = objects_finish(s->objects, upload, OBJECT_ANY, s->arena, &info);
    assert_true(f && f->kind == FAULT_ABSENT);
    assert_absent(s, STR("b"), STR("late"));
    put(s, STR("b"), STR("late"), STR("y"));
    assert_holds(s, STR("b"), STR("late"), STR("y"));
}

static void what_was_put_is_there_after_a_new_start(void **state)
{
    struct suite *s = *state;
    for (size_t i = 0; i < sizeof odd_keys / sizeof *odd_keys; i++)
        put(s, STR("b"), odd_keys[i], odd_keys[i]);
    assert_null(s->objects->ops->remove(s->objects, STR("b"), STR("a/b"), s->arena));
    s->objects->ops->close(s->objects);
    assert_null(s->maker->open(s->maker->context, s->arena, &s->objects));
    for (size_t i = 0; i < sizeof odd_keys / sizeof *odd_keys; i++)
        if (!str_eq(odd_keys[i], STR("a/b")))
            assert_holds(s, STR("b"), odd_keys[i], odd_keys[i]);
    assert_absent(s, STR("b"), STR("a/b"));
}

enum { WRITERS = 8, TURNS = 12 };

struct writer {
    struct suite *suite;
    int number;
};

static void *put_turns(void *context)
{
    struct writer *w = context;
    struct objects *objects = w->suite->objects;
    struct arena *arena = arena_new(4 << 20);
    for (int turn = 0; turn < TURNS; turn++) {
        struct object_upload *upload;
        struct object_info info;
        str own_key = arena_strf(arena, "w/%d/%d", w->number, turn), got;
        str keys[] = { own_key, STR("w/shared") };
        for (int k = 0; k < 2; k++)
            if (objects->ops->begin(objects, STR("b"), keys[k], STR("{}"), arena, &upload) ||
                objects->ops->write(upload, own_key, arena) ||
                objects_finish(objects, upload, OBJECT_ANY, arena, &info) || info.size != own_key.len)
                return "a put failed";
        /* Whoever wrote last, the shared object is one of the texts, whole. */
        if (objects->ops->read(objects, STR("b"), STR("w/shared"), 0, 100, arena, &got) ||
            !str_starts(got, STR("w/")) || got.len < 5)
            return "the shared object is not whole";
        if (objects->ops->read(objects, STR("b"), own_key, 0, 100, arena, &got) ||
            !str_eq(got, own_key))
            return "an object is not what was put";
        if (turn % 3 == 0 && objects->ops->remove(objects, STR("b"), own_key, arena))
            return "a removal failed";
    }
    arena_free(arena);
    return NULL;
}

static void many_writers_do_not_disturb_each_other(void **state)
{
    struct suite *s = *state;
    pthread_t threads[WRITERS];
    struct writer writers[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer) { s, i };
        assert_int_equal(pthread_create(&threads[i], NULL, put_turns, &writers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        if (failed)
            fail_msg("%s", (const char *)failed);
    }
    struct object_range range = { .bucket = STR("b"), .max = 1000 };
    struct object_entry *entries;
    size_t count;
    bool more;
    assert_null(s->objects->ops->list(s->objects, &range, s->arena, &entries, &count, &more));
    assert_int_equal(count, WRITERS * (TURNS - (TURNS + 2) / 3) + 1);
}

int objects_suite_run(const struct objects_maker *maker)
{
    suite.maker = maker;
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        CASE(what_was_put_is_read_back_with_its_digest_and_headers),
        CASE(an_object_is_not_there_before_it_is_finished),
        CASE(handed_in_is_made_whether_it_is_awaited_or_not),
        CASE(of_many_that_must_be_new_one_is),
        CASE(large_bytes_may_come_in_any_pieces),
        CASE(every_key_is_another_object),
        CASE(a_list_shows_keys_and_common_prefixes_in_byte_order),
        CASE(pages_of_any_size_add_up_to_the_whole),
        CASE(a_removed_object_is_gone_and_removing_it_again_is_no_fault),
        CASE(a_reader_keeps_its_version),
        CASE(a_bucket_goes_only_when_it_is_empty),
        CASE(what_was_put_is_there_after_a_new_start),
        CASE(many_writers_do_not_disturb_each_other),
    };
#undef CASE
    return cmocka_run_group_tests_name("objects", tests, NULL, NULL);
}
