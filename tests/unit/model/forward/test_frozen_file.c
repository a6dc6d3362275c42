/* Packed weights in a file: the second one finds what the first one wrote; damage, strangers and other contents are not taken. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model/convert/open_model.h"
#include "model/forward/forward.h"
#include "model/forward/frozen_file.h"
#include "tests/unit/cmocka_all.h"

#define BYTES 100003
#define WHAT  "base 1; products some; tensors 2"

static char folder[64];

static int setup(void **state) {
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/onebyte-frozen-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static struct ob_frozen_file *open_file(const char *what, bool expect_ready) {
    struct ob_frozen_file *file = NULL;
    struct ob_error error = {0};
    bool ready;
    if (ob_frozen_file_open(folder, what, BYTES, &file, &ready, &error))
        fail_msg("%s", error.text);
    assert_int_equal(ready, expect_ready);
    return file;
}

static void fill(struct ob_frozen_file *file) {
    for (size_t i = 0; i < BYTES; i++)
        ob_frozen_file_data(file)[i] = (uint8_t)(i * 7);
    assert_int_equal(ob_frozen_file_finish(file, NULL), OB_OK);
}

static void write_once(void) {
    struct ob_frozen_file *file = open_file(WHAT, false);
    fill(file);
    ob_frozen_file_close(file);
}

/* The path of the only file but the lock. */
static void find_path(char ret_path[256]) {
    char command[128];
    (void)snprintf(command, sizeof command, "ls %s/frozen-*", folder);
    FILE *pipe = popen(command, "r");
    assert_true(pipe && fgets(ret_path, 256, pipe));
    ret_path[strcspn(ret_path, "\n")] = 0;
    assert_int_equal(pclose(pipe), 0);
}

static void the_second_finds_what_the_first_wrote(void **state) {
    (void)state;
    write_once();
    struct ob_frozen_file *one = open_file(WHAT, true), *two = open_file(WHAT, true);
    for (size_t i = 0; i < BYTES; i++)
        assert_int_equal(ob_frozen_file_data(one)[i], (uint8_t)(i * 7));
    assert_memory_equal(ob_frozen_file_data(one), ob_frozen_file_data(two), BYTES);
    assert_int_equal((uintptr_t)ob_frozen_file_data(one) % 4096, 0);
    ob_frozen_file_close(one);
    ob_frozen_file_close(two);
    ob_frozen_file_close(NULL);
}

static void other_contents_are_another_file(void **state) {
    (void)state;
    write_once();
    struct ob_frozen_file *file = open_file(WHAT " and more", false);
    ob_frozen_file_close(file); /* unfinished: nothing stays */
    file = open_file(WHAT " and more", false);
    ob_frozen_file_close(file);
    file = open_file(WHAT, true);
    ob_frozen_file_close(file);
}

static void every_damaged_byte_is_seen(void **state) {
    (void)state;
    static const long PLACES[] = {0, 8, 16, 24, 32, 40, 1000, 4096, 4097, 50000, 4096 + BYTES - 1};
    char path[256];
    for (size_t i = 0; i < sizeof PLACES / sizeof *PLACES; i++) {
        struct ob_frozen_file *file = open_file(WHAT, i > 0);
        if (i == 0)
            fill(file);
        ob_frozen_file_close(file);
        find_path(path);
        int fd = open(path, O_RDWR);
        uint8_t byte = 0;
        assert_true(fd >= 0 && pread(fd, &byte, 1, PLACES[i]) == 1);
        byte ^= 16;
        assert_int_equal(pwrite(fd, &byte, 1, PLACES[i]), 1);
        close(fd);
        file = open_file(WHAT, false); /* packed anew */
        fill(file);
        ob_frozen_file_close(file);
    }
}

static void what_others_may_write_is_not_taken(void **state) {
    (void)state;
    char path[256], moved[300];
    write_once();
    find_path(path);
    assert_int_equal(chmod(path, 0620), 0);
    write_once();
    (void)snprintf(moved, sizeof moved, "%s.elsewhere", path);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(symlink(moved, path), 0);
    write_once(); /* the link is replaced, what it names stays */
    assert_int_equal(access(moved, F_OK), 0);
    assert_int_equal(truncate(path, 4096), 0);
    write_once();
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    write_once();
}

static void errors_name_the_file(void **state) {
    (void)state;
    struct ob_frozen_file *file;
    struct ob_error error = {0};
    bool ready;
    assert_int_equal(ob_frozen_file_open("/nowhere/at/all", WHAT, BYTES, &file, &ready, &error),
                     OB_ENOTFOUND);
    assert_non_null(strstr(error.text, "/nowhere/at/all"));
    assert_int_equal(ob_frozen_file_open(folder, WHAT, (size_t)1 << 55, &file, &ready, &error), OB_EIO);
    assert_non_null(strstr(error.text, folder));
}

/* Another process packs at the same time: it waits for ours and takes it. */
static void two_processes_pack_once(void **state) {
    (void)state;
    struct ob_frozen_file *file = open_file(WHAT, false);
    pid_t child = fork();
    if (child == 0) {
        struct ob_frozen_file *mine;
        bool ready = false;
        _exit(ob_frozen_file_open(folder, WHAT, BYTES, &mine, &ready, NULL) == OB_OK && ready ? 0 : 1);
    }
    usleep(20000);
    fill(file);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ob_frozen_file_close(file);
}

/* ---- in a forward pass ---- */

static double loss_of(const struct ob_model *model, const struct ob_products *way, bool shared,
                      size_t *ret_bytes) {
    struct ob_forward *forward = NULL;
    struct ob_batch *batch = NULL;
    struct ob_weight_source source = {.model = model};
    struct ob_hash base = {{7}};
    struct ob_error error = {0};
    int32_t tokens[24];
    double loss = 0;
    for (int32_t i = 0; i < 24; i++)
        tokens[i] = 3 * i;
    enum ob_err failed = ob_forward_new(&model->config, 24, 1, NULL, &forward, &error);
    if (!failed)
        failed = ob_batch_new(1, 24, &batch, &error);
    if (!failed)
        failed = ob_forward_use(forward, way, &error);
    if (!failed && shared)
        failed = ob_forward_share_frozen(forward, folder, &base, &error);
    assert_true(failed || ob_batch_add(batch, tokens, 24, 1));
    if (!failed)
        failed = ob_forward_losses(forward, &source, batch, &loss, &error);
    if (failed)
        fail_msg("%s", error.text);
    *ret_bytes = ob_forward_frozen_bytes(forward);
    ob_batch_free(batch);
    ob_forward_free(forward);
    return loss;
}

static void losses_from_a_shared_file_are_the_same_bits(void **state) {
    (void)state;
    struct ob_model *model = NULL;
    const struct ob_products *way;
    assert_int_equal(ob_model_open(OB_SOURCE_ROOT "/examples/kjv-1m", &model, NULL), OB_OK);
    for (size_t i = 1; (way = ob_products_at(i)); i++) {
        size_t own, written, found;
        if (!ob_products_available(way, NULL) || (way->open && getenv("DNNL_MAX_CPU_ISA")))
            continue;
        double apart = loss_of(model, way, false, &own), first = loss_of(model, way, true, &written),
               second = loss_of(model, way, true, &found);
        assert_memory_equal(&first, &apart, sizeof apart);
        assert_memory_equal(&second, &apart, sizeof apart);
        assert_true(written == own && found == own);
    }
    ob_model_free(model);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(the_second_finds_what_the_first_wrote),
        CASE(other_contents_are_another_file),
        CASE(every_damaged_byte_is_seen),
        CASE(what_others_may_write_is_not_taken),
        CASE(errors_name_the_file),
        CASE(two_processes_pack_once),
        CASE(losses_from_a_shared_file_are_the_same_bits),
    };
    return cmocka_run_group_tests_name("frozen_file", tests, NULL, NULL);
}
