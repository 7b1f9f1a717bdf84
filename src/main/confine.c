/* main/confine.c - Landlock and a filter of system calls around the server itself. */
#include "main/confine.h"

#include "base/json.h"

#include <unistd.h>

enum sandbox_held confine_files(const struct config *c, str data, const struct root_key_file *key,
                                struct arena *a)
{
    const char **folders = ARENA_ARRAY(a, const char *, c->workmail_count + 1);
    size_t count = 0;
    if (c->allow_reset)
        return SANDBOX_UNKNOWN;
    if (!folders)
        return SANDBOX_FAILED;
    folders[count++] = arena_cstr(a, data);
    for (size_t i = 0; i < c->workmail_count; i++) {
        if (c->workmail[i].maildir.len)
            folders[count++] = arena_cstr(a, c->workmail[i].maildir);
    }
    for (size_t i = 0; i < count; i++) {
        if (!folders[i])
            return SANDBOX_FAILED;
    }
    return sandbox_write_only(folders, count, key->made ? arena_cstr(a, key->path) : NULL);
}

enum sandbox_held confine_calls(const struct config *c)
{
    return c->allow_reset ? SANDBOX_UNKNOWN : sandbox_serve_only();
}

static str why_not_all(const struct confined *confined, const struct config *c)
{
    if (c->allow_reset)
        return STR("with --allow-reset it must be able to start itself over");
    if (confined->files != SANDBOX_HELD || confined->calls != SANDBOX_HELD || confined->capabilities != SANDBOX_HELD)
        return STR("the kernel has it not, or would not do it");
    if (geteuid() == 0)
        return STR("it runs as root: name another user with --user");
    return STR("");
}

void confined_note(const struct confined *confined, const struct config *c, struct journal *journal)
{
    static const char *const words[] = {
        [SANDBOX_HELD] = "held", [SANDBOX_UNKNOWN] = "free", [SANDBOX_FAILED] = "failed"
    };
    const bool held = confined->files == SANDBOX_HELD && confined->calls == SANDBOX_HELD &&
                      confined->capabilities == SANDBOX_HELD;
    AUTO_BUF members = buf_new(1024);
    struct json_writer w = json_writer(&members);
    json_add_str(&w, "files", str_of(words[confined->files]));
    json_add_str(&w, "calls", str_of(words[confined->calls]));
    json_add_str(&w, "capabilities", confined->left);
    json_add_int(&w, "uid", (int64_t)geteuid());
    str says = why_not_all(confined, c);
    if (says.len)
        json_add_str(&w, "says", says);
    journal->note(journal, held || c->allow_reset ? JOURNAL_INFO : JOURNAL_WARNING, STR("main"),
                  STR("privileges"), buf_str(&members));
}
