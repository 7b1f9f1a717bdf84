#include "receive/encrypt.h"

#include "base/base64.h"
#include "base/cipher.h"
#include "base/digest.h"
#include "base/json.h"

enum { PIECE = 64 * 1024, PAIRS = 4, MATERIAL_MAX = 16 * 1024 };

struct ciphertext {
    struct body body;
    struct body *plain;
    struct cipher *cipher;
    str unread;    /* of the plaintext's last chunk */
    uint64_t left; /* of the plaintext */
    bool tagged;
    unsigned char piece[PIECE];
};

static const struct fault not_as_long = {
    .kind = FAULT_DEFECT, .says = STR_INIT("a message is not as long as it was said to be")
};

static const struct fault *read_piece(struct body *body, str *ret_chunk)
{
    struct ciphertext *c = (struct ciphertext *)body;
    if (!c->unread.len && c->left) {
        TRY(c->plain->read(c->plain, &c->unread));
        if (c->unread.len > c->left || !c->unread.len)
            return &not_as_long;
    }
    size_t size = c->unread.len < PIECE ? c->unread.len : PIECE;
    if (size) {
        cipher_add(c->cipher, str_head(c->unread, size), c->piece);
        c->unread = str_from(c->unread, size);
        c->left -= size;
    } else if (!c->tagged) {
        cipher_tag(c->cipher, c->piece);
        size = CIPHER_TAG_SIZE;
        c->tagged = true;
    }
    *ret_chunk = (str) { (const char *)c->piece, size };
    return NULL;
}

static void free_cipher(void *cipher)
{
    cipher_free(cipher);
}

static str in_base64(str bytes, struct arena *a)
{
    AUTO_BUF text = buf_new(BASE64_LEN(bytes.len) + 1);
    base64_encode(&text, bytes);
    return text.failed ? STR_NONE : arena_str(a, buf_str(&text));
}

/* {"aws:ses:message-id":"..","aws:ses:rule-name":"..","aws:ses:source-account":"..",
 * "kms_cmk_id":".."}: compact, in this order. */
static str material_description(const struct header pairs[PAIRS], struct arena *a)
{
    AUTO_BUF text = buf_new(MATERIAL_MAX);
    struct json_writer w = json_writer(&text);
    json_open(&w, '{');
    for (size_t i = 0; i < PAIRS; i++) {
        json_name(&w, pairs[i].name);
        json_put_str(&w, pairs[i].value);
    }
    json_close(&w, '}');
    return text.failed ? STR_NONE : arena_str(a, buf_str(&text));
}

static const struct fault *describe(struct encrypted *e, str wrapped_key, str iv, str material,
                                    uint64_t plain_size, struct arena *a)
{
    const struct header metadata[ENCRYPTED_METADATA] = {
        { STR("x-amz-key-v2"), in_base64(wrapped_key, a) },
        { STR("x-amz-iv"), in_base64(iv, a) },
        { STR("x-amz-cek-alg"), STR("AES/GCM/NoPadding") },
        { STR("x-amz-wrap-alg"), STR("kms") },
        { STR("x-amz-tag-len"), STR("128") },
        { STR("x-amz-unencrypted-content-length"),
          arena_strf(a, "%llu", (unsigned long long)plain_size) },
        { STR("x-amz-matdesc"), material },
    };
    for (size_t i = 0; i < ENCRYPTED_METADATA; i++) {
        e->metadata[i] = metadata[i];
        if (!metadata[i].value.ptr)
            return &fault_no_memory;
    }
    return NULL;
}

const struct fault *encrypt_body(const struct acting *as, const struct caller *caller,
                                 str kms_key_arn, struct body *plain,
                                 struct encrypted *ret_encrypted)
{
    const struct header pairs[PAIRS] = {
        { STR("aws:ses:message-id"), as->message_id },
        { STR("aws:ses:rule-name"), as->rule->name },
        { STR("aws:ses:source-account"), as->account },
        { STR("kms_cmk_id"), kms_key_arn },
    };
    const struct encryption_context context = { .pairs = pairs, .count = PAIRS };
    const struct call call = acting_call(as, caller);
    struct data_key key;
    TRY(as->ports->kms->generate_data_key(as->ports->kms, &call, kms_key_arn, &context, &key));

    unsigned char iv[CIPHER_NONCE_SIZE];
    as->entropy->fill(as->entropy, iv, sizeof iv);
    struct ciphertext *c = ARENA_NEW(as->arena, struct ciphertext);
    struct cipher *cipher = cipher_encrypt(key.plaintext, iv, STR(""));
    bytes_forget(key.plaintext, sizeof key.plaintext);
    if (!c || !arena_on_reset(as->arena, free_cipher, cipher)) {
        cipher_free(cipher);
        return &fault_no_memory;
    }
    c->body = (struct body) { .read = read_piece, .size = plain->size + CIPHER_TAG_SIZE };
    c->plain = plain;
    c->cipher = cipher;
    c->left = plain->size;
    ret_encrypted->body = &c->body;
    return describe(ret_encrypted, key.ciphertext, (str) { (const char *)iv, sizeof iv },
                    material_description(pairs, as->arena), plain->size, as->arena);
}
