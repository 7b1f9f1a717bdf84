#include "api/ses_v2_shape.h"

const struct fault *ses_v2_unreadable(const struct api_call *call)
{
    return fault_coded(call->call.arena, FAULT_SYNTAX, "SerializationException",
                       "The request's JSON is not what the operation takes");
}

const struct fault *ses_v2_body(const struct api_call *call, struct arena *arena,
                                const struct json **ret_body)
{
    str text = call->text.len ? call->text : STR("{}");
    if (json_parse(text, arena, ret_body) || json_kind(*ret_body) != JSON_OBJECT)
        return ses_v2_unreadable(call);
    return NULL;
}

const struct fault *ses_v2_text(const struct api_call *call, const struct json *object,
                                const char *member, str *ret_text)
{
    const struct json *value = json_get(object, member);
    *ret_text = json_text(value);
    if (value && json_kind(value) != JSON_STRING && json_kind(value) != JSON_NULL)
        return ses_v2_unreadable(call);
    return NULL;
}

const struct fault *ses_v2_no_configuration_set(const struct api_call *call, str name)
{
    return fault_coded(call->call.arena, FAULT_ABSENT, "NotFoundException",
                       "Configuration set <" STR_FMT "> does not exist.", STR_ARG(name));
}
