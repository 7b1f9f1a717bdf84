/* Any octets as the fields of a token: what can be read is written the same again, and a token of
 * it opens with its own key and access key id alone; any text as a token opens nothing. */
#include "services/sts/session.h"

#include <assert.h>

static void fill(struct entropy *entropy, void *bytes, size_t size)
{
    (void)entropy;
    memset(bytes, 7, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char key[CIPHER_KEY_SIZE] = { 1, 2, 3 }, other[CIPHER_KEY_SIZE] = { 4 };
    str input = { (const char *)data, size };
    AUTO_ARENA *arena = arena_new(16 * 1024 * 1024);
    struct session session, again;
    assert(!arena || !session_open(input, key, STR("ASIAX"), arena, &again));
    if (!arena || !session_read(input, arena, &session))
        return 0;
    AUTO_BUF out = buf_new(1024 * 1024);
    session_write(&session, &out);
    assert(!out.failed && str_eq(buf_str(&out), input) && "each session has one spelling");
    struct entropy entropy = { fill };
    str token = session_seal(&session, key, STR("ASIAX"), &entropy, arena);
    if (str_is_none(token))
        return 0;
    assert(session_open(token, key, STR("ASIAX"), arena, &again));
    assert(str_eq(again.principal_arn, session.principal_arn));
    assert(!session_open(token, key, STR("ASIAY"), arena, &again));
    assert(!session_open(token, other, STR("ASIAX"), arena, &again));
    return 0;
}
