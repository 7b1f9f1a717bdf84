/* policy/oracle_values.h - text, patterns and typed values as the oracle compares them. */
#ifndef SESAME_POLICY_ORACLE_VALUES_H
#define SESAME_POLICY_ORACLE_VALUES_H

#include "base/arena.h"
#include "policy/oracle_features.h"

#include <jansson.h>

struct letters { /* code points */
    uint32_t *at;
    size_t count;
};
struct letters letters_of(const char *utf8, struct arena *);

enum atom_kind {
    ATOM_LETTER,
    ATOM_RUN,        /* any run */
    ATOM_RUN_WITHIN, /* a run without a colon */
    ATOM_ONE,
    ATOM_ONE_WITHIN,
};
struct atom {
    enum atom_kind kind;
    uint32_t letter;
};
struct atoms {
    struct atom *at;
    size_t count;
    bool without_value; /* a variable had none, and no default */
};

struct variables {
    const json_t *context; /* what they stand for */
    struct oracle_sight *sight;
};

/* A policy's text taken apart. `wild`: `*` and `?` are patterns. NULL: no variables. */
struct atoms atoms_of(const char *text, bool wild, const struct variables *, struct arena *);
void atoms_fold(struct atoms *); /* ASCII letters into lower case */
void letters_fold(struct letters *);
bool atoms_match(const struct atoms *, struct letters, struct arena *);
struct atoms atoms_part(const struct atoms *, size_t from, size_t to);
struct letters letters_part(struct letters, size_t from, size_t to);

/* The request's value of a key, whatever the case of its name; NULL: absent. */
const json_t *context_value(const json_t *context, const char *key);

bool same_nocase(const char *a, const char *b);

enum compared { COMPARED_LESS, COMPARED_EQUAL, COMPARED_GREATER, COMPARED_NOT };
enum compared compare_numbers(const char *a, const char *b);
enum compared compare_dates(const char *a, const char *b);
enum compared compare_binary(const char *a, const char *b, struct arena *);
enum compared address_in_network(const char *address, const char *network); /* EQUAL: inside */

#endif
