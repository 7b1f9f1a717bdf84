/* wire/sigv4_sign.c - signing our own calls, in a header or in the query. */
#include "base/buf.h"
#include "base/percent.h"
#include "base/when.h"
#include "wire/sigv4.h"

#include <stdlib.h>

enum { FIELDS_MAX = 64 };

/* What proxies and the HTTP library change on the way. */
static bool may_change(str name)
{
    static const str names[] = {
        STR_INIT("authorization"), STR_INIT("connection"),        STR_INIT("content-length"),
        STR_INIT("expect"),        STR_INIT("keep-alive"),        STR_INIT("te"),
        STR_INIT("trailer"),       STR_INIT("transfer-encoding"), STR_INIT("upgrade"),
        STR_INIT("user-agent"),    STR_INIT("x-amzn-trace-id"),
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (str_eq_nocase(name, names[i]))
            return true;
    return false;
}

static int by_bytes(const void *a, const void *b)
{
    return str_cmp(*(const str *)a, *(const str *)b);
}

/* Names in lower case, sorted, each once, apart by ';'. STR_NONE: the arena is full. */
static str names_to_sign(const struct sigv4_field *fields, size_t count, struct arena *arena)
{
    str names[FIELDS_MAX];
    size_t kept = 0, len = 0;
    for (size_t i = 0; i < count; i++) {
        if (may_change(fields[i].name))
            continue;
        char *lower = arena_alloc(arena, fields[i].name.len + 1, 1);
        if (!lower)
            return STR_NONE;
        for (size_t k = 0; k < fields[i].name.len; k++)
            lower[k] = ascii_lower(fields[i].name.ptr[k]);
        names[kept++] = (str) { lower, fields[i].name.len };
        len += fields[i].name.len + 1;
    }
    qsort(names, kept, sizeof(names[0]), by_bytes);
    char *list = arena_alloc(arena, len + 1, 1), *at = list;
    if (!list)
        return STR_NONE;
    for (size_t i = 0; i < kept; i++) {
        if (i && str_eq(names[i], names[i - 1]))
            continue;
        if (at > list)
            *at++ = ';';
        memcpy(at, names[i].ptr, names[i].len);
        at += names[i].len;
    }
    return (str) { list, (size_t)(at - list) };
}

static const struct fault *signature(const struct sigv4_request *request,
                                     const struct sigv4_signer *signer, str date,
                                     str signed_headers, str payload_hash, struct sigv4_keys *keys,
                                     struct arena *arena, char hex[2 * SHA256_SIZE])
{
    bool s3 = str_eq(signer->service, STR("s3"));
    unsigned char key[SHA256_SIZE];
    str canonical =
        sigv4_canonical_request(request, SIGV4_AS_SENT, s3, signed_headers, payload_hash, arena);
    str to_sign = str_is_none(canonical) ? STR_NONE
                                         : sigv4_string_to_sign(date, signer->region,
                                                                signer->service, canonical, arena);
    if (str_is_none(to_sign))
        return fault(arena, FAULT_LIMIT, NULL, "the request is too large to sign");
    sigv4_key(keys, signer->secret, str_head(date, 8), signer->region, signer->service, key);
    sigv4_signature(key, to_sign, hex);
    bytes_forget(key, sizeof(key));
    return NULL;
}

const struct fault *sigv4_sign(const struct sigv4_request *request,
                               const struct sigv4_signer *signer, str payload_hash,
                               struct sigv4_keys *keys, struct arena *arena,
                               struct sigv4_field ret_fields[SIGV4_FIELDS], size_t *ret_count)
{
    struct sigv4_field all[FIELDS_MAX];
    size_t added = 0, count = request->field_count;
    char time[WHEN_SIZE], hex[2 * SHA256_SIZE];
    if (count > FIELDS_MAX - SIGV4_FIELDS)
        return fault(arena, FAULT_LIMIT, NULL, "more than %d headers cannot be signed",
                     FIELDS_MAX - SIGV4_FIELDS);
    str date = arena_str(arena, when_sigv4(time, signer->now_ms));
    if (str_is_none(date))
        return &fault_no_memory;
    ret_fields[added++] = (struct sigv4_field) { STR("X-Amz-Date"), date };
    if (!str_is_none(signer->security_token))
        ret_fields[added++] =
            (struct sigv4_field) { STR("X-Amz-Security-Token"), signer->security_token };
    if (str_eq(signer->service, STR("s3")))
        ret_fields[added++] = (struct sigv4_field) { STR("X-Amz-Content-Sha256"), payload_hash };
    if (count)
        memcpy(all, request->fields, count * sizeof(all[0]));
    memcpy(all + count, ret_fields, added * sizeof(all[0]));
    struct sigv4_request whole = *request;
    whole.fields = all;
    whole.field_count = count + added;
    str names = names_to_sign(all, whole.field_count, arena);
    if (str_is_none(names))
        return &fault_no_memory;
    TRY(signature(&whole, signer, date, names, payload_hash, keys, arena, hex));
    str authorization = arena_strf(
        arena,
        "AWS4-HMAC-SHA256 Credential=" STR_FMT "/%.8s/" STR_FMT "/" STR_FMT "/aws4_request, "
        "SignedHeaders=" STR_FMT ", Signature=%.64s",
        STR_ARG(signer->access_key_id), date.ptr, STR_ARG(signer->region), STR_ARG(signer->service),
        STR_ARG(names), hex);
    if (str_is_none(authorization))
        return &fault_no_memory;
    ret_fields[added++] = (struct sigv4_field) { STR("Authorization"), authorization };
    *ret_count = added;
    return NULL;
}

static void add_parameter(struct buf *query, const char *name, str value)
{
    if (query->len)
        buf_addc(query, '&');
    buf_add(query, str_of(name));
    buf_addc(query, '=');
    percent_encode(query, value, PERCENT_ALL);
}

const struct fault *sigv4_presign(const struct sigv4_request *request,
                                  const struct sigv4_signer *signer, int64_t expires_s,
                                  struct sigv4_keys *keys, struct arena *arena, str *ret_raw_query)
{
    bool s3 = str_eq(signer->service, STR("s3"));
    char time[WHEN_SIZE], empty[2 * SHA256_SIZE], hex[2 * SHA256_SIZE];
    str date = when_sigv4(time, signer->now_ms);
    AUTO_BUF query = buf_new(64 * 1024);
    sha256_hex(STR(""), empty);
    buf_add(&query, request->raw_query);
    add_parameter(&query, "X-Amz-Algorithm", STR("AWS4-HMAC-SHA256"));
    str credential = arena_strf(arena, STR_FMT "/%.8s/" STR_FMT "/" STR_FMT "/aws4_request",
                                STR_ARG(signer->access_key_id), date.ptr, STR_ARG(signer->region),
                                STR_ARG(signer->service));
    str expires = arena_strf(arena, "%lld", (long long)expires_s);
    add_parameter(&query, "X-Amz-Credential", credential);
    add_parameter(&query, "X-Amz-Date", date);
    add_parameter(&query, "X-Amz-Expires", expires);
    add_parameter(&query, "X-Amz-SignedHeaders", STR("host"));
    if (!str_is_none(signer->security_token))
        add_parameter(&query, "X-Amz-Security-Token", signer->security_token);
    if (query.failed || str_is_none(credential) || str_is_none(expires))
        return &fault_no_memory;
    struct sigv4_request whole = *request;
    whole.raw_query = buf_str(&query);
    TRY(signature(&whole, signer, date, STR("host"),
                  s3 ? STR("UNSIGNED-PAYLOAD") : (str) { empty, sizeof(empty) }, keys, arena, hex));
    add_parameter(&query, "X-Amz-Signature", (str) { hex, sizeof(hex) });
    *ret_raw_query = query.failed ? STR_NONE : arena_str(arena, buf_str(&query));
    return str_is_none(*ret_raw_query) ? &fault_no_memory : NULL;
}
