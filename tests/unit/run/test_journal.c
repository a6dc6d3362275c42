#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "run/journal.h"
#include "run/logger.h"
#include "tests/support/folder.h"

static void line_becomes_an_entry_with_fields(void **state) {
    (void)state;
    char entry[OB_JOURNAL_ENTRY_MAX];
    size_t bytes = ob_journal_entry(
        4, "silent", "machine=carol round=7 text=\"no \\\"new\\\" records\\nat all\" odd-key=1", entry);
    assert_int_equal(bytes, strlen(entry));
    assert_string_equal(
        entry, "PRIORITY=4\nSYSLOG_IDENTIFIER=onebyted\nONEBYTE_EVENT=silent\n"
               "MESSAGE=silent machine=carol round=7 text=\"no \\\"new\\\" records\\nat all\" odd-key=1\n"
               "ONEBYTE_MACHINE=carol\nONEBYTE_ROUND=7\nONEBYTE_TEXT=no \"new\" records at "
               "all\nONEBYTE_ODD_KEY=1\n");
}

/* A value with a line break of its own would begin a field that nobody meant. */
static void nobody_forges_a_field(void **state) {
    (void)state;
    char entry[OB_JOURNAL_ENTRY_MAX], long_line[6000];
    (void)ob_journal_entry(6, "x", "a=b\nPRIORITY=0 = =c \"", entry);
    assert_null(strstr(entry, "\nPRIORITY=0"));
    memset(long_line, 'k', sizeof long_line - 1);
    long_line[sizeof long_line - 1] = 0;
    assert_true(ob_journal_entry(6, "x", long_line, entry) < OB_JOURNAL_ENTRY_MAX);
    long_line[20] = '=';
    assert_true(ob_journal_entry(6, "x", long_line, entry) < OB_JOURNAL_ENTRY_MAX);
    (void)ob_journal_entry(6, "x", "text=\"not closed \\", entry);
}

static void journal_is_used_only_where_standard_error_is_it(void **state) {
    (void)state;
    struct test_folder folder;
    char path[TEST_PATH_MAX], stream[64], got[OB_JOURNAL_ENTRY_MAX];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat info;
    test_folder_make(&folder);
    test_folder_path(&folder, "s", path);
    assert_true(strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    int journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(journal, (const struct sockaddr *)&address, sizeof address), 0);
    unsetenv("JOURNAL_STREAM");
    assert_int_equal(ob_journal_open(path), -1);
    setenv("JOURNAL_STREAM", "1:2", 1);
    assert_int_equal(ob_journal_open(path), -1);
    assert_int_equal(fstat(STDERR_FILENO, &info), 0);
    (void)snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)info.st_dev,
                   (unsigned long long)info.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    int fd = ob_journal_open(path);
    assert_true(fd >= 0);
    struct ob_logger logger = {.journal = fd};
    atomic_init(&logger.least, OB_LOG_INFO);
    ob_log(&logger, OB_LOG_DEBUG, "quiet", "a=1");
    ob_log(&logger, OB_LOG_ERROR, "fork", "machine=%s", "bob");
    ssize_t bytes = recv(journal, got, sizeof got - 1, 0);
    assert_true(bytes > 0);
    got[bytes] = 0;
    assert_non_null(strstr(got, "PRIORITY=3\n"));
    assert_non_null(strstr(got, "ONEBYTE_EVENT=fork\n"));
    assert_non_null(strstr(got, "ONEBYTE_MACHINE=bob\n"));
    assert_true(recv(journal, got, sizeof got, 0) < 0);
    close(fd);
    close(journal);
    test_folder_remove(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_becomes_an_entry_with_fields),
        cmocka_unit_test(nobody_forges_a_field),
        cmocka_unit_test(journal_is_used_only_where_standard_error_is_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
