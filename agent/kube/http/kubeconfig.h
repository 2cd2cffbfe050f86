/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The file that kubectl reads (kind Config, version v1): one context of it. */

#include "agent/kube/http/credentials.h"
#include "err.h"

/*
 * Reads the context `context`, or current-context where it is NULL, from the kubeconfig `path`.
 * Files that it names are relative to its own folder and are not read yet; what it holds as data is
 * decoded. As in client-go, data wins over a file, but tokenFile over token.
 *
 * -EINVAL, -ENOENT, -E2BIG or -ENOMEM; the error names the file, and the key where there is one.
 * What cannot be done here is refused rather than passed over: programs that make tokens (exec,
 * auth-provider), passwords, impersonation, proxies, credentials in the clear. *ret is untouched on
 * failure; credentials_done().
 */
int kubeconfig_read(const char *path, const char *context, struct credentials *ret,
                    struct err *err);

/* As kubeconfig_read() of a file at `path` whose content is `text`; nothing is opened. */
int kubeconfig_parse(struct str text, const char *path, const char *context,
                     struct credentials *ret, struct err *err);
