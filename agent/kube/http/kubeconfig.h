/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The file that kubectl reads (kind Config, version v1): one context of it. */

#include "agent/kube/http/credentials.h"
#include "err.h"

/*
 * Reads one context from the kubeconfig `path`: `context`, or its current-context if that is NULL.
 * Data is decoded; files that it names are relative to its folder and are not read yet. As in
 * client-go, data takes precedence over a file, but tokenFile over token.
 *
 * -EINVAL, -ENOENT, -E2BIG or -ENOMEM; the error names the file and the key. What is not supported
 * is refused, not ignored: programs that make tokens (exec, auth-provider), passwords,
 * impersonation, proxies, credentials in the clear. *ret is untouched on failure;
 * credentials_done().
 */
int kubeconfig_read(const char *path, const char *context, struct credentials *ret,
                    struct err *err);

/* The same for the content `text` of a file at `path`, which is not opened. */
int kubeconfig_parse(struct str text, const char *path, const char *context,
                     struct credentials *ret, struct err *err);
