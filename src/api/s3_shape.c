/* api/s3_shape.c - what the S3 operations share. */
#include "api/s3_shape.h"

#include "base/digest.h"
#include "base/xml.h"
#include "services/s3/bucket.h"
#include "services/s3/checksums.h"

str s3_canonical_id(str account, struct arena *arena)
{
    char hex[2 * SHA256_SIZE];
    sha256_hex(account, hex);
    return arena_str(arena, (str) { hex, sizeof hex });
}

void s3_write_owner(struct buf *out, str account, struct arena *arena)
{
    xml_open(out, "Owner");
    xml_leaf(out, "ID", s3_canonical_id(account, arena));
    xml_leaf(out, "DisplayName", account);
    xml_close(out, "Owner");
}

/* clang-format off */
static const struct { str name, harmless; } unserved[] = { /* harmless: the value that asks for nothing */
    { STR_INIT("x-amz-server-side-encryption-customer-algorithm"), STR_INIT("")         },
    { STR_INIT("x-amz-storage-class"),                             STR_INIT("STANDARD") },
    { STR_INIT("x-amz-tagging"),                                   STR_INIT("")         },
    { STR_INIT("x-amz-object-lock-mode"),                          STR_INIT("")         },
    { STR_INIT("x-amz-object-lock-retain-until-date"),             STR_INIT("")         },
    { STR_INIT("x-amz-object-lock-legal-hold"),                    STR_INIT("OFF")      },
    { STR_INIT("x-amz-website-redirect-location"),                 STR_INIT("")         },
    { STR_INIT("x-amz-bucket-object-lock-enabled"),                STR_INIT("false")    },
    { STR_INIT("x-amz-object-ownership"),                          STR_INIT("BucketOwnerEnforced") },
    { STR_INIT("x-amz-grant-full-control"),                        STR_INIT("")         },
    { STR_INIT("x-amz-grant-read"),                                STR_INIT("")         },
    { STR_INIT("x-amz-grant-read-acp"),                            STR_INIT("")         },
    { STR_INIT("x-amz-grant-write"),                               STR_INIT("")         },
    { STR_INIT("x-amz-grant-write-acp"),                           STR_INIT("")         },
    { STR_INIT("x-amz-if-match-last-modified-time"),               STR_INIT("")         },
    { STR_INIT("x-amz-if-match-size"),                             STR_INIT("")         },
};
static const str of_puts[] = {
    STR_INIT("x-amz-server-side-encryption"),
    STR_INIT("x-amz-server-side-encryption-aws-kms-key-id"),
    STR_INIT("x-amz-server-side-encryption-context"),
};
/* clang-format on */

static const struct fault *not_implemented(const struct api_call *call)
{
    return fault_coded(call->call.arena, FAULT_UNBUILT, "NotImplemented",
                       "A header you provided implies functionality that is not implemented");
}

static const struct fault *check_acl(const struct api_call *call)
{
    str acl = api_header(call, "x-amz-acl");
    if (acl.len == 0 || str_eq(acl, STR("private")) ||
        str_eq(acl, STR("bucket-owner-full-control")))
        return NULL;
    if (str_is_none(call->key))
        return fault_coded(
            call->call.arena, FAULT_SYNTAX, "InvalidBucketAclWithObjectOwnership",
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting");
    return fault_coded(call->call.arena, FAULT_SYNTAX, "AccessControlListNotSupported",
                       "The bucket does not allow ACLs");
}

bool s3_field_ok(str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static bool is_token(str name) /* RFC 9110 5.6.2 */
{
    for (size_t i = 0; i < name.len; i++)
        if (!ascii_is_alpha(name.ptr[i]) && !ascii_is_digit(name.ptr[i]) &&
            !str_has(STR("!#$%&'*+-.^_`|~"), name.ptr[i]))
            return false;
    return name.len > 0;
}

/* Fields that came in the query were seen by no HTTP parser. */
static const struct fault *check_fields(const struct api_call *call)
{
    for (size_t i = 0; i < call->header_count; i++)
        if (!is_token(call->headers[i].name) || !s3_field_ok(call->headers[i].value))
            return fault_coded(call->call.arena, FAULT_SYNTAX, "InvalidArgument",
                               "The field " STR_FMT " is none that HTTP could carry",
                               STR_ARG(str_head(call->headers[i].name, 64)));
    return NULL;
}

const struct fault *s3_check_headers(const struct api_call *call)
{
    for (size_t i = 0; i < sizeof of_puts / sizeof *of_puts; i++)
        if (api_header(call, of_puts[i].ptr).len)
            return not_implemented(call);
    return s3_check_put_headers(call);
}

const struct fault *s3_check_put_headers(const struct api_call *call)
{
    TRY(check_fields(call));
    for (size_t i = 0; i < sizeof unserved / sizeof *unserved; i++) {
        str value = api_header(call, unserved[i].name.ptr);
        if (value.len && !str_eq_nocase(value, unserved[i].harmless))
            return not_implemented(call);
    }
    str wanted = api_header(call, "x-amz-expected-bucket-owner");
    const struct bucket *bucket = wanted.len ? bucket_find(call->call.world, call->bucket) : NULL;
    if (bucket && !str_eq(bucket->owner, wanted))
        return fault_coded(call->call.arena, FAULT_DENIED, "AccessDenied", "Access Denied");
    return check_acl(call);
}

/* ---- checksums of a body ---- */

#define CHECKSUM STR("x-amz-checksum-")

static const struct fault *invalid_request(const struct api_call *call, const char *says)
{
    return fault_coded(call->call.arena, FAULT_SYNTAX, "InvalidRequest", "%s", says);
}

static bool is_checksum(str name)
{
    return str_starts_nocase(name, CHECKSUM) &&
           !str_eq_nocase(name, STR("x-amz-checksum-algorithm")) &&
           !str_eq_nocase(name, STR("x-amz-checksum-mode")) &&
           !str_eq_nocase(name, STR("x-amz-checksum-type"));
}

static const struct fault *only_one(const struct api_call *call)
{
    return invalid_request(call, "Expecting a single x-amz-checksum- header. Multiple checksum "
                                 "Types are not allowed.");
}

const struct fault *s3_find_checksum(const struct api_call *call, struct s3_checksum *ret_checksum)
{
    struct s3_checksum found = { STR_NONE, STR_NONE };
    for (size_t i = 0; i < call->header_count; i++) {
        const struct header *field = &call->headers[i];
        if (!is_checksum(field->name))
            continue;
        if (!str_is_none(found.algorithm))
            return only_one(call);
        found = (struct s3_checksum) { str_from(field->name, CHECKSUM.len), field->value };
    }
    str trailer = api_header(call, "x-amz-trailer");
    if (!str_is_none(trailer)) {
        if (!is_checksum(trailer) || str_has(trailer, ','))
            return invalid_request(
                call, "The value specified in the x-amz-trailer header is not supported");
        if (!str_is_none(found.algorithm))
            return only_one(call);
        found.algorithm = str_from(trailer, CHECKSUM.len);
    }
    if (str_is_none(found.algorithm) && str_is_none(api_header(call, "content-md5")) &&
        api_header(call, "x-amz-sdk-checksum-algorithm").len)
        return invalid_request(call, "x-amz-sdk-checksum-algorithm specified, but no corresponding "
                                     "x-amz-checksum-* or x-amz-trailer headers were found.");
    *ret_checksum = found;
    return NULL;
}

const struct fault *s3_end_checksum(const struct api_call *call, struct s3_checksum *checksum)
{
    bool awaited = !str_is_none(checksum->algorithm) && str_is_none(checksum->value);
    size_t came = 0;
    for (size_t i = 0; i < call->trailer_count; i++) {
        const struct header *trailer = &call->trailers[i];
        if (!is_checksum(trailer->name))
            continue;
        came++;
        if (awaited && str_eq_nocase(str_from(trailer->name, CHECKSUM.len), checksum->algorithm))
            checksum->value = trailer->value;
    }
    if (came == (awaited ? 1 : 0) &&
        str_is_none(checksum->algorithm) == str_is_none(checksum->value))
        return NULL;
    return fault_coded(call->call.arena, FAULT_SYNTAX, "MalformedTrailerError",
                       "The request contained trailing data that was not well-formed or did not "
                       "conform to our published schema.");
}

static const struct fault *expect(const struct api_call *call, struct checksums *sums,
                                  const struct s3_checksum *checksum)
{
    struct arena *arena = call->call.arena;
    str md5 = api_header(call, "content-md5");
    enum checksum_kind kind;
    if (!str_is_none(md5)) {
        if (!checksums_expect(sums, CHECKSUM_MD5, md5))
            return fault_coded(arena, FAULT_SYNTAX, "InvalidDigest",
                               "The Content-MD5 you specified was invalid.");
        if (!checksums_count(sums, CHECKSUM_MD5))
            return &fault_no_memory;
    }
    if (str_is_none(checksum->algorithm))
        return NULL;
    if (!checksum_kind_of(checksum->algorithm, &kind) || kind == CHECKSUM_MD5)
        return fault_coded(arena, FAULT_UNBUILT, "NotImplemented",
                           "the checksum algorithm " STR_FMT " is not implemented",
                           STR_ARG(checksum->algorithm));
    if (!checksums_expect(sums, kind, checksum->value))
        return fault_coded(arena, FAULT_SYNTAX, "InvalidRequest",
                           "Value for x-amz-checksum-" STR_FMT " header is invalid.",
                           STR_ARG(checksum->algorithm));
    return checksums_count(sums, kind) ? NULL : &fault_no_memory;
}

const struct fault *s3_check_body(const struct api_call *call)
{
    struct checksums sums = { 0 };
    struct s3_checksum checksum;
    TRY(s3_find_checksum(call, &checksum));
    TRY(s3_end_checksum(call, &checksum));
    const struct fault *why = expect(call, &sums, &checksum);
    if (why) {
        checksums_free(&sums);
        return why;
    }
    checksums_add(&sums, call->text);
    return checksums_end(&sums, call->call.arena);
}
