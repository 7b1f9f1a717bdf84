#include "api/ses_shape.h"

#include "base/base64.h"

const struct fault *ses_page_after(const struct call *call, str token, str *ret_after)
{
    struct arena *arena = call->arena;
    size_t len;
    *ret_after = STR("");
    if (str_is_none(token))
        return NULL;
    char *bytes = ARENA_ARRAY(arena, char, token.len + 1);
    if (!bytes)
        return &fault_no_memory;
    if (token.len == 0 || !base64_decode_to(bytes, token, &len) || len == 0)
        return fault_coded(arena, FAULT_SYNTAX, "InvalidParameterValue", "Invalid token: " STR_FMT,
                           STR_ARG(token));
    *ret_after = (str) { bytes, len };
    return NULL;
}

str ses_page_token(str last_key, struct arena *arena)
{
    AUTO_BUF token = buf_new(1024);
    base64_encode(&token, last_key);
    return arena_str(arena, buf_str(&token));
}

str ses_identity_arn(const struct call *call, str name)
{
    return arena_strf(call->arena, "arn:aws:ses:" STR_FMT ":" STR_FMT ":identity/" STR_FMT,
                      STR_ARG(call->region), STR_ARG(call->caller->account), STR_ARG(name));
}
