/* wire/http_found.c - the head's fields, its sender, and the places where they lay. */
#include "wire/http_found.h"

#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>

struct gathering {
    struct header *headers;
    size_t count, room;
};

static enum MHD_Result gather_header(void *self, enum MHD_ValueKind kind, const char *name,
                                     size_t name_len, const char *value, size_t value_len)
{
    struct gathering *g = self;

    (void)kind;
    if (g->count < g->room)
        g->headers[g->count++] =
            (struct header) { { name, name_len }, value ? (str) { value, value_len } : STR("") };
    return MHD_YES;
}

/* libmicrohttpd cuts a value at its first NUL, takes a bare LF for a line end, and glues a folded
 * line to the field's name, all without telling. But up to 0.9.76 it parses in place: what it found
 * must lie line behind line in memory, two NULs where each CRLF was, and fill the head exactly; if
 * it does not, the head held one of the three. Later versions refuse these themselves. */
static bool layout_is_plain(const struct http_found *f, const struct http_exchange *x)
{
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(f->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    const char *at = f->version + x->version.len;

    if (strcmp(MHD_get_version(), "0.9.77") >= 0)
        return true;
    if (!size || f->line != f->method + x->method.len + 1 ||
        f->version != f->line + x->target.len + 1)
        return false;
    for (size_t i = 0; i < x->header_count; i++) {
        const struct header *h = &x->headers[i];
        if (at[0] || at[1] || h->name.ptr != at + 2 || h->value.ptr <= h->name.ptr + h->name.len)
            return false;
        at = h->value.ptr + h->value.len;
    }
    return !at[0] && !at[1] && at + 4 == f->method + size->header_size;
}

static void note_peer(struct MHD_Connection *connection, struct http_exchange *x)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    char host[NI_MAXHOST];

    if (!info || !info->client_addr)
        return;
    struct sockaddr_in plain = { .sin_family = AF_INET };
    const struct sockaddr *sa = info->client_addr;
    if (sa->sa_family == AF_INET6) {
        const struct in6_addr *a = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
        x->peer_local = IN6_IS_ADDR_LOOPBACK(a);
        if (IN6_IS_ADDR_V4MAPPED(a)) {
            memcpy(&plain.sin_addr, a->s6_addr + 12, 4);
            sa = (const struct sockaddr *)(const void *)&plain;
        }
    }
    if (sa->sa_family == AF_INET)
        x->peer_local =
            ntohl(((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr) >> 24 == 127;
    socklen_t len =
        sa->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    if (getnameinfo(sa, len, host, sizeof host, NULL, 0, NI_NUMERICHOST) == 0)
        x->peer = arena_str(x->arena, str_of(host));
}

bool http_found_take(const struct http_found *f, struct http_exchange *x, bool *ret_plain)
{
    int there = MHD_get_connection_values_n(f->connection, MHD_HEADER_KIND, NULL, NULL);
    struct gathering g = { .room = there < 0 ? 0 : (size_t)there };

    note_peer(f->connection, x);
    g.headers = ARENA_ARRAY(x->arena, struct header, g.room + 1);
    if (!g.headers)
        return false;
    MHD_get_connection_values_n(f->connection, MHD_HEADER_KIND, gather_header, &g);
    x->headers = g.headers;
    x->header_count = g.count;
    x->method = str_of(f->method);
    x->version = str_of(f->version);
    *ret_plain = layout_is_plain(f, x);
    for (size_t i = 0; i < g.count; i++)
        g.headers[i].value = str_trim(g.headers[i].value);
    return true;
}
