/* api/iam_shape.h - what IAM's operations share: asking whether the caller may, lists in pages, and
 * the members that roles, users and policies have in common in answers. */
#ifndef SESAME_API_IAM_SHAPE_H
#define SESAME_API_IAM_SHAPE_H

#include "api/operation.h"
#include "services/iam/holder.h"
#include "services/iam/managed.h"

/* Members that do not belong to the question are STR_NONE or none. */
struct iam_question {
    str action;
    const struct holder_kind *kind;
    str name, path;       /* one that does not exist (yet) is asked about by the ARN it would have */
    str policy_arn;       /* iam:PolicyARN */
    str boundary;         /* iam:PermissionsBoundary */
    const struct tag *tags; /* aws:RequestTag/...; tags of the resource itself come by themselves */
    size_t tag_count;
};
const struct fault *iam_may(const struct api_call *, const struct iam_question *);
/* About a managed policy; of its own account, or of AWS. */
const struct fault *iam_may_policy(const struct api_call *, str action, str arn, const struct tag *,
                                   size_t tag_count);
/* Where there is no resource: List... */
const struct fault *iam_may_list(const struct api_call *, str action, str resource_kind);

/* A required parameter: ValidationError when it is not there. */
const struct fault *iam_need(const struct api_call *, const char *name, const char *path, str *ret_value);
const struct fault *iam_find(const struct api_call *, const struct holder_kind *, str name,
                             const struct holder **ret_holder);
const struct fault *iam_read_tags(const struct api_call *, const struct tag **ret_tags, size_t *ret_count);

/* A list in pages: Marker, MaxItems. Items come in the order of their keys. */
struct iam_list {
    struct buf *out;
    str after, last;
    size_t left;
    bool more;
};
const struct fault *iam_list_begin(const struct api_call *, struct buf *out, const char *element,
                                   struct iam_list *ret_list);
bool iam_list_takes(struct iam_list *, str key); /* whether this item belongs to the page */
void iam_list_end(struct iam_list *, const char *element);

/* Documents travel percent-encoded in IAM's answers. */
void iam_leaf_encoded(struct buf *out, const char *name, str document);
void iam_leaf_when(struct buf *out, const char *name, int64_t ms);
void iam_write_tags(struct buf *out, const struct tag *, size_t count); /* Tags; nothing for none */
/* Path, RoleName or UserName, Id, Arn, CreateDate */
void iam_write_names(struct buf *out, const struct holder_kind *, const struct holder *);
/* PermissionsBoundary and Tags, which lists leave out */
void iam_write_more(struct buf *out, const struct holder *);

#endif
