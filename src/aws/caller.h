/* aws/caller.h - who is asking, in the words IAM uses. */
#ifndef SESAME_AWS_CALLER_H
#define SESAME_AWS_CALLER_H

#include "aws/arn.h"

enum caller_kind {
    CALLER_ANONYMOUS,
    CALLER_ROOT,         /* arn:aws:iam::111122223333:root */
    CALLER_USER,         /* signed with a long-term key */
    CALLER_ASSUMED_ROLE, /* a session made by sts:AssumeRole */
    CALLER_FEDERATED,    /* decided about, never signed in here */
    CALLER_SERVICE,      /* ses.amazonaws.com, for a receipt rule */
};

struct session; /* services/sts/session.h: what temporary credentials carry besides the caller */

struct caller {
    enum caller_kind kind;
    str account;     /* the account that is asking; STR_NONE when anonymous */
    str user_id;     /* "AIDA...", "AROA...:session": aws:userid; STR_NONE: known by its name alone */
    const struct session *session; /* NULL: no temporary credentials */
    str via_service; /* "s3.us-east-1.amazonaws.com": kms:ViaService; else STR_NONE */
    str source_ip;   /* aws:SourceIp; STR_NONE for services */
    bool secure_transport;
    union {
        struct {
            struct arn arn;
        } user;
        struct {
            struct arn role, session; /* role ARN with its path; the sts session ARN */
        } assumed_role;
        struct {
            struct arn session;
        } federated;
        struct {
            str principal;         /* "ses.amazonaws.com" */
            str source_account;    /* becomes aws:SourceAccount; STR_NONE: absent */
            struct arn source_arn; /* becomes aws:SourceArn; text STR_NONE: absent */
        } service;
    };
};

/* How IAM's sentences name it: an ARN, "ses.amazonaws.com", or "anonymous". */
str caller_name(const struct caller *, struct arena *);

/* The caller of a name: the ARN of a user, of a session, of a role (a session of it) or of an account's
 * root user; a service's DNS name; "*" or "anonymous". False: none of these, or the arena is full. */
bool caller_named(str name, struct arena *, struct caller *ret_caller);

/* ses.amazonaws.com acting for a receipt rule of the account. */
struct caller caller_ses(str account, struct arn rule_arn);
struct caller caller_root(str account);

#endif
