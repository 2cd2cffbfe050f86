/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/incidents/waiting.h"

#include "util.h"

/* What the reason of a waiting container means for its image. */
enum meaning {
    MEANS_ERROR,
    MEANS_BACK_OFF,
    MEANS_REFUSED,
    MEANS_PREVENTED,
    MEANS_DONE,
    MEANS_FAILED_LATER, /* done, except if its message is about the image */
    MEANS_STARTED,      /* done, except if the last start failed because of the image */
};

/* kubelet: pkg/kubelet/images/types.go; RegistryUnavailable and SignatureValidationFailed are in
 * cri-api's pkg/errors; CRI-O uses them. */
static const struct {
    struct str reason;
    enum meaning meaning;
} waiting_reasons[] = {
    { { "ErrImagePull", 12 }, MEANS_ERROR },
    { { "ImagePullBackOff", 16 }, MEANS_BACK_OFF },
    { { "RegistryUnavailable", 19 }, MEANS_ERROR },
    { { "SignatureValidationFailed", 25 }, MEANS_ERROR },
    { { "ErrImageNeverPull", 17 }, MEANS_REFUSED },
    { { "InvalidImageName", 16 }, MEANS_REFUSED },
    /* The kubelet could not even ask the runtime for the image (imagePullPrecheck()). */
    { { "ImageInspectError", 17 }, MEANS_PREVENTED },
    /* pkg/kubelet/kuberuntime/kuberuntime_container.go: all of these happen after the kubelet's
     * pull. */
    { { "CreateContainerConfigError", 26 }, MEANS_DONE },
    { { "PreCreateHookError", 18 }, MEANS_DONE },
    { { "CreateContainerError", 20 }, MEANS_FAILED_LATER },
    { { "PreStartHookError", 17 }, MEANS_DONE },
    { { "PostStartHookError", 18 }, MEANS_DONE },
    { { "RunContainerError", 17 }, MEANS_FAILED_LATER },
    { { "CrashLoopBackOff", 16 }, MEANS_STARTED },
};

/*
 * Whether the kubelet gave the text of an error as reason. Since 1.33 it does so with what goes
 * wrong before a pull: a pull Secret that it cannot read, a full disk where it records the pull.
 * All later errors have a reason of one word (kubelet: pkg/kubelet/images/image_manager.go,
 * EnsureImageExists(); pkg/kubelet/kuberuntime/kuberuntime_container.go, startContainer()).
 */
static bool is_error_text(struct str reason)
{
    return str_find(reason, STR(" ")) != NULL;
}

static enum meaning meaning_of(struct str reason, bool *ret_known)
{
    for (size_t i = 0; i < ARRAY_SIZE(waiting_reasons); i++)
        if (str_eq(reason, waiting_reasons[i].reason)) {
            *ret_known = true;
            return waiting_reasons[i].meaning;
        }
    *ret_known = false;
    return MEANS_DONE;
}

/* The error of a container that was pulled for, and could not be created or started; else empty. */
static struct str late_error(const struct container_fact *fact)
{
    bool known;

    if (fact->phase == PHASE_TERMINATED)
        return fact->start_error;
    if (fact->phase == PHASE_WAITING)
        switch (meaning_of(fact->waiting_reason, &known)) {
        case MEANS_FAILED_LATER:
            return fact->waiting_message;
        case MEANS_STARTED:
            return fact->start_error;
        default:
            break;
        }
    return STR("");
}

/* Before a pull, no registry has answered: what cannot be parsed is a pull Secret. */
static struct verdict malformed_secret(void)
{
    return (struct verdict){ .cause = CAUSE_CONFIG,
                             .reason = REASON_PULL_SECRET_MALFORMED,
                             .stage = STAGE_LOCAL,
                             .rule = "before-pull" };
}

void waiting_read(const struct container_fact *fact, struct message *ret,
                  struct verdict *ret_verdict)
{
    struct str late = late_error(fact);

    if (late.len) {
        normalise(STR(""), late, ret);
        *ret_verdict = classify(ret);
        classify_create_error(ret, ret_verdict);
        return;
    }
    if (is_error_text(fact->waiting_reason))
        normalise(STR("Error"), fact->waiting_reason, ret);
    else
        normalise(fact->waiting_reason, fact->waiting_message, ret);
    *ret_verdict = classify(ret);
    if (is_error_text(fact->waiting_reason) && ret_verdict->reason == REASON_MALFORMED_RESPONSE)
        *ret_verdict = malformed_secret();
}

/* The kubelet asks for no pull: what fails is in the runtime, or in a virtual machine. */
static enum pull_class late_class(const struct container_fact *fact)
{
    struct str late = late_error(fact);
    UNINITIALIZED struct message message;
    struct verdict verdict;

    if (late.len == 0)
        return PULL_DONE;
    normalise(STR(""), late, &message);
    verdict = classify(&message);
    if (!classify_create_error(&message, &verdict))
        return PULL_DONE;
    if (verdict.reason == REASON_IMAGE_LOST)
        return PULL_PREVENTED;
    return fact->phase == PHASE_WAITING && str_eq(fact->waiting_reason, STR("CrashLoopBackOff"))
               ? PULL_BACK_OFF
               : PULL_ERROR;
}

enum pull_class pull_class_of(const struct container_fact *fact)
{
    bool known;

    if (fact->phase == PHASE_RUNNING)
        return PULL_DONE;
    if (fact->phase == PHASE_TERMINATED)
        return late_class(fact);
    if (fact->phase != PHASE_WAITING)
        return PULL_SILENT;
    switch (meaning_of(fact->waiting_reason, &known)) {
    case MEANS_ERROR:
        return PULL_ERROR;
    case MEANS_BACK_OFF:
        return PULL_BACK_OFF;
    case MEANS_REFUSED:
        return PULL_REFUSED;
    case MEANS_PREVENTED:
        return PULL_PREVENTED;
    case MEANS_FAILED_LATER:
    case MEANS_STARTED:
        return late_class(fact);
    case MEANS_DONE:
        break;
    }
    if (known)
        return PULL_DONE;
    return is_error_text(fact->waiting_reason) ? PULL_PREVENTED : PULL_SILENT;
}

struct str waiting_word(const struct container_fact *fact)
{
    if (fact->phase == PHASE_TERMINATED)
        return STR("StartError");
    return is_error_text(fact->waiting_reason) ? STR("Error") : fact->waiting_reason;
}

enum pull_place waiting_place(const struct container_fact *fact)
{
    if (late_error(fact).len)
        return PLACE_AFTER;
    return pull_class_of(fact) == PULL_PREVENTED ? PLACE_BEFORE : PLACE_PULL;
}
