#include "tests/support/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static _Noreturn void give_up(const char *what, const char *path) {
    (void)fprintf(stderr, "test: cannot %s %s: %s\n", what, path, strerror(errno));
    abort();
}

bool test_folder_make_under(struct test_folder *folder, const char *parent) {
    int length = snprintf(folder->path, sizeof folder->path, "%s/onebyte-test-XXXXXX", parent);
    return length > 0 && (size_t)length < sizeof folder->path && mkdtemp(folder->path);
}

void test_folder_make(struct test_folder *folder) {
    const char *parent = getenv("TMPDIR");
    parent = parent && parent[0] ? parent : "/tmp";
    if (!test_folder_make_under(folder, parent))
        give_up("make a folder in", parent);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk) {
    (void)info, (void)kind, (void)walk;
    return remove(path);
}

void test_remove(const char *path) {
    struct stat info;
    if (lstat(path, &info) != 0 && errno == ENOENT)
        return;
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        give_up("remove", path);
}

void test_folder_remove(const struct test_folder *folder) {
    test_remove(folder->path);
}

char *test_folder_path(const struct test_folder *folder, const char *name, char ret_path[TEST_PATH_MAX]) {
    int length = snprintf(ret_path, TEST_PATH_MAX, "%s/%s", folder->path, name);
    if (length < 0 || length >= TEST_PATH_MAX)
        give_up("name", name);
    return ret_path;
}

void test_file_write(const char *path, const void *data, size_t bytes) {
    FILE *file = fopen(path, "we");
    if (!file || (bytes > 0 && fwrite(data, 1, bytes, file) != bytes) || fclose(file) != 0)
        give_up("write", path);
}

void test_folder_write(const struct test_folder *folder, const char *name, const void *data, size_t bytes) {
    char path[TEST_PATH_MAX];
    test_file_write(test_folder_path(folder, name, path), data, bytes);
}

void test_folder_print(const struct test_folder *folder, const char *name, const char *format, ...) {
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0)
        give_up("print", name);
    test_folder_write(folder, name, text, (size_t)length);
    free(text);
}

char *test_file_read(const char *path, size_t *ret_bytes) {
    FILE *file = fopen(path, "re");
    long bytes = file && fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    char *data = bytes < 0 ? NULL : malloc((size_t)bytes + 1);
    if (!data || fseek(file, 0, SEEK_SET) != 0 || fread(data, 1, (size_t)bytes, file) != (size_t)bytes ||
        fclose(file) != 0)
        give_up("read", path);
    data[bytes] = 0;
    if (ret_bytes)
        *ret_bytes = (size_t)bytes;
    return data;
}

void test_file_flip(const char *path, long offset, unsigned char mask) {
    FILE *file = fopen(path, "r+e");
    unsigned char byte = 0;
    int from = offset < 0 ? SEEK_END : SEEK_SET;
    if (!file || fseek(file, offset, from) != 0 || fread(&byte, 1, 1, file) != 1)
        give_up("read", path);
    byte ^= mask;
    if (fseek(file, offset, from) != 0 || fwrite(&byte, 1, 1, file) != 1 || fclose(file) != 0)
        give_up("write", path);
}
