#include "services/lambda/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

const char *unpacked_says(enum unpacked how)
{
    switch (how) {
    case UNPACKED_WELL:
        return "";
    case UNPACKED_NO_ZIP:
        return "Could not unzip uploaded file. Please check your file, then try to upload again.";
    case UNPACKED_TOO_LARGE:
        return "Unzipped size must be smaller than 262144000 bytes";
    case UNPACKED_LEADS_OUT:
        return "Could not unzip uploaded file. It holds a name or a link that leads out of it, or "
               "a "
               "file that is none.";
    case UNPACKED_NO_ROOM:
        return "The uploaded file could not be unpacked: no room on the disk";
    }
    return "The uploaded file could not be unpacked";
}

/* Where a link that stands at `name` leads, counted in folders: never above the top. */
static bool stays_inside(str name, str target)
{
    long depth = -1; /* of the folder the link stands in; the last segment is the link itself */
    for (str rest = name, segment; rest.len;) {
        str_cut(rest, '/', &segment, &rest);
        depth += segment.len > 0 && !str_eq(segment, STR("."));
    }
    if (str_starts(target, STR("/")))
        return false;
    for (str rest = target, segment; rest.len;) {
        str_cut(rest, '/', &segment, &rest);
        if (str_eq(segment, STR("..")))
            depth--;
        else
            depth += segment.len > 0 && !str_eq(segment, STR("."));
        if (depth < 0)
            return false;
    }
    return true;
}

/* libarchive itself refuses "..", absolute names and paths through links (the flags below); what it
 * does not judge is where a link leads and what kind a file is. */
static bool takes(struct archive_entry *entry)
{
    const char *name = archive_entry_pathname(entry), *target = archive_entry_symlink(entry);
    if (!name || archive_entry_hardlink(entry))
        return false;
    switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
    case AE_IFDIR:
        return true;
    case AE_IFLNK:
        return target && stays_inside(str_of(name), str_of(target));
    default:
        return false;
    }
}

static void settle_mode(struct archive_entry *entry)
{
    bool runs = archive_entry_filetype(entry) == AE_IFDIR || archive_entry_perm(entry) & 0111;
    archive_entry_set_perm(entry, runs ? 0755 : 0644);
}

static enum unpacked copy_data(struct archive *in, struct archive *out, uint64_t *left)
{
    const void *block;
    size_t size;
    la_int64_t offset;
    for (;;) {
        int got = archive_read_data_block(in, &block, &size, &offset);
        if (got == ARCHIVE_EOF)
            return UNPACKED_WELL;
        if (got != ARCHIVE_OK)
            return UNPACKED_NO_ZIP;
        if (size > *left || offset < 0 || (uint64_t)offset > UNPACKED_MAX)
            return UNPACKED_TOO_LARGE;
        *left -= size;
        if (archive_write_data_block(out, block, size, offset) != ARCHIVE_OK)
            return UNPACKED_NO_ROOM;
    }
}

static enum unpacked copy_all(struct archive *in, struct archive *out)
{
    struct archive_entry *entry;
    uint64_t left = UNPACKED_MAX;
    for (unsigned files = 0;; files++) {
        int got = archive_read_next_header(in, &entry);
        if (got == ARCHIVE_EOF)
            return files ? UNPACKED_WELL : UNPACKED_NO_ZIP;
        if (got != ARCHIVE_OK && got != ARCHIVE_WARN)
            return UNPACKED_NO_ZIP;
        if (files == UNPACKED_FILES_MAX)
            return UNPACKED_TOO_LARGE;
        if (!takes(entry))
            return UNPACKED_LEADS_OUT;
        settle_mode(entry);
        if (archive_write_header(out, entry) != ARCHIVE_OK)
            return archive_errno(out) == ENOSPC || archive_errno(out) == EDQUOT
                       ? UNPACKED_NO_ROOM
                       : UNPACKED_LEADS_OUT;
        enum unpacked how = copy_data(in, out, &left);
        if (how != UNPACKED_WELL)
            return how;
        if (archive_write_finish_entry(out) != ARCHIVE_OK)
            return UNPACKED_NO_ROOM;
    }
}

enum unpacked unpack_here(int fd)
{
    struct archive *in = archive_read_new(), *out = archive_write_disk_new();
    enum unpacked how = UNPACKED_NO_ROOM;
    if (in && out) {
        archive_read_support_format_zip_seekable(in);
        archive_write_disk_set_options(out, ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_SECURE_NODOTDOT |
                                                ARCHIVE_EXTRACT_SECURE_SYMLINKS |
                                                ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS);
        how = archive_read_open_fd(in, fd, 64 * 1024) == ARCHIVE_OK ? copy_all(in, out)
                                                                    : UNPACKED_NO_ZIP;
        if (how == UNPACKED_WELL && archive_write_close(out) != ARCHIVE_OK)
            how = UNPACKED_NO_ROOM;
    }
    archive_read_free(in);
    archive_write_free(out);
    return how;
}
