/* smtp/reply.h - every reply the server can give, as one table; and faults turned into it.
 *
 * In a text %h is the host name, %p the peer's address, %i the message id, %t the banner's token, %g the
 * text of a reply that is not ours: a Bounce action's, whose code and status stand in the place of the row's.
 * The enhanced code (RFC 2034) stands in every reply but greetings and 354; `compat = ses` leaves it
 * out of what is no refusal (ses-receiving spec 2.1). The label is the metric's `reason`. */
#ifndef SESAME_SMTP_REPLY_H
#define SESAME_SMTP_REPLY_H

#include "base/buf.h"
#include "base/fault.h"

/* clang-format off */
#define SMTP_REPLIES(X)                                                                                          \
    /* name             code  enhanced  text                                                  label            */ \
    X(BANNER,           220, "",      "%h ESMTP Sesame %t",                                   "")                \
    X(BANNER_SES,       220, "",      "%h ESMTP Amazon SES %t",                               "")                \
    X(HELO,             250, "",      "%h",                                                   "")                \
    X(OK,               250, "2.0.0", "Ok",                                                   "")                \
    X(MAIL_OK,          250, "2.1.0", "Ok",                                                   "")                \
    X(RCPT_OK,          250, "2.1.5", "Ok",                                                   "")                \
    X(GO_ON,            354, "",      "End data with <CR><LF>.<CR><LF>",                      "")                \
    X(TAKEN,            250, "2.0.0", "OK %i",                                                "")                \
    X(TLS_GO,           220, "2.0.0", "Ready to start TLS",                                   "")                \
    X(BYE,              221, "2.0.0", "%h closing connection",                                "")                \
    X(HELP,             214, "2.0.0", "Commands are those of RFC 5321, 3030 and 3207",        "")                \
    X(VRFY,             252, "2.0.0", "Cannot verify, but will take mail and try",            "")                \
    /* about the recipient and the sender: ses-receiving spec 2.2 */                                             \
    X(NO_MAILBOX,       550, "5.1.1", "Requested action not taken: mailbox unavailable",      "no_mailbox")      \
    X(NEEDS_TLS,        530, "5.7.0", "Must issue a STARTTLS command first",                  "needs_tls")       \
    X(BLOCKED,          550, "5.7.1", "Client host [%p] blocked",                             "blocked")         \
    X(RCPT_MAX,         452, "4.5.3", "Too many recipients",                                  "recipients")      \
    X(GIVEN,            550, "",      "%g", /* code and status are given too */               "bounced")         \
    X(NOT_ASCII,        553, "5.6.7", "An address beyond ASCII needs SMTPUTF8",               "not_ascii")       \
    /* about the message */                                                                                      \
    X(TOO_BIG,          552, "5.3.4", "Message size exceeds fixed limit",                     "size")            \
    X(BARE,             554, "5.6.0", "Bare CR or LF is not allowed",                         "bare_newline")    \
    X(ENDLESS,          552, "5.3.4", "Message without end; closing connection",               "endless")         \
    X(LOOP,             554, "5.4.6", "Too many Received fields: the message goes round in circles", "loop")    \
    X(LOCAL_ERROR,      451, "4.3.0", "Requested action aborted: local error in processing",  "local_error")     \
    X(NO_SPACE,         452, "4.3.1", "Insufficient system storage",                          "no_space")        \
    /* about the command */                                                                                      \
    X(UNKNOWN,          500, "5.5.2", "Command not recognized",                               "syntax")          \
    X(LINE_MAX,         500, "5.5.2", "Line too long",                                        "syntax")          \
    X(CONTROL,          500, "5.5.2", "Bare CR, bare LF or control octet in a command",       "syntax")          \
    X(ARGUMENT,         501, "5.5.4", "Syntax error in parameters or arguments",              "argument")        \
    X(CHUNK_SIZE,       501, "5.5.4", "BDAT wants a size; closing, as data cannot be told from commands", "argument") \
    X(PARAMETER,        555, "5.5.4", "Parameter not recognized or not implemented",          "argument")        \
    X(UNBUILT,          502, "5.5.1", "Command not implemented",                              "sequence")        \
    X(NEED_EHLO,        503, "5.5.1", "Send EHLO or HELO first",                              "sequence")        \
    X(NEED_MAIL,        503, "5.5.1", "Need MAIL command",                                    "sequence")        \
    X(NEED_RCPT,        503, "5.5.1", "Need RCPT command",                                    "sequence")        \
    X(NOT_NOW,          503, "5.5.1", "Bad sequence of commands",                             "sequence")        \
    X(TLS_ALREADY,      503, "5.5.1", "TLS is on already",                                    "sequence")        \
    /* the last words; RFC 5321 wants the host name first */                                                     \
    X(TIMEOUT,          421, "4.4.2", "%h Timeout, closing connection",                       "timeout")         \
    X(DRAIN,            421, "4.3.2", "%h Service closing down, try again later",             "drain")           \
    X(FULL,             421, "4.7.0", "%h Too many connections, try again later",             "connections")     \
    X(ADDRESS,          421, "4.7.0", "%h Too many connections from [%p]",                    "connections")     \
    X(CROWDED,          421, "4.7.0", "%h Too many connections, try again later",             "connections")     \
    X(ENDLESS_LINE,     421, "4.7.0", "%h Line without end",                                  "endless")         \
    X(ERRORS,           421, "4.7.0", "%h Too many errors",                                   "errors")          \
    X(COMMANDS,         421, "4.7.0", "%h Too many commands without a message",               "commands")
/* clang-format on */

enum smtp_reply {
    REPLY_NONE,
#define X(name, code, enhanced, text, label) REPLY_##name,
    SMTP_REPLIES(X)
#undef X
    REPLY_COUNT
};

struct smtp_reply_row {
    int code;
    str enhanced, text, label;
};
const struct smtp_reply_row *smtp_reply_row(unsigned reply);
struct smtp_given { /* a reply that the configuration words; REPLY_GIVEN */
    int code;
    str status, text; /* without newlines */
};
int smtp_reply_code(unsigned reply, const struct smtp_given *); /* the row's, or the given one */

struct smtp_reply_words {
    str hostname, peer, id, token;
    const struct smtp_given *given; /* REPLY_GIVEN only */
    bool compat_ses;
};
/* The whole line with its CRLF, cut (before the CRLF) to what fits. Returns its length. */
size_t smtp_reply_write(unsigned reply, const struct smtp_reply_words *, char *to, size_t room);

/* What a fault of the spool or the gatekeeper means to the peer. */
unsigned smtp_reply_of_fault(const struct fault *);

#endif
