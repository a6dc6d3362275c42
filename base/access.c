#include "base/access.h"

#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/path.h"

#ifdef __clang_analyzer__
#undef ob_access_fail
#undef ob_access_foreign
#endif

#define USER_MAX 64

static void name_user(uid_t user, char ret_name[static USER_MAX]) {
    char buffer[4096];
    struct passwd entry, *found = NULL;
    if (getpwuid_r(user, &entry, buffer, sizeof buffer, &found) == 0 && found)
        (void)snprintf(ret_name, USER_MAX, "%s", found->pw_name);
    else
        (void)snprintf(ret_name, USER_MAX, "user %lu", (unsigned long)user);
}

/* ---- which file it is ---- */

/* The last part of a path goes; false when nothing is left of it. */
static bool go_up(char path[static OB_PATH_MAX]) {
    char *slash = strrchr(path, '/');
    if (strcmp(path, ".") == 0 || strcmp(path, "/") == 0)
        return false;
    if (!slash)
        memcpy(path, ".", 2);
    else if (slash == path)
        path[1] = 0;
    else
        *slash = 0;
    return true;
}

/* The file itself, or the first folder on the way up that can be looked at: below it, nothing may be made or seen. */
static bool find_closed(const char *path, char ret_path[static OB_PATH_MAX], struct stat *ret_info) {
    if (ob_path_append(ret_path, path, "", NULL))
        return false;
    while (stat(ret_path, ret_info) != 0)
        if (!go_up(ret_path))
            return false;
    return true;
}

/* ---- what is said ---- */

/* A user as an argument of chown: a name, or a number. */
static void chown_argument(uid_t user, char ret_text[static USER_MAX]) {
    name_user(user, ret_text);
    if (strncmp(ret_text, "user ", 5) == 0)
        (void)snprintf(ret_text, USER_MAX, "%lu", (unsigned long)user);
}

/* What helps who is not the owner of `path`. Only root can give a file away. What root owns was most often made by a sudo that
 * was not meant, and is given back; what another user owns is that user's, a service's for example. */
#define REMEDY_MAX (OB_PATH_MAX + 2 * USER_MAX + 80)

static void remedy_of(const char *path, uid_t owner, char ret_text[static REMEDY_MAX]) {
    char name[USER_MAX], argument[USER_MAX];
    name_user(owner, name);
    chown_argument(geteuid(), argument);
    if (geteuid() == 0)
        (void)snprintf(ret_text, REMEDY_MAX, "run it as %s, or run `chown %s %s`", name, argument, path);
    else if (owner == 0)
        (void)snprintf(ret_text, REMEDY_MAX,
                       "run it as root, or, if it is meant to be yours, have root run `chown %s %s`",
                       argument, path);
    else
        (void)snprintf(ret_text, REMEDY_MAX, "run it as %s, or use a path of your own", name);
}

enum ob_err ob_access_foreign(struct ob_error *error, const char *path, const struct stat *info) {
    char owner[USER_MAX], user[USER_MAX], remedy[REMEDY_MAX];
    name_user(info->st_uid, owner);
    name_user(geteuid(), user);
    remedy_of(path, info->st_uid, remedy);
    return ob_fail(error, OB_EREFUSED, "%s: belongs to %s, and this program runs as %s: %s", path, owner,
                   user, remedy);
}

static enum ob_err denied(struct ob_error *error, const char *path, const char *what, int why) {
    char closed[OB_PATH_MAX], owner[USER_MAX], user[USER_MAX], remedy[REMEDY_MAX];
    struct stat info;
    if (!find_closed(path, closed, &info))
        return ob_fail(error, OB_EREFUSED, "%s: %s: %s", path, what, strerror(why));
    name_user(info.st_uid, owner);
    name_user(geteuid(), user);
    remedy_of(closed, info.st_uid, remedy);
    const char *folder = S_ISDIR(info.st_mode) ? "the folder " : "",
               *mode = S_ISDIR(info.st_mode) ? "u+rwx" : "u+rw";
    unsigned bits = info.st_mode & 07777u;
    if (geteuid() == 0)
        return ob_fail(
            error, OB_EREFUSED,
            "%s: %s: %s, although this program runs as root: the file system (root_squash of NFS) or a "
            "security "
            "module (AppArmor, SELinux, systemd's sandbox) refuses it; %s%s belongs to %s (mode %04o)",
            path, what, strerror(why), folder, closed, owner, bits);
    if (info.st_uid == geteuid())
        return ob_fail(error, OB_EREFUSED, "%s: %s: %s: %s%s has mode %04o; run `chmod %s %s`", path, what,
                       strerror(why), folder, closed, bits, mode, closed);
    return ob_fail(error, OB_EREFUSED,
                   "%s: %s: %s: %s%s belongs to %s (mode %04o), and this program runs as %s: %s", path, what,
                   strerror(why), folder, closed, owner, bits, user, remedy);
}

enum ob_err ob_access_fail(struct ob_error *error, const char *path, const char *what, int why) {
    if (why == EACCES || why == EPERM)
        return denied(error, path, what, why);
    if (why == EROFS)
        return ob_fail(
            error, OB_EREFUSED,
            "%s: %s: its file system is mounted read-only; mount it for writing, or use another folder", path,
            what);
    enum ob_err code = why == ENOSPC || why == EDQUOT || why == EFBIG ? OB_EFULL
                       : why == ENOENT                                ? OB_ENOTFOUND
                                                                      : OB_EIO;
    return ob_fail(error, code, "%s: %s: %s", path, what, strerror(why));
}

enum ob_err ob_access_fail_writing(struct ob_error *error, const char *path, const char *what, int why) {
    enum ob_err failed = ob_access_fail(error, path, what, why);
    return failed == OB_ENOTFOUND ? ob_fail(error, OB_EIO, "%s: %s: %s", path, what, strerror(why)) : failed;
}

enum ob_err ob_access_exists(const char *path, bool *ret_exists, struct ob_error *error) {
    struct stat info;
    bool exists = stat(path, &info) == 0;
    if (!exists && errno != ENOENT && errno != ENOTDIR)
        return ob_access_fail(error, path, "cannot look whether it is there", errno);
    *ret_exists = exists;
    return OB_OK;
}

/* ---- what is trusted ---- */

enum ob_err ob_access_own_folder(const char *path, struct ob_error *error) {
    struct stat info;
    if (stat(path, &info) != 0)
        return ob_access_fail(error, path, "cannot look at the folder", errno);
    if (!S_ISDIR(info.st_mode))
        return ob_fail(error, OB_EREFUSED, "%s: not a folder", path);
    if (info.st_uid != geteuid())
        return ob_access_foreign(error, path, &info);
    if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return ob_fail(
            error, OB_EREFUSED,
            "%s: others may change what is in this folder (mode %04o); look whether somebody did, then run "
            "`chmod go-w %s`",
            path, (unsigned)info.st_mode & 07777u, path);
    return OB_OK;
}

enum ob_err ob_access_no_link(const char *path, struct ob_error *error) {
    struct stat info;
    if (lstat(path, &info) != 0)
        return errno == ENOENT ? OB_OK : ob_access_fail(error, path, "cannot look at it", errno);
    if (!S_ISLNK(info.st_mode))
        return OB_OK;
    return ob_fail(
        error, OB_EREFUSED,
        "%s: is a symbolic link, which is not followed here; put the file itself into its place, or name "
        "another state_dir",
        path);
}

/* ---- file systems, by the numbers of statfs(2) ---- */

void ob_access_file_system(const char *path, char ret_name[static OB_FILE_SYSTEM_MAX]) {
    static const struct {
        unsigned long magic;
        const char *name;
    } KNOWN[] = {
        {0x6969, "nfs"},        {0xff534d42, "cifs"},    {0xfe534d42, "smb"},   {0x517b, "smb"},
        {0x65735546, "fuse"},   {0x01021997, "9p"},      {0x00c36400, "ceph"},  {0x0bd00bd0, "lustre"},
        {0x5346414f, "afs"},    {0x47504653, "gpfs"},    {0x01161970, "gfs2"},  {0x7461636f, "ocfs2"},
        {0x786f4256, "vboxsf"}, {0x794c7630, "overlay"}, {0x01021994, "tmpfs"}, {0xef53, "ext4"},
        {0x58465342, "xfs"},    {0x9123683e, "btrfs"},   {0x2fc12fc1, "zfs"},   {0x4d44, "vfat"},
        {0x2011bab0, "exfat"},  {0x7366746e, "ntfs"},
    };
    struct statfs info;
    (void)snprintf(ret_name, OB_FILE_SYSTEM_MAX, "unknown");
    if (statfs(path, &info) != 0)
        return;
    unsigned long magic = (unsigned long)info.f_type & 0xfffffffful;
    (void)snprintf(ret_name, OB_FILE_SYSTEM_MAX, "type 0x%lx", magic);
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
        if (KNOWN[i].magic == magic)
            (void)snprintf(ret_name, OB_FILE_SYSTEM_MAX, "%s", KNOWN[i].name);
}
