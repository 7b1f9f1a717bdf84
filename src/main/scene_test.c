/* main/scene_test.c - runs the stories in scenes/: given a configuration, when this is said over
 * SMTP, then that happens and this is the explanation. Everything is real but time and chance. */
#include "main/scene_suite.h"

#include "base/json.h"
#include "receive/timeline.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

enum { SCENES_MAX = 200 };

/* ---- then ---- */

/* {id} stands for the message's. */
static str fill(const struct scene *s, str text)
{
    AUTO_BUF out = buf_new(1 << 16);
    for (size_t at; (at = str_find_str(text, STR("{id}"))) < text.len;
         text = str_from(text, at + 4)) {
        buf_add(&out, str_head(text, at));
        buf_add(&out, s->id);
    }
    buf_add(&out, text);
    return arena_str(s->arena, buf_str(&out));
}

static str timeline_text(struct scene *s)
{
    struct spool_record record;
    AUTO_BUF text = buf_new(1 << 20);
    scene_must(s, s->spool->ops->find(s->spool, s->id, s->arena, &record), "timeline");
    scene_must(s, timeline_write(&record, s->arena, &text), "timeline");
    return arena_str(s->arena, buf_str(&text));
}

static const struct json *timeline(struct scene *s)
{
    const struct json *json;
    scene_must(s, json_parse(timeline_text(s), s->arena, &json), "timeline");
    return json;
}

static void equal(const struct scene *s, const char *what, str got, str want)
{
    if (!str_eq(got, want))
        scene_wrong(s, what,
                    arena_strf(s->arena, "is " STR_FMT ", the story wants " STR_FMT, STR_ARG(got),
                               STR_ARG(want)));
}

/* "ACTION on RESOURCE is implicitly denied" */
static void then_denied(struct scene *s, str text)
{
    str action = scene_word(&text);
    scene_take(&text, "on ");
    str resource = fill(s, scene_word(&text));
    const struct json *attempts = json_get(timeline(s), "attempts");
    for (size_t i = json_size(attempts); i > 0; i--) {
        const struct json *denial = json_get(json_at(attempts, i - 1), "denial");
        if (!denial || !str_eq(json_str(denial, "resource"), resource))
            continue;
        equal(s, "the action", json_str(denial, "action"), action);
        bool explicitly = str_eq(json_str(denial, "element"), STR("Effect"));
        equal(s, "the verdict",
              explicitly ? STR("is explicitly denied") : STR("is implicitly denied"), text);
        s->denial = denial;
        return;
    }
    scene_wrong(s, "nothing was denied on", resource);
}

/* "lacking condition OPERATOR KEY of statement SID in POLICY", "lacking action of ...", "lacking
 * statement in POLICY", and for an explicit deny "by statement SID in POLICY". */
static void then_lacking(struct scene *s, str text)
{
    str element = scene_word(&text);
    static const struct {
        const char *word, *element;
    } elements[] = { { "condition", "Condition" }, { "action", "Action" },
                     { "resource", "Resource" },   { "principal", "Principal" },
                     { "statement", "Statement" }, { "policy", "Policy" } };
    for (size_t i = 0; i < sizeof elements / sizeof elements[0]; i++) {
        if (str_eq(element, str_of(elements[i].word)))
            equal(s, "the element", json_str(s->denial, "element"), str_of(elements[i].element));
    }
    if (str_eq(element, STR("condition"))) {
        str op = scene_word(&text), key = scene_word(&text);
        equal(s, "the operator", json_str(s->denial, "operator"), op);
        if (!str_eq_nocase(json_str(s->denial, "key"), key))
            equal(s, "the key", json_str(s->denial, "key"), key);
    }
    if (scene_take(&text, "of statement "))
        equal(s, "the statement", json_str(s->denial, "sid"), scene_word(&text));
    if (scene_take(&text, "in ")) { /* the sentence names it */
        str sentence = json_str(s->denial, "sentence");
        if (str_find_str(sentence, text) == sentence.len)
            scene_wrong(s, "the policy is not named by", sentence);
    }
}

static void then_value(struct scene *s, const char *member, str text)
{
    const struct json *value = json_get(s->denial, member);
    equal(s, member,
          value ? json_kind(value) == JSON_NULL ? STR("absent") : json_text(value)
                : STR("left out"),
          fill(s, text));
}

static str object_bytes(struct scene *s, str bucket, str key)
{
    str bytes = STR_NONE;
    const struct fault *f =
        s->objects->ops->read(s->objects, bucket, key, 0, 1 << 20, s->arena, &bytes);
    return f ? STR_NONE : bytes;
}

/* "bucket B is empty", "bucket B holds KEY", "object B KEY ends with TEXT", "... begins with TEXT"
 */
static void then_bucket(struct scene *s, str text)
{
    struct object_entry *entries;
    size_t count;
    bool more;
    str bucket = scene_word(&text);
    struct object_range range = {
        .bucket = bucket, .prefix = STR(""), .delimiter = STR(""), .after = STR(""), .max = 10
    };
    scene_must(s, s->objects->ops->list(s->objects, &range, s->arena, &entries, &count, &more),
               "list");
    if (scene_take(&text, "is empty")) {
        if (count)
            scene_wrong(s, "the bucket holds", entries[0].key);
    } else if (scene_take(&text, "holds ")) {
        if (!object_bytes(s, bucket, fill(s, text)).ptr)
            scene_wrong(s, "the bucket does not hold", fill(s, text));
    } else {
        scene_wrong(s, "a bucket is empty or holds", text);
    }
}

static void then_object(struct scene *s, str text)
{
    str bucket = scene_word(&text), key = fill(s, scene_word(&text)), part;
    str bytes = object_bytes(s, bucket, key);
    bool ends = scene_take(&text, "ends with ");
    if (!ends && !scene_take(&text, "begins with "))
        scene_wrong(s, "an object begins or ends with", text);
    AUTO_BUF want = buf_new(1 << 16);
    for (bool more = true; more;) {
        more = str_cut(text, '|', &part, &text);
        buf_add(&want, str_trim(part));
        buf_add(&want, STR("\r\n"));
    }
    str wanted = fill(s, buf_str(&want));
    if (!(ends ? str_ends(bytes, wanted) : str_starts(bytes, wanted)))
        scene_wrong(s, "the object is", bytes);
}

/* "after 10 s", "after 4 h": the clock is turned, and what is due is tried. */
static void then_later(struct scene *s, str text)
{
    uint64_t n;
    if (!str_u64(scene_word(&text), &n))
        scene_wrong(s, "after how long", text);
    int64_t unit = str_eq(text, STR("h")) ? 3600000 : str_eq(text, STR("min")) ? 60000 : 1000;
    /* in steps, as time passes: each attempt is made when it is due */
    for (int64_t left = (int64_t)n * unit; left > 0; left -= 1000) {
        fake_clock_turn(&s->clock, 1000);
        stage_deliver(s);
    }
}

/* A dead letter is put away behind our back: this may take a moment. */
static void then_state(struct scene *s, str state)
{
    str got = json_str(timeline(s), "state");
    for (unsigned tries = 0; tries < 500 && !str_eq(got, state); tries++) {
        nanosleep(&(struct timespec) { .tv_nsec = 2 * 1000 * 1000 }, NULL);
        AUTO_ARENA *a = arena_new(4 << 20); /* asking a thousand times must not fill the scene's */
        struct spool_record record;
        scene_must(s, s->spool->ops->find(s->spool, s->id, a, &record), "find");
        static const char *const names[] = { [SPOOL_QUEUED] = "queued",
                                             [SPOOL_RETRYING] = "retrying",
                                             [SPOOL_DONE] = "delivered",
                                             [SPOOL_DEAD] = "dead" };
        got = str_of(names[record.state]);
    }
    equal(s, "the message", got, state);
}

/* "redriven": as the page does it. */
static void then_redrive(struct scene *s)
{
    str note = history_redrive_note(s->clock.wall_ms, s->arena);
    const struct fault *f = s->spool->ops->redrive(s->spool, s->id, note);
    for (unsigned tries = 0; f && f->kind == FAULT_CONFLICT && tries < 500;
         tries++) { /* still being put away */
        nanosleep(&(struct timespec) { .tv_nsec = 2 * 1000 * 1000 }, NULL);
        f = s->spool->ops->redrive(s->spool, s->id, note);
    }
    scene_must(s, f, "redrive");
    stage_deliver(s);
}

/* "a restart changes nothing": the stores are closed and opened, and the story is the same. */
static void then_restart(struct scene *s)
{
    str before = timeline_text(s);
    stage_restart(s);
    equal(s, "the timeline", timeline_text(s), before);
}

static void then(struct scene *s, str text)
{
    if (scene_take(&text, "bucket "))
        then_bucket(s, text);
    else if (scene_take(&text, "object "))
        then_object(s, text);
    else if (scene_take(&text, "lacking "))
        then_lacking(s, text);
    else if (scene_take(&text, "by statement "))
        then_lacking(s, arena_strf(s->arena, "deny of statement " STR_FMT, STR_ARG(text)));
    else if (scene_take(&text, "wanted "))
        then_value(s, "wanted", text);
    else if (scene_take(&text, "got "))
        then_value(s, "got", text);
    else if (scene_take(&text, "says "))
        equal(s, "the sentence", json_str(s->denial, "sentence"), fill(s, text));
    else if (scene_take(&text, "message is "))
        then_state(s, text);
    else if (scene_take(&text, "a restart changes nothing"))
        then_restart(s);
    else if (scene_take(&text, "redriven"))
        then_redrive(s);
    else if (scene_take(&text, "after "))
        then_later(s, text);
    else
        then_denied(s, text);
}

/* ---- reading a scene ---- */

/* A part begins at the margin with its word; lines set in belong to it. For given they are one text
 * (JSON may go on); for smtp and then each is a line of its own. */
static void play_part(struct scene *s, str kind, str text, unsigned first_line)
{
    s->line = first_line;
    if (str_eq(kind, STR("given"))) {
        str one_line = arena_str(s->arena, text);
        for (size_t i = 0; i < one_line.len; i++) {
            if (one_line.ptr[i] == '\n')
                ((char *)(uintptr_t)one_line.ptr)[i] = ' ';
        }
        scene_given(s, str_trim(one_line));
        return;
    }
    if (str_eq(kind, STR("smtp"))) {
        scene_smtp(s, text);
        return;
    }
    for (str line; text.len; s->line++) {
        str_cut(text, '\n', &line, &text);
        line = str_trim(line);
        if (line.len)
            then(s, line);
    }
}

static str read_scene(const char *path, struct arena *a)
{
    char *bytes = arena_alloc(a, 1 << 18, 1);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t len = read(fd, bytes, 1 << 18);
    close(fd);
    assert_true(len >= 0);
    return (str) { bytes, (size_t)len };
}

static void play(void **state)
{
    AUTO_ARENA *a = arena_new(64 << 20);
    struct scene *s = ARENA_NEW(a, struct scene);
    *s = (struct scene) { .file = *state, .arena = a };
    str text = read_scene(s->file, a);
    stage_open(s);
    unsigned line = 1;
    while (text.len) {
        str kind = str_head(text, str_find(text, ' ')), first;
        unsigned lines = 1;
        size_t end = 0;
        for (;;) { /* to the next line that begins at the margin */
            str_cut(str_from(text, end), '\n', &first, &(str) { 0 });
            end += first.len + 1;
            if (end >= text.len || (text.ptr[end] != ' ' && text.ptr[end] != '\n'))
                break;
            lines++;
        }
        str part = str_from(str_head(text, end < text.len ? end : text.len), kind.len);
        if (!str_eq(kind, STR("scene")) && !str_eq(kind, STR("given")) &&
            !str_eq(kind, STR("smtp")) && !str_eq(kind, STR("then")))
            scene_wrong(s, "a part begins with scene, given, smtp or then", kind);
        if (!str_eq(kind, STR("scene")))
            play_part(s, kind, part, line);
        text = str_from(text, end);
        line += lines;
    }
    stage_close(s);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct CMUnitTest *)a)->name, ((const struct CMUnitTest *)b)->name);
}

int main(void)
{
    static struct CMUnitTest tests[SCENES_MAX];
    size_t count = 0;
    DIR *folder = opendir(SCENES);
    if (!folder)
        return 1;
    for (struct dirent *entry; (entry = readdir(folder)) && count < SCENES_MAX;) {
        str name = str_of(entry->d_name);
        char *path;
        if (!str_ends(name, STR(".scene")) || asprintf(&path, "%s/%s", SCENES, entry->d_name) < 0)
            continue;
        tests[count++] = (struct CMUnitTest) { .name = path + sizeof SCENES,
                                               .test_func = play,
                                               .initial_state = path };
    }
    closedir(folder);
    qsort(tests, count, sizeof *tests, by_name);
    if (!count)
        return 1;
    int failed = _cmocka_run_group_tests("scenes", tests, count, NULL, NULL);
    for (size_t i = 0; i < count; i++)
        free(tests[i].initial_state);
    return failed;
}
