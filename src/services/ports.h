/* services/ports.h - the services an action may call; each embedded or at an endpoint.
 *
 * Every call carries its caller. The service that owns the resource decides, as at AWS; a "no"
 * comes back as a FAULT_DENIED that knows its reason. An implementation embeds its port as the
 * first member of its own struct. */
#ifndef SESAME_SERVICES_PORTS_H
#define SESAME_SERVICES_PORTS_H

#include "aws/caller.h"
#include "base/fault.h"
#include "base/header.h"

struct world;
struct request;
struct exhibit;

/* Told of each decision that a call leads to, allowed or not, as it is made. What it is shown lives
 * as long as the call's arena and world. */
struct mishaps; /* services/mishaps.h */
struct witness {
    void (*saw)(struct witness *, const struct request *, const struct exhibit *, size_t count);
};

/* One call: who asks, what world decides, when it is, and where answers live. */
struct call {
    const struct caller *caller;
    const struct world *world;
    str region; /* the endpoint that is asked */
    int64_t now_ms;
    struct arena *arena;
    struct witness *witness; /* NULL: nobody wants to know */
    struct mishaps *mishaps; /* what calls are made to meet; NULL: nothing */
};

struct body { /* bytes on demand; mail may be large. Embedded as the first member of a real one. */
    const struct fault *(*read)(struct body *, str *ret_chunk); /* empty chunk: the end */
    uint64_t size;
};

struct put_object {
    str bucket, key, content_type;
    const struct header *metadata; /* names without x-amz-meta- */
    size_t metadata_count;
    struct body *body;
    /* Large mail may go up in parts, which S3 reads again to join them: so of a bucket with SSE-KMS the
     * caller must be allowed kms:Decrypt too (ses-receiving spec 9.2). */
    bool may_be_multipart;
    str remedy_resource; /* what a mending statement should name: the rule's prefix and slash-star */
};
struct s3_upload; /* a put under way */
struct s3_port {
    const struct fault *(*put_object)(struct s3_port *, const struct call *, const struct put_object *);
    /* The same in two halves, where the port has them (else NULL): what begins without a fault has been judged
     * and read whole, waits for the disk, and must be awaited, with a call that is the same. */
    const struct fault *(*put_object_begin)(struct s3_port *, const struct call *, const struct put_object *,
                                            struct s3_upload **ret_upload);
    const struct fault *(*put_object_await)(struct s3_upload *, const struct call *);
};

/* What signs a session's requests (STS AssumeRole). */
struct credentials {
    str access_key_id, secret_access_key, session_token;
    int64_t expires_ms;
};
struct sts_port {
    /* ret_session: a CALLER_ASSUMED_ROLE in the call's arena. */
    const struct fault *(*assume_role)(struct sts_port *, const struct call *, str role_arn, str session_name,
                                       struct caller *ret_session);
    /* Credentials by which the API takes whoever has them for this session, until they expire. They
     * need no state: a restart does not end them. Decides nothing. */
    const struct fault *(*issue)(struct sts_port *, const struct call *, const struct caller *session,
                                 int64_t expires_ms, struct credentials *ret_credentials);
};

/* KMS, as its callers mean it: API GenerateDataKey and Decrypt. An encryption context is a list of
 * pairs, compared without order. Faults carry KMS's codes: NotFoundException, DisabledException,
 * KMSInvalidStateException, InvalidCiphertextException, AccessDeniedException, ... */
struct encryption_context {
    const struct header *pairs;
    size_t count;
};
enum { DATA_KEY_SIZE = 32 }; /* AES_256 */
struct data_key {
    unsigned char plaintext[DATA_KEY_SIZE]; /* the caller wipes it: bytes_forget */
    str ciphertext;                         /* CiphertextBlob, in the call's arena */
    str key_arn;                            /* of the key, whatever it was asked for by */
};
struct kms_port {
    /* key_id: a key's id or ARN, an alias's name or ARN. "alias/aws/ses", "aws/s3" and "aws/sns" come
     * into being by their first use. A key is looked for in the call's region; an ARN of another one is
     * not found. */
    const struct fault *(*generate_data_key)(struct kms_port *, const struct call *, str key_id,
                                             const struct encryption_context *, struct data_key *ret_key);
    /* key_id STR_NONE: the one the ciphertext names. ret_plaintext is wiped when the call's arena is
     * reset. */
    const struct fault *(*decrypt)(struct kms_port *, const struct call *, str key_id, str ciphertext,
                                   const struct encryption_context *, str *ret_plaintext);
};

/* SNS: API Publish. Durable for every subscription when it returns; delivered later. */
struct publish {
    str topic_arn, subject, message; /* subject STR_NONE: none */
    str message_id; /* a UUID by which subscribers know a repetition; STR_NONE: a new one is made */
};
struct sns_port {
    const struct fault *(*publish)(struct sns_port *, const struct call *, const struct publish *, str *ret_message_id);
};

/* SQS: API SendMessage, as SNS sends to a queue. */
struct message_attribute { /* of SNS and SQS alike */
    str name, type, value; /* type: "String", "Number", "String.Array", "Binary" (value in base64), ... */
};
struct sqs_port {
    const struct fault *(*send_message)(struct sqs_port *, const struct call *, str queue_arn, str message,
                                        const struct message_attribute *attributes, size_t attribute_count);
};

/* Lambda: API Invoke. */
enum invocation { INVOKE_REQUEST_RESPONSE, INVOKE_EVENT, INVOKE_DRY_RUN };
struct invoke {
    str function_arn; /* may end in :VERSION or :ALIAS */
    enum invocation type;
    str payload;        /* JSON */
    str request_id;     /* a UUID by which the function knows a repetition; STR_NONE: a new one is made */
    int64_t timeout_ms; /* of the caller's patience with a RequestResponse; 0: the function's own */
};
struct invoked {
    int status;         /* 200, 202 (Event: durable), 204 (DryRun) */
    str function_error; /* X-Amz-Function-Error: "Unhandled"; STR_NONE: it answered */
    str payload;        /* its answer, or the error as JSON */
    str log_tail;       /* the last 4 KB of its log */
    str version;        /* that ran */
};
struct lambda_port {
    const struct fault *(*invoke)(struct lambda_port *, const struct call *, const struct invoke *,
                                  struct invoked *ret_invoked);
    unsigned callers_most; /* of one function; more would only be woken to wait. 0: no bound */
};

/* Mail to elsewhere: one message to one recipient, now. Decides nothing: who may send is asked before.
 * Waits for the other side, but not for ever. */
struct outgoing {
    str reverse_path, forward_path; /* without brackets; an empty reverse path is the null path */
    str message;                    /* lines end in CRLF */
};
enum sent { SENT_TAKEN, SENT_LATER, SENT_REFUSED }; /* 250; 4yz or nobody there; 5yz: for good */
struct sending {
    enum sent sent;
    str says;   /* one sentence; in the arena */
    /* Of one that was not taken, for who tells its sender; any may be STR_NONE. */
    str host;   /* whom the mail was offered to */
    str reply;  /* what that server said: "550 5.1.1 no such user" */
    str status; /* where nobody was asked, RFC 3463's code: "5.3.4" */
    bool in_doubt; /* all of it was sent, and the answer was lost: it may have arrived */
};
struct mailer_port {
    struct sending (*send)(struct mailer_port *, const struct outgoing *, struct arena *);
    /* Whom mail to this path may hold up: "smtp://relay.example:25"; none: no memory. */
    str (*target)(struct mailer_port *, str forward_path, struct arena *);
};

/* WorkMail: the mail store that the operator maps to an organization. Decides nothing: whose
 * organization it is is asked before. */
struct forward_path; /* mail/envelope.h */
struct workmail_mail {
    str organization_arn;
    str name;   /* that this message has in every mailbox, the same at each attempt: letters, digits, dots */
    bool again; /* it was tried before */
    str reverse_path; /* without brackets; empty: the null path */
    const struct forward_path *const *recipients;
    size_t recipient_count;
    /* The message from its beginning, each time it is called; lives as long as the arena. */
    const struct fault *(*open)(void *context, struct body **ret_body);
    void *context;
};
struct workmail_port {
    /* "lmtp://127.0.0.1:24", "maildir:/srv/mail"; STR_NONE: no store is mapped to it. */
    str (*target)(struct workmail_port *, str organization_arn);
    /* each[i]: what became of it for recipients[i]. Waits for the store, but not for ever. */
    void (*deliver)(struct workmail_port *, const struct workmail_mail *, struct arena *,
                    struct sending *each);
};

/* Amazon Connect: API StartEmailContact. */
struct email_contact {
    str instance_arn;
    str document;   /* JSON: the notice of the message, with its content */
    str request_id; /* a UUID by which a repetition is known */
};
struct connect_port {
    const struct fault *(*start_email_contact)(struct connect_port *, const struct call *,
                                               const struct email_contact *);
};

/* Of each port there is a second one for rehearsals: it judges a call as the first does, with the
 * first one's own code, and does nothing (s3_service.rehearsal; assuming a role has no effect). A
 * service without one is NULL in a rehearsal's ports. */
struct ports { /* grows a member with each service an action calls */
    struct s3_port *s3;
    struct sts_port *sts;
    struct kms_port *kms;
    struct sns_port *sns;
    struct sqs_port *sqs;
    struct lambda_port *lambda;
    struct connect_port *connect;
    struct workmail_port *workmail; /* NULL: no organization is mapped */
    struct mishaps *mishaps; /* not of a rehearsal */
    struct mailer_port *mailer; /* NULL: outgoing mail is off */
};

#endif
