/* folder - a folder of a test's own, and files in it.
 *
 * Errors:  none come back: a call that cannot be carried out says why and ends the test (abort), so that fuzz
 *          targets use them too.
 * Threads: any. */
#ifndef OB_TESTS_SUPPORT_FOLDER_H
#define OB_TESTS_SUPPORT_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define TEST_PATH_MAX 512

struct test_folder {
    char path[TEST_PATH_MAX / 2];
};

/* A new, empty one under $TMPDIR or /tmp. */
void test_folder_make(struct test_folder *folder);
/* The same under a folder that exists; false: that one cannot be written to. */
bool test_folder_make_under(struct test_folder *folder, const char *parent);
/* With everything in it. */
void test_folder_remove(const struct test_folder *folder);
void test_remove(const char *path); /* a file or a folder with everything in it; one that is gone is fine */

/* FOLDER/NAME. Returns ret_path. */
char *test_folder_path(const struct test_folder *folder, const char *name, char ret_path[TEST_PATH_MAX]);

/* Writes FOLDER/NAME anew. */
void test_folder_write(const struct test_folder *folder, const char *name, const void *data, size_t bytes);
void test_folder_print(const struct test_folder *folder, const char *name, const char *format, ...)
    OB_PRINTF(3, 4);
void test_file_write(const char *path, const void *data, size_t bytes);
/* malloc'ed and NUL-terminated; ret_bytes may be NULL. */
char *test_file_read(const char *path, size_t *ret_bytes);
/* Flips the bits of `mask` in one byte; an offset below 0 counts from the end. */
void test_file_flip(const char *path, long offset, unsigned char mask);

#endif
