/* testing/temp_dir.c - a folder for one test. */
#include "testing/temp_dir.h"

#include <assert.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct temp_dir temp_dir_make(void)
{
    struct temp_dir d;
    const char *below = getenv("TMPDIR");
    snprintf(d.path, sizeof(d.path), "%s/sesame-test-XXXXXX", below && *below ? below : "/tmp");
    const char *made = mkdtemp(d.path);
    assert(made && "a test can make a folder below TMPDIR");
    (void)made;
    return d;
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *where)
{
    (void)s, (void)kind, (void)where;
    return remove(path);
}

void temp_dir_remove(struct temp_dir *d)
{
    if (d->path[0])
        nftw(d->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    d->path[0] = '\0';
}

const char *temp_dir_path(const struct temp_dir *d, const char *name, char to[512])
{
    snprintf(to, 512, "%s/%s", d->path, name);
    return to;
}
