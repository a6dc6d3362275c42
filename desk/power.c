#include "desk/power.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUPPLIES_MAX 64
#define VALUE_MAX    32

/* The first line of a small file; "": there is none. */
static void read_value(int folder, const char *name, char ret_value[static VALUE_MAX]) {
    struct stat info;
    ssize_t bytes = -1;
    int file = openat(folder, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file >= 0 && fstat(file, &info) == 0 && S_ISREG(info.st_mode))
        bytes = read(file, ret_value, VALUE_MAX - 1);
    if (file >= 0)
        (void)close(file);
    ret_value[bytes > 0 ? bytes : 0] = 0;
    ret_value[strcspn(ret_value, "\n")] = 0;
}

struct found {
    bool online, discharging;
};

static void look(int supply, struct found *found) {
    char type[VALUE_MAX], value[VALUE_MAX];
    read_value(supply, "scope", value);
    if (strcmp(value, "Device") == 0)
        return;
    read_value(supply, "type", type);
    if (strcmp(type, "Battery") == 0 || strcmp(type, "UPS") == 0) {
        read_value(supply, "status", value);
        found->discharging |= strcmp(value, "Discharging") == 0;
    } else if (strcmp(type, "Mains") == 0 || strncmp(type, "USB", 3) == 0 || strcmp(type, "Wireless") == 0) {
        read_value(supply, "online", value);
        found->online |= strcmp(value, "1") == 0 || strcmp(value, "2") == 0;
    }
}

enum ob_power ob_power_read(const char *folder) {
    struct found found = {0};
    DIR *list = opendir(folder);
    const struct dirent *entry;
    if (!list)
        return OB_POWER_UNKNOWN;
    for (size_t i = 0; i < SUPPLIES_MAX && (entry = readdir(list));) {
        if (entry->d_name[0] == '.')
            continue;
        int supply = openat(dirfd(list), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        i++;
        if (supply < 0)
            continue;
        look(supply, &found);
        (void)close(supply);
    }
    (void)closedir(list);
    return found.discharging && !found.online ? OB_POWER_BATTERY : OB_POWER_MAINS;
}

const char *ob_power_name(enum ob_power power) {
    return power == OB_POWER_BATTERY ? "battery" : power == OB_POWER_MAINS ? "mains" : NULL;
}
