/* Row files as they lie on disks: compressed, cut short, or something else. */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "model/data/input.h"
#include "tests/support/folder.h"

static struct test_folder folder;
static char path[TEST_PATH_MAX];

static int setup(void **state) {
    (void)state;
    test_folder_make(&folder);
    test_file_write(test_folder_path(&folder, "input", path), "", 0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    test_folder_remove(&folder);
    return 0;
}

static void write_bytes(const void *data, size_t bytes) {
    test_file_write(path, data, bytes);
}

/* All of it, `step` bytes at a time; the error's code. */
static enum ob_err read_all(size_t step, char *data, size_t max, size_t *ret_bytes, struct ob_error *error) {
    struct ob_input *input = NULL;
    size_t got = 1;
    *ret_bytes = 0;
    enum ob_err err = ob_input_open(path, &input, error);
    while (err == OB_OK && got > 0) {
        assert_true(*ret_bytes + step <= max);
        err = ob_input_read(input, data + *ret_bytes, step, &got, error);
        *ret_bytes += err == OB_OK ? got : 0;
    }
    if (err == OB_OK)
        assert_int_equal(ob_input_done(input), ob_input_size(input));
    ob_input_free(input);
    return err;
}

static size_t gzip(const char *text, size_t bytes, unsigned char *packed, size_t max) {
    z_stream z = {.next_in = (Bytef *)(uintptr_t)text,
                  .avail_in = (uInt)bytes,
                  .next_out = packed,
                  .avail_out = (uInt)max};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t used = max - z.avail_out;
    deflateEnd(&z);
    return used;
}

enum { BYTES = 300000, ROOM = 2 * BYTES + 100000 };
static char text[BYTES], found[ROOM];
static unsigned char packed[ROOM];

static void make_text(void) {
    unsigned state = 1;
    for (size_t i = 0; i < BYTES; i++) {
        state = state * 1103515245 + 12345;
        text[i] = "{\"text\": abcdefghijklmnop}\n"[(state >> 16) % 27];
    }
    text[0] = '{';
    text[1] = '"';
}

static void expect_twice(size_t packed_bytes) {
    size_t bytes = 0;
    struct ob_error error = {0};
    static const size_t STEPS[] = {1000, 65536, 77777};
    write_bytes(packed, packed_bytes);
    for (size_t i = 0; i < 3; i++) {
        if (read_all(STEPS[i], found, sizeof found, &bytes, &error) != OB_OK)
            fail_msg("%s", error.text);
        assert_int_equal(bytes, 2 * BYTES);
        assert_memory_equal(found, text, BYTES);
        assert_memory_equal(found + BYTES, text, BYTES);
    }
}

static void expect_damage(size_t packed_bytes) {
    size_t bytes = 0;
    struct ob_error error = {0};
    write_bytes(packed, packed_bytes - 5);
    assert_int_equal(read_all(65536, found, sizeof found, &bytes, &error), OB_EFORMAT);
    assert_non_null(strstr(error.text, "cut short"));
    memset(packed + packed_bytes / 2, 0xff, 64);
    write_bytes(packed, packed_bytes);
    assert_int_equal(read_all(65536, found, sizeof found, &bytes, &error), OB_EFORMAT);
    assert_non_null(strstr(error.text, "the compressed data is damaged"));
    assert_non_null(strstr(error.text, path));
}

static void read_unpacks_gzip_of_two_members(void **state) {
    (void)state;
    make_text();
    size_t used = gzip(text, BYTES, packed, sizeof packed);
    used += gzip(text, BYTES, packed + used, sizeof packed - used);
    expect_twice(used);
    expect_damage(used);
}

static void read_unpacks_zstd_of_two_frames(void **state) {
    (void)state;
    make_text();
    size_t used = ZSTD_compress(packed, sizeof packed, text, BYTES, 3);
    used += ZSTD_compress(packed + used, sizeof packed - used, text, BYTES, 3);
    expect_twice(used);
    expect_damage(used);
}

static void read_plain_as_it_is(void **state) {
    (void)state;
    size_t bytes = 0;
    make_text();
    write_bytes(text, BYTES);
    assert_int_equal(read_all(12345, found, sizeof found, &bytes, NULL), OB_OK);
    assert_int_equal(bytes, BYTES);
    assert_memory_equal(found, text, BYTES);
    write_bytes("", 0);
    assert_int_equal(read_all(10, found, sizeof found, &bytes, NULL), OB_OK);
    assert_int_equal(bytes, 0);
}

static void open_says_what_a_file_is(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t count;
        const char *words;
    } OTHERS[] = {
#define OTHER(bytes, words) {bytes, sizeof(bytes) - 1, words}
        OTHER("PAR1\0\0", "Parquet file, which is not read; convert it: python3"),
        OTHER("ARROW1\0\0", "an Arrow file"),
        OTHER("PK\3\4abc", "zip archive"),
        OTHER("\xfd"
              "7zXZ\0\0",
              "xz -dk"),
        OTHER("BZh91AY", "bzip2 -dk"),
        OTHER("\xff\xfe{\0\"\0", "UTF-16 text; convert it: iconv -f UTF-16"),
        OTHER("\xfe\xff\0{\0\"", "UTF-16"),
        OTHER("\xff\xfe\0\0{\0\0\0", "UTF-32"),
        OTHER("[\n{\"text\":\"a\"}]", "a JSON array; write one object a line: jq -c '.[]'"),
        OTHER(" \r\n[{\"text\":\"a\"},\n{\"text\":\"b\"}]", "a JSON array"),
        OTHER("\xef\xbb\xbf[{}]", "a JSON array"),
        OTHER("{\r\n  \"text\": \"a\"\n}\n", "over several lines"),
        OTHER("text,label\nabc,0\n", "a CSV or TSV table"),
        OTHER("text\tlabel\nabc\t0\n", "a CSV or TSV table"),
    };
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++) {
        size_t bytes = 0;
        struct ob_error error = {0};
        write_bytes(OTHERS[i].bytes, OTHERS[i].count);
        enum ob_err err = read_all(10, found, sizeof found, &bytes, &error);
        if (err != OB_EUNSUPPORTED || strstr(error.text, OTHERS[i].words) == NULL ||
            strstr(error.text, path) == NULL)
            fail_msg("%zu: expected %s, not %s", i, OTHERS[i].words, error.text);
    }
    /* and these are left to who reads the lines */
    static const char *const LINES[] = {
        "{\"text\": \"a, b\"}\n", "\"a, b\"\n", "12, 13\n", "{", "words\n", "\n\n", "\0,\n"};
    for (size_t i = 0; i < sizeof LINES / sizeof *LINES; i++) {
        size_t bytes = 0;
        write_bytes(LINES[i], strlen(LINES[i]));
        assert_int_equal(read_all(10, found, sizeof found, &bytes, NULL), OB_OK);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_plain_as_it_is),
        cmocka_unit_test(read_unpacks_gzip_of_two_members),
        cmocka_unit_test(read_unpacks_zstd_of_two_frames),
        cmocka_unit_test(open_says_what_a_file_is),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
