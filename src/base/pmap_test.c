/* The persistent map: against a plain model, with snapshots held all along. */
#include "base/pmap.h"
#include "testing/entropy.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

struct counted {
    _Atomic int refs;
};

static void retain(const void *value)
{
    ((struct counted *)value)->refs++;
}

static void release(const void *value)
{
    ((struct counted *)value)->refs--;
}

static const struct pmap_values counting = { retain, release };

static str key(char to[16], unsigned n)
{
    return (str) { to, (size_t)snprintf(to, 16, "k%u", n) };
}

static struct pmap *put(struct pmap *map, str k, const void *value)
{
    struct pmap *next = pmap_put(map, k, value);
    assert_non_null(next);
    pmap_unref(map);
    return next;
}

enum { KEYS = 200 };

static void assert_is_model(const struct pmap *map, struct counted *const model[KEYS])
{
    char text[16];
    size_t size = 0, walked = 0;
    for (unsigned i = 0; i < KEYS; i++) {
        assert_ptr_equal(pmap_find(map, key(text, i)), model[i]);
        size += model[i] != NULL;
    }
    assert_int_equal(pmap_size(map), size);
    str at = STR_NONE, before = STR_NONE;
    const void *value;
    while (pmap_next(map, STR("k"), at, &at, &value)) {
        assert_true(str_is_none(before) || str_cmp(before, at) < 0);
        uint64_t n = KEYS;
        assert_true(str_u64(str_from(at, 1), &n) && n < KEYS);
        assert_ptr_equal(value, model[n]);
        before = at;
        walked++;
    }
    assert_int_equal(walked, size);
}

static void any_history_gives_what_a_plain_table_gives_and_old_maps_stay(void **state)
{
    (void)state;
    static struct counted values[500];
    struct counted *model[KEYS] = { 0 }, *kept_model[KEYS] = { 0 };
    struct seeded_entropy dice = seeded_entropy(7);
    struct pmap *map = pmap_new(&counting, 42), *kept = pmap_ref(map);
    for (int step = 0; step < 4000; step++) {
        char text[16];
        unsigned k = (unsigned)(seeded_next(&dice) % KEYS);
        if (seeded_next(&dice) % 3) {
            model[k] = &values[seeded_next(&dice) % 500];
            map = put(map, key(text, k), model[k]);
        } else {
            struct pmap *next = pmap_remove(map, key(text, k));
            pmap_unref(map);
            map = next;
            model[k] = NULL;
        }
        if (step % 100 == 0) {
            assert_is_model(map, model);
            assert_is_model(kept, kept_model);
            pmap_unref(kept);
            kept = pmap_ref(map);
            memcpy(kept_model, model, sizeof(model));
        }
    }
    pmap_unref(map);
    pmap_unref(kept);
    for (int i = 0; i < 500; i++)
        assert_int_equal(values[i].refs, 0);
}

static void next_stays_inside_its_prefix(void **state)
{
    (void)state;
    static struct counted v;
    struct pmap *map = pmap_new(&counting, 1);
    static const str keys[] = { STR_INIT("a"),  STR_INIT("b/1"),  STR_INIT("b/2"),
                                STR_INIT("b0"), STR_INIT("b\0x"), STR_INIT("") };
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        map = put(map, keys[i], &v);
    str at;
    assert_true(pmap_next(map, STR("b/"), STR_NONE, &at, NULL));
    assert_true(str_eq(at, STR("b/1")));
    assert_true(pmap_next(map, STR("b/"), at, &at, NULL));
    assert_true(str_eq(at, STR("b/2")));
    assert_false(pmap_next(map, STR("b/"), at, &at, NULL));
    assert_false(pmap_next(map, STR("c"), STR_NONE, &at, NULL));
    assert_true(
        pmap_next(map, STR("b/"), STR("a"), &at, NULL)); /* before the prefix: from its first on */
    assert_true(str_eq(at, STR("b/1")));
    assert_true(pmap_next(map, STR(""), STR_NONE, &at, NULL)); /* the empty key comes first */
    assert_int_equal(at.len, 0);
    assert_true(pmap_next(map, STR(""), STR(""), &at, NULL));
    assert_true(str_eq(at, STR("a")));
    struct pmap *same = pmap_remove(map, STR("absent"));
    assert_ptr_equal(same, map);
    pmap_unref(same);
    pmap_unref(map);
    pmap_unref(NULL);
    assert_int_equal(v.refs, 0);
}

static void a_hundred_thousand_keys_are_no_trouble(void **state)
{
    (void)state;
    static struct counted v;
    char text[16], text2[16];
    struct pmap *map = pmap_new(&counting, 3);
    for (unsigned i = 0; i < 100000; i++)
        map = put(map, key(text, i), &v);
    assert_int_equal(pmap_size(map), 100000);
    assert_ptr_equal(pmap_find(map, key(text2, 99999)), &v);
    assert_null(pmap_find(map, STR("k100000")));
    pmap_unref(map);
    assert_int_equal(v.refs, 0);
}

struct reader {
    const struct pmap *map;
    bool well;
};

static void *read_and_change(void *context)
{
    struct reader *r = context;
    struct pmap *mine = pmap_ref(r->map);
    static struct counted own;
    char text[16];
    r->well = true;
    for (unsigned i = 0; i < 2000; i++) {
        r->well = r->well && pmap_find(r->map, key(text, i % KEYS)) != NULL;
        mine = put(mine, key(text, i % KEYS), &own);
    }
    pmap_unref(mine);
    return NULL;
}

static void threads_share_one_map(void **state)
{
    (void)state;
    static struct counted v;
    char text[16];
    pthread_t threads[4];
    struct reader readers[4];
    struct pmap *map = pmap_new(&counting, 3);
    for (unsigned i = 0; i < KEYS; i++)
        map = put(map, key(text, i), &v);
    for (int i = 0; i < 4; i++) {
        readers[i].map = map;
        assert_int_equal(pthread_create(&threads[i], NULL, read_and_change, &readers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_true(readers[i].well);
    }
    pmap_unref(map);
    assert_int_equal(v.refs, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_history_gives_what_a_plain_table_gives_and_old_maps_stay),
        cmocka_unit_test(next_stays_inside_its_prefix),
        cmocka_unit_test(a_hundred_thousand_keys_are_no_trouble),
        cmocka_unit_test(threads_share_one_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
