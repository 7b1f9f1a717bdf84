#include "smtp/login.h"

#include "base/base64.h"
#include "base/digest.h"

enum { COMMAND_MAX = 512, SECRET_MAX = 2 * LOGIN_MAX + 2 };

/* A line with base64 in it. */
static void say_secret(const char *command, str secret, struct buf *out)
{
    const size_t size = BASE64_LEN(secret.len);
    if (!buf_reserve(out, BASE64_LEN(SECRET_MAX) + COMMAND_MAX)) /* so it is moved no more */
        return;
    buf_add(out, str_of(command));
    out->len += base64_encode_to(buf_reserve(out, size), secret);
    buf_add(out, STR("\r\n"));
}

/* Nobody else's authority, the user, the password. */
static str plain_of(const struct login *l, char to[SECRET_MAX])
{
    to[0] = to[1 + l->user.len] = '\0';
    memcpy(to + 1, l->user.ptr, l->user.len);
    memcpy(to + 2 + l->user.len, l->password.ptr, l->password.len);
    return (str) { to, l->user.len + l->password.len + 2 };
}

static void say_plain(const struct login *l, const char *command, struct buf *out)
{
    char secret[SECRET_MAX];
    say_secret(command, plain_of(l, secret), out);
    bytes_forget(secret, sizeof secret);
}

void login_begin(const struct login *l, bool plain, enum login_at *at, struct buf *out)
{
    const size_t size = BASE64_LEN(l->user.len + l->password.len + 2);
    const bool fits = sizeof "AUTH PLAIN \r\n" - 1 + size <= COMMAND_MAX;
    *at = !plain ? LOGIN_USER : fits ? LOGIN_SAID : LOGIN_PLAIN;
    if (plain && fits)
        say_plain(l, "AUTH PLAIN ", out);
    else
        buf_add(out, plain ? STR("AUTH PLAIN\r\n") : STR("AUTH LOGIN\r\n"));
}

bool login_go_on(const struct login *l, enum login_at *at, struct buf *out)
{
    switch (*at) {
    case LOGIN_PLAIN:
        say_plain(l, "", out);
        *at = LOGIN_SAID;
        return true;
    case LOGIN_USER:
        say_secret("", l->user, out);
        *at = LOGIN_PASSWORD;
        return true;
    case LOGIN_PASSWORD:
        say_secret("", l->password, out);
        *at = LOGIN_SAID;
        return true;
    case LOGIN_SAID:
        break;
    }
    return false;
}

static bool has_base64(str text, str secret)
{
    char coded[BASE64_LEN(SECRET_MAX)];
    const str base64 = { coded, base64_encode_to(coded, secret) };
    const bool has = str_find_str(text, base64) < text.len;
    bytes_forget(coded, sizeof coded);
    return has;
}

bool login_is_in(const struct login *l, str text)
{
    char plain[SECRET_MAX];
    const bool does = str_find_str(text, l->password) < text.len || has_base64(text, l->password) ||
                      has_base64(text, plain_of(l, plain));
    bytes_forget(plain, sizeof plain);
    return does;
}
