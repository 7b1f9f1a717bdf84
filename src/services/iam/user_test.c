/* Users, their access keys and managed policies as IAM keeps them: what is stored, and what it is
 * worth to whom. */
#include "services/iam/user.h"
#include "services/iam/managed.h"
#include "services/iam/role.h"
#include "services/root_key.h"
#include "services/stage_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define ACCOUNT "111122223333"
#define MAY                                                                                        \
    "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"s3:PutObject\"," \
    "\"Resource\":\"arn:aws:s3:::b/*\"}}"
#define TRUST                                                                                      \
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":" \
    "\"ses.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"}]}"

static const struct root_key root_key = { "the root of all keys in here" };

struct scene {
    struct stage stage;
    struct vault vault;
};

static int begin(void **state)
{
    static struct scene scene;
    stage_begin(&scene.stage);
    vault_open(&scene.vault, &root_key, scene.stage.outside.entropy);
    *state = &scene;
    return 0;
}

static int end(void **state)
{
    struct scene *scene = *state;
    vault_close(&scene->vault);
    stage_end(&scene->stage);
    return 0;
}

static void make_user(struct scene *scene, const char *name)
{
    struct call call = stage_call(&scene->stage);
    const struct user_draft draft = { .name = str_of(name), .path = STR_NONE };
    assert_null(user_create(scene->stage.state, &call, scene->stage.outside.entropy, &draft, NULL));
}

static struct access_key_made make_key(struct scene *scene, const char *name)
{
    struct call call = stage_call(&scene->stage);
    struct access_key_made made;
    assert_null(access_key_create(scene->stage.state, &call, &scene->vault, str_of(name), &made));
    return made;
}

static void a_secret_opens_with_its_own_key_id_and_root_key_alone(void **state)
{
    struct scene *scene = *state;
    static const struct root_key other = { "another root of all keys in here" };
    struct vault stranger;
    struct arena *arena = scene->stage.arena;
    str sealed = vault_seal(&scene->vault, STR("AKIAX"), STR("secret"), arena);
    assert_true(str_eq(vault_unseal(&scene->vault, STR("AKIAX"), sealed, arena), STR("secret")));
    assert_true(str_is_none(vault_unseal(&scene->vault, STR("AKIAY"), sealed, arena)));
    vault_open(&stranger, &other, scene->stage.outside.entropy);
    assert_true(str_is_none(vault_unseal(&stranger, STR("AKIAX"), sealed, arena)));
    vault_close(&stranger);
    for (size_t i = 0; i < sealed.len; i++)
        assert_true(
            str_is_none(vault_unseal(&scene->vault, STR("AKIAX"), str_head(sealed, i), arena)));
    assert_false(str_eq(sealed, vault_seal(&scene->vault, STR("AKIAX"), STR("secret"), arena)));
}

static void a_key_is_its_users_until_either_is_gone(void **state)
{
    struct scene *scene = *state;
    const struct user *user;
    make_user(scene, "Jane");
    struct access_key_made made = make_key(scene, "jane");
    struct call call = stage_call(&scene->stage);
    const struct access_key *key = access_key_find(call.world, made.id, &user);
    assert_non_null(key);
    assert_true(key->active && str_eq(user->holder.name, STR("Jane")));
    assert_true(
        str_eq(vault_unseal(&scene->vault, key->id, key->sealed, scene->stage.arena), made.secret));
    assert_null(access_key_update(scene->stage.state, &call, STR("Jane"), made.id, false));
    call = stage_call(&scene->stage);
    assert_false(access_key_find(call.world, made.id, &user)->active);
    assert_string_equal(
        stage_says(&scene->stage, user_delete(scene->stage.state, &call, STR("Jane"))),
        "DeleteConflict: Cannot delete entity, must delete access keys first.");
    assert_null(access_key_delete(scene->stage.state, &call, STR("Jane"), made.id));
    call = stage_call(&scene->stage);
    assert_null(access_key_find(call.world, made.id, &user));
    assert_null(user);
    assert_null(access_key_use(call.world, made.id));
}

static void what_says_whose_a_key_is_gives_nobody_a_key(void **state)
{
    struct scene *scene = *state;
    const struct user *user;
    make_user(scene, "jane");
    stage_put(&scene->stage, "access-key/AKIASTRAY",
              STR("{\"account\":\"" ACCOUNT "\",\"user\":\"jane\"}"));
    stage_put(&scene->stage, "access-key/AKIALOST",
              STR("{\"account\":\"" ACCOUNT "\",\"user\":\"gone\"}"));
    struct call call = stage_call(&scene->stage);
    assert_null(access_key_find(call.world, STR("AKIASTRAY"), &user));
    assert_null(access_key_find(call.world, STR("AKIALOST"), &user));
    assert_null(access_key_find(call.world, STR(""), &user));
}

static void a_key_that_could_not_be_added_leaves_nothing_behind(void **state)
{
    struct scene *scene = *state;
    make_user(scene, "jane");
    make_key(scene, "jane");
    make_key(scene, "jane");
    struct call call = stage_call(&scene->stage);
    struct access_key_made made;
    struct record *records;
    size_t count;
    assert_string_equal(
        stage_says(&scene->stage,
                   access_key_create(scene->stage.state, &call, &scene->vault, STR("jane"), &made)),
        "LimitExceeded: Cannot exceed quota for AccessKeysPerUser: 2");
    assert_null(scene->stage.state->ops->list(scene->stage.state, STR("access-key/"), STR_NONE, 10,
                                              scene->stage.arena, &records, &count));
    assert_int_equal(count, 2);
}

static void a_roles_record_from_before_is_found_changed_and_deleted(void **state)
{
    struct scene *scene = *state;
    stage_put(&scene->stage, "role/" ACCOUNT "/Writer",
              STR("{\"partition\":\"aws\",\"path\":\"/\",\"role_id\":\"AROAX\",\"created_ms\":5,"
                  "\"max_session\":3600,\"trust\":\"{\\\"Statement\\\":[]}\",\"policies\":[]}"));
    struct call call = stage_call(&scene->stage);
    const struct role *role = role_find(call.world, STR(ACCOUNT), STR("Writer"));
    assert_non_null(role);
    assert_true(str_eq(role->holder.id, STR("AROAX")));
    assert_ptr_equal(role_find_arn(call.world, STR("arn:aws:iam::" ACCOUNT ":role/Writer")), role);
    assert_null(role_put_policy(scene->stage.state, &call, STR("Writer"), STR("p"), STR(MAY)));
    call = stage_call(&scene->stage);
    role = role_find(call.world, STR(ACCOUNT), STR("Writer"));
    assert_int_equal(role->holder.policy_count, 1);
    assert_true(str_eq(role->holder.id, STR("AROAX")));
    const struct role_draft draft = { .name = STR("Writer"), .trust = STR(TRUST) };
    assert_string_equal(
        stage_says(&scene->stage, role_create(scene->stage.state, &call,
                                              scene->stage.outside.entropy, &draft, NULL)),
        "EntityAlreadyExists: Role with name Writer already exists.");
    assert_null(role_delete_policy(scene->stage.state, &call, STR("Writer"), STR("p")));
    assert_null(role_delete(scene->stage.state, &call, STR("Writer")));
    call = stage_call(&scene->stage);
    assert_null(role_find(call.world, STR(ACCOUNT), STR("Writer")));
}

/* ---- managed policies ---- */

static str make_policy(struct scene *scene)
{
    struct call call = stage_call(&scene->stage);
    const struct managed_draft draft = { .name = STR("Put"), .document = STR(MAY) };
    const struct managed_policy *policy;
    assert_null(
        managed_create(scene->stage.state, &call, scene->stage.outside.entropy, &draft, &policy));
    return policy->arn.text;
}

static void a_boundary_that_is_gone_still_is_one(void **state)
{
    struct scene *scene = *state;
    str arn = make_policy(scene);
    make_user(scene, "jane");
    struct call call = stage_call(&scene->stage);
    assert_null(holder_set_boundary(scene->stage.state, &call, &user_kind, STR("jane"), arn));
    stage_remove(&scene->stage, "policy/" ACCOUNT "/put"); /* by nobody's leave */
    call = stage_call(&scene->stage);
    const struct user *user = user_find(call.world, STR(ACCOUNT), STR("jane"));
    struct exhibit exhibits[4];
    assert_in_range(holder_exhibits_most(&user->holder), 1, 4);
    assert_int_equal(holder_exhibits(call.world, &user->holder, exhibits), 1);
    assert_int_equal(exhibits[0].kind, EXHIBIT_BOUNDARY);
    assert_null(exhibits[0].document);
}

static void a_policy_is_attached_only_while_it_is_there(void **state)
{
    struct scene *scene = *state;
    str arn = make_policy(scene);
    make_user(scene, "jane");
    struct call before = stage_call(&scene->stage);
    const struct world *held = world_ref(before.world); /* in which the policy still is */
    assert_null(managed_delete(scene->stage.state, scene->stage.worlds, &before, arn));
    before.world = held;
    assert_non_null(managed_find_arn(held, arn));
    const struct fault *why = holder_attach(scene->stage.state, scene->stage.worlds, &before,
                                            &user_kind, STR("jane"), arn);
    assert_non_null(why);
    assert_string_equal(why->code, "NoSuchEntity");
    struct call after = stage_call(&scene->stage);
    assert_int_equal(user_find(after.world, STR(ACCOUNT), STR("jane"))->holder.attached_count, 0);
    world_unref(held);
}

static void policies_of_aws_are_in_every_world_and_can_be_read(void **state)
{
    struct scene *scene = *state;
    struct call call = stage_call(&scene->stage);
    const struct managed_policy *policy;
    struct record *records;
    size_t count = 0;
    for (str key = STR(""); managed_next(call.world, STR("aws"), key, &key, &policy); count++)
        assert_true(policy->as_identity.document->statement_count > 0);
    assert_true(count >= 20);
    assert_int_equal(scene->stage.errors, 0);
    assert_non_null(managed_find_arn(
        call.world, STR("arn:aws-cn:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")));
    assert_null(
        managed_find_arn(call.world, STR("arn:aws:iam::" ACCOUNT ":policy/AdministratorAccess")));
    assert_null(scene->stage.state->ops->list(scene->stage.state, STR("policy/"), STR_NONE, 10,
                                              scene->stage.arena, &records, &count));
    assert_int_equal(count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
        T(a_secret_opens_with_its_own_key_id_and_root_key_alone),
        T(a_key_is_its_users_until_either_is_gone),
        T(what_says_whose_a_key_is_gives_nobody_a_key),
        T(a_key_that_could_not_be_added_leaves_nothing_behind),
        T(a_roles_record_from_before_is_found_changed_and_deleted),
        T(a_boundary_that_is_gone_still_is_one),
        T(a_policy_is_attached_only_while_it_is_there),
        T(policies_of_aws_are_in_every_world_and_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
