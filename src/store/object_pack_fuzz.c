/* Any bytes are a frame or none; a frame that reads back says what was put in, and one that was
 * changed does not. */
#include "store/object_pack.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void look_at(str bytes, struct arena *arena)
{
    struct pack_frame frame;
    struct object_row row;
    size_t frame_size = pack_frame_size(bytes);
    must(frame_size <= PACK_FRAME_MAX);
    if (!pack_frame_read(bytes, &frame))
        return;
    must(frame.head.len + frame.body.len == frame_size && frame_size <= bytes.len);
    if (!pack_frame_row(&frame, arena, &row)) /* its words may stand in another order */
        must(row.key.len + row.bucket.len <= frame.head.len);
}

/* The key, the bytes: what comes before the first line end, and what follows. */
static void write_and_read(str bytes, struct arena *arena)
{
    str key, body;
    struct pack_frame frame;
    struct object_row read;
    str_cut(bytes, '\n', &key, &body);
    struct object_row row = { .bucket = STR("mail"),
                              .key = key,
                              .path = STR_NONE,
                              .info = { .size = bytes.len,
                                        .modified_ms = 1000,
                                        .etag = STR("0123456789abcdef0123456789abcdef"),
                                        .headers_json =
                                            STR("{\"content-type\":\"text/plain\"}") } };
    if (!pack_takes(&row, body.len))
        return;
    str head = pack_head(&row, body, arena);
    must(head.len > 0);
    char *all = arena_alloc(arena, head.len + body.len, 1);
    memcpy(all, head.ptr, head.len);
    if (body.len)
        memcpy(all + head.len, body.ptr, body.len);
    str whole = { all, head.len + body.len };
    must(pack_frame_size(whole) == whole.len && pack_frame_read(whole, &frame));
    must(str_eq(frame.body, body) && pack_frame_is(&frame, &row));
    must(!pack_frame_row(&frame, arena, &read) && pack_frame_is(&frame, &read));
    must(str_eq(read.key, key));
    must(!pack_frame_read(str_head(whole, whole.len - 1), &frame));
    all[bytes.len % whole.len] ^= 1;
    must(!pack_frame_read(whole, &frame));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str bytes = { (const char *)data, size };
    struct arena *arena = arena_new(4 << 20);
    if (size <= PACK_FRAME_MAX && arena) {
        look_at(bytes, arena);
        write_and_read(bytes, arena);
    }
    arena_free(arena);
    return 0;
}
