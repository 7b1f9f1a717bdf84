/* main/ask.c - where the server is, and who asks. */
#include "main/ask.h"

#include "base/json.h"
#include "base/percent.h"
#include "base/random_id.h"
#include "main/data_dir.h"

const struct fault *ask_url(const struct config *c, struct arena *a, str *ret_url)
{
    if (c->api.ptr) {
        *ret_url = c->api.len && c->api.ptr[c->api.len - 1] == '/'
                       ? str_head(c->api, c->api.len - 1)
                       : c->api;
        return NULL;
    }
    str line;
    const struct json *ready;
    TRY(data_dir_read_ready(c->data, a, &line));
    TRY(json_parse(line, a, &ready));
    *ret_url = json_str(ready, "api");
    return ret_url->ptr ? NULL
                        : fault(a, FAULT_SYNTAX, NULL, "ready.json of " STR_FMT " names no API",
                                STR_ARG(c->data));
}

static bool is_loopback_url(str url)
{
    static const str schemes[] = { STR_INIT("http://"), STR_INIT("https://") };
    for (size_t i = 0; i < 2; i++) {
        if (str_starts(url, schemes[i])) {
            str host = str_from(url, schemes[i].len);
            return config_is_loopback(host) || str_eq(host, STR("localhost"));
        }
    }
    return false;
}

static const struct fault *find_signer(const struct config *c, struct clock *clock, struct arena *a,
                                       struct sigv4_signer *ret_signer)
{
    *ret_signer = (struct sigv4_signer) { .access_key_id = c->root_access_key_id,
                                          .secret = c->root_secret_access_key,
                                          .region = STR("us-east-1"),
                                          .service = STR("sesame"),
                                          .now_ms = clock->wall_ms(clock) };
    if (ret_signer->access_key_id.ptr)
        return NULL;
    return data_dir_read_credentials(c->data, a, &ret_signer->access_key_id, &ret_signer->secret);
}

const struct fault *ask_server(const struct config *c, const char *method, str path,
                               struct clock *clock, struct arena *a, struct http_reply *ret_reply)
{
    str url;
    struct sigv4_signer signer;
    TRY(ask_url(c, a, &url));
    bool local = is_loopback_url(url);
    if (!local)
        TRY(find_signer(c, clock, a, &signer));
    struct http_question question = {
        .method = str_of(method),
        .url = arena_strf(a, STR_FMT "/_sesame/" STR_FMT, STR_ARG(url), STR_ARG(path)),
        .signer = local ? NULL : &signer,
    };
    return question.url.ptr ? http_ask(&question, a, ret_reply) : &fault_no_memory;
}

const struct fault *ask_check(const struct http_reply *reply, struct arena *a)
{
    if (reply->status >= 200 && reply->status < 300)
        return NULL;
    const struct json *body;
    str says = json_parse(reply->body, a, &body) ? STR_NONE : json_str(body, "message");
    enum fault_kind kind = reply->status == 404 ? FAULT_ABSENT : FAULT_UNAVAILABLE;
    return says.ptr ? fault(a, kind, NULL, STR_FMT, STR_ARG(says))
                    : fault(a, kind, NULL, "the server answered with status %d", reply->status);
}

const struct fault *ask_message(const struct config *c, struct arena *a)
{
    if (!c->message.ptr)
        return fault(a, FAULT_SYNTAX, NULL, "--message ID is missing");
    if (!message_id_valid(c->message))
        return fault(a, FAULT_SYNTAX, NULL,
                     "\"" STR_FMT "\" is no message id: 40 characters 0-9 and a-v",
                     STR_ARG(c->message));
    return NULL;
}

void ask_add_parameter(struct buf *path, const char *name, str value)
{
    if (!value.len)
        return;
    buf_addf(path, "%c%s=", str_has(buf_str(path), '?') ? '&' : '?', name);
    percent_encode(path, value, PERCENT_ALL);
}
