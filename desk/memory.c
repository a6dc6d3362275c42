#include "desk/memory.h"

#include <stdio.h>

uint64_t ob_memory_own_bytes(const char *path) {
    char line[256];
    unsigned long long kib = 0;
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "RssAnon: %12llu kB", &kib) == 1)
            break;
    if (file)
        (void)fclose(file);
    return kib * 1024;
}
