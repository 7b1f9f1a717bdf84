/* services/ses/block_list.h - the operator's list of networks that may not send here: what Amazon's own
 * block list is to SES (ses-receiving spec 3). An account's Allow filter passes over it.
 *
 * The file has an address or a network a line, IPv4 or IPv6; what stands behind # or ; is a comment. Host
 * bits may be set. It is read whole and then sorted, and networks that lie in others are dropped: finding
 * out whether an address is listed is a binary search, 22 steps with four million networks. */
#ifndef SESAME_SERVICES_SES_BLOCK_LIST_H
#define SESAME_SERVICES_SES_BLOCK_LIST_H

#include "base/outside.h"
#include "policy/values.h"

enum { BLOCK_LIST_MAX = 4 << 20, BLOCK_LIST_LINE_MAX = 1024, BLOCK_LIST_BYTES_MAX = 256 << 20 };

struct block_list; /* never written once it is read, and counted */

/* `name`, the file's, is for the sentences. FAULT_SYNTAX names the first line that is wrong. */
const struct fault *block_list_read(str text, str name, struct arena *, const struct block_list **ret_list);
const struct block_list *block_list_ref(const struct block_list *);
void block_list_unref(const struct block_list *); /* NULL is fine */

struct block_list_entry {
    struct network network; /* the widest that holds the address; host bits cleared */
    uint32_t line;
};
bool block_list_find(const struct block_list *, const struct network *address,
                     struct block_list_entry *ret_entry);
str block_list_name(const struct block_list *);
size_t block_list_count(const struct block_list *); /* networks that lie in no other */

/* The list in force, read again when somebody says so. Any thread. */
struct block_lists;
const struct fault *block_lists_open(str path, struct disk *, struct arena *, struct block_lists **ret_lists);
void block_lists_close(struct block_lists *); /* NULL is fine */
/* On a fault the list that was in force stays. */
const struct fault *block_lists_read(struct block_lists *, struct arena *);
const struct block_list *block_lists_now(struct block_lists *); /* the caller's to let go; of NULL: NULL */

#endif
