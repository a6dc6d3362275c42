/* replay - runs a fuzz target once on every file of the folders that are given: its kept corpus, as
 * regression. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Exactly as long as the file, so that a read past its end is seen. NULL when it cannot be read. */
static uint8_t *read_file(const char *path, size_t *ret_bytes) {
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    long length = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    rewind(file);
    uint8_t *data = length < 0 ? NULL : malloc(length > 0 ? (size_t)length : 1);
    if (data != NULL && fread(data, 1, (size_t)length, file) != (size_t)length) {
        free(data);
        data = NULL;
    }
    fclose(file);
    *ret_bytes = (size_t)length;
    return data;
}

static int replay_folder(const char *folder, size_t *count) {
    DIR *entries = opendir(folder);
    if (entries == NULL) {
        perror(folder);
        return 1;
    }
    for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        char path[4096];
        size_t bytes;
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        uint8_t *data = read_file(path, &bytes);
        if (data == NULL) {
            perror(path);
            closedir(entries);
            return 1;
        }
        (void)LLVMFuzzerTestOneInput(data, bytes);
        free(data);
        ++*count;
    }
    closedir(entries);
    return 0;
}

int main(int argc, char **argv) {
    size_t count = 0;
    for (int i = 1; i < argc; i++)
        if (replay_folder(argv[i], &count) != 0)
            return 1;
    printf("%zu inputs\n", count);
    return count == 0; /* an empty corpus proves nothing */
}
