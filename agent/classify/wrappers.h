/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the kubelet, the runtimes and their libraries put in front of an error. The wording of a
 * wrapper never decides a verdict. A wrapper tells where the error comes from, names the image, or
 * starts another part.
 */

#include <stddef.h>
#include <stdint.h>

#include "agent/classify/message.h"

enum {
    W_PULL = 1u << 0,      /* "Failed to pull image" and the like */
    W_BACK_OFF = 1u << 1,  /* "Back-off pulling image" */
    W_RESOLVE = 1u << 2,   /* resolving the name to a manifest, or requesting "/v2/" */
    W_AUTH = 1u << 3,      /* requesting a token */
    W_ANONYMOUS = 1u << 4, /* ... without credentials */
    W_MANIFEST = 1u << 5,  /* reading a manifest */
    W_BLOB = 1u << 6,      /* reading a layer or the config */
    W_UNPACK = 1u << 7,    /* unpacking a layer */
    W_REQUEST = 1u << 8,   /* an HTTP request got no answer */
    W_LOOKUP = 1u << 9,    /* DNS */
    W_PROXY = 1u << 10,    /* an HTTP proxy */
    W_SOCKET = 1u << 11,   /* a unix socket: the runtime, not a registry */
    W_MIRROR = 1u << 12,   /* not the registry that the image names */
    W_ARTIFACT = 1u << 13, /* CRI-O's second try: as an OCI artifact */
    W_NO_HEADER =
        1u << 14, /* containerd 1.6 "pulling from host": the same with and without credentials */
    W_SANDBOX = 1u << 15,     /* the pod's sandbox (pause) image */
    W_CREDENTIALS = 1u << 16, /* a credential helper or provider plugin */
    W_REFERENCE = 1u << 17,   /* parsing the image name */
    W_INSPECT = 1u << 18,     /* looking for the image on the node */
    W_PAGE = 1u << 19,        /* an HTML or XML page instead of an answer of the registry */
    W_LOGIN = 1u << 20,       /* requesting a token with a user name and password */
    W_PING = 1u << 21,        /* asking whether a registry is there at all */
    W_CREATE = 1u << 22,      /* creating or starting a container: after the pull */
    W_DIAL = 1u << 23,        /* connecting */
    W_SIGNATURES = 1u << 24,  /* reading signatures, often from another server */
    W_LAZY = 1u << 25,        /* a snapshotter that fetches layers when they are read */
    W_CONFIG = 1u << 26,      /* a configuration file of the runtime */
    W_COMMIT = 1u << 27,      /* checking a complete download */
    W_MEDIA_TYPE = 1u << 28,  /* names a media type */
};

enum wrapper_flag {
    WRAPPER_STARTS = 1u << 0,      /* starts another part if the present one has content */
    WRAPPER_IMAGE = 1u << 1,       /* its slot is the image as in the pod spec */
    WRAPPER_INNER_IMAGE = 1u << 2, /* its slot is the image as the runtime names it */
    WRAPPER_GRPC = 1u << 3,        /* its slot is the name of a gRPC code */
    WRAPPER_STATUS = 1u << 4,      /* its slot is an HTTP status */
    WRAPPER_MIRRORS = 1u << 5,     /* CRI-O's list of mirrors follows */
    WRAPPER_HOST = 1u << 6,        /* its slot is the host that was asked */
    WRAPPER_PLACE = 1u << 7,       /* it ends with that host, or with a name that has it */
    WRAPPER_LOOKUP = 1u << 8,      /* its slot is a host; after "on", the name server follows */
    WRAPPER_DIAL = 1u << 9,        /* its slot is the address that was dialled */
};

struct wrapper {
    const char *phrase; /* normalise_phrases.h */
    wrapper_set bits;
    unsigned flags;
};

extern const struct wrapper wrappers[];
extern const size_t n_wrappers;
