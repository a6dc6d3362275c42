#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum ob_err ob_file_read(const char *path, size_t bytes_max, char **ret_data, size_t *ret_bytes,
                         struct ob_error *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ob_fail(error, errno == ENOENT ? OB_ENOTFOUND : OB_EIO, "%s: cannot open: %s", path,
                       strerror(errno));
    struct stat info;
    enum ob_err failed = OB_OK;
    char *data = NULL;
    size_t used = 0;
    if (fstat(fd, &info) != 0)
        failed = ob_fail(error, OB_EIO, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(info.st_mode))
        failed = ob_fail(error, OB_EFORMAT, "%s: is not a regular file", path);
    else if ((uint64_t)info.st_size > bytes_max)
        failed = ob_fail(error, OB_ETOOBIG, "%s: %lld bytes, at most %zu are read", path,
                         (long long)info.st_size, bytes_max);
    else if (!(data = malloc((size_t)info.st_size + 1)))
        failed = ob_fail(error, OB_ENOMEM, "%s: out of memory", path);
    while (!failed && used < (size_t)info.st_size) {
        ssize_t got = read(fd, data + used, (size_t)info.st_size - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            failed = ob_fail(error, OB_EIO, "%s: cannot read: %s", path, strerror(errno));
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    close(fd);
    if (failed) {
        free(data);
        return failed;
    }
    data[used] = 0;
    *ret_data = data;
    *ret_bytes = used;
    return OB_OK;
}

static int write_all(int fd, const char *data, size_t bytes) {
    while (bytes > 0) {
        ssize_t done = write(fd, data, bytes);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        data += done;
        bytes -= (size_t)done;
    }
    return fsync(fd);
}

enum ob_err ob_file_write_new(const char *path, const void *data, size_t bytes, unsigned mode,
                              struct ob_error *error) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
    if (fd < 0 && errno == EEXIST)
        return ob_fail(error, OB_EBUSY, "%s: is there already; choose another name or remove it", path);
    if (fd < 0)
        return ob_fail(error, OB_EIO, "%s: cannot create: %s", path, strerror(errno));
    int failed = write_all(fd, data, bytes);
    int why = errno;
    if (close(fd) != 0 && !failed) {
        failed = -1;
        why = errno;
    }
    if (!failed)
        return OB_OK;
    unlink(path);
    return ob_fail(error, why == ENOSPC || why == EDQUOT || why == EFBIG ? OB_EFULL : OB_EIO,
                   "%s: cannot write: %s", path, strerror(why));
}

enum ob_err ob_file_sync_folder(const char *path, struct ob_error *error) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = fd < 0 ? -1 : fsync(fd);
    int why = errno;
    if (fd >= 0)
        close(fd);
    return failed ? ob_fail(error, OB_EIO, "%s: cannot sync: %s", path, strerror(why)) : OB_OK;
}

enum ob_err ob_file_make_folder(const char *path, unsigned mode, struct ob_error *error) {
    if (mkdir(path, (mode_t)mode) == 0 || errno == EEXIST)
        return OB_OK;
    return ob_fail(error, OB_EIO, "%s: cannot make folder: %s", path, strerror(errno));
}
