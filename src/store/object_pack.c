/* store/object_pack.c - frames of packs: written, measured, checked, read. */
#include "store/object_pack.h"

#include "base/crc.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/utf8.h"

#include <stdio.h>

#define MAGIC "sesame-object 1 "
enum {
    MAGIC_LEN = sizeof MAGIC - 1,
    DIGITS = 8,
    AT_HEAD = MAGIC_LEN,
    AT_BODY = AT_HEAD + DIGITS + 1,
    AT_SUM = AT_BODY + DIGITS + 1,
    LINE = AT_SUM + DIGITS + 1,
};

bool pack_takes(const struct object_row *row, uint64_t body_size)
{
    return body_size <= PACK_BODY_MAX && utf8_valid(row->key) &&
           !memchr(row->key.ptr, 0, row->key.len) &&
           row->key.len + row->bucket.len + row->info.headers_json.len < PACK_HEAD_MAX / 8;
}

/* The second line. */
static void say(const struct object_row *row, struct buf *to)
{
    struct json_writer w = json_writer(to);
    json_open(&w, '{');
    json_add_str(&w, "bucket", row->bucket);
    json_add_str(&w, "key", row->key);
    json_add_int(&w, "modified", row->info.modified_ms);
    json_add_int(&w, "size", (int64_t)row->info.size);
    json_add_str(&w, "etag", row->info.etag);
    json_add_raw(&w, "headers", row->info.headers_json);
    json_close(&w, '}');
    buf_addc(to, '\n');
}

static uint32_t sum_of(str line, str said, str body)
{
    uint32_t sum = crc32c(0, line.ptr, AT_SUM);
    sum = crc32c(sum, said.ptr, said.len);
    return crc32c(sum, body.ptr, body.len);
}

str pack_head(const struct object_row *row, str body, struct arena *arena)
{
    AUTO_BUF said = buf_new(PACK_HEAD_MAX - LINE);
    char line[LINE + 1];
    say(row, &said);
    if (said.failed || body.len > PACK_BODY_MAX)
        return STR_NONE;
    snprintf(line, sizeof line, MAGIC "%08zx %08zx ", LINE + said.len, body.len);
    uint32_t sum = sum_of((str) { line, AT_SUM }, buf_str(&said), body);
    snprintf(line + AT_SUM, sizeof line - AT_SUM, "%08x\n", sum);
    char *head = arena_alloc(arena, LINE + said.len, 1);
    if (!head)
        return STR_NONE;
    memcpy(head, line, LINE);
    memcpy(head + LINE, said.ptr, said.len);
    return (str) { head, LINE + said.len };
}

static bool number_at(str line, size_t at, uint32_t *ret)
{
    unsigned char octets[DIGITS / 2];
    if (!hex_decode(octets, (str) { line.ptr + at, DIGITS }))
        return false;
    *ret = (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 | (uint32_t)octets[2] << 8 |
           octets[3];
    return true;
}

static bool lengths_of(str bytes, uint32_t *ret_head, uint32_t *ret_body)
{
    return bytes.len >= LINE && str_starts(bytes, STR(MAGIC)) && bytes.ptr[AT_BODY - 1] == ' ' &&
           bytes.ptr[AT_SUM - 1] == ' ' && bytes.ptr[LINE - 1] == '\n' &&
           number_at(bytes, AT_HEAD, ret_head) && number_at(bytes, AT_BODY, ret_body) &&
           *ret_head > LINE && *ret_head <= PACK_HEAD_MAX && *ret_body <= PACK_BODY_MAX;
}

size_t pack_frame_size(str bytes)
{
    uint32_t head, body;
    return lengths_of(bytes, &head, &body) ? (size_t)head + body : 0;
}

bool pack_frame_read(str bytes, struct pack_frame *ret_frame)
{
    uint32_t head, body, sum;
    if (!lengths_of(bytes, &head, &body) || bytes.len < (size_t)head + body ||
        !number_at(bytes, AT_SUM, &sum))
        return false;
    *ret_frame = (struct pack_frame) { { bytes.ptr, head }, { bytes.ptr + head, body } };
    return sum == sum_of(bytes, str_from(ret_frame->head, LINE), ret_frame->body);
}

bool pack_frame_is(const struct pack_frame *frame, const struct object_row *row)
{
    AUTO_BUF said = buf_new(PACK_HEAD_MAX);
    say(row, &said);
    return !said.failed && str_eq(buf_str(&said), str_from(frame->head, LINE));
}

const struct fault *pack_frame_row(const struct pack_frame *frame, struct arena *arena,
                                   struct object_row *ret_row)
{
    const struct json *said;
    TRY(json_parse(str_from(frame->head, LINE), arena, &said));
    AUTO_BUF headers = buf_new(PACK_HEAD_MAX);
    struct json_writer w = json_writer(&headers);
    json_put_value(&w, json_get(said, "headers"));
    *ret_row = (struct object_row) {
        .bucket = json_str(said, "bucket"),
        .key = json_str(said, "key"),
        .path = STR_NONE,
        .info = { .size = (uint64_t)json_int(said, "size", 0),
                  .modified_ms = json_int(said, "modified", 0),
                  .etag = json_str(said, "etag"),
                  .headers_json = arena_str(arena, buf_str(&headers)) },
    };
    if (str_is_none(ret_row->bucket) || str_is_none(ret_row->key) ||
        str_is_none(ret_row->info.etag) || json_kind(json_get(said, "headers")) != JSON_OBJECT ||
        json_int(said, "size", -1) < 0)
        return fault(arena, FAULT_SYNTAX, NULL, "the head of a packed object does not name it");
    return str_is_none(ret_row->info.headers_json) ? &fault_no_memory : NULL;
}
