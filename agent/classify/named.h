/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The image and registry that a person finds in a message: as the kubelet or the runtime names
 * them, else from the requested URL, else from a text that reads like an image. Only for the
 * `classify` command: the agent knows the image from the pod. Pure; any thread.
 */

#include "agent/classify/message.h"
#include "limit.h"

struct named {
    char image[LIMIT_IMAGE_TEXT];   /* "": none */
    char registry[LIMIT_NAME_TEXT]; /* "": not known; may be known without an image */
};

/* Whether image_registry() could not parse the image. */
bool named_is_invalid(const char *registry);

void named_find(const struct message *message, const struct verdict *verdict, struct named *ret);
