/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whether a PEM file (RFC 7468) can be what it is given for, without a TLS library: armour that is
 * closed, base64 in it, one whole DER sequence in that. What is wrong inside of the sequence only
 * the first connection tells.
 */

#include "err.h"
#include "str.h"

enum pem_kind { PEM_CERTIFICATES, PEM_PRIVATE_KEY };

/*
 * Checks every block of `text` that is of `kind`; others, and words between blocks, are passed over
 * as OpenSSL does. -EINVAL: there is none, or one is damaged: the error goes on from the file's
 * name ("holds no PEM certificate"). -ENOMEM.
 */
int pem_check(struct str text, enum pem_kind kind, struct err *err);
