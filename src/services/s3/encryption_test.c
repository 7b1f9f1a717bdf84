/* Objects that lie encrypted: under whose key, by whose leave, and what is told of them. */
#include "services/s3/encryption.h"

#include "base/digest.h"
#include "base/hex.h"
#include "services/stage_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define OWNER "111122223333"
#define KEY   "arn:aws:kms:us-east-1:" OWNER ":key/1234abcd-12ab-34cd-56ef-1234567890ab"

struct kms_double { /* one key that notes how it was asked */
    struct kms_port port;
    const struct fault *makes, *opens;
    unsigned made, opened;
    char key_id[128], context[512], via[64], region[32], opened_context[512];
};

static void note_context(const struct encryption_context *context, char to[512])
{
    to[0] = '\0';
    for (size_t i = 0; i < context->count; i++) {
        size_t at = strlen(to);
        snprintf(to + at, 512 - at, STR_FMT "=" STR_FMT ";", STR_ARG(context->pairs[i].name),
                 STR_ARG(context->pairs[i].value));
    }
}

static const struct fault *make(struct kms_port *port, const struct call *call, str key_id,
                                const struct encryption_context *context, struct data_key *ret)
{
    struct kms_double *k = (struct kms_double *)port;
    k->made++;
    snprintf(k->key_id, sizeof k->key_id, STR_FMT, STR_ARG(key_id));
    snprintf(k->via, sizeof k->via, STR_FMT, STR_ARG(call->caller->via_service));
    snprintf(k->region, sizeof k->region, STR_FMT, STR_ARG(call->region));
    note_context(context, k->context);
    if (k->makes)
        return k->makes;
    *ret = (struct data_key) { .ciphertext = STR("wrapped"), .key_arn = STR(KEY) };
    memset(ret->plaintext, 9, sizeof ret->plaintext);
    return NULL;
}

static const struct fault *open_it(struct kms_port *port, const struct call *call, str key_id,
                                   str ciphertext, const struct encryption_context *context,
                                   str *ret_plaintext)
{
    struct kms_double *k = (struct kms_double *)port;
    k->opened++;
    note_context(context, k->opened_context);
    assert_true(str_eq(key_id, STR(KEY)));
    assert_true(str_eq(ciphertext, STR("wrapped")));
    if (k->opens)
        return k->opens;
    char *bytes = arena_alloc(call->arena, DATA_KEY_SIZE, 1);
    memset(bytes, 9, DATA_KEY_SIZE);
    *ret_plaintext = (str) { bytes, DATA_KEY_SIZE };
    return NULL;
}

struct fixture {
    struct stage stage;
    struct objects *objects;
    struct s3_service *s3;
    struct kms_double kms;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    stage_begin(&f->stage);
    str directory = arena_strf(f->stage.arena, "%s/objects", f->stage.folder.path);
    assert_null(objects_files_open(directory, &f->stage.outside, f->stage.arena, &f->objects));
    assert_null(s3_embedded_open(f->objects, f->stage.state, f->stage.worlds, &f->stage.outside,
                                 f->stage.arena, &f->s3));
    f->kms.port = (struct kms_port) { .generate_data_key = make, .decrypt = open_it };
    f->s3->kms = f->s3->rehearsal_kms = &f->kms.port;
    struct call call = stage_call(&f->stage);
    assert_null(s3_create_bucket(f->s3, &call, STR("mail"), STR_NONE));
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    f->objects->ops->close(f->objects);
    stage_end(&f->stage);
    free(f);
    return 0;
}

static void by_default(struct fixture *f, struct bucket_encryption encryption)
{
    struct call call = stage_call(&f->stage);
    assert_null(s3_put_bucket_encryption(f->s3, &call, STR("mail"), &encryption));
}

struct text_body {
    struct body body;
    str text;
};

static const struct fault *read_text(struct body *body, str *ret)
{
    struct text_body *b = (struct text_body *)body;
    *ret = str_head(b->text, 1000);
    b->text = str_from(b->text, ret->len);
    return NULL;
}

/* As the S3 action puts. */
static const struct fault *put(struct fixture *f, str text, bool multipart)
{
    struct call call = stage_call(&f->stage);
    struct text_body body = { .body = { read_text, text.len }, .text = text };
    return f->s3->port.put_object(&f->s3->port, &call,
                                  &(struct put_object) { .bucket = STR("mail"),
                                                         .key = STR("a/b"),
                                                         .body = &body.body,
                                                         .may_be_multipart = multipart });
}

static const struct fault *get(struct fixture *f, const char *range, str *ret_text,
                               struct object_info *ret_info)
{
    struct call call = stage_call(&f->stage);
    struct s3_object object;
    TRY(s3_get_object(f->s3, &call,
                      &(struct s3_get) { .bucket = STR("mail"),
                                         .key = STR("a/b"),
                                         .with_body = true,
                                         .range = range ? str_of(range) : STR_NONE,
                                         .if_range = STR_NONE,
                                         .if_match = STR_NONE,
                                         .if_none_match = STR_NONE },
                      &object));
    struct buf all = buf_new(8 << 20);
    for (str chunk;;) {
        const struct fault *why = object.body->read(object.body, &chunk);
        if (why) {
            buf_free(&all);
            return why;
        }
        if (!chunk.len)
            break;
        buf_add(&all, chunk);
    }
    assert_int_equal(all.len, object.count);
    *ret_text = arena_str(f->stage.arena, buf_str(&all));
    *ret_info = object.info;
    buf_free(&all);
    return NULL;
}

static str on_disk(struct fixture *f)
{
    str path = arena_strf(f->stage.arena, "%s/objects/mail/a/b", f->stage.folder.path);
    FILE *file = fopen(path.ptr, "rb");
    assert_non_null(file);
    char *bytes = arena_alloc(f->stage.arena, 1 << 20, 1);
    size_t len = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return (str) { bytes, len };
}

static void flip_on_disk(struct fixture *f, long at)
{
    str path = arena_strf(f->stage.arena, "%s/objects/mail/a/b", f->stage.folder.path);
    FILE *file = fopen(path.ptr, "r+b");
    assert_non_null(file);
    fseek(file, at, SEEK_SET);
    int c = fgetc(file);
    fseek(file, at, SEEK_SET);
    fputc(c ^ 1, file);
    fclose(file);
}

static str long_text(struct fixture *f)
{
    char *text = arena_alloc(f->stage.arena, 200000, 1);
    for (size_t i = 0; i < 200000; i++)
        text[i] = (char)('a' + i % 23);
    return (str) { text, 200000 };
}

static void with_sse_s3_the_bytes_lie_sealed_and_the_etag_is_the_texts(void **state)
{
    struct fixture *f = *state;
    str text = long_text(f), back;
    struct object_info info;
    unsigned char md5[MD5_SIZE];
    char etag[2 * MD5_SIZE];
    by_default(f, (struct bucket_encryption) { .kind = SSE_S3 });
    assert_null(put(f, text, true));
    assert_int_equal(f->kms.made, 0);
    str lies = on_disk(f);
    assert_int_equal(lies.len, sealed_size(text.len));
    assert_int_equal(str_find_str(lies, STR("abcdefg")), lies.len);
    assert_null(get(f, NULL, &back, &info));
    assert_true(str_eq(back, text));
    assert_int_equal(info.size, text.len);
    md5_of(text, md5);
    hex_encode(etag, md5, sizeof md5);
    assert_true(str_eq(info.etag, (str) { etag, sizeof etag }));
    static const struct {
        const char *range;
        size_t from, count;
    } ranges[] = { { "bytes=0-9", 0, 10 },
                   { "bytes=65530-65545", 65530, 16 },
                   { "bytes=131072-", 131072, 200000 - 131072 },
                   { "bytes=-7", 199993, 7 } };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        assert_null(get(f, ranges[i].range, &back, &info));
        assert_true(str_eq(back, str_head(str_from(text, ranges[i].from), ranges[i].count)));
    }
    struct call call = stage_call(&f->stage);
    struct object_entry *entries;
    size_t count;
    bool more;
    assert_null(s3_list_objects(f->s3, &call,
                                &(struct s3_list) { .bucket = STR("mail"), .max_keys = 10 },
                                &entries, &count, &more));
    assert_int_equal(count, 1);
    assert_int_equal(entries[0].info.size, text.len);
}

static void what_lies_in_the_clear_before_stays_readable(void **state)
{
    struct fixture *f = *state;
    str back, text = long_text(f); /* a file of its own */
    struct object_info info;
    assert_null(put(f, text, true));
    by_default(f, (struct bucket_encryption) { .kind = SSE_S3 });
    assert_true(str_eq(on_disk(f), text));
    assert_null(get(f, NULL, &back, &info));
    assert_true(str_eq(back, text));
    assert_null(put(f, STR(""), true));
    assert_null(get(f, NULL, &back, &info));
    assert_int_equal(back.len, 0);
}

static void a_flipped_bit_or_a_lost_end_gives_no_more_than_what_was_proven(void **state)
{
    struct fixture *f = *state;
    str back;
    struct object_info info;
    by_default(f, (struct bucket_encryption) { .kind = SSE_S3 });
    assert_null(put(f, long_text(f), true));
    flip_on_disk(f, 70000);
    assert_null(get(f, "bytes=0-65535", &back, &info));
    const struct fault *why = get(f, "bytes=65536-65540", &back, &info);
    assert_non_null(why);
    assert_int_equal(why->kind, FAULT_DEFECT);
    flip_on_disk(f, 70000);
    assert_null(get(f, NULL, &back, &info));
    str path = arena_strf(f->stage.arena, "%s/objects/mail/a/b", f->stage.folder.path);
    assert_int_equal(truncate(path.ptr, 150000), 0);
    assert_non_null(get(f, NULL, &back, &info));
}

static void kms_is_asked_by_way_of_s3_with_s3s_own_context(void **state)
{
    struct fixture *f = *state;
    str back;
    struct object_info info;
    by_default(f, (struct bucket_encryption) { .kind = SSE_KMS, .kms_key_id = STR(KEY) });
    assert_null(put(f, STR("for whom it may"), false));
    assert_string_equal(f->kms.key_id, KEY);
    assert_string_equal(f->kms.context, "aws:s3:arn=arn:aws:s3:::mail/a/b;");
    assert_string_equal(f->kms.via, "s3.us-east-1.amazonaws.com");
    assert_int_equal(f->kms.opened, 0); /* one put in one piece */
    assert_null(get(f, NULL, &back, &info));
    assert_true(str_eq(back, STR("for whom it may")));
    assert_string_equal(f->kms.opened_context, f->kms.context);
    assert_true(
        str_find_str(info.headers_json, STR("\"x-amz-server-side-encryption\":\"aws:kms\"")) <
        info.headers_json.len);
    by_default(f, (struct bucket_encryption) { .kind = SSE_KMS, .bucket_key = true });
    assert_null(put(f, STR("x"), false));
    assert_string_equal(f->kms.key_id, "alias/aws/s3");
    assert_string_equal(f->kms.context, "aws:s3:arn=arn:aws:s3:::mail;");
}

static void a_key_is_looked_for_where_the_bucket_is(void **state)
{
    struct fixture *f = *state;
    struct call call = stage_call(&f->stage);
    assert_null(s3_create_bucket(f->s3, &call, STR("far"), STR("eu-west-1")));
    call = stage_call(&f->stage);
    const struct bucket_encryption own = { .kind = SSE_KMS };
    assert_null(s3_put_bucket_encryption(f->s3, &call, STR("far"), &own));
    call = stage_call(&f->stage);
    struct text_body body = { .body = { read_text, 1 }, .text = STR("x") };
    assert_null(f->s3->port.put_object(
        &f->s3->port, &call,
        &(struct put_object) { .bucket = STR("far"), .key = STR("k"), .body = &body.body }));
    assert_string_equal(f->kms.region, "eu-west-1");
    assert_string_equal(f->kms.via, "s3.eu-west-1.amazonaws.com");
    const struct bucket_encryption elsewhere = { .kind = SSE_KMS, .kms_key_id = STR(KEY) };
    call = stage_call(&f->stage);
    const struct fault *why = s3_put_bucket_encryption(f->s3, &call, STR("far"), &elsewhere);
    assert_non_null(why);
    assert_string_equal(why->code, "KMS.NotFoundException");
}

static void no_key_no_object(void **state)
{
    struct fixture *f = *state;
    static const struct fault denied = { .kind = FAULT_DENIED, .says = STR_INIT("no") };
    static const struct fault off = { .kind = FAULT_CONFLICT,
                                      .code = "DisabledException",
                                      .says = STR_INIT("off") };
    str back;
    struct object_info info;
    by_default(f, (struct bucket_encryption) { .kind = SSE_KMS, .kms_key_id = STR(KEY) });
    f->kms.makes = &denied;
    const struct fault *why = put(f, STR("x"), true);
    assert_string_equal(why->code, "AccessDenied");
    f->kms.makes = &off;
    why = put(f, STR("x"), true);
    assert_string_equal(why->code, "KMS.DisabledException");
    f->kms.makes = NULL;
    f->kms.opens = &denied; /* what may go up in parts must be allowed Decrypt too */
    assert_string_equal(put(f, STR("x"), true)->code, "AccessDenied");
    assert_string_equal(get(f, NULL, &back, &info)->code, "NoSuchKey");
    assert_null(put(f, STR("x"), false));
    assert_string_equal(get(f, NULL, &back, &info)->code, "AccessDenied");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(with_sse_s3_the_bytes_lie_sealed_and_the_etag_is_the_texts,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_lies_in_the_clear_before_stays_readable, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            a_flipped_bit_or_a_lost_end_gives_no_more_than_what_was_proven, set_up, tear_down),
        cmocka_unit_test_setup_teardown(kms_is_asked_by_way_of_s3_with_s3s_own_context, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_key_is_looked_for_where_the_bucket_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_key_no_object, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
