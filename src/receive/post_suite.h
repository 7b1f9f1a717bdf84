/* receive/post_suite.h - for tests: a spool with one message, and services that do as they are
 * told. */
#ifndef SESAME_RECEIVE_POST_SUITE_H
#define SESAME_RECEIVE_POST_SUITE_H

#include "receive/deliver.h"
#include "testing/clock.h"
#include "testing/entropy.h"
#include "testing/journal.h"

#define ID "0bj6h9o5vlt5t6hug8b40eo1q4o9fk5ql6gj23o1"
extern const struct fault denied; /* "the bucket says no" */

struct one_spool {
    struct spool spool;
    struct fake_clock *clock;
    struct spool_record record;
    str body;
    struct buf notes;
    unsigned notes_written; /* by note, not by settle */
    bool leased;
    unsigned held; /* given back to a group */
    bool resumed; /* and the next lease is told so */
    unsigned put;  /* errands left */
    struct buf errand_body;
    enum spool_kind errand_kind;
    const struct fault *full; /* what a commit is answered; NULL: taken */
};

struct bucket_port {
    struct s3_port port;
    struct buf object;
    char key[256];
    unsigned puts;
    const struct fault *says; /* NULL: takes it */
    size_t needs;             /* octets of the call's arena */
    char caller[256];
    struct header metadata[8]; /* of the last put */
    size_t metadata_count;
    struct arena *arena;
};

struct key_port { /* one key, whose data keys are all alike */
    struct kms_port port;
    const struct fault *says;
    unsigned asked;
    struct buf context; /* "name=value;" of the last call */
    char caller[256];
};

struct topic_port {
    struct sns_port port;
    const struct fault *says;
    unsigned published;
    struct buf message;
    char subject[64], message_id[64], caller[256];
};

struct function_port {
    struct lambda_port port;
    const struct fault *says;
    unsigned invoked;
    struct buf payload;
    char request_id[64];
    enum invocation type;
    str answers, error; /* of a RequestResponse */
};

struct role_port {
    struct sts_port port;
    const struct fault *says;
};

struct post { /* all of it */
    struct arena *arena;
    struct fake_clock clock;
    struct captured_journal *journal;
    struct outside outside;
    struct one_spool spool;
    struct bucket_port bucket;
    struct key_port key;
    struct topic_port topic;
    struct function_port function;
    struct role_port role;
    struct seeded_entropy entropy;
    struct ports ports;
    struct stamp stamp;
    struct metrics *metrics;
    struct delivery delivery;
};

/* One rule "store" of the set "main", with these actions as JSON; only the bucket's port is there.
 */
struct post *post_open(const char *actions);
void post_close(struct post *);
void post_with_services(struct post *); /* the other ports too */

/* Waits, by the fake clock, until the entry is due; then one attempt. False: it has ended. */
bool post_attempt(struct post *);
str post_timeline(struct post *);
void post_note(struct one_spool *, str note); /* as an earlier attempt left it */

#define assert_holds(text, what) assert_true(str_find_str((text), STR(what)) < (text).len)

#define S3            "{\"S3Action\":{\"BucketName\":\"mail\"}}"
#define S3_IN(prefix) "{\"S3Action\":{\"BucketName\":\"mail\",\"ObjectKeyPrefix\":\"" prefix "\"}}"
#define HEADER(name, value)                                                                        \
    "{\"AddHeaderAction\":{\"HeaderName\":\"" name "\",\"HeaderValue\":\"" value "\"}}"

#endif
