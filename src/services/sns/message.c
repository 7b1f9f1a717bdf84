/* services/sns/message.c - names and their order, as AWS writes them. */
#include "services/sns/message.h"

#include "base/json.h"
#include "base/when.h"

/* clang-format off */
static const str type_names[] = {
    [MESSAGE_NOTIFICATION] = STR_INIT("Notification"),
    [MESSAGE_SUBSCRIBE]    = STR_INIT("SubscriptionConfirmation"),
    [MESSAGE_UNSUBSCRIBE]  = STR_INIT("UnsubscribeConfirmation"),
};
/* clang-format on */
enum { TYPES = sizeof type_names / sizeof type_names[0] };

str message_type_name(enum message_type type)
{
    return type_names[type];
}

str message_text(const struct sns_message *m, str protocol)
{
    for (size_t i = 0; i < m->variant_count; i++)
        if (str_eq(m->variants[i].name, protocol))
            return m->variants[i].value;
    return m->message;
}

/* ---- in the spool ---- */

/* A JSON object, a newline, and the message as it is: it may have 256 KB, and quoted it would be read
 * octet by octet at every delivery. */

void message_encode(const struct sns_message *m, struct buf *out)
{
    struct json_writer w = json_writer(out);
    json_open(&w, '{');
    json_add_str(&w, "type", type_names[m->type]);
    json_add_str(&w, "id", m->message_id);
    json_add_str(&w, "topic", m->topic_arn);
    json_add_int(&w, "at_ms", m->at_ms);
    if (!str_is_none(m->subject))
        json_add_str(&w, "subject", m->subject);
    if (!str_is_none(m->token))
        json_add_str(&w, "token", m->token);
    json_name(&w, STR("variants"));
    json_open(&w, '{');
    for (size_t i = 0; i < m->variant_count; i++) {
        json_name(&w, m->variants[i].name);
        json_put_str(&w, m->variants[i].value);
    }
    json_close(&w, '}');
    json_name(&w, STR("attributes"));
    json_open(&w, '[');
    for (size_t i = 0; i < m->attribute_count; i++) {
        json_open(&w, '{');
        json_add_str(&w, "name", m->attributes[i].name);
        json_add_str(&w, "type", m->attributes[i].type);
        json_add_str(&w, "value", m->attributes[i].value);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
    buf_addc(out, '\n');
    buf_add(out, m->message);
}

static const struct fault *decode_lists(const struct json *json, struct arena *arena,
                                        struct sns_message *m)
{
    const struct json *variants = json_get(json, "variants"),
                      *attributes = json_get(json, "attributes"), *value;
    m->variant_count = json_size(variants);
    m->attribute_count = json_size(attributes);
    struct header *to = ARENA_ARRAY(arena, struct header, m->variant_count + 1);
    struct message_attribute *at = ARENA_ARRAY(arena, struct message_attribute, m->attribute_count + 1);
    if (!to || !at)
        return &fault_no_memory;
    for (size_t i = 0; json_member(variants, i, &to[i].name, &value); i++)
        to[i].value = json_text(value);
    for (size_t i = 0; i < m->attribute_count; i++)
        at[i] = (struct message_attribute) { json_str(json_at(attributes, i), "name"),
                                         json_str(json_at(attributes, i), "type"),
                                         json_str(json_at(attributes, i), "value") };
    m->variants = to;
    m->attributes = at;
    return NULL;
}

const struct fault *message_decode(str text, struct arena *arena, struct sns_message *ret_message)
{
    static const char none[] = "the body of an errand is no notification";
    const struct json *json;
    str head, message;
    if (!str_cut(text, '\n', &head, &message))
        return fault(arena, FAULT_SYNTAX, NULL, none);
    TRY(json_parse(head, arena, &json));
    size_t type = 0;
    while (type < TYPES && !str_eq(type_names[type], json_str(json, "type")))
        type++;
    struct sns_message m = { .type = (enum message_type)type,
                             .message_id = json_str(json, "id"),
                             .topic_arn = json_str(json, "topic"),
                             .at_ms = json_int(json, "at_ms", 0),
                             .subject = json_str(json, "subject"),
                             .message = message,
                             .token = json_str(json, "token") };
    if (type == TYPES || str_is_none(m.message_id) || str_is_none(m.topic_arn))
        return fault(arena, FAULT_SYNTAX, NULL, none);
    TRY(decode_lists(json, arena, &m));
    *ret_message = m;
    return NULL;
}

/* ---- what is signed ---- */

static void sign_line(struct buf *out, const char *name, str value)
{
    buf_addf(out, "%s\n", name);
    buf_add(out, value);
    buf_addc(out, '\n');
}

str message_string_to_sign(const struct envelope_view *v, struct arena *arena)
{
    const struct sns_message *m = v->message;
    char when[WHEN_SIZE];
    AUTO_BUF out = buf_new(1 << 20);
    sign_line(&out, "Message", v->text);
    sign_line(&out, "MessageId", m->message_id);
    if (m->type == MESSAGE_NOTIFICATION && !str_is_none(m->subject))
        sign_line(&out, "Subject", m->subject);
    if (m->type != MESSAGE_NOTIFICATION)
        sign_line(&out, "SubscribeURL", v->url);
    sign_line(&out, "Timestamp", when_iso_ms(when, m->at_ms));
    if (m->type != MESSAGE_NOTIFICATION)
        sign_line(&out, "Token", m->token);
    sign_line(&out, "TopicArn", m->topic_arn);
    sign_line(&out, "Type", type_names[m->type]);
    return out.failed ? STR_NONE : arena_str(arena, buf_str(&out));
}

/* ---- for subscribers ---- */

/* AWS lays the object out over lines, one member each, with blanks around the colon; people compare. */
static void member(struct buf *out, const char *name, str value)
{
    if (str_is_none(value))
        return;
    buf_addf(out, "%s  \"%s\" : ", out->len > 1 ? ",\n" : "\n", name);
    json_quote(out, value);
}

static void write_attributes(const struct sns_message *m, const char *before, const char *after,
                             struct buf *out)
{
    for (size_t i = 0; i < m->attribute_count; i++) {
        const struct message_attribute *a = &m->attributes[i];
        buf_add(out, i ? STR(",") : STR(""));
        buf_addf(out, "%s", before);
        json_quote(out, a->name);
        buf_addf(out, "%s{\"Type\":", after);
        json_quote(out, a->type);
        buf_add(out, STR(",\"Value\":"));
        json_quote(out, a->value);
        buf_addc(out, '}');
    }
}

void message_write(const struct envelope_view *v, struct buf *out)
{
    const struct sns_message *m = v->message;
    bool notification = m->type == MESSAGE_NOTIFICATION;
    char when[WHEN_SIZE];
    buf_addc(out, '{');
    member(out, "Type", type_names[m->type]);
    member(out, "MessageId", m->message_id);
    if (!notification)
        member(out, "Token", m->token);
    member(out, "TopicArn", m->topic_arn);
    if (notification)
        member(out, "Subject", m->subject);
    member(out, "Message", v->text);
    if (!notification)
        member(out, "SubscribeURL", v->url);
    member(out, "Timestamp", when_iso_ms(when, m->at_ms));
    member(out, "SignatureVersion", v->signature_version);
    member(out, "Signature", v->signature);
    member(out, "SigningCertURL", v->cert_url);
    if (notification)
        member(out, "UnsubscribeURL", v->url);
    if (notification && m->attribute_count) {
        buf_add(out, STR(",\n  \"MessageAttributes\" : {"));
        write_attributes(m, "\n    ", " : ", out);
        buf_add(out, STR("\n  }"));
    }
    buf_add(out, STR("\n}"));
}

void message_write_lambda(const struct envelope_view *v, struct buf *out)
{
    const struct sns_message *m = v->message;
    char when[WHEN_SIZE];
    struct json_writer w = json_writer(out);
    json_open(&w, '{');
    json_name(&w, STR("Records"));
    json_open(&w, '[');
    json_open(&w, '{');
    json_add_str(&w, "EventSource", STR("aws:sns"));
    json_add_str(&w, "EventVersion", STR("1.0"));
    json_add_str(&w, "EventSubscriptionArn", v->subscription_arn);
    json_name(&w, STR("Sns"));
    json_open(&w, '{');
    json_add_str(&w, "Type", type_names[m->type]);
    json_add_str(&w, "MessageId", m->message_id);
    json_add_str(&w, "TopicArn", m->topic_arn);
    json_add_str(&w, "Subject", m->subject); /* null when there is none */
    json_add_str(&w, "Message", v->text);
    json_add_str(&w, "Timestamp", when_iso_ms(when, m->at_ms));
    json_add_str(&w, "SignatureVersion", v->signature_version);
    json_add_str(&w, "Signature", v->signature);
    json_add_str(&w, "SigningCertUrl", v->cert_url);
    json_add_str(&w, "UnsubscribeUrl", v->url);
    AUTO_BUF attributes = buf_new(out->max);
    buf_addc(&attributes, '{');
    write_attributes(m, "", ":", &attributes);
    buf_addc(&attributes, '}');
    json_add_raw(&w, "MessageAttributes", buf_str(&attributes));
    out->failed |= attributes.failed;
    json_close(&w, '}');
    json_close(&w, '}');
    json_close(&w, ']');
    json_close(&w, '}');
}
