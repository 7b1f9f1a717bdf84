/* api/s3_shape.c - what the S3 operations share. */
#include "api/s3_shape.h"

#include "base/digest.h"
#include "base/xml.h"
#include "services/s3/bucket.h"

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
    { STR_INIT("x-amz-server-side-encryption"),                    STR_INIT("")         },
    { STR_INIT("x-amz-server-side-encryption-aws-kms-key-id"),     STR_INIT("")         },
    { STR_INIT("x-amz-server-side-encryption-customer-algorithm"), STR_INIT("")         },
    { STR_INIT("x-amz-server-side-encryption-context"),            STR_INIT("")         },
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
};
/* clang-format on */

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

const struct fault *s3_check_headers(const struct api_call *call)
{
    for (size_t i = 0; i < sizeof unserved / sizeof *unserved; i++) {
        str value = api_header(call, unserved[i].name.ptr);
        if (value.len && !str_eq_nocase(value, unserved[i].harmless))
            return fault_coded(
                call->call.arena, FAULT_UNBUILT, "NotImplemented",
                "A header you provided implies functionality that is not implemented");
    }
    str wanted = api_header(call, "x-amz-expected-bucket-owner");
    const struct bucket *bucket = wanted.len ? bucket_find(call->call.world, call->bucket) : NULL;
    if (bucket && !str_eq(bucket->owner, wanted))
        return fault_coded(call->call.arena, FAULT_DENIED, "AccessDenied", "Access Denied");
    return check_acl(call);
}
