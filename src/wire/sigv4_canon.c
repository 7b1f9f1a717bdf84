/* wire/sigv4_canon.c - the canonical request, the string to sign, the key and the signature: values
 * into values. IAM User Guide, "Create a signed AWS API request". */
#include "base/buf.h"
#include "base/hex.h"
#include "base/percent.h"
#include "wire/sigv4.h"

#include <stdlib.h>

enum { CANONICAL_MAX = 512 * 1024, PAIRS_MAX = 1000 };

struct pair {
    str name, value;
};

str sigv4_field(const struct sigv4_request *r, str name)
{
    for (size_t i = 0; i < r->field_count; i++)
        if (str_eq_nocase(r->fields[i].name, name))
            return r->fields[i].value.ptr ? r->fields[i].value : STR("");
    return STR_NONE;
}

/* Every other service than S3 signs the path without empty and dot segments (RFC 3986 5.2.4). */
static str normalise(str path, struct arena *arena)
{
    char *to = arena_alloc(arena, path.len + 2, 1);
    size_t len = 0;
    bool slash = path.len == 0;
    if (!to)
        return STR_NONE;
    for (str rest = path, segment; rest.len; rest = str_from(rest, segment.len + 1)) {
        segment = str_head(rest, str_find(rest, '/'));
        slash = true; /* whatever is no name leaves the path ending in a slash */
        if (segment.len == 0 || str_eq(segment, STR(".")))
            continue;
        if (str_eq(segment, STR(".."))) {
            while (len && to[--len] != '/')
                ;
            continue;
        }
        to[len++] = '/';
        memcpy(to + len, segment.ptr, segment.len);
        len += segment.len;
        slash = segment.len < rest.len; /* a name and a slash behind it */
    }
    if (slash)
        to[len++] = '/';
    return (str) { to, len };
}

static bool add_path(struct buf *out, str path, enum sigv4_canon canon, bool s3,
                     struct arena *arena)
{
    if (path.len == 0)
        path = STR("/");
    if (!s3)
        path = normalise(path, arena);
    if (str_is_none(path))
        return false;
    AUTO_BUF again = buf_new(CANONICAL_MAX);
    if (canon == SIGV4_RE_ENCODED) {
        if (!percent_decode(path, false, arena, &path))
            return false;
        percent_encode(&again, path, PERCENT_KEEP_SLASH);
        path = buf_str(&again);
    }
    if (s3)
        buf_add(out, path);
    else
        percent_encode(out, path,
                       PERCENT_KEEP_SLASH); /* a second time: only S3 keys are signed as sent */
    return !again.failed;
}

static int by_name_and_value(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int order = str_cmp(x->name, y->name);
    return order ? order : str_cmp(x->value, y->value);
}

static bool re_encode(str *text, struct arena *arena)
{
    AUTO_BUF out = buf_new(CANONICAL_MAX);
    if (!percent_decode(*text, true, arena, text))
        return false;
    percent_encode(&out, *text, PERCENT_ALL);
    *text = arena_str(arena, buf_str(&out));
    return !out.failed && text->ptr;
}

static bool add_query(struct buf *out, str query, enum sigv4_canon canon, struct arena *arena)
{
    struct pair *pairs = NULL;
    size_t count = 0, most = 1;
    for (size_t i = 0; i < query.len; i++)
        most += query.ptr[i] == '&';
    if (most > PAIRS_MAX || !(pairs = ARENA_ARRAY(arena, struct pair, most)))
        return false;
    for (str one, rest; query.len; query = rest) {
        str_cut(query, '&', &one, &rest);
        struct pair p;
        if (!str_cut(one, '=', &p.name, &p.value))
            p.value = STR("");
        if (one.len == 0 || str_eq(p.name, STR("X-Amz-Signature")))
            continue;
        if (canon == SIGV4_RE_ENCODED &&
            (!re_encode(&p.name, arena) || !re_encode(&p.value, arena)))
            return false;
        pairs[count++] = p;
    }
    if (count)
        qsort(pairs, count, sizeof(*pairs), by_name_and_value);
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_addc(out, '&');
        buf_add(out, pairs[i].name);
        buf_addc(out, '=');
        buf_add(out, pairs[i].value);
    }
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Without blanks at the ends, each run of them inside as one. */
static void add_value(struct buf *out, str value)
{
    bool pending = false, begun = false;
    for (size_t i = 0; i < value.len; i++) {
        if (is_blank(value.ptr[i])) {
            pending = begun;
            continue;
        }
        if (pending)
            buf_addc(out, ' ');
        pending = false;
        begun = true;
        buf_addc(out, value.ptr[i]);
    }
}

static void add_field(struct buf *out, const struct sigv4_request *r, str name)
{
    bool second = false;
    buf_add(out, name);
    buf_addc(out, ':');
    for (size_t i = 0; i < r->field_count; i++) {
        if (!str_eq_nocase(r->fields[i].name, name))
            continue;
        if (second)
            buf_addc(out, ',');
        add_value(out, r->fields[i].value);
        second = true;
    }
    buf_addc(out, '\n');
}

str sigv4_canonical_request(const struct sigv4_request *r, enum sigv4_canon canon, bool s3,
                            str signed_headers, str payload_hash, struct arena *arena)
{
    AUTO_BUF out = buf_new(CANONICAL_MAX);
    buf_add(&out, r->method);
    buf_addc(&out, '\n');
    if (!add_path(&out, r->raw_path, canon, s3, arena))
        return STR_NONE;
    buf_addc(&out, '\n');
    if (!add_query(&out, r->raw_query, canon, arena))
        return STR_NONE;
    buf_addc(&out, '\n');
    for (str name, rest, names = signed_headers; names.len; names = rest) {
        str_cut(names, ';', &name, &rest);
        add_field(&out, r, name);
    }
    buf_addc(&out, '\n');
    buf_add(&out, signed_headers);
    buf_addc(&out, '\n');
    buf_add(&out, payload_hash);
    return out.failed ? STR_NONE : arena_str(arena, buf_str(&out));
}

str sigv4_string_to_sign(str date, str region, str service, str canonical_request,
                         struct arena *arena)
{
    char hash[2 * SHA256_SIZE];
    sha256_hex(canonical_request, hash);
    return arena_strf(
        arena, "AWS4-HMAC-SHA256\n" STR_FMT "\n%.8s/" STR_FMT "/" STR_FMT "/aws4_request\n%.64s",
        STR_ARG(date), date.len >= 8 ? date.ptr : "        ", STR_ARG(region), STR_ARG(service),
        hash);
}

static void derive(str secret, str day, str region, str service, unsigned char key[SHA256_SIZE])
{
    AUTO_BUF first = buf_new(SIZE_MAX / 4);
    buf_add(&first, STR("AWS4"));
    buf_add(&first, secret);
    if (first.failed) { /* no memory: a key nobody has */
        memset(key, 0, SHA256_SIZE);
        hmac_sha256(STR("no memory"), secret, key);
        return;
    }
    hmac_sha256(buf_str(&first), day, key);
    hmac_sha256((str) { (char *)key, SHA256_SIZE }, region, key);
    hmac_sha256((str) { (char *)key, SHA256_SIZE }, service, key);
    hmac_sha256((str) { (char *)key, SHA256_SIZE }, STR("aws4_request"), key);
    bytes_forget(first.ptr, first.room);
}

void sigv4_key(struct sigv4_keys *keys, str secret, str day, str region, str service,
               unsigned char ret_key[SHA256_SIZE])
{
    const str parts[] = { secret, day, region, service };
    char of[sizeof(keys->slots[0].of)];
    size_t len = 0, hash = 5381;
    for (size_t i = 0; i < 4; i++) {
        if (!keys || parts[i].len >= sizeof(of) - len) {
            derive(secret, day, region, service, ret_key);
            return;
        }
        if (parts[i].len)
            memcpy(of + len, parts[i].ptr, parts[i].len);
        len += parts[i].len;
        of[len++] = '\0';
    }
    for (size_t i = 0; i < len; i++)
        hash = hash * 33 + (unsigned char)of[i];
    size_t slot = (hash ^ hash >> 8) % (sizeof(keys->slots) / sizeof(keys->slots[0]));
    if (keys->slots[slot].len != len || memcmp(keys->slots[slot].of, of, len) != 0) {
        derive(secret, day, region, service, keys->slots[slot].key);
        memcpy(keys->slots[slot].of, of, len);
        keys->slots[slot].len = len;
    }
    memcpy(ret_key, keys->slots[slot].key, SHA256_SIZE);
    bytes_forget(of, sizeof(of));
}

void sigv4_signature(const unsigned char key[SHA256_SIZE], str string_to_sign,
                     char ret_hex[2 * SHA256_SIZE])
{
    unsigned char sum[SHA256_SIZE];
    hmac_sha256((str) { (const char *)key, SHA256_SIZE }, string_to_sign, sum);
    hex_encode(ret_hex, sum, sizeof(sum));
}
