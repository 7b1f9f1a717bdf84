#include "main/signer.h"

#include "main/data_dir.h"
#include "main/file.h"

#include <stdlib.h>

static str variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? str_of(value) : STR_NONE;
}

bool signer_of_profile(str text, str profile, struct sigv4_signer *signer)
{
    bool inside = false;
    struct sigv4_signer found = *signer;
    found.access_key_id = found.secret = found.security_token = STR_NONE;
    for (str line, name, value; text.len;) {
        str_cut(text, '\n', &line, &text);
        line = str_trim(str_ends(line, STR("\r")) ? str_head(line, line.len - 1) : line);
        if (str_starts(line, STR("["))) {
            inside = str_ends(line, STR("]")) &&
                     str_eq(str_trim(str_head(str_from(line, 1), line.len - 2)), profile);
            continue;
        }
        if (!inside || !str_cut(line, '=', &name, &value))
            continue;
        name = str_trim(name);
        value = str_trim(value);
        if (str_eq_nocase(name, STR("aws_access_key_id")))
            found.access_key_id = value;
        else if (str_eq_nocase(name, STR("aws_secret_access_key")))
            found.secret = value;
        else if (str_eq_nocase(name, STR("aws_session_token")))
            found.security_token = value;
    }
    if (!found.access_key_id.len || !found.secret.len)
        return false;
    *signer = found;
    return true;
}

static const struct fault *read_profile(str profile, struct arena *a, struct sigv4_signer *signer)
{
    str path = variable("AWS_SHARED_CREDENTIALS_FILE"), text;
    const char *home = getenv("HOME");
    if (str_is_none(path))
        path = arena_strf(a, "%s/.aws/credentials", home ? home : "");
    const struct fault *why = file_read(path, a, &text);
    if (why)
        return fault(a, FAULT_ABSENT, why, "there are no credentials");
    return signer_of_profile(text, profile, signer)
               ? NULL
               : fault(a, FAULT_ABSENT, NULL, STR_FMT " has no credentials of the profile " STR_FMT,
                       STR_ARG(path), STR_ARG(profile));
}

const struct fault *signer_find(const struct config *c, struct arena *a,
                                struct sigv4_signer *signer)
{
    const str id = variable("AWS_ACCESS_KEY_ID"), secret = variable("AWS_SECRET_ACCESS_KEY"),
              profile = variable("AWS_PROFILE");
    if (id.len && secret.len) {
        signer->access_key_id = id;
        signer->secret = secret;
        signer->security_token = variable("AWS_SESSION_TOKEN");
        return NULL;
    }
    if (profile.len)
        return read_profile(profile, a, signer);
    signer->access_key_id = c->root_access_key_id;
    signer->secret = c->root_secret_access_key;
    if (signer->access_key_id.ptr)
        return NULL;
    if (!c->api.ptr) {
        const struct fault *why =
            data_dir_read_credentials(c->data, a, &signer->access_key_id, &signer->secret);
        if (!why || why->kind != FAULT_ABSENT)
            return why;
    }
    return read_profile(STR("default"), a, signer);
}
