/* An explanation says what the vectors say, and all that led to it. */
#include "policy/explanation.h"
#include "policy/mend_suite.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const struct spans *parsed(str json, struct arena *arena)
{
    const struct spans *root;
    const struct fault *fault = spans_parse(json, SPANS_STRICT, arena, &root);
    if (fault)
        fail_msg(STR_FMT ": " STR_FMT, STR_ARG(fault->says), STR_ARG(json));
    return root;
}

static struct question *question_of(const struct spans *step, str line, struct arena *arena)
{
    struct question *q;
    assert_null(question_read((struct written) { line, spans_get(step, STR("request")) },
                              (struct written) { line, spans_get(step, STR("policies")) }, arena,
                              &q));
    return q;
}

static bool lists(const struct spans *list, str name)
{
    for (const struct spans *one = list ? list->first : NULL; one; one = one->next) {
        if (str_eq(one->text, name))
            return true;
    }
    return false;
}

static void same_list(const struct spans *got, const struct spans *want, str id)
{
    bool same = (got ? got->count : 0) == (want ? want->count : 0);
    for (const struct spans *one = want ? want->first : NULL; one; one = one->next)
        same = same && lists(got, one->text);
    if (!same)
        fail_msg(STR_FMT ": other statements match", STR_ARG(id));
}

/* Every statement is told of, with its first failing element unless it applies; and those that are
 * listed as matched are those that apply. */
static void trace_is_whole(const struct spans *told, const struct question *q, str id)
{
    size_t statements = 0, applying = 0;
    for (size_t i = 0; i < q->exhibit_count; i++) {
        const enum exhibit_kind kind = q->exhibits[i].kind;
        if (kind != EXHIBIT_IDENTITY && kind != EXHIBIT_RESOURCE && kind != EXHIBIT_TRUST)
            continue;
        statements += q->exhibits[i].document ? q->exhibits[i].document->statement_count : 0;
    }
    const struct spans *matched = spans_get(told, STR("matched"));
    for (const struct spans *one = spans_get(told, STR("trace"))->first; one; one = one->next) {
        const str policy = spans_get(one, STR("policy"))->text;
        const bool applies = spans_true(spans_get(one, STR("applies")));
        if (applies == (spans_get(one, STR("element")) != NULL))
            fail_msg(STR_FMT ": a statement applies and does not", STR_ARG(id));
        if (!str_starts(policy, STR("identity")) && !str_eq(policy, STR("resource")) &&
            !str_eq(policy, STR("trust")))
            continue;
        statements--;
        applying += applies;
    }
    assert_int_equal(statements, 0);
    assert_int_equal(applying, spans_get(matched, STR("allow"))->count +
                                   spans_get(matched, STR("deny"))->count);
}

static void explain_step(const struct spans *step, const struct spans *blame, str line, str id,
                         struct arena *arena)
{
    struct question *q = question_of(step, line, arena);
    AUTO_BUF out = buf_new(1 << 20);
    enum verdict verdict;
    assert_true(
        explanation_write(&q->request, q->exhibits, q->exhibit_count, arena, &out, &verdict));
    const str json = buf_str(&out);
    const struct spans *told = parsed(json, arena);
    assert_true(str_eq(spans_get(told, STR("expect"))->text, verdict_name(verdict)));
    assert_true(str_eq(spans_get(told, STR("expect"))->text, spans_get(step, STR("expect"))->text));
    const struct spans *matched = spans_get(step, STR("matched"));
    for (size_t i = 0; matched && i < 2; i++) {
        const str effect = i ? STR("deny") : STR("allow");
        same_list(spans_get(spans_get(told, STR("matched")), effect), spans_get(matched, effect),
                  id);
    }
    trace_is_whole(told, q, id);
    for (const struct spans *want = blame ? blame->first : NULL; want; want = want->next) {
        const struct spans *got = spans_get(spans_get(told, STR("blame")), want->name);
        if (str_eq(want->name, STR("got")) &&
            str_eq(spans_get(blame, STR("element"))->text, STR("Statement")))
            continue; /* in words of its own */
        const bool text = got && got->text.ptr && want->text.ptr;
        if (!got || (text && !str_eq(got->text, want->text)))
            fail_msg(STR_FMT ": blame, " STR_FMT, STR_ARG(id), STR_ARG(want->name));
    }
    AUTO_BUF page = buf_new(1 << 20);
    explanation_print(told, json, "  ", &page);
    assert_false(page.failed);
    assert_true(str_starts(buf_str(&page), STR("  ")));
}

static size_t explain_line(str line)
{
    AUTO_ARENA *arena = arena_new(64 << 20);
    const struct spans *root = parsed(line, arena), *steps = spans_get(root, STR("steps"));
    if (str_eq(spans_get(root, STR("confidence")) ? spans_get(root, STR("confidence"))->text
                                                  : STR("none"),
               STR("B")))
        return 0;
    const str id = spans_get(root, STR("id"))->text;
    if (!steps && !spans_get(root, STR("request")))
        return 0;
    if (!steps)
        explain_step(root, NULL, line, id, arena);
    const struct spans *denied_at = spans_get(root, STR("denied_at"));
    uint64_t at = 0, denied = UINT64_MAX;
    if (denied_at && denied_at->text.ptr)
        str_u64(denied_at->text, &denied);
    for (const struct spans *step = steps ? steps->first : NULL; step; step = step->next, at++)
        explain_step(step, at == denied ? spans_get(root, STR("blame")) : NULL, line, id, arena);
    return 1;
}

static int is_vectors(const struct dirent *entry)
{
    return str_ends(str_of(entry->d_name), STR(".jsonl"));
}

static void each_vector_is_explained_in_its_own_words(void **state)
{
    (void)state;
    struct dirent **entries;
    size_t explained = 0;
    const int files = scandir(VECTORS, &entries, is_vectors, alphasort);
    assert_true(files > 0);
    for (int i = 0; i < files; i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", VECTORS, entries[i]->d_name);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        char *line = NULL;
        size_t room = 0;
        ssize_t len;
        while ((len = getline(&line, &room, file)) > 0)
            explained += explain_line(str_trim((str) { line, (size_t)len - 1 }));
        free(line);
        fclose(file);
        free(entries[i]);
    }
    free(entries);
    assert_true(explained > 5000);
}

static const char two_policies[] =
    "{\"request\":{\"principal\":\"ses.amazonaws.com\",\"action\":\"s3:PutObject\",\"resource\":"
    "\"arn:aws:s3:::mail/x\",\"resource_account\":\"111122223333\",\"context\":{"
    "\"aws:SourceAccount\":\"111122223333\"}},\"policies\":{\"identity\":[{\"Statement\":{"
    "\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}}],\"resource\":{\"Statement\":["
    "{\"Sid\":\"Puts\",\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ses.amazonaws.com\"},"
    "\"Action\":\"s3:PutObject\",\"Resource\":\"arn:aws:s3:::mail/*\",\"Condition\":{"
    "\"StringEquals\":{\"aws:SourceAccount\":\"444455556666\"},\"Null\":{\"aws:SourceArn\":false}}}"
    ",{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"s3:Get*\",\"Resource\":\"*\"}]}}}";

static void an_explanation_reads_like_this(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(16 << 20);
    const str line = str_of(two_policies);
    struct question *q = question_of(parsed(line, arena), line, arena);
    AUTO_BUF out = buf_new(1 << 16), page = buf_new(1 << 16);
    enum verdict verdict;
    assert_true(
        explanation_write(&q->request, q->exhibits, q->exhibit_count, arena, &out, &verdict));
    assert_string_equal(
        arena_cstr(arena, buf_str(&out)),
        "{\"expect\":\"ImplicitDeny\",\"principal\":\"ses.amazonaws.com\",\"action\":\"s3:"
        "PutObject\","
        "\"resource\":\"arn:aws:s3:::mail/"
        "x\",\"matched\":{\"allow\":[\"identity[0].0\"],\"deny\":[]},"
        "\"blame\":{\"policy\":\"resource\",\"sid\":\"Puts\",\"element\":\"Condition\","
        "\"operator\":"
        "\"StringEquals\",\"key\":\"aws:SourceAccount\",\"wanted\":\"444455556666\",\"got\":"
        "\"111122223333\"},\"sentence\":\"ses.amazonaws.com may not s3:PutObject on "
        "arn:aws:s3:::mail/x: statement \\\"Puts\\\" of the resource's policy wants "
        "aws:SourceAccount = 444455556666, the request has 111122223333\",\"aws_sentence\":\"User: "
        "ses.amazonaws.com is not authorized to perform: s3:PutObject on resource: "
        "\\\"arn:aws:s3:::mail/x\\\" because no resource-based policy allows the s3:PutObject "
        "action\",\"remedy\":{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ses.amazonaws."
        "com\"},"
        "\"Action\":\"s3:PutObject\",\"Resource\":\"arn:aws:s3:::mail/x\",\"Condition\":{"
        "\"StringEquals\":{\"aws:SourceAccount\":\"111122223333\"}}},\"remedies\":[{\"policy\":"
        "\"resource\",\"attached_to\":\"arn:aws:s3:::mail\",\"says\":\"add this statement to the "
        "resource's policy\",\"statement\":{"
        "\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ses.amazonaws.com\"},\"Action\":"
        "\"s3:PutObject\",\"Resource\":\"arn:aws:s3:::mail/x\",\"Condition\":{\"StringEquals\":{"
        "\"aws:SourceAccount\":\"111122223333\"}}}}],\"lacks\":[{\"policy\":\"resource\",\"sid\":"
        "\"Puts\",\"element\":\"Condition\",\"operator\":\"StringEquals\",\"key\":"
        "\"aws:SourceAccount\",\"wanted\":\"444455556666\",\"got\":\"111122223333\"}],\"hints\":[{"
        "\"id\":\"missing-source-arn\",\"severity\":\"warning\",\"policy\":\"resource\","
        "\"sid\":\"Puts\",\"line\":1,\"column\":15,\"says\":\"without aws:SourceArn this "
        "admits SES for any receipt rule: want the ARN of the rule\"}],\"trace\":[{"
        "\"policy\":\"identity[0]\",\"statement\":0,\"effect\":\"Allow\",\"governs\":false,"
        "\"applies\":true},{\"policy\":\"resource\",\"sid\":\"Puts\",\"statement\":0,\"effect\":"
        "\"Allow\",\"applies\":false,\"element\":\"Condition\",\"operator\":\"StringEquals\","
        "\"key\":"
        "\"aws:SourceAccount\",\"wanted\":\"444455556666\",\"got\":\"111122223333\"},{\"policy\":"
        "\"resource\",\"statement\":1,\"effect\":\"Deny\",\"applies\":false,\"element\":\"Action\","
        "\"wanted\":\"s3:Get*\",\"got\":\"s3:PutObject\"}]}");
    const str json = buf_str(&out);
    explanation_print(parsed(json, arena), json, "", &page);
    assert_string_equal(
        arena_cstr(arena, buf_str(&page)),
        "ImplicitDeny: ses.amazonaws.com may not s3:PutObject on arn:aws:s3:::mail/x: statement "
        "\"Puts\" of the resource's policy wants aws:SourceAccount = 444455556666, the request has "
        "111122223333\n"
        "  AWS would say: User: ses.amazonaws.com is not authorized to perform: s3:PutObject on "
        "resource: \"arn:aws:s3:::mail/x\" because no resource-based policy allows the "
        "s3:PutObject "
        "action\n"
        "  to allow it, add this statement to the resource's policy (resource):\n"
        "    {\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ses.amazonaws.com\"},\"Action\":"
        "\"s3:PutObject\",\"Resource\":\"arn:aws:s3:::mail/x\",\"Condition\":{\"StringEquals\":{"
        "\"aws:SourceAccount\":\"111122223333\"}}}\n"
        "  warning (missing-source-arn, line 1, column 15 of resource): without aws:SourceArn this "
        "admits SES for any receipt rule: want the ARN of the rule\n"
        "  statements:\n"
        "    identity[0].0 Allow (says nothing about this caller): applies\n"
        "    resource.0 Allow \"Puts\": Condition StringEquals aws:SourceAccount wants "
        "\"444455556666\", got \"111122223333\"\n"
        "    resource.1 Deny: Action wants \"s3:Get*\", got \"s3:PutObject\"\n");
}

static void without_memory_nothing_is_said_rather_than_half(void **state)
{
    (void)state;
    AUTO_ARENA *arena = arena_new(16 << 20);
    const str line = str_of(two_policies);
    struct question *q = question_of(parsed(line, arena), line, arena);
    bool once = false;
    for (size_t limit = 64; limit < 64 << 10; limit += 64) {
        AUTO_ARENA *small = arena_new(limit);
        AUTO_BUF out = buf_new(1 << 16), little = buf_new(limit / 64);
        enum verdict verdict;
        if (!small)
            continue;
        if (explanation_write(&q->request, q->exhibits, q->exhibit_count, small, &out, &verdict)) {
            parsed(buf_str(&out), arena);
            once = true;
        }
        assert_false(explanation_write(&q->request, q->exhibits, q->exhibit_count, arena, &little,
                                       &verdict));
    }
    assert_true(once);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_vector_is_explained_in_its_own_words),
        cmocka_unit_test(an_explanation_reads_like_this),
        cmocka_unit_test(without_memory_nothing_is_said_rather_than_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
