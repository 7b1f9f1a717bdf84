/* policy/asked.h - a request made ready for comparing: what every statement would otherwise work
 * out again. Lives on the stack of one decision. */
#ifndef SESAME_POLICY_ASKED_H
#define SESAME_POLICY_ASKED_H

#include "policy/actions.h"
#include "policy/decision.h"
#include "policy/pattern.h"

enum { ASKED_HASHES = 64 }; /* keys beyond these are compared by name */

/* Where the first key of a name was found, remembered over the statements of a document, which ask for
 * the same few again and again. A document's names are one text each (compile.c), so their place tells
 * them apart. */
enum { ASKED_FOUND = 4 };
struct found {
    const char *name;
    const struct context_key *key;
    size_t at; /* where to look for another */
    bool alone; /* there is none */
};

struct asked {
    const struct request *request;
    struct action action; /* its place in the table, if it has one */
    struct subject resource;
    uint64_t account; /* the caller's, as a number; ACCOUNT_NONE when there is none */
    str self;         /* the ARN that names exactly this caller; STR_NONE */
    str role_name;    /* a role session: the last part of its role */
    str user_name;    /* a federated session: the name it shares with its user */
    str partition;    /* of the caller's ARN */
    bool has_boundary;
    struct found *found; /* ASKED_FOUND of them, all zero at first */
    uint32_t hashes[ASKED_HASHES];
};

#define ACCOUNT_NONE UINT64_MAX
uint64_t account_number(str id); /* ACCOUNT_NONE unless twelve digits */

void asked_begin(struct asked *, const struct request *, struct found found[ASKED_FOUND]);

/* Of a key's name, without case: its length and four letters, enough to tell the keys of one request
 * apart in nearly every case. Of a literal the compiler works it out. */
static inline uint32_t key_hash(str key)
{
    if (key.len == 0)
        return 0;
    uint32_t hash = (uint32_t)key.len;
    hash = hash * 31 + (unsigned char)ascii_lower(key.ptr[0]);
    hash = hash * 31 + (unsigned char)ascii_lower(key.ptr[key.len / 2]);
    hash = hash * 31 + (unsigned char)ascii_lower(key.ptr[key.len - 1]);
    return hash * 31 + (unsigned char)ascii_lower(key.ptr[key.len - key.len / 4 - 1]);
}

/* The keys of that name, beginning at *at, which moves on: tag keys that differ only in case are
 * all candidates. NULL: no more. */
const struct context_key *asked_key(const struct asked *, str key, uint32_t hash, size_t *at);
/* The first of them, for a name of a compiled document. */
const struct found *asked_look_up(const struct asked *, str key, uint32_t hash);
static inline const struct found *asked_first(const struct asked *asked, str key, uint32_t hash)
{
    const struct found *found = &asked->found[hash % ASKED_FOUND];
    return found->name == key.ptr ? found : asked_look_up(asked, key, hash);
}
/* The value a variable stands for; STR_NONE when absent, empty or multivalued. */
str asked_single(const struct asked *, str key, uint32_t hash);

#endif
