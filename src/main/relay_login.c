#include "main/relay_login.h"

#include "base/digest.h"
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OTHERS = 077, STRANGERS = 07, TEXT_MAX = 2 * (LOGIN_MAX + 2) };

/* Both where they are wiped. */
struct kept {
    char user[LOGIN_MAX], password[LOGIN_MAX];
    char text[TEXT_MAX + 1]; /* of a file */
};

static bool can_be_said(str word)
{
    for (size_t i = 0; i < word.len; i++) {
        if ((unsigned char)word.ptr[i] < 0x20 || word.ptr[i] == 0x7f)
            return false;
    }
    return word.len && word.len <= LOGIN_MAX;
}

static const struct fault *keep(struct kept *k, str user, str password, str from, struct arena *a,
                                struct login *ret_login)
{
    if (!can_be_said(user) || !can_be_said(password))
        return fault(a, FAULT_SYNTAX, NULL,
                     STR_FMT " has no user and password for the relay: each of 1 to %d octets, no "
                             "controls in them",
                     STR_ARG(from), LOGIN_MAX);
    memcpy(k->user, user.ptr, user.len);
    memcpy(k->password, password.ptr, password.len);
    *ret_login = (struct login) { { k->user, user.len }, { k->password, password.len } };
    return NULL;
}

/* Where a setting's value lies, in the environment or in our copy of the config file, we may write.
 */
static void forget(str value)
{
    bytes_forget((void *)(uintptr_t)value.ptr, value.len);
}

static const struct fault *read_text(struct arena *a, str path, unsigned shut, struct kept *k,
                                     str *ret_text)
{
    const char *name = arena_cstr(a, path);
    const int fd = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    struct stat found;
    const bool well = fd >= 0 && fstat(fd, &found) == 0;
    const ssize_t got = well ? read(fd, k->text, sizeof k->text) : -1;
    const int why = errno;
    if (fd >= 0)
        close(fd);
    if (!name)
        return &fault_no_memory;
    if (well && found.st_mode & shut)
        return fault(
            a, FAULT_DENIED, NULL,
            "the relay's credentials %s can be read by others than their owner: chmod 600 it",
            name);
    if (got < 0)
        return fault(a, why == ENOENT ? FAULT_ABSENT : FAULT_UNAVAILABLE, NULL,
                     "cannot read the relay's credentials %s: %s", name, strerror(why));
    *ret_text = (str) { k->text, (size_t)got };
    return NULL;
}

static str next_line(str *rest)
{
    str line;
    str_cut(*rest, '\n', &line, rest);
    return str_ends(line, STR("\r")) ? str_head(line, line.len - 1) : line;
}

static const struct fault *read_file(struct arena *a, str path, unsigned shut, struct kept *k,
                                     struct login *ret_login)
{
    str rest;
    TRY(read_text(a, path, shut, k, &rest));
    const str user = next_line(&rest), password = next_line(&rest);
    const bool ends = !rest.len && user.ptr;
    const struct fault *f = keep(k, user, ends ? password : STR(""), path, a, ret_login);
    bytes_forget(k->text, sizeof k->text);
    return f;
}

const struct fault *relay_login_read(const struct config *c, const char *credentials,
                                     struct arena *a, struct login *ret_login)
{
    *ret_login = (struct login) { STR_NONE, STR_NONE };
    if (!c->relay.ptr)
        return NULL;
    struct kept *k = secret_new(a, sizeof *k);
    if (!k)
        return &fault_no_memory;
    if (c->relay_user.ptr) {
        const struct fault *f =
            keep(k, c->relay_user, c->relay_password, STR("SESAME_RELAY_USER"), a, ret_login);
        forget(c->relay_password);
        return f;
    }
    if (c->relay_credentials.ptr)
        return read_file(a, c->relay_credentials, OTHERS, k, ret_login);
    if (!credentials)
        return NULL;
    /* systemd lets the service's user in by an ACL, whose mask stands where the group's bits do. */
    const struct fault *f =
        read_file(a, arena_strf(a, "%s/sesame-relay", credentials), STRANGERS, k, ret_login);
    return f && f->kind == FAULT_ABSENT ? NULL : f; /* other credentials than this one */
}
