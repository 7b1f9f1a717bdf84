/* main/organizations.c - LMTP by smtp/lmtp.h, maildirs by store/maildir.h. */
#include "main/organizations.h"

#include "mail/mailbox.h"
#include "smtp/lmtp.h"
#include "store/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct organizations {
    struct workmail_port port;
    const struct workmail_bind *binds;
    size_t count;
    struct outside *outside;
    str hostname;
};

/* By the whole ARN, or by what stands behind its last slash. */
static const struct workmail_bind *find(const struct organizations *o, str arn)
{
    size_t slash = arn.len;
    while (slash && arn.ptr[slash - 1] != '/')
        slash--;
    for (size_t i = 0; i < o->count; i++) {
        const str name = o->binds[i].organization;
        if (str_eq(name, arn) || str_eq(name, str_from(arn, slash)))
            return &o->binds[i];
    }
    return NULL;
}

static str target(struct workmail_port *port, str organization_arn)
{
    const struct workmail_bind *bind = find((struct organizations *)port, organization_arn);
    return bind ? bind->target : STR_NONE;
}

/* ---- maildirs ---- */

static const struct fault *read_body(void *context, str *ret_piece)
{
    struct body *body = context;
    return body->read(body, ret_piece);
}

static struct sending put(const struct organizations *o, const struct workmail_bind *bind,
                          const struct workmail_mail *mail, const struct mailbox *to,
                          struct arena *a)
{
    const str domain = mailbox_domain_ascii(to->domain, a);
    const str folder =
        domain.ptr ? maildir_folder(bind->maildir, domain, to->local_part, a) : STR_NONE;
    struct body *body;
    if (!folder.ptr)
        return (struct sending) { SENT_REFUSED, STR("the address can name no folder") };
    const struct fault *why = mail->open(mail->context, &body);
    if (!why) {
        const struct maildir_letter letter = {
            .name = mail->name, .again = mail->again, .read = read_body, .context = body
        };
        why = maildir_put(o->outside->disk, bind->maildir, folder, &letter, a);
    }
    return why ? (struct sending) { SENT_LATER, fault_sentence(why, a) }
               : (struct sending) { SENT_TAKEN, STR("delivered") };
}

static void deliver(struct workmail_port *port, const struct workmail_mail *mail, struct arena *a,
                    struct sending *each)
{
    const struct organizations *o = (struct organizations *)port;
    const struct workmail_bind *bind = find(o, mail->organization_arn);
    const struct lmtp_store store = { .address = bind->lmtp,
                                      .hostname = o->hostname,
                                      .clock = o->outside->clock };
    if (bind->lmtp.ptr) {
        lmtp_deliver(&store, mail, a, each);
        return;
    }
    for (size_t i = 0; i < mail->recipient_count; i++)
        each[i] = put(o, bind, mail, &mail->recipients[i]->mailbox, a);
}

/* ---- opening ---- */

static const struct fault *open_root(str root, struct disk *disk, struct arena *a)
{
    const char *path = arena_cstr(a, root);
    const char *above = arena_cstr(a, arena_strf(a, STR_FMT "/..", STR_ARG(root)));
    if (!path || !above)
        return &fault_no_memory;
    int error = disk->make_directory(disk, path, 0700);
    if (!error)
        error = disk->sync_directory(disk, above);
    else if (error == -EEXIST)
        error = faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS) == 0 ? 0 : -errno;
    return error ? fault(a, FAULT_UNAVAILABLE, NULL, "no mail can be put below %s: %s", path,
                         strerror(-error))
                 : NULL;
}

const struct fault *organizations_open(const struct config *c, str hostname,
                                       struct outside *outside, struct arena *a,
                                       struct workmail_port **ret_port)
{
    *ret_port = NULL;
    if (!c->workmail_count)
        return NULL;
    struct organizations *o = ARENA_NEW(a, struct organizations);
    if (!o)
        return &fault_no_memory;
    *o = (struct organizations) { .port = { .target = target, .deliver = deliver },
                                  .binds = c->workmail,
                                  .count = c->workmail_count,
                                  .outside = outside,
                                  .hostname = hostname };
    for (size_t i = 0; i < o->count; i++) {
        if (o->binds[i].maildir.ptr)
            TRY(open_root(o->binds[i].maildir, outside->disk, a));
    }
    *ret_port = &o->port;
    return NULL;
}
