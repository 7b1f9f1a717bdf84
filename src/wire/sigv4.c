/* wire/sigv4.c - what a request claims about who sent it, and whether the claim holds.
 *
 * S3 and the other services differ in codes, not in the algorithm; which of the two speaks is known
 * from the credential scope, or else from the request's shape. */
#include "wire/sigv4.h"

#include "base/hex.h"
#include "base/percent.h"
#include "base/when.h"

#include <assert.h>

enum { SKEW_MS = 15 * 60 * 1000, WEEK_S = 7 * 24 * 3600, DEFAULT_EXPIRES_S = 15 * 60 };

struct reading {
    const struct sigv4_request *request;
    struct arena *arena;
    int64_t now_ms, expires_s;
    struct sigv4_claim claim;
    str algorithm, credential, date, expires, content_hash; /* as found; STR_NONE: absent */
};

static bool is_s3(const struct sigv4_claim *c)
{
    return str_eq(c->service, STR("s3"));
}

static bool asks_s3(const struct reading *r)
{
    return r->claim.service.len ? is_s3(&r->claim) : r->request->asks_s3;
}

/* What is wrong with the form of the signature, under the code of whoever is asked. */
#define MALFORMED(r, ...)                                                                          \
    fault_coded((r)->arena, FAULT_SYNTAX,                                                          \
                !asks_s3(r)                       ? "IncompleteSignature"                          \
                : (r)->claim.form == SIGV4_HEADER ? "AuthorizationHeaderMalformed"                 \
                                                  : "AuthorizationQueryParametersError",           \
                __VA_ARGS__)

/* One name=value of the Authorization header. */
static const struct fault *take_parameter(struct reading *r, str one)
{
    str name, value, *place = NULL;
    if (!str_cut(str_trim(one), '=', &name, &value))
        return MALFORMED(
            r,
            "'" STR_FMT "' not a valid key=value pair (missing equal-sign) in Authorization header",
            STR_ARG(str_head(one, 128)));
    if (str_eq(name, STR("Credential")))
        place = &r->credential;
    else if (str_eq(name, STR("SignedHeaders")))
        place = &r->claim.signed_headers;
    else if (str_eq(name, STR("Signature")))
        place = &r->claim.signature;
    else
        return MALFORMED(r, "the Authorization header has an unknown parameter '" STR_FMT "'",
                         STR_ARG(str_head(name, 64)));
    if (!str_is_none(*place))
        return MALFORMED(r, "the Authorization header has its " STR_FMT " twice", STR_ARG(name));
    *place = value;
    return NULL;
}

static const struct fault *read_header(struct reading *r, str authorization)
{
    str parameters;
    str_cut(str_trim(authorization), ' ', &r->algorithm, &parameters);
    if (str_eq(r->algorithm, STR("AWS")))
        return fault_coded(r->arena, FAULT_UNBUILT, "InvalidRequest",
                           "The authorization mechanism you have provided is not supported. Please "
                           "use AWS4-HMAC-SHA256.");
    if (str_eq(r->algorithm, STR("AWS4-ECDSA-P256-SHA256")))
        return fault_coded(r->arena, FAULT_UNBUILT, "InvalidRequest",
                           "SigV4A is not supported; sign with AWS4-HMAC-SHA256");
    if (!str_eq(r->algorithm, STR("AWS4-HMAC-SHA256")) && asks_s3(r))
        return fault_coded(r->arena, FAULT_SYNTAX, "InvalidArgument",
                           "Unsupported Authorization Type");
    if (!str_eq(r->algorithm, STR("AWS4-HMAC-SHA256")))
        return MALFORMED(r, "Unsupported AWS 'algorithm': '" STR_FMT "'",
                         STR_ARG(str_head(r->algorithm, 64)));
    for (str one, rest; parameters.len; parameters = rest) {
        str_cut(parameters, ',', &one, &rest);
        if (str_trim(one).len)
            TRY(take_parameter(r, one));
    }
    r->date = sigv4_field(r->request, STR("x-amz-date"));
    if (str_is_none(r->date))
        r->date = sigv4_field(r->request, STR("date"));
    r->claim.security_token = sigv4_field(r->request, STR("x-amz-security-token"));
    return NULL;
}

static const struct fault *read_query(struct reading *r)
{
    const struct {
        str name, *to;
    } wanted[] = {
        { STR("X-Amz-Algorithm"), &r->algorithm },
        { STR("X-Amz-Credential"), &r->credential },
        { STR("X-Amz-Date"), &r->date },
        { STR("X-Amz-Expires"), &r->expires },
        { STR("X-Amz-SignedHeaders"), &r->claim.signed_headers },
        { STR("X-Amz-Signature"), &r->claim.signature },
        { STR("X-Amz-Security-Token"), &r->claim.security_token },
        { STR("X-Amz-Content-Sha256"), &r->content_hash },
    };
    for (str one, rest, query = r->request->raw_query; query.len; query = rest) {
        str name, value;
        str_cut(query, '&', &one, &rest);
        if (!str_cut(one, '=', &name, &value))
            value = STR("");
        for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
            if (!str_eq(name, wanted[i].name))
                continue;
            if (!str_is_none(*wanted[i].to))
                return MALFORMED(r, "the query has " STR_FMT " twice", STR_ARG(name));
            if (!percent_decode(value, true, r->arena, wanted[i].to))
                return MALFORMED(r, "the value of " STR_FMT " is not escaped rightly",
                                 STR_ARG(name));
        }
    }
    return NULL;
}

/* ACCESS_KEY/20260302/us-east-1/s3/aws4_request, taken apart from its end. */
static bool split_credential(struct reading *r)
{
    str parts[4], rest = r->credential;
    for (int i = 3; i >= 0; i--) {
        size_t at = rest.len;
        while (at && rest.ptr[at - 1] != '/')
            at--;
        if (at == 0)
            return false;
        parts[i] = str_from(rest, at);
        rest.len = at - 1;
    }
    for (int i = 1; i < 3; i++)
        for (size_t k = 0; k < parts[i].len; k++)
            if (!ascii_is_alpha(parts[i].ptr[k]) && !ascii_is_digit(parts[i].ptr[k]) &&
                parts[i].ptr[k] != '-')
                return false;
    r->claim.access_key_id = rest;
    r->claim.day = parts[0];
    r->claim.region = parts[1];
    r->claim.service = parts[2];
    return rest.len && rest.len <= 128 && !str_has(rest, '/') && parts[0].len == 8 &&
           parts[1].len && parts[1].len <= 64 && parts[2].len && parts[2].len <= 64 &&
           str_eq(parts[3], STR("aws4_request"));
}

static const struct fault *need(struct reading *r, str value, const char *name)
{
    if (value.len)
        return NULL;
    return r->claim.form == SIGV4_HEADER
               ? MALFORMED(r, "Authorization header requires '%s' parameter", name)
               : MALFORMED(r, "AWS query-string parameters must include 'X-Amz-%s'", name);
}

static const struct fault *check_form(struct reading *r)
{
    unsigned char binary[SHA256_SIZE];
    TRY(need(r, r->credential, "Credential"));
    if (!split_credential(r))
        return MALFORMED(r, "the Credential is mal-formed; expecting "
                            "\"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"");
    TRY(need(r, r->algorithm, "Algorithm"));
    TRY(need(r, r->claim.signature, "Signature"));
    TRY(need(r, r->claim.signed_headers, "SignedHeaders"));
    if (!str_eq(r->algorithm, STR("AWS4-HMAC-SHA256")))
        return MALFORMED(r, "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"");
    if (r->claim.signature.len != 2 * SHA256_SIZE || !hex_decode(binary, r->claim.signature))
        return MALFORMED(r, "the Signature is not 64 hexadecimal digits");
    return NULL;
}

static const struct fault *read_expires(struct reading *r)
{
    uint64_t seconds = DEFAULT_EXPIRES_S;
    if (is_s3(&r->claim))
        TRY(need(r, r->expires, "Expires"));
    if (!str_is_none(r->expires) && !str_u64(r->expires, &seconds))
        return MALFORMED(r, "X-Amz-Expires must be a non-negative number");
    if (seconds > WEEK_S)
        return MALFORMED(
            r,
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires "
            "must be less than 604800 seconds");
    r->expires_s = (int64_t)seconds;
    return NULL;
}

static const struct fault *read_date(struct reading *r)
{
    int64_t ms;
    char text[WHEN_SIZE];
    if (str_is_none(r->date))
        return r->claim.form == SIGV4_QUERY ? need(r, r->date, "Date")
               : is_s3(&r->claim)
                   ? fault_coded(r->arena, FAULT_DENIED, "AccessDenied",
                                 "AWS authentication requires a valid Date or x-amz-date header")
                   : MALFORMED(r, "Authorization header requires existence of either a "
                                  "'X-Amz-Date' or a 'Date' header");
    if (!when_parse_sigv4(r->date, &ms) &&
        !(r->claim.form == SIGV4_HEADER && when_parse_http(r->date, &ms)))
        return MALFORMED(r, "Date must be in ISO-8601 'basic format'. Got '" STR_FMT "'",
                         STR_ARG(str_head(r->date, 64)));
    r->claim.signed_at_ms = ms;
    memcpy(r->claim.date, when_sigv4(text, ms).ptr, sizeof(r->claim.date));
    if (memcmp(r->claim.day.ptr, r->claim.date, 8) != 0)
        return is_s3(&r->claim)
                   ? MALFORMED(r,
                               "Invalid credential date \"" STR_FMT
                               "\". This date is not the same as "
                               "X-Amz-Date: \"%.8s\"",
                               STR_ARG(r->claim.day), r->claim.date)
                   : fault_coded(
                         r->arena, FAULT_DENIED, "SignatureDoesNotMatch",
                         "Date in Credential scope does not match YYYYMMDD from ISO-8601 version "
                         "of date from HTTP: '" STR_FMT "' != '%.8s'",
                         STR_ARG(r->claim.day), r->claim.date);
    return NULL;
}

static const struct fault *check_time(struct reading *r)
{
    bool query = r->claim.form == SIGV4_QUERY;
    int64_t last = r->claim.signed_at_ms + (query ? r->expires_s * 1000 : SKEW_MS);
    bool late = r->now_ms > last, early = r->now_ms < r->claim.signed_at_ms - SKEW_MS;
    char now[WHEN_SIZE], bound[WHEN_SIZE];
    if (!late && !early)
        return NULL;
    if (is_s3(&r->claim) && query)
        return fault_coded(r->arena, FAULT_DENIED, "AccessDenied",
                           late ? "Request has expired" : "Request is not valid yet");
    if (is_s3(&r->claim))
        return fault_coded(
            r->arena, FAULT_DENIED, "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.");
    when_sigv4(now, late ? r->now_ms - (last - r->claim.signed_at_ms) : r->now_ms + SKEW_MS);
    when_sigv4(bound, r->now_ms);
    return fault_coded(
        r->arena, FAULT_DENIED, "SignatureDoesNotMatch",
        late ? "Signature expired: %.16s is now earlier than %s (%s - %lld min.)"
             : "Signature not yet current: %.16s is still later than %s (%s + %lld min.)",
        r->claim.date, now, bound,
        (long long)(late ? last - r->claim.signed_at_ms : SKEW_MS) / 60000);
}

static bool is_listed(str list, str name)
{
    for (str one, rest; list.len; list = rest) {
        str_cut(list, ';', &one, &rest);
        if (str_eq_nocase(one, name))
            return true;
    }
    return false;
}

static const struct fault *check_signed_headers(struct reading *r)
{
    str list = r->claim.signed_headers;
    for (str one, rest; list.len; list = rest) {
        str_cut(list, ';', &one, &rest);
        if (one.len == 0)
            return MALFORMED(r, "SignedHeaders has an empty name");
        for (size_t i = 0; i < one.len; i++)
            if (one.ptr[i] >= 'A' && one.ptr[i] <= 'Z')
                return MALFORMED(r, "SignedHeaders must be in lower case");
        if (str_is_none(sigv4_field(r->request, one)))
            return fault_coded(r->arena, FAULT_DENIED, "SignatureDoesNotMatch",
                               "the header '" STR_FMT
                               "' is listed as signed and is not in the request",
                               STR_ARG(str_head(one, 64)));
    }
    if (!is_listed(r->claim.signed_headers, STR("host")))
        return MALFORMED(
            r, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization");
    for (size_t i = 0; i < r->request->field_count; i++) {
        str name = r->request->fields[i].name;
        if (!str_starts_nocase(name, STR("x-amz-")) || is_listed(r->claim.signed_headers, name) ||
            str_eq_nocase(name, STR("x-amz-cf-id"))) /* a content network in between adds it */
            continue;
        return fault_coded(
            r->arena, FAULT_DENIED, is_s3(&r->claim) ? "AccessDenied" : "SignatureDoesNotMatch",
            "There were headers present in the request which were not signed: " STR_FMT,
            STR_ARG(str_head(name, 64)));
    }
    return NULL;
}

static const struct fault *read_payload(struct reading *r)
{
    static const struct {
        str word;
        enum sigv4_payload payload;
    } words[] = {
        { STR_INIT("UNSIGNED-PAYLOAD"), SIGV4_PAYLOAD_UNSIGNED },
        { STR_INIT("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), SIGV4_PAYLOAD_CHUNKS },
        { STR_INIT("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"), SIGV4_PAYLOAD_CHUNKS_TRAILER },
        { STR_INIT("STREAMING-UNSIGNED-PAYLOAD-TRAILER"), SIGV4_PAYLOAD_UNSIGNED_TRAILER },
    };
    struct sigv4_claim *c = &r->claim;
    unsigned char binary[SHA256_SIZE];
    str text = !str_is_none(r->content_hash) ? r->content_hash
                                             : sigv4_field(r->request, STR("x-amz-content-sha256"));
    bool s3 = is_s3(c) || c->form == SIGV4_ANONYMOUS;
    if (str_is_none(text)) {
        if (s3 && c->form == SIGV4_HEADER)
            return fault_coded(r->arena, FAULT_SYNTAX, "InvalidRequest",
                               "Missing required header for this request: x-amz-content-sha256");
        c->payload = s3 ? SIGV4_PAYLOAD_UNSIGNED : SIGV4_PAYLOAD_BODY;
        c->payload_hash = s3 ? words[0].word : STR_NONE;
        return NULL;
    }
    c->payload_hash = text = str_trim(text);
    c->payload = SIGV4_PAYLOAD_HASH;
    if (text.len == 2 * SHA256_SIZE && hex_decode(binary, text))
        return NULL;
    for (size_t i = 0; s3 && i < sizeof(words) / sizeof(words[0]); i++) {
        c->payload = words[i].payload;
        bool chained =
            c->payload == SIGV4_PAYLOAD_CHUNKS || c->payload == SIGV4_PAYLOAD_CHUNKS_TRAILER;
        if (str_eq(text, words[i].word) && !(chained && c->form == SIGV4_ANONYMOUS))
            return NULL;
    }
    return fault_coded(
        r->arena, FAULT_SYNTAX, "InvalidArgument",
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid "
        "sha256 value");
}

static bool query_has(str query, str name)
{
    for (str one, rest, found, value; query.len; query = rest) {
        str_cut(query, '&', &one, &rest);
        str_cut(one, '=', &found, &value);
        if (str_eq(found, name))
            return true;
    }
    return false;
}

static const struct fault *find_form(struct reading *r)
{
    const struct sigv4_request *q = r->request;
    size_t headers = 0;
    for (size_t i = 0; i < q->field_count; i++)
        headers += str_eq_nocase(q->fields[i].name, STR("authorization"));
    bool query = query_has(q->raw_query, STR("X-Amz-Signature")) ||
                 query_has(q->raw_query, STR("X-Amz-Algorithm")) ||
                 query_has(q->raw_query, STR("X-Amz-Credential"));
    if (headers + query > 1)
        return fault_coded(
            r->arena, FAULT_SYNTAX, "InvalidArgument",
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature "
            "query string parameter or the Authorization header should be specified");
    if (query_has(q->raw_query, STR("AWSAccessKeyId")))
        return fault_coded(r->arena, FAULT_UNBUILT, "InvalidRequest",
                           "The authorization mechanism you have provided is not supported. Please "
                           "use AWS4-HMAC-SHA256.");
    r->claim.form = headers ? SIGV4_HEADER : query ? SIGV4_QUERY : SIGV4_ANONYMOUS;
    return NULL;
}

static const struct fault *read_claim(struct reading *r)
{
    TRY(find_form(r));
    if (r->claim.form == SIGV4_ANONYMOUS)
        return read_payload(r);
    if (r->claim.form == SIGV4_HEADER)
        TRY(read_header(r, sigv4_field(r->request, STR("authorization"))));
    else
        TRY(read_query(r));
    TRY(check_form(r));
    if (r->claim.form == SIGV4_QUERY)
        TRY(read_expires(r));
    TRY(read_date(r));
    TRY(check_time(r));
    TRY(check_signed_headers(r));
    return read_payload(r);
}

const struct fault *sigv4_read(const struct sigv4_request *request, int64_t now_ms,
                               struct arena *arena, struct sigv4_claim *ret_claim)
{
    struct reading r = { .request = request, .arena = arena, .now_ms = now_ms };
    TRY(read_claim(&r));
    *ret_claim = r.claim;
    return NULL;
}

static const struct fault *mismatch(const struct sigv4_claim *c, struct arena *arena)
{
    return fault_coded(
        arena, FAULT_DENIED, "SignatureDoesNotMatch",
        is_s3(c) ? "The request signature we calculated does not match the signature you provided. "
                   "Check your key and signing method."
                 : "The request signature we calculated does not match the signature you provided. "
                   "Check your AWS Secret Access Key and signing method. Consult the service "
                   "documentation for details.");
}

/* Clients differ in what they escape, and most sign exactly what they send; the manual's own form
 * is tried second. Both stand for the same path and query, so taking either gives nothing away. */
const struct fault *sigv4_check(const struct sigv4_request *request,
                                const struct sigv4_claim *claim, str secret, str body_hash,
                                struct sigv4_keys *keys, struct arena *arena)
{
    static const enum sigv4_canon forms[] = { SIGV4_AS_SENT, SIGV4_RE_ENCODED };
    assert(claim->form != SIGV4_ANONYMOUS && "there is nothing to check without a signature");
    str payload_hash = claim->payload == SIGV4_PAYLOAD_BODY ? body_hash : claim->payload_hash,
        before = STR_NONE;
    unsigned char key[SHA256_SIZE], signature[SHA256_SIZE], sent[SHA256_SIZE];
    char hex[2 * SHA256_SIZE];
    bool equal = false;
    if (!hex_decode(sent, claim->signature))
        return mismatch(claim, arena);
    sigv4_key(keys, secret, claim->day, claim->region, claim->service, key);
    for (size_t i = 0; i < 2 && !equal; i++) {
        str canonical = sigv4_canonical_request(request, forms[i], is_s3(claim),
                                                claim->signed_headers, payload_hash, arena);
        if (str_is_none(canonical) || str_eq(canonical, before))
            continue;
        str to_sign = sigv4_string_to_sign((str) { claim->date, 16 }, claim->region, claim->service,
                                           canonical, arena);
        if (str_is_none(to_sign))
            continue;
        sigv4_signature(key, to_sign, hex);
        equal = hex_decode(signature, (str) { hex, sizeof(hex) }) &&
                bytes_equal_secretly(signature, sent, sizeof(sent));
        before = canonical;
    }
    bytes_forget(key, sizeof(key));
    return equal ? NULL : mismatch(claim, arena);
}

const struct fault *sigv4_unknown_key(const struct sigv4_claim *claim, struct arena *arena)
{
    return is_s3(claim)
               ? fault_coded(arena, FAULT_DENIED, "InvalidAccessKeyId",
                             "The AWS Access Key Id you provided does not exist in our records.")
               : fault_coded(arena, FAULT_DENIED, "InvalidClientTokenId",
                             "The security token included in the request is invalid.");
}

const struct fault *sigv4_unsigned(bool s3, struct arena *arena)
{
    return s3 ? fault_coded(arena, FAULT_DENIED, "AccessDenied", "Access Denied")
              : fault_coded(arena, FAULT_DENIED, "MissingAuthenticationToken",
                            "Request is missing Authentication Token");
}

const struct fault *sigv4_wrong_body(struct arena *arena)
{
    return fault_coded(
        arena, FAULT_SYNTAX, "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.");
}
