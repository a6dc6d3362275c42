#include "desk/terminals.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#define ENTRIES_MAX 1024
#define LEAD_S      60 /* a time so far in the future is of another clock */

struct place {
    const char *folder, *prefix; /* a name is the prefix and a number */
};

static const struct place PLACES[] = {
    {".", "tty"}, {"pts", ""}, {"input", "mouse"}, {"input", "event"}, {"input", "mice"},
};

static bool fits(const char *name, const char *prefix) {
    size_t length = strlen(prefix);
    if (strncmp(name, prefix, length) != 0)
        return false;
    size_t numbers = strspn(name + length, "0123456789");
    bool bare = strcmp(prefix, "mice") == 0;
    return name[length + numbers] == 0 && (bare ? numbers == 0 : numbers > 0) &&
           strcmp(name, "tty0") != 0; /* the console that is in front: one of the others */
}

/* ret_last: the latest of them, and what it was before. */
static void look(int devices, const struct place *place, int64_t now_s, int64_t *ret_last) {
    struct stat info;
    const struct dirent *entry;
    int folder = openat(devices, place->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *list = folder >= 0 ? fdopendir(folder) : NULL;
    for (size_t i = 0; list && i < ENTRIES_MAX && (entry = readdir(list)); i++) {
        if (!fits(entry->d_name, place->prefix) ||
            fstatat(folder, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISCHR(info.st_mode))
            continue;
        int64_t at = info.st_atim.tv_sec > 0 ? (int64_t)info.st_atim.tv_sec : 0;
        if (at > now_s + LEAD_S)
            at = 0;
        *ret_last = at > *ret_last ? at : *ret_last;
    }
    if (list)
        (void)closedir(list);
}

double ob_terminals_idle_s(const char *folder, int64_t now_s) {
    int64_t last = -1;
    DIR *devices = opendir(folder);
    for (size_t i = 0; devices && i < sizeof PLACES / sizeof *PLACES; i++)
        look(dirfd(devices), &PLACES[i], now_s, &last);
    if (devices)
        (void)closedir(devices);
    return last < 0 ? (double)NAN : last > now_s ? 0.0 : (double)(now_s - last);
}
