/* main/scene_suite.h - the stage on which scene_test.c plays the stories of scenes/: real stores,
 * services, sessions and deliveries in a folder of their own; a clock to turn and chance that
 * repeats. */
#ifndef SESAME_MAIN_SCENE_SUITE_H
#define SESAME_MAIN_SCENE_SUITE_H

#include "receive/deliver.h"
#include "services/root_key.h"
#include "services/s3/s3.h"
#include "smtp/session.h"
#include "testing/clock.h"
#include "testing/entropy.h"
#include "testing/journal.h"
#include "testing/temp_dir.h"

struct json;

struct scene {
    const char *file;
    unsigned line;
    struct arena *arena;
    struct temp_dir folder;
    struct fake_clock clock;
    struct seeded_entropy entropy;
    struct captured_journal *journal;
    struct outside outside;
    struct state *state;
    struct worlds *worlds;
    struct objects *objects;
    struct s3_service *s3;
    struct sts_service *sts;
    struct root_key root_key;
    struct ports ports;
    struct spool *spool;
    struct stamp stamp;
    struct delivery delivery;
    str account, region, id;
    struct arena *work; /* the transaction's */
    struct smtp_session *session;
    struct spool_draft *draft;
    const struct json *denial; /* what the last "then ... is denied" line found */
};

void scene_wrong(const struct scene *, const char *what,
                 str about); /* ends the test, naming file and line */
void scene_must(const struct scene *, const struct fault *, const char *what);

void stage_open(struct scene *);
void stage_restart(struct scene *); /* the stores closed and opened, as by a restart */
void stage_close(struct scene *);
void stage_deliver(struct scene *); /* all that is due */

void scene_given(struct scene *, str text); /* scene_given.c: one piece of configuration */
void scene_smtp(struct scene *, str lines); /* scene_smtp.c: a transcript, on a new connection */

str scene_word(str *text);                        /* takes the next blank-separated word off */
bool scene_take(str *text, const char *expected); /* takes this off, if it stands there */

#endif
