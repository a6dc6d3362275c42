#include "base/quota.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"

/* "max 100000", "150000 100000"; or the first of two files, -1 being no limit. Returns how many numbers there are. */
static int numbers_in(const char *folder, const char *name, long long ret_numbers[static 2]) {
    char path[OB_PATH_MAX], line[128] = "";
    if (ob_path_join(path, folder, name, NULL) != OB_OK)
        return 0;
    FILE *file = fopen(path, "re");
    bool read = file && fgets(line, sizeof line, file);
    if (file)
        (void)fclose(file);
    int count = read ? sscanf(line, "%18lld %18lld", &ret_numbers[0], &ret_numbers[1]) : 0;
    return count < 0 ? 0 : count;
}

static unsigned limit_of(const char *folder, bool unified) {
    long long n[2], period[2];
    if (unified && numbers_in(folder, "cpu.max", n) != 2)
        return 0;
    if (!unified) {
        if (numbers_in(folder, "cpu.cfs_quota_us", n) < 1 ||
            numbers_in(folder, "cpu.cfs_period_us", period) < 1)
            return 0;
        n[1] = period[0];
    }
    if (n[0] <= 0 || n[1] <= 0)
        return 0;
    long long processors = (n[0] - 1) / n[1] + 1;
    return processors > 65536 ? 0 : (unsigned)processors;
}

static unsigned lower(unsigned a, unsigned b) {
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* The group and all above it, up to where the hierarchy is mounted: in a container that is often the container's own. */
static unsigned limit_along(const char *root, const char *hierarchy, const char *group, bool unified) {
    char top[OB_PATH_MAX], folder[OB_PATH_MAX];
    enum ob_err failed =
        hierarchy[0] ? ob_path_join(top, root, hierarchy, NULL) : ob_path_append(top, root, "", NULL);
    if (failed || ob_path_append(folder, top, strstr(group, "..") ? "" : group, NULL))
        return 0;
    unsigned limit = 0;
    for (size_t top_bytes = strlen(top); strlen(folder) >= top_bytes;) {
        limit = lower(limit, limit_of(folder, unified));
        char *slash = strrchr(folder, '/');
        if (!slash)
            break;
        *slash = 0;
    }
    return limit;
}

static bool names_cpu(const char *controllers) {
    for (const char *at = controllers; *at; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",") == 3 && strncmp(at, "cpu", 3) == 0)
            return true;
    return false;
}

unsigned ob_quota_processors(const char *groups, const char *root) {
    char line[OB_PATH_MAX];
    unsigned limit = 0;
    FILE *file = fopen(groups, "re");
    while (file &&
           fgets(line, sizeof line, file)) { /* NUMBER:CONTROLLERS:GROUP; the unified one's is 0::GROUP */
        line[strcspn(line, "\n")] = 0;
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *controllers++ = 0;
        *group++ = 0;
        if (!controllers[0] && strcmp(line, "0") == 0)
            limit = lower(limit, limit_along(root, "", group, true));
        else if (names_cpu(controllers)) {
            limit = lower(limit, limit_along(root, controllers, group, false));
            limit = lower(limit, limit_along(root, "cpu", group, false));
        }
    }
    if (file)
        (void)fclose(file);
    return limit;
}
