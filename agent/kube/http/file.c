/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kube/http/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Without O_NONBLOCK, open() of a FIFO waits for a writer. */
static int open_regular(const char *path, const char *what, struct err *err)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat file;
    int r;

    if (fd < 0)
        return err_set_errno(err, -errno, "cannot open %s '%s'", what, path);
    if (fstat(fd, &file) < 0)
        r = err_set_errno(err, -errno, "cannot stat %s '%s'", what, path);
    else if (S_ISDIR(file.st_mode))
        r = err_set_errno(err, -EISDIR, "cannot read %s '%s'", what, path);
    else if (!S_ISREG(file.st_mode))
        r = err_set(err, -EINVAL, "%s '%s' is not a regular file", what, path);
    else
        return fd;
    close(fd);
    return r;
}

int file_read(const char *path, const char *what, struct buf *content, struct err *err)
{
    int fd = open_regular(path, what, err);
    char block[4096];
    ssize_t n = 0;
    int r = 0;

    if (fd < 0)
        return fd;
    while (!buf_error(content) && (n = read(fd, block, sizeof(block))) > 0)
        buf_add(content, (struct str){ .at = block, .len = (size_t)n });
    if (n < 0)
        r = err_set_errno(err, -errno, "cannot read %s '%s'", what, path);
    else if (buf_error(content) == -E2BIG)
        r = err_set(err, -E2BIG, "%s '%s' is over %zu bytes", what, path, content->max);
    else if (buf_error(content))
        r = err_set(err, buf_error(content), "no memory to read %s '%s'", what, path);
    close(fd);
    explicit_bzero(block, sizeof(block));
    return r;
}
