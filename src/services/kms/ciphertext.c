#include "services/kms/ciphertext.h"

#include "aws/arn.h"
#include "services/kms/key.h"

#include <assert.h>
#include <stdlib.h>

enum { FORMAT = 1, ACCOUNT = 12, KEY_ID = 36 };

static bool take(struct cursor *in, size_t len, str *ret)
{
    if (cursor_left(in) < len)
        return false;
    *ret = (str) { in->at, len };
    in->at += len;
    return true;
}

static uint32_t big_endian(str octets)
{
    uint32_t value = 0;
    for (size_t i = 0; i < octets.len; i++)
        value = value << 8 | (unsigned char)octets.ptr[i];
    return value;
}

bool ciphertext_read(str blob, struct ciphertext *ret)
{
    struct cursor in = cursor_of(blob);
    struct ciphertext c;
    str format, length, version;
    if (blob.len > CIPHERTEXT_MAX || !take(&in, 1, &format) || format.ptr[0] != FORMAT ||
        !take(&in, ACCOUNT, &c.account) || !account_id_ok(c.account) || !take(&in, 1, &length) ||
        !take(&in, (unsigned char)length.ptr[0], &c.region) || !region_name_ok(c.region) ||
        !take(&in, KEY_ID, &c.key_id) || !kms_key_id_ok(c.key_id) || !take(&in, 4, &version) ||
        !take(&in, CIPHERTEXT_SALT, &c.salt) || !take(&in, CIPHERTEXT_NONCE, &c.nonce) ||
        cursor_left(&in) < CIPHERTEXT_TAG)
        return false;
    c.version = big_endian(version);
    c.head = str_head(blob, blob.len - cursor_left(&in));
    c.sealed = str_from(blob, c.head.len);
    *ret = c;
    return true;
}

static void put_number(struct buf *out, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_addc(out, (char)(value >> shift & 0xff));
}

void ciphertext_write_head(const struct ciphertext *c, struct buf *out)
{
    assert(c->account.len == ACCOUNT && c->key_id.len == KEY_ID && c->region.len <= 255 &&
           "account, key and region have been looked up");
    buf_addc(out, FORMAT);
    buf_add(out, c->account);
    buf_addc(out, (char)c->region.len);
    buf_add(out, c->region);
    buf_add(out, c->key_id);
    put_number(out, c->version);
    buf_add(out, c->salt);
    buf_add(out, c->nonce);
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct header *)a)->name, ((const struct header *)b)->name);
}

static void put_text(struct buf *out, str text)
{
    put_number(out, (uint32_t)text.len);
    buf_add(out, text);
}

void ciphertext_write_aad(str head, str key_arn, const struct encryption_context *context,
                          struct buf *out)
{
    struct header sorted[ENCRYPTION_CONTEXT_PAIRS];
    assert(context->count <= ENCRYPTION_CONTEXT_PAIRS && "who took the context counted its pairs");
    if (context->count) {
        memcpy(sorted, context->pairs, context->count * sizeof sorted[0]);
        qsort(sorted, context->count, sizeof sorted[0], by_name);
    }
    put_text(out, head);
    put_text(out, key_arn);
    for (size_t i = 0; i < context->count; i++) {
        put_text(out, sorted[i].name);
        put_text(out, sorted[i].value);
    }
}
