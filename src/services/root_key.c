#include "services/root_key.h"

#include "base/digest.h"
#include "base/hex.h"
#include "base/json.h"
#include "store/state.h"

/* Where there may be octets that only this root key opens: a bucket's objects lie sealed (SSE-S3)
 * elsewhere, and nothing in the state tells whether; a user may have access keys. */
static const str wrapped[] = { STR_INIT("bucket/"), STR_INIT("kms-key/"), STR_INIT("user/") };

void root_key_derive(const struct root_key *root, str purpose,
                     unsigned char ret_key[ROOT_KEY_OCTETS])
{
    hmac_sha256((str) { (const char *)root->octets, sizeof root->octets }, purpose, ret_key);
    hmac_forget();
}

static const struct fault *is_anything_wrapped(struct state *state, struct arena *arena,
                                               bool *ret_is)
{
    *ret_is = false;
    for (size_t i = 0; !*ret_is && i < sizeof wrapped / sizeof wrapped[0]; i++) {
        struct record *records;
        size_t count;
        TRY(state->ops->list(state, wrapped[i], STR_NONE, 1, arena, &records, &count));
        *ret_is = count > 0;
    }
    return NULL;
}

const struct fault *root_key_check(const struct root_key *root, struct state *state,
                                   struct arena *arena)
{
    unsigned char check[ROOT_KEY_OCTETS];
    char digits[2 * ROOT_KEY_OCTETS];
    struct record record = { .revision = REVISION_NEW };
    const struct json *json;
    bool is_wrapped;
    root_key_derive(root, STR("check 1"), check);
    hex_encode(digits, check, sizeof check);
    const str now = { digits, sizeof digits };
    const struct fault *why = state->ops->get(state, ROOT_KEY_CHECK, arena, &record);
    if (why && why->kind != FAULT_ABSENT)
        return why;
    if (!why) {
        TRY(json_parse(record.value, arena, &json));
        if (str_eq(json_str(json, "check"), now))
            return NULL;
        TRY(is_anything_wrapped(state, arena, &is_wrapped));
        if (is_wrapped)
            return fault(arena, FAULT_CONFLICT, NULL,
                         "the keys of this data directory are wrapped under another root key");
    }
    const str value = arena_strf(arena, "{\"check\":\"" STR_FMT "\"}", STR_ARG(now));
    return str_is_none(value)
               ? &fault_no_memory
               : state->ops->put(state, ROOT_KEY_CHECK, value, record.revision, arena, &record.revision);
}
