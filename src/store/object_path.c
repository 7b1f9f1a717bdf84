/* store/object_path.c - keys to file names and back. */
#include "store/object_path.h"

#include "base/buf.h"
#include "base/hex.h"

static bool must_escape(char c)
{
    return c == '%' || (unsigned char)c < 0x20 || c == 0x7f;
}

static void add_escaped(struct buf *out, char c)
{
    static const char digits[] = "0123456789ABCDEF";
    char text[] = { '%', digits[(unsigned char)c >> 4], digits[(unsigned char)c & 15] };
    buf_add(out, (str) { text, sizeof text });
}

static void add_segment(struct buf *out, str segment)
{
    if (segment.len == 0) {
        buf_addc(out, '%');
        return;
    }
    bool dots = str_eq(segment, STR(".")) || str_eq(segment, STR(".."));
    size_t piece = 0;
    for (size_t i = 0; i < segment.len; i++) {
        bool escape = must_escape(segment.ptr[i]) || (dots && i == 0);
        size_t size = escape ? 3 : 1;
        if (piece + size > OBJECT_PATH_PIECE) {
            buf_add(out, STR("%-/"));
            piece = 0;
            /* The rest must not read as a name of its own either. */
            if (i + 2 >= segment.len && segment.ptr[i] == '.')
                escape = true, size = 3;
        }
        if (escape)
            add_escaped(out, segment.ptr[i]);
        else
            buf_addc(out, segment.ptr[i]);
        piece += size;
    }
}

static str keep(struct buf *b, struct arena *arena)
{
    return b->failed ? STR_NONE : arena_str(arena, buf_str(b));
}

str object_path(str key, struct arena *arena)
{
    AUTO_BUF out = buf_new(64 * 1024);
    str segment, rest = key;
    bool more;
    do {
        more = str_cut(rest, '/', &segment, &rest);
        add_segment(&out, segment);
        if (more)
            buf_addc(&out, '/');
    } while (more);
    return keep(&out, arena);
}

str object_path_bucket(str bucket, struct arena *arena)
{
    AUTO_BUF out = buf_new(64 * 1024);
    bool ours = str_starts(bucket, STR("index.sqlite")); /* and its -wal and -shm */
    bool dots = str_eq(bucket, STR(".")) || str_eq(bucket, STR(".."));
    if (bucket.len == 0)
        buf_addc(&out, '%');
    for (size_t i = 0; i < bucket.len; i++) {
        char c = bucket.ptr[i];
        if (must_escape(c) || c == '/' || (i == 0 && (ours || dots)))
            add_escaped(&out, c);
        else
            buf_addc(&out, c);
    }
    return keep(&out, arena);
}

str object_path_variant(str path, unsigned n, struct arena *arena)
{
    return n == 1 ? path : arena_strf(arena, STR_FMT "%%v%u", STR_ARG(path), n);
}

str object_path_beside_file(str path, size_t slash, struct arena *arena)
{
    return arena_strf(arena, STR_FMT "%%_" STR_FMT, STR_ARG(str_head(path, slash)),
                      STR_ARG(str_from(path, slash)));
}

/* The mark a component ends with, taken off; 0: none. */
static char take_mark(str *name)
{
    size_t end = name->len;
    if (end >= 2 && name->ptr[end - 2] == '%' &&
        (name->ptr[end - 1] == '_' || name->ptr[end - 1] == '-')) {
        name->len = end - 2;
        return name->ptr[end - 1];
    }
    while (end > 0 && ascii_is_digit(name->ptr[end - 1]))
        end--;
    if (end < name->len && end >= 2 && name->ptr[end - 1] == 'v' && name->ptr[end - 2] == '%') {
        name->len = end - 2;
        return 'v';
    }
    return 0;
}

static bool add_unescaped(struct buf *out, str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] != '%') {
            buf_addc(out, name.ptr[i]);
            continue;
        }
        if (name.len - i < 3)
            return false;
        int high = hex_digit(name.ptr[i + 1]), low = hex_digit(name.ptr[i + 2]);
        if (high < 0 || low < 0)
            return false;
        buf_addc(out, (char)(high * 16 + low));
        i += 2;
    }
    return true;
}

bool object_path_key(str path, struct arena *arena, str *ret_key)
{
    AUTO_BUF out = buf_new(64 * 1024);
    str name, rest = path;
    bool more;
    do {
        more = str_cut(rest, '/', &name, &rest);
        char mark = take_mark(&name);
        if (mark == 'v' ? more : mark && !more)
            return false; /* only files carry %vN, only folders the other two */
        if (name.len == 0 || (!str_eq(name, STR("%")) && !add_unescaped(&out, name)))
            return false;
        if (more && mark != '-')
            buf_addc(&out, '/');
    } while (more);
    *ret_key = keep(&out, arena);
    return !str_is_none(*ret_key);
}
