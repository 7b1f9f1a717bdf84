/* Any bytes as a key have a path that reads back; any bytes as a path are a key or refused. */
#include "store/object_path.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* A path is made of names a file system takes. */
static void check_names(str path)
{
    str name;
    for (bool more = true; more;) {
        more = str_cut(path, '/', &name, &path);
        must(name.len > 0 && name.len <= OBJECT_PATH_PIECE + 3);
        must(!str_eq(name, STR(".")) && !str_eq(name, STR("..")) && !memchr(name.ptr, 0, name.len));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str text = { (const char *)data, size }, key;
    struct arena *arena = arena_new(4 << 20);
    if (size > 1024 || !arena) { /* a key has no more */
        arena_free(arena);
        return 0;
    }
    str path = object_path(text, arena), folder = object_path_bucket(text, arena);
    check_names(path);
    must(str_find(folder, '/') == folder.len && !str_starts(folder, STR("index.sqlite")));
    must(object_path_key(path, arena, &key) && str_eq(key, text));
    str variant = object_path_variant(path, 2 + (unsigned)size, arena);
    must(object_path_key(variant, arena, &key) && str_eq(key, text) && !str_eq(variant, path));
    must(object_path_key(folder, arena, &key) && str_eq(key, text));
    if (object_path_key(text, arena, &key))
        must(object_path_key(object_path(key, arena), arena, &path) && str_eq(path, key));
    arena_free(arena);
    return 0;
}
