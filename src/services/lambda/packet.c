#include "services/lambda/packet.h"

static void put(struct buf *out, uint64_t value, unsigned octets)
{
    while (octets-- > 0)
        buf_addc(out, (char)(value >> (8 * octets)));
}

static void put_text(struct buf *out, str text)
{
    put(out, text.len, 4);
    buf_add(out, text);
}

static void put_list(struct buf *out, const str *list, size_t count)
{
    put(out, count, 4);
    for (size_t i = 0; i < count; i++)
        put_text(out, list[i]);
}

void packet_write(const struct packet *f, struct buf *out)
{
    put(out, f->word, 1);
    put(out, f->flags, 1);
    put(out, f->ticket, 4);
    put(out, f->slot, 4);
    put(out, f->number, 8);
    put(out, f->peak, 8);
    put_text(out, f->text);
    put_list(out, f->arguments, f->argument_count);
    put_list(out, f->environment, f->environment_count);
    out->failed |= out->len > PACKET_MAX;
}

static bool take(struct cursor *in, unsigned octets, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (cursor_left(in) < octets)
        return false;
    while (octets-- > 0)
        value = value << 8 | (unsigned char)*in->at++;
    *ret_value = value;
    return true;
}

static bool take_text(struct cursor *in, str *ret_text)
{
    uint64_t len;
    if (!take(in, 4, &len) || cursor_left(in) < len)
        return false;
    *ret_text = (str) { in->at, (size_t)len };
    in->at += len;
    return !str_has(*ret_text, '\0');
}

static bool take_list(struct cursor *in, str *list, size_t most, size_t *ret_count)
{
    uint64_t count;
    if (!take(in, 4, &count) || count > most)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!take_text(in, &list[i]))
            return false;
    }
    *ret_count = (size_t)count;
    return true;
}

bool packet_read(str bytes, struct packet *f)
{
    struct cursor in = cursor_of(bytes);
    uint64_t word, flags, ticket, slot;
    if (bytes.len > PACKET_MAX || !take(&in, 1, &word) || word < PACKET_UNPACK ||
        word > PACKET_ENDED || !take(&in, 1, &flags) || !take(&in, 4, &ticket) ||
        !take(&in, 4, &slot) || !take(&in, 8, &f->number) || !take(&in, 8, &f->peak) ||
        !take_text(&in, &f->text) ||
        !take_list(&in, f->arguments, PACKET_ARGUMENTS_MAX, &f->argument_count) ||
        !take_list(&in, f->environment, PACKET_ENVIRONMENT_MAX, &f->environment_count))
        return false;
    f->word = (enum packet_word)word;
    f->flags = (unsigned)flags;
    f->ticket = (uint32_t)ticket;
    f->slot = (uint32_t)slot;
    return in.at == in.end;
}
