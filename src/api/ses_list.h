/* api/ses_list.h - a list among the parameters, as SES's parser takes it: LIST.member.N, or
 * LIST.member.N.rest of structures; LIST= is the empty one (ses-receiving spec 12.1).
 *
 * The parser has words of its own for numbers it cannot use, before anything else is looked at:
 * MalformedInput. What is under the list and is no member's is told to the caller, since an element
 * that got lost may widen a rule: no recipients are all of them. */
#ifndef SESAME_API_SES_LIST_H
#define SESAME_API_SES_LIST_H

#include "api/operation.h"

enum ses_list_kind { LIST_OF_TEXTS, LIST_OF_STRUCTURES };

struct ses_list {
    size_t count;  /* the highest number */
    bool sparse;   /* structures alone: some place is empty, by numbers too high or in two spellings */
    bool unplaced; /* a name or value under the list that is no member's */
};

const struct fault *ses_list_find(const struct api_call *, str list, enum ses_list_kind,
                                  struct ses_list *ret_list);
/* Does the parameter belong to a member of the list? *ret_rest: what follows the number;
 * STR_NONE: nothing does. */
bool ses_list_member(str name, str list, uint64_t *ret_number, str *ret_rest);

/* The values of a list of texts, ret_list->count of them, in the call's arena; STR_NONE where a
 * number was left out. Of two with the same number the first counts. */
const struct fault *ses_list_texts(const struct api_call *, str list, struct ses_list *ret_list,
                                   const str **ret_values);

#endif
