/* A full disk: the work is tried until there is room, one way for all who write. */
#include "tests/unit/cmocka_all.h"

#include "daemon/disk_full.h"

struct disk {
    struct ob_logger logger;
    struct ob_disk_full full;
    int tries, room_after, waits, leave_after;
    enum ob_err other; /* what the work says instead of having room */
};

static enum ob_err wait_for_room(void *context, struct ob_error *error) {
    struct disk *disk = context;
    assert_true(disk->full.full); /* who asks meanwhile is told */
    if (++disk->waits == disk->leave_after)
        return ob_fail(error, OB_EIO, "told to leave");
    return OB_OK;
}

static enum ob_err work(void *context, struct ob_error *error) {
    struct disk *disk = context;
    if (disk->tries++ < disk->room_after)
        return ob_fail(error, OB_EFULL, "log.sqlite: no room");
    return disk->other ? ob_fail(error, disk->other, "another fault") : OB_OK;
}

static struct disk *start(struct disk *disk) {
    atomic_store(&disk->logger.least, OB_LOG_ERROR + 1);
    disk->full = (struct ob_disk_full){.logger = &disk->logger, .wait = wait_for_room, .context = disk};
    return disk;
}

static void work_that_finds_room_at_once_waits_for_nothing(void **state) {
    (void)state;
    struct disk disk = {0};
    assert_int_equal(ob_disk_full_retry(&start(&disk)->full, work, &disk, NULL), OB_OK);
    assert_int_equal(disk.tries, 1);
    assert_int_equal(disk.waits, 0);
    assert_false(disk.full.was);
}

static void work_is_tried_until_there_is_room(void **state) {
    (void)state;
    struct disk disk = {.room_after = 3};
    assert_int_equal(ob_disk_full_retry(&start(&disk)->full, work, &disk, NULL), OB_OK);
    assert_int_equal(disk.tries, 4);
    assert_int_equal(disk.waits, 3);
    assert_false(disk.full.full);
    assert_true(disk.full.was); /* links may have come and gone */
}

static void waiting_ends_when_told_to_leave(void **state) {
    (void)state;
    struct disk disk = {.room_after = 100, .leave_after = 2};
    struct ob_error error = {0};
    assert_int_equal(ob_disk_full_retry(&start(&disk)->full, work, &disk, &error), OB_EIO);
    assert_string_equal(error.text, "told to leave");
    assert_int_equal(disk.tries, 2);
    assert_true(disk.full.full);
}

static void another_fault_is_not_waited_for(void **state) {
    (void)state;
    struct disk disk = {.room_after = 1, .other = OB_EFORMAT};
    struct ob_error error = {0};
    assert_int_equal(ob_disk_full_retry(&start(&disk)->full, work, &disk, &error), OB_EFORMAT);
    assert_string_equal(error.text, "another fault");
    assert_int_equal(disk.waits, 1);
}

/* Taking records out: the deleting is tried again by itself within the effect that is tried again. */
struct nested {
    struct disk *disk;
    int outer;
};

static enum ob_err outer(void *context, struct ob_error *error) {
    struct nested *nested = context;
    nested->outer++;
    return ob_disk_full_retry(&nested->disk->full, work, nested->disk, error);
}

static void work_within_work_is_tried_alone(void **state) {
    (void)state;
    struct disk disk = {.room_after = 2};
    struct nested nested = {.disk = start(&disk)};
    assert_int_equal(ob_disk_full_retry(&disk.full, outer, &nested, NULL), OB_OK);
    assert_int_equal(nested.outer, 1);
    assert_int_equal(disk.tries, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_that_finds_room_at_once_waits_for_nothing),
        cmocka_unit_test(work_is_tried_until_there_is_room),
        cmocka_unit_test(waiting_ends_when_told_to_leave),
        cmocka_unit_test(another_fault_is_not_waited_for),
        cmocka_unit_test(work_within_work_is_tried_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
