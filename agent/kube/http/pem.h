/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Checks PEM files before the first connection, so that the error can name the damaged file. GnuTLS
 * parses each certificate or key; libcurl, which uses OpenSSL, loads them later. Not checked:
 * signatures, and whether a key belongs to a certificate.
 */

#include "err.h"
#include "str.h"

enum pem_kind { PEM_CERTIFICATES, PEM_PRIVATE_KEY };

/*
 * Checks all certificates of `text`, or its private key. Other blocks, and text between blocks, are
 * ignored. -EINVAL: there is none, or one is damaged; the error continues the name of the file
 * ("has no PEM certificate"). -ENOMEM.
 */
int pem_check(struct str text, enum pem_kind kind, struct err *err);
