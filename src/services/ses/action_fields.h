/* services/ses/action_fields.h - the members of each receipt action, as one table (ses-receiving
 * spec 5.3): from it the state's JSON is read and written, and the API's parameters, violations and
 * answers are made. */
#ifndef SESAME_SERVICES_SES_ACTION_FIELDS_H
#define SESAME_SERVICES_SES_ACTION_FIELDS_H

#include "services/ses/ruleset.h"

struct action_shape { /* one a kind, indexed by it */
    str name;         /* "S3Action": member of ReceiptAction */
    str path;         /* "s3Action": as violations spell it */
};
enum { ACTION_KINDS = ACTION_CONNECT + 1 };
extern const struct action_shape action_shapes[ACTION_KINDS];

struct action_words {  /* an enumerated field */
    str set;           /* "[Base64, UTF-8]": as violations spell it */
    const str *values; /* by the number that is stored; STR_NONE: absent */
    size_t count;
};

struct action_field {
    enum action_kind kind;
    str name; /* "BucketName" */
    str path; /* "bucketName" */
    bool required;
    size_t offset;                    /* of a str in struct action, or of the number of a word */
    const struct action_words *words; /* NULL: any text */
};
/* In the order in which violations are listed. */
extern const struct action_field action_fields[];
extern const size_t action_field_count;

/* What this action holds there, as the API shows it; STR_NONE when absent. */
str action_field_get(const struct action_field *, const struct action *);
/* False: not one of the field's words; nothing was stored. The text is borrowed. */
bool action_field_set(const struct action_field *, struct action *, str text);

#endif
