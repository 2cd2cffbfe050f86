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

/* `registry` is that of the image; empty: not known. */
void party_find(const struct message *message, const struct verdict *verdict, struct str registry,
                struct party *ret);

/* The name of the registry's host that the runtime asked for a short name; empty: the image has no
 * short name, or the message does not say it. */
struct str party_asked(const struct message *message, const struct verdict *verdict);

/* host[:port] of "https://user@host:port/path?query", "host:port/name" or "tcp://host". */
struct str party_host(struct str text);

/* The path of a URL, without "/" in front and without query. */
struct str party_path(struct str url);

/* Whether a registry or its token server was asked. */
bool party_is_of_a_registry(struct str url);

/* A name with a dot, a port, or "localhost": the first part of a short name is no host. */
bool party_is_host(struct str text);
