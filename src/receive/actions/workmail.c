/* receive/actions/workmail.c - the WorkMail action: ses-receiving spec 9.8.
 *
 * WorkMail asks no policy: an organization takes mail by its own account's rules, in its own
 * Region. */
#include "receive/actions.h"

const struct fault *workmail_action_may(const struct acting *as, const struct action *action,
                                        str *ret_target)
{
    const str text = action->workmail.organization_arn;
    struct arn organization;
    if (!arn_parse(text, &organization))
        return fault(as->arena, FAULT_ABSENT, NULL, STR_FMT " names no organization",
                     STR_ARG(text));
    if (!str_eq(organization.region, as->region))
        return fault_coded(as->arena, FAULT_DENIED, "InvalidParameterValue",
                           "the organization is in the Region " STR_FMT
                           ", and the rule is in " STR_FMT
                           ": a rule delivers in its own Region only",
                           STR_ARG(organization.region), STR_ARG(as->region));
    if (!str_eq(organization.account, as->account))
        return fault_coded(as->arena, FAULT_DENIED, "InvalidParameterValue",
                           "the organization is account " STR_FMT
                           "'s, and the rule is account " STR_FMT
                           "'s: a rule delivers in its own account only",
                           STR_ARG(organization.account), STR_ARG(as->account));
    struct workmail_port *port = as->ports->workmail;
    *ret_target = port ? port->target(port, text) : STR_NONE;
    return ret_target->ptr ? NULL
                           : fault(as->arena, FAULT_ABSENT, NULL,
                                   "no mail store is mapped to the organization " STR_FMT
                                   ": serve with --workmail " STR_FMT "=lmtp://HOST:PORT, or with "
                                   "=maildir:PATH",
                                   STR_ARG(text), STR_ARG(text));
}

/* ---- whom an earlier attempt served ---- */

enum served { SERVED_NOT, SERVED_TAKEN, SERVED_REFUSED };

static void mark(str numbers, enum served as, enum served *each, size_t count)
{
    for (str rest = numbers, one; rest.len;) {
        uint64_t number;
        str_cut(rest, ' ', &one, &rest);
        if (str_u64(one, &number) && number < count)
            each[number] = as;
    }
}

static void served_before(const struct step_history *before, enum served *each, size_t count)
{
    for (size_t i = 0; i < count; i++)
        each[i] = SERVED_NOT;
    if (!before->last)
        return;
    if (before->failures) /* after a redrive those that were refused have their turn again */
        mark(before->last->refused, SERVED_REFUSED, each, count);
    mark(before->last->taken, SERVED_TAKEN, each, count);
}

static str numbers_of(const enum served *each, size_t count, enum served wanted, struct arena *a)
{
    AUTO_BUF text = buf_new(8 * count + 8);
    for (size_t i = 0; i < count; i++) {
        if (each[i] == wanted)
            buf_addf(&text, "%s%zu", text.len ? " " : "", i);
    }
    return !text.len ? STR_NONE : text.failed ? STR_NONE : arena_str(a, buf_str(&text));
}

/* ---- the delivery ---- */

static size_t select_open(const struct workmail_mail *all, const enum served *each,
                          const struct forward_path **to, size_t *numbers)
{
    size_t count = 0;
    for (size_t i = 0; i < all->recipient_count; i++) {
        if (each[i] != SERVED_NOT)
            continue;
        to[count] = all->recipients[i];
        numbers[count++] = i;
    }
    return count;
}

enum { TOLD_MAX = 4 }; /* of many recipients a few are told by name */

static str told(const struct workmail_mail *mail, const enum served *each,
                const struct sending *last, enum served wanted, struct arena *a)
{
    AUTO_BUF text = buf_new(8192);
    size_t shown = 0, count = 0;
    for (size_t i = 0; i < mail->recipient_count; i++) {
        if (each[i] != wanted)
            continue;
        count++;
        if (shown == TOLD_MAX)
            continue;
        shown++;
        buf_addf(&text, "%s<" STR_FMT ">%s" STR_FMT, text.len ? "; " : "",
                 STR_ARG(mail->recipients[i]->text), last[i].says.ptr ? ": " : "",
                 STR_ARG(last[i].says));
    }
    if (count > shown)
        buf_addf(&text, "; and %zu more", count - shown);
    return arena_str(a, buf_str(&text));
}

static size_t count_of(const enum served *each, size_t count, enum served wanted)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += each[i] == wanted;
    return found;
}

static const struct fault *sum_up(const struct workmail_mail *mail, str target,
                                  const enum served *each, const struct sending *last,
                                  struct arena *a, struct workmail_said *said)
{
    const size_t all = mail->recipient_count, open = count_of(each, all, SERVED_NOT),
                 refused = count_of(each, all, SERVED_REFUSED);
    said->taken = numbers_of(each, all, SERVED_TAKEN, a);
    said->refused = numbers_of(each, all, SERVED_REFUSED, a);
    if (open)
        return fault(a, FAULT_UNAVAILABLE, NULL,
                     STR_FMT " has not taken it for %zu of %zu recipients: " STR_FMT,
                     STR_ARG(target), open, all, STR_ARG(told(mail, each, last, SERVED_NOT, a)));
    if (refused)
        return fault(a, FAULT_SYNTAX, NULL,
                     STR_FMT " refuses it for %zu of %zu recipients: " STR_FMT, STR_ARG(target),
                     refused, all, STR_ARG(told(mail, each, last, SERVED_REFUSED, a)));
    said->says = arena_strf(a, "delivered to " STR_FMT " for " STR_FMT, STR_ARG(target),
                            STR_ARG(told(mail, each, last, SERVED_TAKEN, a)));
    return said->says.ptr ? NULL : &fault_no_memory;
}

static void note_one(const struct sending *one, enum served *served, struct sending *last)
{
    *served = one->sent == SENT_TAKEN     ? SERVED_TAKEN
              : one->sent == SENT_REFUSED ? SERVED_REFUSED
                                          : SERVED_NOT;
    *last = (struct sending) { one->sent, one->sent == SENT_TAKEN ? STR_NONE : one->says };
}

const struct fault *workmail_action_deliver(const struct acting *as, const struct action *action,
                                            const struct workmail_mail *mail,
                                            const struct step_history *before,
                                            struct workmail_said *said)
{
    const size_t all = mail->recipient_count;
    enum served *each = ARENA_ARRAY(as->arena, enum served, all + 1);
    struct sending *now = ARENA_ARRAY(as->arena, struct sending, all + 1),
                   *last = ARENA_ARRAY(as->arena, struct sending, all + 1);
    const struct forward_path **to = ARENA_ARRAY(as->arena, const struct forward_path *, all + 1);
    size_t *numbers = ARENA_ARRAY(as->arena, size_t, all + 1);
    str target;
    if (!each || !now || !last || !to || !numbers)
        return &fault_no_memory;
    served_before(before, each, all);
    /* What was delivered is remembered whatever is answered below. */
    said->taken = numbers_of(each, all, SERVED_TAKEN, as->arena);
    said->refused = numbers_of(each, all, SERVED_REFUSED, as->arena);
    TRY(workmail_action_may(as, action, &target));
    for (size_t i = 0; i < all; i++)
        last[i] = (struct sending) { SENT_LATER, STR_NONE };
    struct workmail_mail rest = *mail;
    rest.recipients = to;
    rest.recipient_count = select_open(mail, each, to, numbers);
    rest.again = before->last != NULL;
    if (rest.recipient_count)
        as->ports->workmail->deliver(as->ports->workmail, &rest, as->arena, now);
    for (size_t i = 0; i < rest.recipient_count; i++)
        note_one(&now[i], &each[numbers[i]], &last[numbers[i]]);
    return sum_up(mail, target, each, last, as->arena, said);
}
