/* main/objects.c - `sesame objects`: what lies below DIR/objects, for a person; no server is asked.
 *
 * Lists objects with their places, or writes them as files under their own names. Beside a running
 * server it sees what was answered. Without an index the packs still tell what is in them. */
#include "main/commands.h"
#include "main/config.h"

#include "base/buf.h"
#include "base/when.h"
#include "store/object_file.h"
#include "store/object_pack_file.h"
#include "store/object_packs.h"
#include "store/object_path.h"
#include "store/object_read.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

extern char **environ;

enum { PIECE = 64 * 1024, ROW_MEMORY = 64 << 20 };

struct work {
    const struct config *config;
    struct object_root from, to; /* `to`: with --output */
    struct objects_index *index;
    str bucket, prefix; /* wanted; bucket STR_NONE: all */
    struct arena *arena, *row_arena;
    const struct fault *why; /* what ended the walk */
    uint64_t damaged;
};

/* ---- which, and where it lies ---- */

static const struct fault *read_wanted(struct work *w)
{
    w->bucket = w->prefix = STR_NONE;
    if (w->config->operand_count == 0)
        return NULL;
    str word = w->config->operands[0];
    if (!str_starts(word, STR("s3://")) || word.len == 5)
        return fault(w->arena, FAULT_SYNTAX, NULL,
                     "which objects? Their place begins with s3://, like s3://BUCKET/PREFIX");
    if (!str_cut(str_from(word, 5), '/', &w->bucket, &w->prefix))
        w->prefix = STR("");
    return NULL;
}

static bool is_wanted(const struct work *w, const struct object_row *row)
{
    return str_is_none(w->bucket) ||
           (str_eq(row->bucket, w->bucket) && str_starts(row->key, w->prefix));
}

static bool is_listing(const struct work *w)
{
    return str_is_none(w->config->output);
}

static void tell_damage(struct work *w, str says)
{
    fprintf(stderr, "sesame: " STR_FMT "\n", STR_ARG(says));
    w->damaged++;
}

/* ---- one of them ---- */

/* What would move a terminal is written as \xNN. */
static str harmless(str text, struct arena *arena)
{
    AUTO_BUF out = buf_new(16 * text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c == 0x7f)
            buf_addf(&out, "\\x%02x", c);
        else
            buf_addc(&out, (char)c);
    }
    return arena_str(arena, buf_str(&out));
}

static bool list_one(struct work *w, const struct object_row *row)
{
    char when[64];
    str path = object_row_path(row, w->row_arena), key = harmless(row->key, w->row_arena);
    str modified = when_iso(when, row->info.modified_ms);
    printf("%12llu  " STR_FMT "  s3://" STR_FMT "/" STR_FMT "  ",
           (unsigned long long)row->info.size, STR_ARG(modified), STR_ARG(row->bucket),
           STR_ARG(key));
    if (row->place.pack)
        printf("%%packs/%08llu.pack+%llu\n", (unsigned long long)row->place.pack,
               (unsigned long long)row->place.at);
    else
        printf(STR_FMT "/" STR_FMT "\n", STR_ARG(row->bucket), STR_ARG(path));
    return !ferror(stdout);
}

static void no_name_matters(void *context, str path, const char *file)
{
    (void)context, (void)path, (void)file;
}

static int make_file(struct work *w, const struct object_row *row)
{
    const struct object_naming naming = { no_name_matters, NULL };
    str path = object_path(row->key, w->row_arena);
    return str_is_none(path) ? -ENOMEM
                             : object_file_make(&w->to, row->bucket, path, &naming, w->row_arena);
}

static int write_all(struct disk *disk, int fd, str bytes, uint64_t at)
{
    while (bytes.len > 0) {
        struct iovec part = { (void *)(uintptr_t)bytes.ptr, bytes.len };
        ssize_t written = disk->pwritev(disk, fd, &part, 1, at);
        if (written <= 0)
            return written < 0 ? (int)written : -ENOSPC;
        at += (uint64_t)written;
        bytes = str_from(bytes, (size_t)written);
    }
    return 0;
}

static const struct fault *copy_object(struct work *w, const struct object_row *row, int fd)
{
    struct object_reader *reader;
    struct object_info info;
    char *piece = arena_alloc(w->row_arena, PIECE, 1);
    if (!piece)
        return &fault_no_memory;
    TRY(object_read_open(&w->from, w->index, row->bucket, row->key, w->row_arena, &info, &reader));
    size_t got = PIECE;
    for (uint64_t at = 0; got == PIECE; at += got) {
        TRY(object_read_into(reader, at, piece, PIECE, w->row_arena, &got));
        int error = write_all(w->to.disk, fd, (str) { piece, got }, at);
        if (error < 0)
            return object_disk_fault(w->arena, error, "could not write a file");
    }
    return NULL;
}

/* A body: of a frame, when there is no index; else the index is asked. */
static bool write_one(struct work *w, const struct object_row *row, const str *body)
{
    int fd = make_file(w, row);
    if (fd < 0) {
        w->why = object_disk_fault(w->arena, fd, "could not make a file");
        return false;
    }
    const struct fault *why = NULL;
    int error = body ? write_all(w->to.disk, fd, *body, 0) : 0;
    if (error < 0)
        w->why = object_disk_fault(w->arena, error, "could not write a file");
    if (!body)
        why = copy_object(w, row, fd);
    w->to.disk->close(w->to.disk, fd);
    if (why && why->kind == FAULT_DEFECT)
        tell_damage(w, fault_sentence(why, w->row_arena));
    else if (why && why->kind != FAULT_ABSENT) /* gone meanwhile */
        w->why =
            fault(w->arena, why->kind, NULL, STR_FMT, STR_ARG(fault_sentence(why, w->row_arena)));
    return !w->why;
}

/* ---- all of them ---- */

static bool on_row(void *context, const struct object_row *row, const struct fault *damage)
{
    struct work *w = context;
    arena_reset(w->row_arena);
    if (!is_wanted(w, row))
        return true;
    if (damage) {
        tell_damage(w, damage->says);
        return true;
    }
    return is_listing(w) ? list_one(w, row) : write_one(w, row, NULL);
}

static bool on_frame(void *context, const struct pack_frame *frame,
                     const struct object_place *place)
{
    struct work *w = context;
    struct object_row row;
    arena_reset(w->row_arena);
    if (pack_frame_row(frame, w->row_arena, &row) || !is_wanted(w, &row))
        return true;
    row.place = *place;
    return is_listing(w) ? list_one(w, &row) : write_one(w, &row, &frame->body);
}

static const struct fault *go_through(struct work *w)
{
    if (w->config->without_index) {
        packs_walk(&w->from, on_frame, w);
        return w->why;
    }
    str index = arena_strf(w->arena, STR_FMT "/index.sqlite", STR_ARG(w->from.directory));
    TRY(objects_index_open_reader(index, w->arena, &w->index));
    const struct fault *why = packs_follow(&w->from, w->index, w->arena);
    if (!why)
        why = objects_index_walk(w->index, on_row, w, w->arena);
    objects_index_close(w->index);
    return why ? why : w->why;
}

static const struct fault *begin(struct work *w)
{
    struct disk *disk = disk_real();
    const struct config *c = w->config;
    TRY(read_wanted(w));
    w->row_arena = arena_new(ROW_MEMORY);
    w->from =
        (struct object_root) { disk, arena_strf(w->arena, STR_FMT "/objects", STR_ARG(c->data)) };
    w->to = (struct object_root) { disk, c->output };
    if (!w->row_arena || str_is_none(w->from.directory))
        return &fault_no_memory;
    if (is_listing(w))
        return NULL;
    umask(077); /* it is mail */
    const char *folder = arena_cstr(w->arena, c->output);
    int made = folder ? disk->make_directory(disk, folder, 0755) : -ENOMEM;
    return made < 0 && made != -EEXIST
               ? object_disk_fault(w->arena, made, "cannot make the folder of --output")
               : NULL;
}

int command_objects(int argc, char *const *argv)
{
    AUTO_ARENA *a = arena_new(128 << 20);
    struct config config;
    struct work work = { .config = &config, .arena = a };
    const struct fault *f =
        a ? config_read(FOR_OBJECTS, argc, argv, environ, a, &config) : &fault_no_memory;
    if (!f)
        f = begin(&work);
    if (!f)
        f = go_through(&work);
    int code = f ? command_failed(f, a) : 0;
    arena_free(work.row_arena);
    return code ? code : work.damaged || fflush(stdout) != 0;
}
