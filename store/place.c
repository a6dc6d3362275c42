/* The place of a state directory: a file `place.a` or `place.b` whose device, inode, time of change and
 * content stand in the database, with the machine's id. A copy of the directory, or an older state of it that
 * somebody put back (in place or not), has another place: the time of change is the kernel's, nobody can set
 * it. Then the daemon does not know whether samples were signed that its log does not have.
 *
 * What this cannot see: a whole file system or virtual machine that went back to a snapshot of itself.
 *
 * A new place goes under the other of the two names and is recorded before the old file goes away, so that a
 * crash leaves one that is valid. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/access.h"
#include "base/file.h"
#include "base/hex.h"
#include "store/store_internal.h"

#define TOKEN_BYTES 16
#define PLACE_MAX   320

static enum ob_err path_of(const struct ob_store *store, char name, char ret_path[static OB_PATH_MAX],
                           struct ob_error *error) {
    const char file[] = {'p', 'l', 'a', 'c', 'e', '.', name, 0};
    return ob_path_join(ret_path, store->folder, file, error);
}

/* One line; "" when it cannot be read: then there is nothing that could be the same. */
static void first_line(const char *path, char *ret_line, size_t capacity) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t bytes = fd < 0 ? -1 : read(fd, ret_line, capacity - 1);
    if (fd >= 0)
        close(fd);
    ret_line[bytes < 0 ? 0 : bytes] = 0;
    ret_line[strcspn(ret_line, "\n")] = 0;
}

/* "NAME machine-id device inode seconds nanoseconds token" of a place file as it is now, or "". */
static void describe(const struct ob_store *store, char name, char ret_text[PLACE_MAX]) {
    char path[OB_PATH_MAX], machine[64], token[2 * TOKEN_BYTES + 2];
    struct stat info;
    ret_text[0] = 0;
    if (path_of(store, name, path, NULL) || stat(path, &info) != 0)
        return;
    first_line(path, token, sizeof token);
    first_line("/etc/machine-id", machine, sizeof machine);
    (void)snprintf(ret_text, PLACE_MAX, "%c %s %ju %ju %jd %ld %s", name, machine, (uintmax_t)info.st_dev,
                   (uintmax_t)info.st_ino, (intmax_t)info.st_ctim.tv_sec, info.st_ctim.tv_nsec, token);
}

static bool any_file(const struct ob_store *store) {
    char path[OB_PATH_MAX];
    return (path_of(store, 'a', path, NULL) == OB_OK && access(path, F_OK) == 0) ||
           (path_of(store, 'b', path, NULL) == OB_OK && access(path, F_OK) == 0);
}

enum ob_err ob_store_place_check(struct ob_store *store, bool fresh, bool *ret_same, struct ob_error *error) {
    char recorded[PLACE_MAX], found[PLACE_MAX];
    enum ob_err failed = ob_store_meta_text(store, "place", recorded, sizeof recorded, error);
    if (failed)
        return failed;
    if (fresh && !recorded[0] && !any_file(store)) {
        *ret_same = true;
        return ob_store_place_renew(store, error);
    }
    describe(store, recorded[0], found);
    *ret_same = found[0] && strcmp(recorded, found) == 0;
    return OB_OK;
}

enum ob_err ob_store_place_renew(struct ob_store *store, struct ob_error *error) {
    char recorded[PLACE_MAX], path[OB_PATH_MAX], token[2 * TOKEN_BYTES + 1], place[PLACE_MAX];
    uint8_t random[TOKEN_BYTES];
    enum ob_err failed = ob_store_meta_text(store, "place", recorded, sizeof recorded, error);
    if (failed)
        return failed;
    char name = recorded[0] == 'a' ? 'b' : 'a';
    randombytes_buf(random, sizeof random);
    ob_hex_encode(random, sizeof random, token);
    if ((failed = path_of(store, name, path, error)))
        return failed;
    if (unlink(path) != 0 && errno != ENOENT)
        return ob_access_fail(error, store->folder, "cannot remove a file in it", errno);
    failed = ob_file_write_new(path, token, strlen(token), 0600, error);
    if (!failed)
        failed = ob_file_sync_folder(store->folder, error);
    if (failed)
        return failed;
    describe(store, name, place);
    if ((failed = ob_store_meta_put(store, "place", place, strlen(place), error)))
        return failed;
    if (path_of(store, name == 'a' ? 'b' : 'a', path, NULL) == OB_OK)
        (void)unlink(path);
    return OB_OK;
}
