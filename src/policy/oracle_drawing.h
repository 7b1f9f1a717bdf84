/* policy/oracle_drawing.h - what the halves of the draw share: the dice, the request that is drawn,
 * and texts near another. */
#ifndef SESAME_POLICY_ORACLE_DRAWING_H
#define SESAME_POLICY_ORACLE_DRAWING_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))
enum { TEXT = 512 };

struct draw {
    uint64_t state;
    const uint8_t *bytes; /* thrown first, while there are some: a fuzzer's */
    size_t bytes_left;
    char principal[TEXT], action[TEXT], resource[TEXT];
    const char *service, *home, *owner; /* accounts: the caller's, the resource's */
    bool calm;                          /* most parts fit, so that the one that does not decides */
    json_t *context;
};

size_t below(struct draw *, size_t n);
bool chance(struct draw *, unsigned percent);
#define PICK(d, list) ((list)[below((d), COUNT(list))])

void put(char *to, const char *text); /* into TEXT bytes */
/* A value of the context as text, or none. */
const char *context_text(struct draw *, const char *key);

void draw_case_of_letters(struct draw *, char *text);
/* Puts `with` in the place of text[from, to); what no longer has room is cut off. */
void replace(char *text, size_t from, size_t to, const char *with);
/* Puts a variable in the place of what it stands for: of a key's value, of a default, of one of the
 * three characters. */
void put_variable(struct draw *, char *text, size_t from);
/* Wildcards, variables and mistakes, from `from` on. UTF-8 is left whole. */
void mutate(struct draw *, char *text, size_t from, bool wild);
/* Takes out, stars or spoils one of the first fields of an ARN. */
void mutate_field(struct draw *, char *arn);

#endif
