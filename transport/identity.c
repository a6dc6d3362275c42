#include "transport/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/access.h"
#include "base/hex.h"
#include "base/path.h"

#define HEAD       "onebyte-identity-1 "
#define FILE_BYTES (sizeof HEAD - 1 + 64 + 1)

void ob_identity_generate(struct ob_identity *ret_identity) {
    crypto_sign_keypair(ret_identity->machine.key, ret_identity->secret_key);
}

void ob_identity_wipe(struct ob_identity *identity) {
    sodium_memzero(identity, sizeof *identity);
}

void ob_machine_to_text(const struct ob_machine_id *machine, char ret_text[static OB_HEX_KEY_MAX]) {
    ob_hex_encode(machine->key, OB_KEY_BYTES, ret_text);
}

enum ob_err ob_machine_from_text(const char *text, struct ob_machine_id *ret_machine,
                                 struct ob_error *error) {
    struct ob_machine_id machine;
    if (!ob_hex_decode(text, OB_KEY_BYTES, machine.key))
        return ob_fail(error, OB_EFORMAT, "\"%.80s\" is not a machine key; expected 64 hexadecimal digits",
                       text);
    *ret_machine = machine;
    return OB_OK;
}

static enum ob_err write_new(const char *path, const char *data, size_t bytes, mode_t mode,
                             struct ob_error *error) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0 && errno == EEXIST)
        return ob_fail(error, OB_EBUSY, "%s: already exists; choose another name or remove it", path);
    if (fd < 0)
        return ob_access_fail(error, path, "cannot create", errno);
    bool written = write(fd, data, bytes) == (ssize_t)bytes && fchmod(fd, mode) == 0 && fsync(fd) == 0;
    int why = errno;
    close(fd);
    if (written)
        return OB_OK;
    unlink(path);
    return ob_access_fail(error, path, "cannot write", why);
}

enum ob_err ob_identity_save(const struct ob_identity *identity, const char *path, struct ob_error *error) {
    char text[FILE_BYTES + 1], public_text[OB_HEX_KEY_MAX + 1], public_path[OB_PATH_MAX];
    enum ob_err failed = ob_path_append(public_path, path, ".pub", error);
    if (failed)
        return failed;
    memcpy(text, HEAD, sizeof HEAD - 1);
    sodium_bin2hex(text + sizeof HEAD - 1, 65, identity->secret_key, 32);
    text[FILE_BYTES - 1] = '\n';
    failed = write_new(path, text, FILE_BYTES, 0600, error);
    sodium_memzero(text, sizeof text);
    if (failed)
        return failed;
    ob_machine_to_text(&identity->machine, public_text);
    public_text[64] = '\n';
    unlink(public_path); /* holds nothing that the identity does not */
    return write_new(public_path, public_text, 65, 0644, error);
}

static enum ob_err parse(const char *path, const char *text, size_t bytes, struct ob_identity *ret_identity,
                         struct ob_error *error) {
    uint8_t seed[32];
    size_t used = 0;
    if (bytes != FILE_BYTES || memcmp(text, HEAD, sizeof HEAD - 1) != 0 || text[FILE_BYTES - 1] != '\n' ||
        sodium_hex2bin(seed, sizeof seed, text + sizeof HEAD - 1, 64, NULL, &used, NULL) != 0 ||
        used != sizeof seed) {
        sodium_memzero(seed, sizeof seed);
        return ob_fail(error, OB_EFORMAT, "%s: not an identity; create one with `onebyte keygen %s`", path,
                       path);
    }
    crypto_sign_seed_keypair(ret_identity->machine.key, ret_identity->secret_key, seed);
    sodium_memzero(seed, sizeof seed);
    return OB_OK;
}

enum ob_err ob_identity_load(const char *path, struct ob_identity *ret_identity, struct ob_error *error) {
    char text[FILE_BYTES + 1];
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return ob_fail(error, OB_ENOTFOUND, "%s: no identity; create one with `onebyte keygen %s`", path,
                       path);
    if (fd < 0 || fstat(fd, &info) != 0) {
        int why = errno;
        if (fd >= 0)
            close(fd);
        if (why == ELOOP)
            return ob_fail(error, OB_EREFUSED, "%s: is a symbolic link; name the identity itself", path);
        return ob_access_fail(error, path, "cannot open", why);
    }
    if (info.st_uid != geteuid()) {
        close(fd);
        return ob_access_foreign(error, path, &info);
    }
    if ((info.st_mode & 077) != 0) {
        close(fd);
        return ob_fail(error, OB_EREFUSED,
                       "%s: must be readable by you alone (mode 0600, not %03o): run chmod 600 on it", path,
                       info.st_mode & 0777u);
    }
    ssize_t bytes = read(fd, text, sizeof text);
    close(fd);
    enum ob_err failed = bytes < 0 ? ob_access_fail(error, path, "cannot read", errno)
                                   : parse(path, text, (size_t)bytes, ret_identity, error);
    sodium_memzero(text, sizeof text);
    return failed;
}
