/* testing/fuzz_main.c - feeds the files, and the files in the folders, named on the command line to
 * a fuzz target, so that a corpus is a test under any compiler. Says how many inputs ran. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static size_t inputs_run;

/* Each input gets a block of exactly its size, so that a sanitizer sees one byte too many. */
static int run_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(size ? size : 1);
    int read = file && bytes && fread(bytes, 1, size, file) == size;
    if (read) {
        LLVMFuzzerTestOneInput(bytes, size);
        inputs_run++;
    } else {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    }
    free(bytes);
    if (file)
        fclose(file);
    return read ? 0 : 1;
}

static int run(const char *path)
{
    struct stat s;
    if (stat(path, &s) != 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 1;
    }
    if (!S_ISDIR(s.st_mode))
        return run_file(path, (size_t)s.st_size);
    struct dirent **names;
    int failed = 0, count = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char inner[4096];
        snprintf(inner, sizeof(inner), "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.')
            failed |= run(inner);
        free(names[i]);
    }
    if (count >= 0)
        free(names);
    return failed | (count < 0);
}

int main(int argc, char **argv)
{
    int failed = 0;
    for (int i = 1; i < argc; i++)
        failed |= run(argv[i]);
    printf("%zu inputs ran\n", inputs_run);
    return failed || !inputs_run; /* a corpus that is gone proves nothing */
}
