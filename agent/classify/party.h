/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whose host failed. It is not always the registry that the image names: mirrors, token servers,
 * blob hosts, proxies and name servers fail too, and CRI-O may ask another registry for a short
 * name. Pure; any thread.
 */

#include "agent/classify/message.h"
#include "causes.h"
#include "limit.h"

struct party {
    enum role role;             /* ROLE_MAX: not known, or no host failed */
    char host[LIMIT_NAME_TEXT]; /* host[:port] as the message has it; "": not known */
    struct str file; /* the configuration file that failed, in the message's buffer; may be empty */
};

void party_find(const struct message *message, const struct verdict *verdict, struct party *ret);

/*
 * Writes the registry of the image: image_registry(). For a short name it is the one that the
 * runtime says it asked. "" if the message names no image.
 */
void party_registry(const struct message *message, const struct verdict *verdict,
                    char ret[LIMIT_NAME_TEXT]);

/* host[:port] of "https://user@host:port/path?query", "host:port/name" or "tcp://host". */
struct str party_host(struct str text);

/* The path of a URL, without "/" in front and without query. */
struct str party_path(struct str url);

/* A name with a dot, a port, or "localhost": the first part of a short name is no host. */
bool party_is_host(struct str text);
