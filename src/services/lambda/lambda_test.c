/* Functions called and judged through the port, with real processes; asynchronous calls as errands.
 */
#include "policy/permission.h"
#include "services/lambda/lambda.h"
#include "services/stage_suite.h"

#include <archive.h>
#include <archive_entry.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define ACCOUNT  "111122223333"
#define FUNCTION "arn:aws:lambda:us-east-1:" ACCOUNT ":function:f"
#define RULE     "arn:aws:ses:us-east-1:" ACCOUNT ":receipt-rule-set/main:receipt-rule/r"

static const char source[] = "def handler(event, context):\n"
                             "    if event.get('fail'):\n"
                             "        raise ValueError('as told')\n"
                             "    return {'event': event, 'id': context.aws_request_id, 'arn': "
                             "context.invoked_function_arn}\n";

/* ---- the services beside it, as tests want them ---- */

struct theatre {
    struct stage stage;
    struct sts_port sts;
    struct sqs_port sqs;
    struct ports ports;
    struct spool *spool;
    struct runner *runner;
    struct lambda_service *lambda;
};
static char sent[512]; /* what the queue was sent, and with which attributes */

static const struct fault *assume_role(struct sts_port *port, const struct call *call, str role_arn,
                                       str session_name, struct caller *ret_session)
{
    (void)port, (void)session_name;
    assert_int_equal(call->caller->kind, CALLER_SERVICE);
    assert_true(str_eq(call->caller->service.principal, STR("lambda.amazonaws.com")));
    assert_true(str_eq(call->caller->service.source_arn.text, STR(FUNCTION)));
    if (str_ends(role_arn, STR("/untrusting")))
        return fault_coded(call->arena, FAULT_DENIED, "AccessDenied", "it does not trust");
    *ret_session = (struct caller) { .kind = CALLER_ROOT, .account = STR(ACCOUNT) };
    return NULL;
}

static const struct fault *issue(struct sts_port *port, const struct call *call,
                                 const struct caller *session, int64_t expires_ms,
                                 struct credentials *ret_credentials)
{
    (void)port, (void)session;
    assert_true(expires_ms > call->now_ms);
    *ret_credentials =
        (struct credentials) { STR("ASIA"), STR("secret"), STR("token"), expires_ms };
    return NULL;
}

static const struct fault *send_message(struct sqs_port *port, const struct call *call,
                                        str queue_arn, str message,
                                        const struct message_attribute *attributes, size_t count)
{
    (void)port, (void)call;
    snprintf(sent, sizeof sent, STR_FMT " " STR_FMT " " STR_FMT "=" STR_FMT, STR_ARG(queue_arn),
             STR_ARG(message), STR_ARG(attributes[count - 1].name),
             STR_ARG(attributes[count - 1].value));
    return NULL;
}

static void must(const struct fault *why)
{
    if (why)
        fail_msg(STR_FMT, STR_ARG(why->says));
}

static str package(struct arena *arena)
{
    const size_t room = 16 * 1024;
    char *bytes = arena_alloc(arena, room, 1);
    size_t used = 0;
    struct archive *zip = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    archive_write_set_format_zip(zip);
    archive_write_open_memory(zip, bytes, room, &used);
    archive_entry_set_pathname(entry, "app.py");
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, sizeof source - 1);
    archive_write_header(zip, entry);
    archive_write_data(zip, source, sizeof source - 1);
    archive_write_close(zip);
    archive_entry_free(entry);
    archive_write_free(zip);
    return (str) { bytes, used };
}

static void create(struct theatre *t, const char *role, const char *dead_letters)
{
    const struct function *f;
    struct call call = stage_call(&t->stage);
    const struct function_ref ref = { STR(ACCOUNT), STR("us-east-1"), STR("f"), STR("") };
    const struct function_draft draft = {
        .runtime = STR("python3.11"),
        .handler = STR("app.handler"),
        .role = arena_strf(t->stage.arena, "arn:aws:iam::" ACCOUNT ":role/%s", role),
        .description = STR_NONE,
        .dead_letter_arn = str_of(dead_letters),
        .timeout_s = 20,
        .memory_mb = 128
    };
    must(lambda_create(t->lambda, &call, &ref, &draft, NULL, 0, package(t->stage.arena), &f));
}

static int begin(void **state)
{
    static const struct runner_settings settings = {
        .slots = 2, .first_uid = 62400, .folder = "/var/tmp", .bootstrap = SHARE "/lambda"
    };
    struct theatre *t = calloc(1, sizeof *t);
    struct arena *early =
        arena_new(1 << 20); /* the runner comes before all threads, and so the stage */
    must(runner_fork(&settings, early, &t->runner));
    stage_begin(&t->stage);
    t->sts = (struct sts_port) { assume_role, issue };
    t->sqs = (struct sqs_port) { send_message };
    t->ports = (struct ports) { .sts = &t->sts, .sqs = &t->sqs };
    const struct spool_limits limits = { .segment_bytes = 1 << 20 };
    must(spool_log_open(arena_strf(t->stage.arena, "%s/spool", t->stage.folder.path), &limits,
                        &t->stage.outside, t->stage.arena, &t->spool));
    must(lambda_open(
        &(struct lambda_settings) {
            .state = t->stage.state,
            .worlds = t->stage.worlds,
            .outside = &t->stage.outside,
            .spool = t->spool,
            .ports = &t->ports,
            .runner = t->runner,
            .directory = arena_strf(t->stage.arena, "%s/functions", t->stage.folder.path),
            .slots = settings.slots,
            .first_uid = geteuid() == 0 ? settings.first_uid : 0 },
        t->stage.arena, &t->lambda));
    told_say(&t->lambda->endpoint, STR("http://127.0.0.1:4566"));
    arena_on_reset(t->stage.arena, (void (*)(void *))arena_free, early);
    *state = t;
    return 0;
}

static int end(void **state)
{
    struct theatre *t = *state;
    lambda_stop(t->lambda, 0);
    lambda_close(t->lambda);
    runner_close(t->runner);
    t->spool->ops->stop(t->spool);
    t->spool->ops->close(t->spool);
    stage_end(&t->stage);
    free(t);
    return 0;
}

static const struct fault *invoke(struct theatre *t, struct lambda_port *port,
                                  const struct call *call, const struct invoke *what,
                                  struct invoked *ret)
{
    (void)t;
    return port->invoke(port, call, what, ret);
}

/* ---- who may ---- */

static void a_rule_invokes_what_the_policy_of_its_very_arn_lets_it(void **state)
{
    struct theatre *t = *state;
    struct arn rule;
    struct invoked done;
    struct lambda_port *port = &t->lambda->port, *rehearsal = &t->lambda->rehearsal.port;
    arn_parse(STR(RULE), &rule);
    const struct caller ses = caller_ses(STR(ACCOUNT), rule);
    const struct invoke plain = { .function_arn = STR(FUNCTION),
                                  .payload = STR("{}"),
                                  .request_id = STR_NONE };
    struct invoke live = plain, dry = plain;
    live.function_arn = STR(FUNCTION ":live");
    dry.type = INVOKE_DRY_RUN;

    struct call call = stage_call_as(&t->stage, &ses);
    assert_string_equal(stage_says(&t->stage, invoke(t, port, &call, &plain, &done)),
                        "ResourceNotFoundException: Function not found: " FUNCTION);
    create(t, "fn", NULL);
    const struct function_ref ref = { STR(ACCOUNT), STR("us-east-1"), STR("f"), STR("") };
    const struct function *f;
    const struct function_version *v;
    const struct function_alias *alias;
    call = stage_call(&t->stage);
    must(lambda_publish(t->lambda, &call, &ref, STR_NONE, STR_NONE, STR_NONE, &f, &v));
    const struct alias_draft draft = { STR("live"), STR("1"), STR_NONE, STR_NONE };
    call = stage_call(&t->stage);
    must(lambda_put_alias(t->lambda, &call, &ref, &draft, true, &f, &alias));

    const struct permission permission = { .statement_id = STR("ses"),
                                           .action = STR("lambda:InvokeFunction"),
                                           .principal = STR("ses.amazonaws.com"),
                                           .source_account = STR(ACCOUNT),
                                           .source_arn = STR(RULE) };
    struct function_ref of_alias = ref;
    of_alias.qualifier = STR("live");
    str statement;
    call = stage_call(&t->stage);
    must(lambda_add_permission(t->lambda, &call, &of_alias, &permission, &statement));

    call = stage_call_as(&t->stage, &ses);
    const struct fault *why =
        invoke(t, port, &call, &plain, &done); /* the function's own has no policy */
    assert_non_null(why);
    assert_int_equal(why->kind, FAULT_DENIED);
    assert_int_equal(invoke(t, rehearsal, &call, &plain, &done)->kind, FAULT_DENIED);
    must(invoke(t, rehearsal, &call, &live, &done));
    assert_int_equal(done.status, 204);
    assert_int_equal(pool_count(t->lambda->pool, STR(FUNCTION)),
                     0); /* a rehearsal starts nothing */
    must(invoke(t, port, &call, &live, &done));
    assert_int_equal(done.status, 200);
    assert_true(str_is_none(done.function_error));
    assert_true(str_find_str(done.payload, STR("\"arn\": \"" FUNCTION ":live\"")) <
                done.payload.len);
    assert_true(str_eq(done.version, STR("1")));
    assert_int_equal(pool_count(t->lambda->pool, STR(FUNCTION)), 1);

    struct arn another;
    arn_parse(STR(RULE "2"), &another);
    const struct caller other = caller_ses(STR(ACCOUNT), another);
    call = stage_call_as(&t->stage, &other);
    assert_int_equal(invoke(t, port, &call, &live, &done)->kind, FAULT_DENIED);
    call = stage_call_as(&t->stage, &ses);
    call.region = STR("eu-west-1");
    assert_int_equal(invoke(t, port, &call, &live, &done)->kind,
                     FAULT_ABSENT); /* functions of the Region only */
    call = stage_call(&t->stage);
    must(invoke(t, port, &call, &dry, &done));
    assert_int_equal(done.status, 204);
}

static void a_role_that_trusts_no_longer_lets_no_process_start(void **state)
{
    struct theatre *t = *state;
    struct invoked done;
    create(t, "fn", NULL);
    const struct function_ref ref = { STR(ACCOUNT), STR("us-east-1"), STR("f"), STR("") };
    struct call call = stage_call(&t->stage);
    const struct function *f = function_find(call.world, &ref);
    struct function changed = *f;
    struct function_version v = f->versions[0];
    v.role = STR("arn:aws:iam::" ACCOUNT ":role/untrusting");
    changed.versions = &v;
    AUTO_BUF text = buf_new(1 << 16);
    function_encode(&changed, &text);
    stage_put(&t->stage, "function/" ACCOUNT "/us-east-1/f", buf_str(&text));
    call = stage_call(&t->stage);
    const struct invoke what = { .function_arn = STR("f"),
                                 .payload = STR("{}"),
                                 .request_id = STR_NONE };
    assert_string_equal(
        stage_says(&t->stage, invoke(t, &t->lambda->port, &call, &what, &done)),
        "AccessDeniedException: The role defined for the function cannot be assumed by Lambda.");
    assert_int_equal(pool_count(t->lambda->pool, STR(FUNCTION)), 0);
}

/* ---- asynchronous calls ---- */

static struct errand_attempt leased(struct theatre *t, int number, int64_t now_ms,
                                    struct lease *lease)
{
    struct errand errand;
    int64_t taken_ms;
    str body;
    if (!lease->impl) {
        must(t->spool->ops->lease(t->spool, 5000, t->stage.arena, lease));
        assert_non_null(lease->impl);
    }
    must(errand_read(&lease->entry, t->stage.arena, &errand, &taken_ms));
    must(t->spool->ops->read(lease, 0, lease->body_size, t->stage.arena, &body));
    struct call call = stage_call(&t->stage);
    return (struct errand_attempt) { .errand = errand,
                                     .number = number,
                                     .waits = number - 1,
                                     .since_ms = taken_ms,
                                     .body = body,
                                     .world = call.world,
                                     .now_ms = now_ms,
                                     .arena = t->stage.arena };
}

static struct errand_end attempt(struct theatre *t, int number, int64_t after_ms,
                                 struct lease *lease)
{
    const struct errand_attempt a = leased(t, number, t->stage.now_ms + after_ms, lease);
    return t->lambda->errands.runner.run(&t->lambda->errands.runner, &a);
}

static void leave(struct theatre *t, const char *event)
{
    struct invoked done;
    struct call call = stage_call(&t->stage);
    const struct invoke what = { .function_arn = STR("f"),
                                 .type = INVOKE_EVENT,
                                 .payload = str_of(event),
                                 .request_id = STR("11111111-2222-4333-8444-555555555555") };
    must(invoke(t, &t->lambda->port, &call, &what, &done));
    assert_int_equal(done.status, 202);
    struct spool_health health = { 0 };
    t->spool->ops->health(t->spool, &health);
    assert_int_equal(health.queued, 1); /* on disk before the 202 */
}

static void an_event_is_done_once_when_the_function_is_well(void **state)
{
    struct theatre *t = *state;
    struct lease lease = { 0 };
    create(t, "fn", NULL);
    leave(t, "{\"n\":1}");
    struct errand_end done = attempt(t, 1, 0, &lease);
    assert_int_equal(done.settlement, SETTLE_DONE);
    must(t->spool->ops->settle(&lease, SETTLE_DONE, 0, STR("{}")));
}

static void a_function_that_fails_is_tried_after_one_and_two_minutes_and_given_up(void **state)
{
    struct theatre *t = *state;
    struct lease lease = { 0 };
    create(t, "fn", NULL);
    leave(t, "{\"fail\":true}");
    struct errand_end done = attempt(t, 1, 0, &lease);
    assert_int_equal(done.settlement, SETTLE_RETRY);
    assert_int_equal(done.retry_at_ms, t->stage.now_ms + 60000);
    assert_true(str_find_str(done.why->says, STR("as told")) < done.why->says.len);
    done = attempt(t, 2, 60000, &lease);
    assert_int_equal(done.retry_at_ms, t->stage.now_ms + 180000);
    done = attempt(t, 3, 180000, &lease);
    assert_int_equal(done.settlement, SETTLE_DEAD);
    must(t->spool->ops->settle(&lease, SETTLE_DEAD, 0, STR("{}")));
}

static void a_dead_letter_target_gets_what_was_given_up(void **state)
{
    struct theatre *t = *state;
    struct lease lease = { 0 };
    create(t, "fn", "arn:aws:sqs:us-east-1:" ACCOUNT ":dead");
    const struct function_ref ref = { STR(ACCOUNT), STR("us-east-1"), STR("f"), STR("") };
    const struct function_async once = { .attempts = 0, .age_s = -1 };
    const struct function_async *set;
    struct call call = stage_call(&t->stage);
    must(lambda_put_async(t->lambda, &call, &ref, &once, false, &set));
    leave(t, "{\"fail\":1}");
    sent[0] = '\0';
    struct errand_end done = attempt(t, 1, 0, &lease);
    assert_int_equal(done.settlement, SETTLE_DONE); /* it is where its owner wanted it */
    assert_string_equal(sent, "arn:aws:sqs:us-east-1:" ACCOUNT ":dead {\"fail\":1} "
                              "ErrorMessage=the function answered with an error");
    must(t->spool->ops->settle(&lease, SETTLE_DONE, 0, STR("{}")));
}

static void without_a_place_an_event_waits_longer_and_longer_until_it_is_too_old(void **state)
{
    struct theatre *t = *state;
    struct lease lease = { 0 };
    create(t, "fn", NULL);
    const struct function_ref ref = { STR(ACCOUNT), STR("us-east-1"), STR("f"), STR("") };
    struct call call = stage_call(&t->stage);
    must(lambda_set_reserved(t->lambda, &call, &ref, 0));
    leave(t, "{}");
    static const int64_t waits_ms[] = { 1000, 2000, 4000, 8000 };
    for (int i = 0; i < 4; i++)
        assert_int_equal(attempt(t, i + 1, 0, &lease).retry_at_ms, t->stage.now_ms + waits_ms[i]);
    assert_int_equal(attempt(t, 40, 0, &lease).retry_at_ms, t->stage.now_ms + 300000);
    assert_int_equal(attempt(t, 90, 6 * 3600 * 1000 - 1000, &lease).settlement,
                     SETTLE_DEAD); /* six hours */

    struct call again = stage_call(&t->stage);
    assert_int_equal(
        t->lambda->errands.runner.share(&t->lambda->errands.runner, again.world, STR(FUNCTION)),
        t->lambda->port.callers_most);
    must(lambda_delete(t->lambda, &again, &ref));
    struct errand_end done = attempt(t, 91, 0, &lease);
    assert_int_equal(done.settlement, SETTLE_DEAD);
    assert_string_equal(done.why->code, "ResourceNotFoundException");
    must(t->spool->ops->settle(&lease, SETTLE_DEAD, 0, STR("{}")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_rule_invokes_what_the_policy_of_its_very_arn_lets_it,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_role_that_trusts_no_longer_lets_no_process_start, begin,
                                        end),
        cmocka_unit_test_setup_teardown(an_event_is_done_once_when_the_function_is_well, begin,
                                        end),
        cmocka_unit_test_setup_teardown(
            a_function_that_fails_is_tried_after_one_and_two_minutes_and_given_up, begin, end),
        cmocka_unit_test_setup_teardown(a_dead_letter_target_gets_what_was_given_up, begin, end),
        cmocka_unit_test_setup_teardown(
            without_a_place_an_event_waits_longer_and_longer_until_it_is_too_old, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
