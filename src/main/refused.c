/* main/refused.c - chooses among the refusals, and writes them down. */
#include "main/refused.h"

#include "aws/arn.h"
#include "base/json.h"
#include "base/when.h"
#include "services/ses/filters.h"

struct choice {
    str account, address;
    bool is_network;
    struct network network;
};

static bool has_word(str words, str word)
{
    while (words.len) {
        str one;
        str_cut(words, ' ', &one, &words);
        if (str_eq(one, word))
            return true;
    }
    return false;
}

/* Is the path `<a@b.example>`, with whatever stands behind it, of this mailbox or domain? */
static bool path_is(str path, str wanted)
{
    size_t end = str_find(path, '>');
    str mailbox = path.len && path.ptr[0] == '<' ? str_from(str_head(path, end), 1) : path;
    size_t at = mailbox.len;
    while (at > 0 && mailbox.ptr[at - 1] != '@')
        at--;
    return str_eq_nocase(mailbox, wanted) || (at && str_eq_nocase(str_from(mailbox, at), wanted));
}

static bool is_wanted(void *context, const struct refusal *r)
{
    const struct choice *c = context;
    struct network peer;
    if (c->account.len && !has_word(r->accounts, c->account))
        return false;
    if (!c->address.len)
        return true;
    if (c->is_network)
        return filter_peer_read(r->peer, &peer) && network_holds(&c->network, &peer);
    return path_is(r->rcpt_to, c->address) || path_is(r->mail_from, c->address);
}

static void add_text(struct json_writer *w, const char *name, str text)
{
    if (text.len)
        json_add_str(w, name, text);
}

static void write_one(struct json_writer *w, const struct refusal *r)
{
    char at[WHEN_SIZE];
    json_open(w, '{');
    json_add_int(w, "number", (int64_t)r->number);
    json_add_str(w, "time", when_iso_ms(at, r->at_ms));
    json_add_str(w, "refused", refused_thing_name(r->thing));
    if (r->thing == REFUSED_LEFT_OUT) {
        json_add_int(w, "leftOut", (int64_t)r->left_out);
        json_close(w, '}');
        return;
    }
    json_add_str(w, "peer", r->peer);
    add_text(w, "region", r->region);
    add_text(w, "helo", r->ehlo);
    json_add_bool(w, "tls", r->tls);
    add_text(w, "from", r->mail_from);
    add_text(w, "to", r->rcpt_to);
    if (r->accounts.len) {
        json_name(w, STR("accounts"));
        json_open(w, '[');
        for (str rest = r->accounts, one; rest.len;) {
            str_cut(rest, ' ', &one, &rest);
            json_put_str(w, one);
        }
        json_close(w, ']');
    }
    json_add_str(w, "reply", r->reply);
    json_add_str(w, "reason", r->reason);
    add_text(w, "why", r->why);
    json_close(w, '}');
}

static const struct fault *choose(const struct refused_asked *asked, struct arena *a,
                                  struct choice *choice, struct refusals_wanted *wanted)
{
    uint64_t number = REFUSED_USUAL;
    if (asked->account.len && !account_id_ok(asked->account))
        return fault(a, FAULT_SYNTAX, NULL, "account wants twelve digits");
    if (asked->limit.len && (!str_u64(asked->limit, &number) || !number))
        return fault(a, FAULT_SYNTAX, NULL, "limit wants a number from 1");
    if (asked->after.len && !str_u64(asked->after, &wanted->after))
        return fault(a, FAULT_SYNTAX, NULL, "after wants the number of a refusal");
    wanted->max = number < REFUSED_MOST ? (size_t)number : REFUSED_MOST;
    *choice = (struct choice) { .account = asked->account, .address = asked->address };
    choice->is_network = filter_peer_read(asked->address, &choice->network) ||
                         network_read(asked->address, &choice->network);
    wanted->wants = is_wanted;
    wanted->context = choice;
    return NULL;
}

const struct fault *refused_write(struct refusals *refusals, const struct refused_asked *asked,
                                  struct arena *a, struct buf *out)
{
    struct choice choice;
    struct refusals_wanted wanted = { 0 };
    struct refusal *list;
    size_t count;
    uint64_t next;
    TRY(choose(asked, a, &choice, &wanted));
    TRY(refusals_list(refusals, &wanted, a, &list, &count, &next));
    struct json_writer w = json_writer(out);
    json_open(&w, '{');
    json_name(&w, STR("refused"));
    json_open(&w, '[');
    for (size_t i = 0; i < count; i++)
        write_one(&w, &list[i]);
    json_close(&w, ']');
    json_add_int(&w, "next", (int64_t)next);
    json_close(&w, '}');
    return NULL;
}
