/* store/object_file.c - making, removing and sweeping the files of objects. */
#include "store/object_file.h"

#include "store/object_path.h"

#include <errno.h>
#include <fcntl.h>

enum {
    NAME_TRIES = 1000, /* of finding a free name, and of folders that vanish meanwhile */
    FOLDER_DEPTH = 2048,
    FOLDER_MEMORY = 64 << 20, /* names of one folder that wait for a second look */
};

const char *object_file_name(const struct object_root *root, str bucket, str path,
                             struct arena *arena)
{
    str folder = object_path_bucket(bucket, arena);
    if (str_is_none(folder) || str_is_none(path))
        return NULL;
    return arena_strf(arena, STR_FMT "/" STR_FMT "%s" STR_FMT, STR_ARG(root->directory),
                      STR_ARG(folder), path.len ? "/" : "", STR_ARG(path))
        .ptr;
}

static bool is_folder(const struct object_root *root, const char *name, int *ret_error)
{
    int fd = root->disk->open(root->disk, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW, 0);
    if (fd >= 0)
        root->disk->close(root->disk, fd);
    *ret_error = fd < 0 ? fd : 0;
    return fd >= 0;
}

/* Makes the folders above *path. Where a file has a folder's name the folder gets the mark, and
 * *path with it. */
static int make_folders(const struct object_root *root, str bucket, str *path, struct arena *arena)
{
    struct disk *disk = root->disk;
    const char *folder = object_file_name(root, bucket, STR(""), arena);
    int made = folder ? disk->make_directory(disk, folder, 0755) : -ENOMEM;
    size_t at = 0;
    while (made == 0 || made == -EEXIST) {
        size_t slash = at + str_find(str_from(*path, at), '/');
        if (slash >= path->len)
            return 0;
        folder = object_file_name(root, bucket, str_head(*path, slash), arena);
        if (!folder)
            return -ENOMEM;
        made = disk->make_directory(disk, folder, 0755);
        int error;
        if (made == -EEXIST && !is_folder(root, folder, &error) && error == -ENOTDIR) {
            *path = object_path_beside_file(*path, slash, arena);
            if (str_is_none(*path))
                return -ENOMEM;
            at = slash; /* the same segment again: no file ever carries the mark */
        } else {
            at = slash + 1;
        }
    }
    return made;
}

int object_file_make(const struct object_root *root, str bucket, str path,
                     const struct object_naming *naming, struct arena *arena)
{
    struct disk *disk = root->disk;
    unsigned variant = 1;
    int fd = -EEXIST;
    for (int tries = 0; tries < NAME_TRIES; tries++) {
        str name = object_path_variant(path, variant, arena);
        const char *file = object_file_name(root, bucket, name, arena);
        if (!file)
            return -ENOMEM;
        naming->trying(naming->context, name, file);
        fd = disk->open(disk, file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd == -EEXIST || fd == -EISDIR) {
            variant++;
        } else if (fd == -ENOENT || fd == -ENOTDIR) {
            int made = make_folders(root, bucket, &path, arena);
            if (made < 0 && made != -ENOENT) /* ENOENT: one was removed behind us, being empty */
                return made;
        } else {
            return fd;
        }
    }
    return fd;
}

void object_file_unlink(const struct object_root *root, str bucket, str path)
{
    AUTO_ARENA *arena = arena_new(256 * 1024);
    const char *name = arena ? object_file_name(root, bucket, path, arena) : NULL;
    if (!name)
        return;
    root->disk->unlink(root->disk, name);
    for (size_t end = path.len; end > 0; end--) {
        if (path.ptr[end - 1] != '/')
            continue;
        name = object_file_name(root, bucket, str_head(path, end - 1), arena);
        if (!name || root->disk->remove_directory(root->disk, name) < 0)
            return;
    }
}

/* The names in one folder that are worth a second look, gathered before anything is changed. */
struct name {
    struct name *next;
    str text;
};
struct folder {
    const struct object_root *root;
    const struct object_sweep *sweep; /* NULL: every name is wanted */
    str bucket, path;                 /* the folder below the bucket */
    struct arena *arena, *scratch;
    struct name *names;
};

static str path_in(str folder, str name, struct arena *arena)
{
    return folder.len ? arena_strf(arena, STR_FMT "/" STR_FMT, STR_ARG(folder), STR_ARG(name))
                      : arena_str(arena, name);
}

static void gather(void *context, const char *name)
{
    struct folder *f = context;
    if (f->sweep) {
        if (f->sweep->stop(f->sweep->context))
            return;
        arena_reset(f->scratch);
        str path = path_in(f->path, str_of(name), f->scratch);
        if (str_is_none(path) ||
            f->sweep->is_object(f->sweep->context, f->bucket, path, f->scratch))
            return;
    }
    struct name *one = ARENA_NEW(f->arena, struct name);
    if (!one)
        return; /* the rest waits for the next sweep */
    *one = (struct name) { f->names, path_in(f->path, str_of(name), f->arena) };
    if (!str_is_none(one->text))
        f->names = one;
}

/* One folder, then those in it, then the folder itself when it is empty. */
static void clear_folder(const struct object_root *root, const struct object_sweep *sweep,
                         str bucket, str path, unsigned depth)
{
    AUTO_ARENA *arena = arena_new(FOLDER_MEMORY);
    AUTO_ARENA *scratch = arena_new(FOLDER_MEMORY);
    const char *name = arena && scratch ? object_file_name(root, bucket, path, arena) : NULL;
    if (!name || depth > FOLDER_DEPTH)
        return;
    struct folder f = { .root = root,
                        .sweep = sweep,
                        .bucket = bucket,
                        .path = path,
                        .arena = arena,
                        .scratch = scratch };
    root->disk->list(root->disk, name, gather, &f);
    for (struct name *one = f.names; one; one = one->next) {
        int error;
        arena_reset(scratch);
        const char *inner = object_file_name(root, bucket, one->text, scratch);
        if (!inner || (sweep && sweep->stop(sweep->context)))
            return;
        if (is_folder(root, inner, &error))
            clear_folder(root, sweep, bucket, one->text, depth + 1);
        else if (sweep)
            sweep->remove(sweep->context, bucket, one->text);
        else
            root->disk->unlink(root->disk, inner);
    }
    if (path.len || !sweep) /* a bucket's own folder stays while the bucket does */
        root->disk->remove_directory(root->disk, name);
}

void object_folder_remove(const struct object_root *root, str bucket)
{
    clear_folder(root, NULL, bucket, STR(""), 0);
}

static void gather_bucket(void *context, const char *name)
{
    struct folder *f = context;
    struct name *one = ARENA_NEW(f->arena, struct name);
    if (!one || str_starts(str_of(name), STR("index.sqlite")) ||
        !object_path_key(str_of(name), f->arena, &one->text))
        return;
    one->next = f->names;
    f->names = one;
}

void object_files_sweep(const struct object_root *root, const struct object_sweep *sweep)
{
    AUTO_ARENA *arena = arena_new(FOLDER_MEMORY);
    const char *directory = arena ? arena_cstr(arena, root->directory) : NULL;
    if (!directory)
        return;
    struct folder f = { .root = root, .arena = arena };
    root->disk->list(root->disk, directory, gather_bucket, &f);
    for (struct name *one = f.names; one && !sweep->stop(sweep->context); one = one->next)
        clear_folder(root, sweep, one->text, STR(""), 0);
}
