/* main/ask.h - one question to a running server: how explain and redrive reach it. */
#ifndef SESAME_MAIN_ASK_H
#define SESAME_MAIN_ASK_H

#include "base/buf.h"
#include "base/outside.h"
#include "main/config.h"
#include "wire/http_client.h"

/* "http://host:port": --api, or the server of --data; no slash at the end. */
const struct fault *ask_url(const struct config *, struct arena *, str *ret_url);

/* method and path below /_sesame/, at --api or at the server of --data. Over loopback unsigned,
 * otherwise signed with the root credentials. */
const struct fault *ask_server(const struct config *, const char *method, str path, struct clock *,
                               struct arena *, struct http_reply *ret_reply);

/* Adds "?name=value" to a path, or "&name=value" behind another; nothing for an empty value. */
void ask_add_parameter(struct buf *path, const char *name, str value);

/* What the reply of a page that is no 2xx says, as a fault; NULL for 2xx. */
const struct fault *ask_check(const struct http_reply *, struct arena *);

/* "0bj6h9..." : the form of a message id, so that it can stand in a path as it is. */
const struct fault *ask_message(const struct config *, struct arena *);

#endif
