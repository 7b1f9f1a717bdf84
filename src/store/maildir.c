/* store/maildir.c - see maildir.h.
 *
 * The crash argument: what is in tmp/ counts for nothing and is written anew; a file is on disk
 * before it is renamed into new/, and new/ before anybody is told. Between the rename and the note
 * of the step the name alone tells that it was done, and names are the same at every attempt. */
#include "store/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { NAME_OCTETS_MAX = 200 /* encoded; file systems take 255 */, NAME_MAX_OF_LETTER = 200 };

/* ---- names ---- */

static bool stays(char c, size_t at)
{
    return (c >= 'a' && c <= 'z') || ascii_is_digit(c) || c == '_' || c == '-' || (c == '.' && at);
}

static str encoded(str text, struct arena *a)
{
    static const char digits[] = "0123456789ABCDEF";
    char *to = ARENA_ARRAY(a, char, 3 * text.len + 1);
    size_t len = 0;
    if (!to)
        return STR_NONE;
    for (size_t i = 0; i < text.len; i++) {
        const char c = ascii_lower(text.ptr[i]);
        if (stays(c, i)) {
            to[len++] = c;
            continue;
        }
        to[len++] = '%';
        to[len++] = digits[(unsigned char)c >> 4];
        to[len++] = digits[(unsigned char)c & 15];
    }
    return len && len <= NAME_OCTETS_MAX ? (str) { to, len } : STR_NONE;
}

str maildir_folder(str root, str domain, str local_part, struct arena *a)
{
    const size_t label = str_find(local_part, '+');
    const str mailbox = encoded(label ? str_head(local_part, label) : local_part, a);
    const str host = encoded(domain, a);
    return mailbox.ptr && host.ptr ? arena_strf(a, STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(root),
                                                STR_ARG(host), STR_ARG(mailbox))
                                   : STR_NONE;
}

/* ---- folders ---- */

static const struct fault *said(struct arena *a, int error, const char *what, const char *path)
{
    const bool full = error == -ENOSPC || error == -EDQUOT;
    return fault(a, full ? FAULT_LIMIT : FAULT_UNAVAILABLE, NULL, "cannot %s %s: %s", what, path,
                 strerror(-error));
}

/* And whoever looks there after a power cut finds it. One that is there may have been made a moment
 * before a stop, and not be on disk yet. */
static const struct fault *make_folder(struct disk *disk, const char *path, const char *above,
                                       struct arena *a)
{
    int error = disk->make_directory(disk, path, 0700);
    if (!error || error == -EEXIST)
        error = disk->sync_directory(disk, above);
    return error ? said(a, error, "make", path) : NULL;
}

struct paths { /* of one mailbox */
    const char *root, *domain, *mailbox, *tmp, *fresh, *cur;
};

static const char *below(str folder, const char *name, struct arena *a)
{
    return arena_cstr(a, arena_strf(a, STR_FMT "/%s", STR_ARG(folder), name));
}

static bool find_paths(str root, str folder, struct arena *a, struct paths *p)
{
    size_t slash = folder.len;
    while (slash && folder.ptr[slash - 1] != '/')
        slash--;
    *p = (struct paths) { .root = arena_cstr(a, root),
                          .domain = arena_cstr(a, str_head(folder, slash ? slash - 1 : 0)),
                          .mailbox = arena_cstr(a, folder),
                          .tmp = below(folder, "tmp", a),
                          .fresh = below(folder, "new", a),
                          .cur = below(folder, "cur", a) };
    return p->root && p->domain && p->mailbox && p->tmp && p->fresh && p->cur;
}

static const struct fault *make_folders(struct disk *disk, const struct paths *p, struct arena *a)
{
    const int error = disk->make_directory(disk, p->fresh, 0700);
    if (error == -EEXIST) { /* made last: but for its own name everything is on disk */
        const int synced = disk->sync_directory(disk, p->mailbox);
        return synced ? said(a, synced, "sync", p->mailbox) : NULL;
    }
    TRY(make_folder(disk, p->domain, p->root, a));
    TRY(make_folder(disk, p->mailbox, p->domain, a));
    TRY(make_folder(disk, p->tmp, p->mailbox, a));
    TRY(make_folder(disk, p->cur, p->mailbox, a));
    return make_folder(disk, p->fresh, p->mailbox, a);
}

/* ---- is it there? ---- */

struct looked_for {
    str name;
    bool found;
};

/* "NAME" or "NAME:2,S" */
static void compare(void *context, const char *name)
{
    struct looked_for *l = context;
    const str one = str_of(name);
    l->found = l->found || (str_starts(one, l->name) &&
                            (one.len == l->name.len || one.ptr[l->name.len] == ':'));
}

/* One that is there may have been renamed a moment before a stop: its name is made to last too. */
static const struct fault *look(struct disk *disk, const struct paths *p, const char *fresh,
                                const struct maildir_letter *letter, struct arena *a,
                                bool *ret_there)
{
    struct looked_for l = { .name = letter->name };
    const char *where = p->fresh;
    const int fd = disk->open(disk, fresh, O_RDONLY | O_NOFOLLOW, 0);
    if (fd >= 0)
        disk->close(disk, fd);
    l.found = fd >= 0;
    if (!l.found && letter->again) {
        where = p->cur;
        const int error = disk->list(disk, p->cur, compare, &l);
        if (error)
            return said(a, error, "look into", p->cur);
    }
    *ret_there = l.found;
    const int error = l.found ? disk->sync_directory(disk, where) : 0;
    return error ? said(a, error, "sync", where) : NULL;
}

/* ---- the file ---- */

static const struct fault *write_piece(struct disk *disk, int fd, str piece, uint64_t at,
                                       const char *path, struct arena *a)
{
    while (piece.len) {
        struct iovec part = { (void *)(uintptr_t)piece.ptr, piece.len };
        const ssize_t put = disk->pwritev(disk, fd, &part, 1, at);
        if (put <= 0)
            return said(a, put ? (int)put : -EIO, "write", path);
        at += (uint64_t)put;
        piece = str_from(piece, (size_t)put);
    }
    return NULL;
}

static const struct fault *write_all(struct disk *disk, int fd, const struct maildir_letter *letter,
                                     const char *path, struct arena *a)
{
    for (uint64_t at = 0;;) {
        str piece;
        TRY(letter->read(letter->context, &piece));
        if (!piece.len)
            break;
        TRY(write_piece(disk, fd, piece, at, path, a));
        at += piece.len;
    }
    const int error = disk->fdatasync(disk, fd);
    return error ? said(a, error, "sync", path) : NULL;
}

static const struct fault *write_file(struct disk *disk, const struct maildir_letter *letter,
                                      const char *path, struct arena *a)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    int fd = disk->open(disk, path, flags, 0600);
    if (fd == -EEXIST) { /* an attempt that ended in the middle; nobody else has this name */
        disk->unlink(disk, path);
        fd = disk->open(disk, path, flags, 0600);
    }
    if (fd < 0)
        return said(a, fd, "make", path);
    const struct fault *why = write_all(disk, fd, letter, path, a);
    const int error = disk->close(disk, fd);
    if (!why && error)
        why = said(a, error, "close", path);
    if (why)
        disk->unlink(disk, path);
    return why;
}

static bool is_name(str name)
{
    bool well = name.len && name.len <= NAME_MAX_OF_LETTER && name.ptr[0] != '.';
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.ptr[i];
        well = well && (ascii_is_alpha(c) || ascii_is_digit(c) || c == '.' || c == '-');
    }
    return well;
}

const struct fault *maildir_put(struct disk *disk, str root, str folder,
                                const struct maildir_letter *letter, struct arena *a)
{
    struct paths p;
    bool there = false;
    if (!is_name(letter->name))
        return fault(a, FAULT_DEFECT, NULL, "a letter's name is no file's name");
    if (!find_paths(root, folder, a, &p))
        return &fault_no_memory;
    const char *tmp = arena_cstr(a, arena_strf(a, "%s/" STR_FMT, p.tmp, STR_ARG(letter->name)));
    const char *fresh = arena_cstr(a, arena_strf(a, "%s/" STR_FMT, p.fresh, STR_ARG(letter->name)));
    if (!tmp || !fresh)
        return &fault_no_memory;
    TRY(make_folders(disk, &p, a));
    TRY(look(disk, &p, fresh, letter, a, &there));
    if (there)
        return NULL;
    TRY(write_file(disk, letter, tmp, a));
    int error = disk->rename(disk, tmp, fresh);
    if (!error)
        error = disk->sync_directory(disk, p.fresh);
    return error ? said(a, error, "deliver", fresh) : NULL;
}
