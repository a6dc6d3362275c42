#include "cli/newplace.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/access.h"
#include "base/file.h"
#include "cli/place.h"

#define WORK_BYTES (96ull << 20) /* a daemon without its weights: code, buffers, rows */

enum ob_err ob_cli_absolute(const char *what, const char *path, char ret_path[static OB_PATH_MAX],
                            struct ob_error *error) {
    char *real = realpath(path, NULL);
    if (!real)
        return ob_fail(error, errno == ENOENT ? OB_ENOTFOUND : OB_EIO, "%s %s: %s", what, path,
                       strerror(errno));
    enum ob_err failed = ob_path_append(ret_path, real, "", error);
    free(real);
    return failed;
}

enum ob_err ob_cli_new_place(const char *state_dir, const char *name, char ret_path[static OB_PATH_MAX],
                             struct ob_error *error) {
    static const char GOOD[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    char root[OB_PATH_MAX];
    if (state_dir && state_dir[0] == '/')
        return ob_path_append(ret_path, state_dir, "", error);
    if (state_dir && !getcwd(root, sizeof root))
        return ob_fail(error, OB_EIO, "the current folder: %s", strerror(errno));
    if (state_dir)
        return ob_path_join(ret_path, root, state_dir, error);
    if (!name[0] || name[0] == '.' || name[strspn(name, GOOD)])
        return ob_fail(error, OB_EUSAGE,
                       "\"%s\" cannot name a folder: use letters, digits, '.', '_' and '-' (--run NAME)",
                       name);
    enum ob_err failed = ob_cli_runs_root(root, error);
    return failed ? failed : ob_path_join(ret_path, root, name, error);
}

enum ob_err ob_cli_make_place(const char *path, bool *ret_made, struct ob_error *error) {
    char part[OB_PATH_MAX];
    struct stat info;
    bool there = false;
    enum ob_err closed = ob_access_exists(path, &there, error);
    if (closed)
        return closed;
    *ret_made = !there;
    for (size_t i = 1; *ret_made && path[i]; i++) {
        if (path[i] != '/')
            continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (stat(part, &info) == 0)
            continue;
        enum ob_err failed = ob_file_make_folder(part, 0700, error);
        if (failed)
            return failed;
    }
    return ob_file_make_folder(path, 0700, error);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk) {
    (void)info, (void)kind, (void)walk;
    return remove(path);
}

void ob_cli_unmake_place(const char *path) {
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

enum ob_err ob_cli_place_has(const char *state_dir, const char *name, bool *ret_has, struct ob_error *error) {
    char path[OB_PATH_MAX];
    enum ob_err failed = ob_path_join(path, state_dir, name, error);
    return failed ? failed : ob_access_exists(path, ret_has, error);
}

enum ob_err ob_cli_place_identity(const char *state_dir, struct ob_identity *ret_identity,
                                  struct ob_error *error) {
    char path[OB_PATH_MAX];
    bool there = false;
    enum ob_err failed = ob_path_join(path, state_dir, "identity", error);
    if (!failed)
        failed = ob_access_exists(path, &there, error);
    if (failed)
        return failed;
    if (there)
        return ob_identity_load(path, ret_identity, error);
    ob_identity_generate(ret_identity);
    return ob_identity_save(ret_identity, path, error);
}

/* Of a file like /proc/meminfo: the number behind `key`; UINT64_MAX: there is none. */
static uint64_t number_in(const char *path, const char *key) {
    char line[256];
    unsigned long long value = 0;
    uint64_t found = UINT64_MAX;
    size_t length = strlen(key);
    FILE *file = fopen(path, "re");
    while (file && found == UINT64_MAX && fgets(line, sizeof line, file))
        if (strncmp(line, key, length) == 0 && sscanf(line + length, "%llu", &value) == 1)
            found = value;
    if (file)
        (void)fclose(file);
    return found;
}

/* What this process may still take: of the host, and of its control group. */
static uint64_t free_memory(void) {
    uint64_t host = number_in("/proc/meminfo", "MemAvailable:");
    uint64_t most = number_in("/sys/fs/cgroup/memory.max", ""),
             used = number_in("/sys/fs/cgroup/memory.current", "");
    host = host == UINT64_MAX ? host : host * 1024;
    if (most == UINT64_MAX || used == UINT64_MAX)
        return host;
    uint64_t group = most > used ? most - used : 0;
    return group < host ? group : host;
}

/* The path, or the nearest folder above it that exists. */
static void climb(const char *path, char ret_folder[static OB_PATH_MAX]) {
    (void)snprintf(ret_folder, OB_PATH_MAX, "%.*s", OB_PATH_MAX - 1, path);
    for (char *slash; access(ret_folder, F_OK) != 0 && (slash = strrchr(ret_folder, '/')); *slash = 0)
        if (slash == ret_folder) {
            slash[1] = 0;
            return;
        }
}

enum ob_err ob_cli_check_room(const char *path, uint64_t base_bytes, uint64_t trained_bytes,
                              struct ob_error *error) {
    char folder[OB_PATH_MAX];
    struct statvfs disk;
    uint64_t memory = base_bytes + trained_bytes + trained_bytes / 2 + WORK_BYTES, there = free_memory();
    uint64_t room = 3 * trained_bytes + WORK_BYTES; /* two snapshots and one that is written; the log */
    climb(path, folder);
    if (there < memory)
        return ob_fail(
            error, OB_EUSAGE,
            "too little memory: the run needs about %.2f GB here (base model %.2f GB, trained weights "
            "%.2f GB), %.2f GB are free",
            (double)memory / 1e9, (double)base_bytes / 1e9, (double)trained_bytes / 1e9, (double)there / 1e9);
    if (statvfs(folder, &disk) == 0 && (uint64_t)disk.f_bavail * disk.f_frsize < room)
        return ob_fail(
            error, OB_EUSAGE,
            "too little disk: the run needs about %.2f GB at %s (snapshots of the weights, the log), "
            "%.2f GB are free",
            (double)room / 1e9, path, (double)((uint64_t)disk.f_bavail * disk.f_frsize) / 1e9);
    return OB_OK;
}

void ob_cli_host_name(char ret_name[static 64]) {
    if (gethostname(ret_name, 64) != 0)
        (void)snprintf(ret_name, 64, "machine");
    ret_name[48] = 0;
    ret_name[strcspn(ret_name, ".*")] = 0;
    for (char *at = ret_name; *at; at++)
        if ((unsigned char)*at <= 0x20 || (unsigned char)*at >= 0x7f)
            *at = '-';
    if (!ret_name[0])
        (void)snprintf(ret_name, 64, "machine");
}
