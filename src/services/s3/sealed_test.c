/* An encrypted object comes back whole and from anywhere, and what was touched does not come at
 * all. */
#include "services/s3/sealed.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

struct memory {
    struct sealed_sink sink;
    struct sealed_source source;
    unsigned char *bytes;
    size_t len, room;
};

static const struct fault *put(struct sealed_sink *sink, str bytes)
{
    struct memory *m = (struct memory *)sink;
    assert_true(m->len + bytes.len <= m->room);
    memcpy(m->bytes + m->len, bytes.ptr, bytes.len);
    m->len += bytes.len;
    return NULL;
}

static const struct fault short_of = { .kind = FAULT_DEFECT, .says = STR_INIT("short") };

static const struct fault *get(struct sealed_source *source, uint64_t offset, void *to, size_t size)
{
    const struct memory *m =
        (const struct memory *)((char *)source - offsetof(struct memory, source));
    if (offset + size > m->len)
        return &short_of;
    memcpy(to, m->bytes + offset, size);
    return NULL;
}

static struct memory sealed(const unsigned char *text, size_t size, size_t step)
{
    struct memory m = { .sink = { put },
                        .source = { get },
                        .bytes = malloc(sealed_size(size)),
                        .room = (size_t)sealed_size(size) };
    struct sealer *s = calloc(1, sizeof *s);
    memset(s->key, 7, sizeof s->key);
    for (size_t at = 0; at < size; at += step) {
        str chunk = { (const char *)text + at, size - at < step ? size - at : step };
        assert_null(sealer_add(s, chunk, &m.sink));
    }
    assert_null(sealer_last(s, &m.sink));
    assert_int_equal(s->size, size);
    sealer_end(s);
    free(s);
    assert_int_equal(m.len, m.room);
    return m;
}

static unsigned char *text_of(size_t size)
{
    unsigned char *text = malloc(size ? size : 1);
    for (size_t i = 0; i < size; i++)
        text[i] = (unsigned char)(i * 131 + i / 251);
    return text;
}

static void objects_of_every_size_come_back_from_any_place(void **state)
{
    (void)state;
    static const size_t sizes[] = {
        0, 1, 100, 65535, 65536, 65537, 131071, 131072, 131073, 300000
    };
    AUTO_ARENA *a = arena_new(1 << 20);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t size = sizes[i];
        unsigned char *text = text_of(size);
        struct memory m = sealed(text, size, 1 + i * 9973);
        struct opener *o = calloc(1, sizeof *o);
        memset(o->key, 7, sizeof o->key);
        o->size = size;
        o->piece = UINT64_MAX;
        for (size_t from = 0; from < size || from == 0; from += 1 + size / 37) {
            for (size_t at = from;;) {
                str bytes;
                assert_null(opener_read(o, at, &m.source, a, &bytes));
                if (!bytes.len)
                    break;
                assert_memory_equal(bytes.ptr, text + at, bytes.len);
                at += bytes.len;
                if (at == size)
                    break;
            }
        }
        opener_end(o);
        free(o);
        free(m.bytes);
        free(text);
    }
}

static bool opens(struct memory *m, size_t size, struct arena *a)
{
    struct opener *o = calloc(1, sizeof *o);
    memset(o->key, 7, sizeof o->key);
    o->size = size;
    o->piece = UINT64_MAX;
    bool whole = true;
    for (size_t at = 0; whole && at < size;) {
        str bytes;
        whole = !opener_read(o, at, &m->source, a, &bytes) && bytes.len;
        at += bytes.len;
    }
    free(o);
    return whole;
}

static void what_was_touched_exchanged_or_cut_off_is_not_given_out(void **state)
{
    (void)state;
    AUTO_ARENA *a = arena_new(1 << 20);
    size_t size = 3 * SEALED_PIECE;
    unsigned char *text = text_of(size), *piece = malloc(SEALED_WHOLE);
    struct memory m = sealed(text, size, size);
    assert_true(opens(&m, size, a));
    static const size_t places[] = { 0, 70000, 65540, 3 * 65552 - 1 };
    for (size_t i = 0; i < 4; i++) {
        m.bytes[places[i]] ^= 1;
        assert_false(opens(&m, size, a));
        m.bytes[places[i]] ^= 1;
    }
    assert_false(opens(&m, 2 * SEALED_PIECE, a)); /* as if it ended earlier */
    memcpy(piece, m.bytes, SEALED_WHOLE);
    memcpy(m.bytes, m.bytes + SEALED_WHOLE, SEALED_WHOLE);
    memcpy(m.bytes + SEALED_WHOLE, piece, SEALED_WHOLE);
    assert_false(opens(&m, size, a));
    free(piece);
    free(m.bytes);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_of_every_size_come_back_from_any_place),
        cmocka_unit_test(what_was_touched_exchanged_or_cut_off_is_not_given_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
