/* main/decrypt.c - `sesame decrypt`: an object that SES, or another S3 encryption client,
 * encrypted.
 *
 * The object is held whole in memory and opened in place; nothing is written before its tag has
 * been found right. So a bit that was changed, in the object or in what describes it, gives one
 * sentence and no output. */
#include "main/ask.h"
#include "main/commands.h"
#include "main/envelope.h"
#include "main/file.h"
#include "main/signer.h"

#include "aws/arn.h"
#include "base/base64.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/percent.h"
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

enum { OBJECT_MAX = 1 << 30, DATA_KEY = 32, FETCH_MS = 10 * 60 * 1000 };

struct object {
    char *bytes; /* in the arena */
    size_t size;
    const struct header *metadata;
    size_t metadata_count;
};

struct asking {
    const struct config *config;
    struct arena *arena;
    struct sigv4_signer signer;
    str s3, kms; /* URLs, without a slash at the end */
};

/* ---- where from, and as whom ---- */

static str region_of(const struct config *c, str key_arn)
{
    static const char *const variables[] = { "AWS_REGION", "AWS_DEFAULT_REGION" };
    struct arn arn;
    if (c->region.ptr)
        return c->region;
    for (size_t i = 0; i < 2; i++) {
        const char *value = getenv(variables[i]);
        if (value && *value)
            return str_of(value);
    }
    return arn_parse(key_arn, &arn) && arn.region.len ? arn.region : STR("us-east-1");
}

static str without_slash(str url)
{
    return str_ends(url, STR("/")) ? str_head(url, url.len - 1) : url;
}

static const struct fault *begin(const struct config *c, struct arena *a, struct asking *ret)
{
    struct clock *clock = clock_real();
    struct asking asking = { .config = c,
                             .arena = a,
                             .signer = { .now_ms = clock->wall_ms(clock) } };
    TRY(signer_find(c, a, &asking.signer));
    TRY(ask_url(c, a, &asking.s3));
    asking.kms = without_slash(c->kms_api.ptr ? c->kms_api : asking.s3);
    *ret = asking;
    return NULL;
}

/* What a service says in its refusal: {"__type","message"}, or <Code> and <Message>. */
static const struct fault *refusal(const struct asking *as, const char *service,
                                   const struct http_reply *reply)
{
    const struct json *json;
    str code = STR_NONE, says = STR_NONE, rest = reply->body;
    if (!json_parse(reply->body, as->arena, &json)) {
        code = json_str(json, "__type");
        says = json_str(json, "message");
    } else {
        const size_t at = str_find_str(rest, STR("<Code>")),
                     to = str_find_str(rest, STR("</Code>"));
        if (at < to && to < rest.len)
            code = str_head(str_from(rest, at + 6), to - at - 6);
    }
    return fault(as->arena, FAULT_UNAVAILABLE, NULL, "%s answers %d " STR_FMT "%s" STR_FMT, service,
                 reply->status, STR_ARG(code), says.len ? ": " : "", STR_ARG(says));
}

/* ---- the object ---- */

static const struct fault *fetch(struct asking *as, str bucket, str key, struct object *ret)
{
    AUTO_BUF path = buf_new(8192);
    struct http_reply reply;
    percent_encode(&path, bucket, PERCENT_ALL);
    buf_addc(&path, '/');
    percent_encode(&path, key, PERCENT_KEEP_SLASH);
    as->signer.service = STR("s3");
    as->signer.region = region_of(as->config, STR_NONE);
    const struct http_question question = {
        .method = STR("GET"),
        .url = arena_strf(as->arena, STR_FMT "/" STR_FMT, STR_ARG(as->s3), STR_ARG(buf_str(&path))),
        .deadline_ms = FETCH_MS,
        .body_max = OBJECT_MAX,
        .signer = &as->signer,
    };
    if (path.failed || str_is_none(question.url))
        return &fault_no_memory;
    TRY(http_ask(&question, as->arena, &reply));
    if (reply.status != 200)
        return refusal(as, "S3", &reply);
    *ret = (struct object) { (char *)(uintptr_t)reply.body.ptr, reply.body.len, reply.headers,
                             reply.header_count };
    return NULL;
}

static const struct fault *cannot(struct arena *a, str path)
{
    return fault(a, FAULT_SYNTAX, NULL, STR_FMT " cannot be read: %s", STR_ARG(path),
                 strerror(errno));
}

static const struct fault *read_object(struct arena *a, str path, struct object *ret)
{
    struct stat found;
    const char *name = arena_cstr(a, path);
    const int fd = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0 || fstat(fd, &found) != 0)
        return cannot(a, path);
    if (!S_ISREG(found.st_mode) || found.st_size > OBJECT_MAX) {
        close(fd);
        return fault(a, FAULT_SYNTAX, NULL, STR_FMT " is not a file of at most %d octets",
                     STR_ARG(path), OBJECT_MAX);
    }
    const size_t size = (size_t)found.st_size;
    char *bytes = ARENA_ARRAY(a, char, size + 1);
    size_t len = 0;
    for (ssize_t got = 1; bytes && got > 0 && len<size; len += got> 0 ? (size_t)got : 0)
        if ((got = read(fd, bytes + len, size - len)) < 0) {
            close(fd);
            return cannot(a, path);
        }
    close(fd);
    ret->bytes = bytes;
    ret->size = len;
    return bytes ? NULL : &fault_no_memory;
}

/* An object of names and values, or what `aws s3api head-object` prints, where it is the member
 * Metadata. */
static const struct fault *read_metadata(struct arena *a, str path, struct object *ret)
{
    const struct json *json, *value;
    str text;
    TRY(file_read(path, a, &text));
    TRY(json_parse(text, a, &json));
    if (json_kind(json_get(json, "Metadata")) == JSON_OBJECT)
        json = json_get(json, "Metadata");
    struct header *metadata = ARENA_ARRAY(a, struct header, json_size(json) + 1);
    size_t count = 0;
    if (!metadata)
        return &fault_no_memory;
    for (str name; json_member(json, count, &name, &value); count++)
        metadata[count] = (struct header) { name, json_text(value) };
    ret->metadata = metadata;
    ret->metadata_count = count;
    return NULL;
}

static bool is_remote(str place, str *ret_bucket, str *ret_key)
{
    return str_starts(place, STR("s3://")) &&
           str_cut(str_from(place, 5), '/', ret_bucket, ret_key) && ret_bucket->len && ret_key->len;
}

static const struct fault *check_operand(const struct config *c, struct arena *a)
{
    str bucket, key;
    if (c->operand_count != 1)
        return fault(a, FAULT_SYNTAX, NULL,
                     "decrypt what? s3://BUCKET/KEY, or FILE with --metadata FILE");
    const str place = c->operands[0];
    if (is_remote(place, &bucket, &key))
        return NULL;
    if (str_starts(place, STR("s3://")))
        return fault(a, FAULT_SYNTAX, NULL, STR_FMT " names no object", STR_ARG(place));
    if (!c->metadata.ptr)
        return fault(
            a, FAULT_SYNTAX, NULL,
            "--metadata FILE is missing: what `aws s3api head-object` prints of the object");
    return NULL;
}

static const struct fault *get_object(struct asking *as, struct object *ret)
{
    const str place = as->config->operands[0];
    str bucket, key;
    if (is_remote(place, &bucket, &key))
        return fetch(as, bucket, key, ret);
    TRY(read_metadata(as->arena, as->config->metadata, ret));
    return read_object(as->arena, place, ret);
}

/* ---- the data key ---- */

static void write_question(const struct envelope *e, struct buf *out)
{
    struct json_writer w = json_writer(out);
    AUTO_BUF blob = buf_new(16384);
    base64_encode(&blob, e->wrapped_key);
    json_open(&w, '{');
    json_add_str(&w, "CiphertextBlob", buf_str(&blob));
    json_name(&w, STR("EncryptionContext"));
    json_open(&w, '{');
    for (size_t i = 0; i < e->context_count; i++) {
        json_name(&w, e->context[i].name);
        json_put_str(&w, e->context[i].value);
    }
    json_close(&w, '}');
    json_close(&w, '}');
    out->failed |= blob.failed;
}

static const struct fault *unwrap(struct asking *as, const struct envelope *e,
                                  unsigned char ret_key[DATA_KEY])
{
    static const struct header headers[] = {
        { STR_INIT("Content-Type"), STR_INIT("application/x-amz-json-1.1") },
        { STR_INIT("X-Amz-Target"), STR_INIT("TrentService.Decrypt") },
    };
    AUTO_BUF body = buf_new(64 * 1024);
    struct http_reply reply;
    const struct json *json;
    write_question(e, &body);
    as->signer.service = STR("kms");
    as->signer.region = region_of(as->config, e->key_arn);
    const struct http_question question = {
        .method = STR("POST"),
        .url = arena_strf(as->arena, STR_FMT "/", STR_ARG(as->kms)),
        .headers = headers,
        .header_count = 2,
        .body = buf_str(&body),
        .signer = &as->signer,
    };
    if (body.failed || str_is_none(question.url))
        return &fault_no_memory;
    TRY(http_ask(&question, as->arena, &reply));
    if (reply.status != 200)
        return refusal(as, "KMS", &reply);
    TRY(json_parse(reply.body, as->arena, &json));
    unsigned char octets[BASE64_LEN(DATA_KEY)] = { 0 };
    const str text = json_str(json, "Plaintext");
    size_t len = 0;
    const bool fits = text.len == BASE64_LEN(DATA_KEY) &&
                      base64_decode_to((char *)octets, text, &len) && len == DATA_KEY;
    memcpy(ret_key, octets, DATA_KEY);
    bytes_forget(octets, sizeof octets);
    return fits ? NULL
                : fault(as->arena, FAULT_SYNTAX, NULL, "KMS gave no data key of %d octets",
                        DATA_KEY);
}

/* ---- the whole of it ---- */

static const struct fault *put(const struct config *c, struct arena *a, str plain)
{
    const char *path = c->output.ptr ? arena_cstr(a, c->output) : NULL;
    FILE *out = path ? fopen(path, "wxe") : stdout;
    if (!out)
        return fault(a, FAULT_UNAVAILABLE, NULL, "cannot make %s: %s", path, strerror(errno));
    const bool written = fwrite(plain.ptr, 1, plain.len, out) == plain.len && fflush(out) == 0;
    const int why = errno;
    if (path)
        fclose(out);
    if (path && !written)
        unlink(path);
    return written
               ? NULL
               : fault(a, FAULT_UNAVAILABLE, NULL, "cannot write the message: %s", strerror(why));
}

/* The question was right; the object is not. */
static const struct fault *read_envelope(const struct object *object, struct arena *a,
                                         struct envelope *ret_envelope)
{
    const struct fault *why =
        envelope_read(object->metadata, object->metadata_count, a, ret_envelope);
    return why && why->kind == FAULT_SYNTAX
               ? fault(a, FAULT_CONFLICT, why->because, STR_FMT, STR_ARG(why->says))
               : why;
}

static const struct fault *decrypt(const struct config *c, struct arena *a)
{
    struct asking as = { 0 };
    struct object object = { 0 };
    struct envelope envelope;
    str plain;
    unsigned char *key = secret_new(a, DATA_KEY);
    if (!key)
        return &fault_no_memory;
    TRY(check_operand(c, a));
    TRY(begin(c, a, &as));
    TRY(get_object(&as, &object));
    TRY(read_envelope(&object, a, &envelope));
    TRY(unwrap(&as, &envelope, key));
    if (!envelope_open(&envelope, key, object.bytes, object.size, &plain))
        return fault(
            a, FAULT_CONFLICT, NULL,
            "the object is not what was encrypted: its bytes or its metadata were changed");
    return put(c, a, plain);
}

int command_decrypt(int argc, char *const *argv)
{
    AUTO_ARENA *a = arena_new((size_t)OBJECT_MAX + (64 << 20));
    struct config config;
    setrlimit(RLIMIT_CORE, &(struct rlimit) { 0, 0 });
    umask(077);
    if (a)
        arena_wipes(a);
    const struct fault *f =
        a ? config_read(FOR_DECRYPT, argc, argv, environ, a, &config) : &fault_no_memory;
    if (!f)
        f = decrypt(&config, a);
    return f ? command_failed(f, a) : 0;
}
