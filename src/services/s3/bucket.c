/* services/s3/bucket.c - buckets: their names, their record, their place in the world. */
#include "services/s3/bucket.h"

#include "base/json.h"

#define KEY_PREFIX STR("bucket/")

/* Amazon S3 User Guide, "General purpose bucket naming rules". */
bool bucket_name_ok(str name)
{
    if (name.len < 3 || name.len > 63)
        return false;
    size_t digits = 0, dots = 0;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i], before = i ? name.ptr[i - 1] : '.';
        bool word = (c >= 'a' && c <= 'z') || ascii_is_digit(c);
        if (!word && c != '-' && c != '.')
            return false;
        if (!word && (i == 0 || i + 1 == name.len || (c == '.' && before == '.')))
            return false;
        digits += ascii_is_digit(c);
        dots += c == '.';
    }
    bool address = dots == 3 && digits + dots == name.len;
    return !address && !str_starts(name, STR("xn--")) && !str_starts(name, STR("sthree-")) &&
           !str_starts(name, STR("amzn-s3-demo-")) && !str_ends(name, STR("-s3alias")) &&
           !str_ends(name, STR("--ol-s3")) && !str_ends(name, STR(".mrap")) &&
           !str_ends(name, STR("--x-s3")) && !str_ends(name, STR("--table-s3"));
}

str bucket_state_key(struct arena *arena, str name)
{
    return arena_strf(arena, "bucket/" STR_FMT, STR_ARG(name));
}

const struct bucket *bucket_find(const struct world *world, str name)
{
    char key[64 + sizeof("bucket/")];
    if (name.len > 63)
        return NULL;
    memcpy(key, KEY_PREFIX.ptr, KEY_PREFIX.len);
    if (name.len)
        memcpy(key + KEY_PREFIX.len, name.ptr, name.len);
    return world_find(world, (str) { key, KEY_PREFIX.len + name.len });
}

void bucket_encode(const struct bucket *bucket, struct buf *out)
{
    struct json_writer w = json_writer(out);
    json_open(&w, '{');
    json_add_str(&w, "owner", bucket->owner);
    json_add_str(&w, "region", bucket->region);
    json_add_int(&w, "created_ms", bucket->created_ms);
    if (!str_is_none(bucket->policy_text))
        json_add_str(&w, "policy", bucket->policy_text);
    if (bucket->encryption.kind != SSE_NONE) {
        json_name(&w, STR("encryption"));
        json_open(&w, '{');
        json_add_str(&w, "algorithm", sse_kind_name(bucket->encryption.kind));
        if (bucket->encryption.kms_key_id.len)
            json_add_str(&w, "key", bucket->encryption.kms_key_id);
        json_add_bool(&w, "bucket_key", bucket->encryption.bucket_key);
        json_close(&w, '}');
    }
    json_close(&w, '}');
}

const struct fault *bucket_compile(const struct record *record, struct arena *arena,
                                   const void **ret_aggregate)
{
    const struct json *json;
    TRY(json_parse(record->value, arena, &json));
    struct bucket *bucket = ARENA_NEW(arena, struct bucket);
    if (!bucket)
        return &fault_no_memory;
    *bucket = (struct bucket) {
        .name = arena_str(arena, str_from(record->key, KEY_PREFIX.len)),
        .owner = arena_str(arena, json_str(json, "owner")),
        .region = arena_str(arena, json_str(json, "region")),
        .created_ms = json_int(json, "created_ms", 0),
        .policy_text = arena_str(arena, json_str(json, "policy")),
    };
    const struct json *encryption = json_get(json, "encryption");
    bucket->encryption = (struct bucket_encryption) {
        .kind = sse_kind_named(json_str(encryption, "algorithm")),
        .kms_key_id = arena_str(arena, json_str(encryption, "key")),
        .bucket_key = json_bool(encryption, "bucket_key", false),
    };
    if (encryption && bucket->encryption.kind == SSE_NONE)
        return fault(arena, FAULT_SYNTAX, NULL, "a bucket's record has an encryption unknown here");
    if (!account_id_ok(bucket->owner) || !region_name_ok(bucket->region))
        return fault(arena, FAULT_SYNTAX, NULL, "a bucket's record names no owner or no region");
    if (!str_is_none(bucket->policy_text)) {
        struct document *policy = ARENA_NEW(arena, struct document);
        if (!policy)
            return &fault_no_memory;
        TRY(policy_parse(bucket->policy_text, arena, policy));
        bucket->policy = policy;
    }
    *ret_aggregate = bucket;
    return NULL;
}
