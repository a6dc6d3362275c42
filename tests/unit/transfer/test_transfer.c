/* A fetcher and servers that hand their messages to one another, with losses, lies and breaks. */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/folder.h"
#include "tests/support/progress.h"
#include "transfer/fetch.h"

enum {
    SERVERS = 3,
    INBOX = 256,
    FILE_BYTES = 32768 * 1024 + 100 /* of three levels */,
    STEP_MS = 20,
    KIB = 1 << 20
};

struct server {
    struct ob_machine_id machine;
    struct ob_transfer_server server;
    bool has_file, lies, silent;
    uint64_t blocks_sent;
};

struct world {
    struct test_folder folder;
    struct ob_share share;
    struct server servers[SERVERS];
    struct ob_transfer_fetch *fetch;
    struct ob_machine_id reader;
    char path[TEST_PATH_MAX], original[TEST_PATH_MAX];
    uint64_t now_ns, drop_every, sent;
    struct ob_error error;
    enum ob_err failed;
};

static const struct ob_run_id RUN = {{{7}}};

static bool lost(struct world *w) {
    return w->drop_every > 0 && ++w->sent % w->drop_every == 0;
}

/* From the fetcher to a server. */
static bool to_server(void *context, const struct ob_machine_id *to, const void *data, size_t bytes) {
    struct world *w = context;
    struct ob_transfer_message ask;
    assert_true(ob_transfer_message_decode(data, bytes, &ask));
    for (size_t i = 0; i < SERVERS; i++)
        if (ob_machine_equal(&w->servers[i].machine, to) && !lost(w))
            ob_transfer_serve(&w->servers[i].server, &w->reader, &ask);
    return true;
}

struct back {
    struct world *world;
    struct server *server;
};

static bool to_reader(void *context, const struct ob_machine_id *to, const void *data, size_t bytes) {
    struct back *back = context;
    struct world *w = back->world;
    static uint8_t copy[OB_TRANSFER_MESSAGE_MAX];
    struct ob_transfer_message block;
    assert_true(ob_machine_equal(to, &w->reader));
    memcpy(copy, data, bytes);
    if (back->server->lies && bytes > 100)
        copy[bytes - 7] ^= 1;
    assert_true(ob_transfer_message_decode(copy, bytes, &block));
    back->server->blocks_sent += block.bytes > 0;
    if (!lost(w) && !back->server->silent && !w->failed)
        w->failed = ob_transfer_fetch_take(w->fetch, &back->server->machine, &block, w->now_ns, &w->error);
    return true;
}

static struct ob_transfer_fetch *fetching(struct world *w, uint64_t bytes_max) {
    struct ob_transfer_fetch *fetch = NULL;
    struct ob_transfer_fetch_options options = {.run = RUN,
                                                .name = w->share.name,
                                                .bytes_max = bytes_max,
                                                .path = w->path,
                                                .send = to_server,
                                                .context = w};
    w->failed = ob_transfer_fetch_new(&options, &fetch, &w->error);
    for (size_t i = 0; fetch && i < SERVERS; i++)
        ob_transfer_fetch_from(fetch, &w->servers[i].machine);
    return fetch;
}

/* Until it is done, fails, or has so many bytes. */
static bool run(struct world *w, uint64_t bytes_enough) {
    bool done = false;
    for (int i = 0; i < 20000 && !done && !w->failed; i++) {
        if (ob_transfer_fetch_progress(w->fetch).bytes_have >= bytes_enough)
            return false;
        w->now_ns += STEP_MS * 1000000ull;
        w->failed = ob_transfer_fetch_tend(w->fetch, w->now_ns, &done, &w->error);
        for (size_t s = 0; s < SERVERS; s++) {
            struct back back = {w, &w->servers[s]};
            struct ob_transfer_source source = {.run = RUN,
                                                .shares = &w->share,
                                                .count = w->servers[s].has_file,
                                                .send = to_reader,
                                                .context = &back};
            ob_transfer_serve_tend(&w->servers[s].server, &source, KIB, w->now_ns);
        }
    }
    return done;
}

static int setup(void **state) {
    struct world *w = calloc(1, sizeof *w);
    uint8_t *data = malloc(FILE_BYTES);
    assert_non_null(w);
    assert_non_null(data);
    for (size_t i = 0; i < FILE_BYTES; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 13);
    test_folder_make(&w->folder);
    test_folder_write(&w->folder, "original", data, FILE_BYTES);
    free(data);
    test_folder_path(&w->folder, "original", w->original);
    test_folder_path(&w->folder, "fetched", w->path);
    assert_int_equal(ob_share_open(w->original, UINT64_MAX, NULL, NULL, &w->share, &w->error), OB_OK);
    for (size_t i = 0; i < SERVERS; i++) {
        w->servers[i].machine.key[0] = (uint8_t)(i + 1);
        w->servers[i].has_file = true;
    }
    w->reader.key[0] = 99;
    w->now_ns = 1;
    *state = w;
    return 0;
}

static int teardown(void **state) {
    struct world *w = *state;
    ob_transfer_fetch_free(w->fetch);
    ob_share_close(&w->share);
    test_folder_remove(&w->folder);
    free(w);
    return 0;
}

static void assert_same_file(const struct world *w) {
    struct ob_share got;
    assert_int_equal(ob_share_open(w->path, UINT64_MAX, NULL, NULL, &got, NULL), OB_OK);
    assert_true(ob_hash_equal(&got.name, &w->share.name));
    ob_share_close(&got);
    char part[TEST_PATH_MAX + 8];
    snprintf(part, sizeof part, "%s.part", w->path);
    assert_int_not_equal(access(part, F_OK), 0);
}

static void fetch_through_losses_from_all(void **state) {
    struct world *w = *state;
    w->drop_every = 7;
    w->fetch = fetching(w, UINT64_MAX);
    assert_true(run(w, UINT64_MAX));
    assert_same_file(w);
    for (size_t i = 0; i < SERVERS; i++)
        assert_true(w->servers[i].blocks_sent > 100);
    struct ob_machine_id liar;
    assert_false(ob_transfer_fetch_liar(w->fetch, &liar));
}

static void fetch_names_who_lies(void **state) {
    struct world *w = *state;
    struct ob_machine_id liar;
    w->servers[1].lies = true;
    w->fetch = fetching(w, UINT64_MAX);
    assert_true(run(w, UINT64_MAX));
    assert_same_file(w);
    assert_true(ob_transfer_fetch_liar(w->fetch, &liar));
    assert_true(ob_machine_equal(&liar, &w->servers[1].machine));
    assert_false(ob_transfer_fetch_liar(w->fetch, &liar));
    assert_true(w->servers[1].blocks_sent <= OB_TRANSFER_A_PEER);
}

static void fetch_goes_on_where_it_was_broken_off(void **state) {
    struct world *w = *state;
    char part[TEST_PATH_MAX + 8];
    w->fetch = fetching(w, UINT64_MAX);
    assert_false(run(w, FILE_BYTES / 2));
    uint64_t had = ob_transfer_fetch_progress(w->fetch).bytes_have;
    ob_transfer_fetch_free(w->fetch);
    snprintf(part, sizeof part, "%s.part", w->path);
    test_file_flip(part, 5 * OB_FILE_BLOCK + 3, 0x10); /* one block is damaged meanwhile */
    for (size_t i = 0; i < SERVERS; i++) {
        w->servers[i].server.count = 0;
        w->servers[i].blocks_sent = 0;
    }
    w->fetch = fetching(w, UINT64_MAX);
    assert_true(run(w, UINT64_MAX));
    assert_same_file(w);
    assert_int_equal(ob_transfer_fetch_progress(w->fetch).bytes_kept, had - OB_FILE_BLOCK);
}

static void fetch_waits_for_who_has_it(void **state) {
    struct world *w = *state;
    w->servers[0].has_file = w->servers[1].has_file = false;
    w->servers[2].silent = true;
    w->fetch = fetching(w, UINT64_MAX);
    assert_false(run(w, 1));
    assert_int_equal(w->failed, OB_OK);
    assert_int_equal(ob_transfer_fetch_progress(w->fetch).bytes_have, 0);
    w->servers[0].has_file = true;
    assert_true(run(w, UINT64_MAX));
    assert_same_file(w);
    struct ob_machine_id liar;
    assert_false(ob_transfer_fetch_liar(w->fetch, &liar));
}

static void fetch_refuses_what_is_too_big_or_there(void **state) {
    struct world *w = *state;
    w->fetch = fetching(w, FILE_BYTES - 1);
    assert_false(run(w, UINT64_MAX));
    assert_int_equal(w->failed, OB_ETOOBIG);
    test_file_write(w->path, "x", 1);
    assert_null(fetching(w, UINT64_MAX));
    assert_int_equal(w->failed, OB_EBUSY);
}

static void fetch_of_one_block(void **state) {
    struct world *w = *state;
    ob_share_close(&w->share);
    test_file_write(w->original, "onebyte", 7);
    assert_int_equal(ob_share_open(w->original, 7, NULL, NULL, &w->share, &w->error), OB_OK);
    w->fetch = fetching(w, 7);
    assert_true(run(w, UINT64_MAX));
    assert_same_file(w);
}

static void share_tells_how_far_it_is_and_ends_when_asked(void **state) {
    struct world *w = *state;
    struct ob_share silent, share;
    struct ob_error error = {0};
    struct test_progress told = {0};
    struct ob_progress_callback progress = {test_progress_tell, &told};
    char path[TEST_PATH_MAX];
    test_folder_write(&w->folder, "large", "onebyte", 7);
    assert_int_equal(truncate(test_folder_path(&w->folder, "large", path), 40 << 20), 0);
    assert_int_equal(ob_share_open(path, UINT64_MAX, NULL, NULL, &silent, NULL), OB_OK);
    assert_int_equal(ob_share_open(path, UINT64_MAX, NULL, &progress, &share, NULL), OB_OK);
    assert_true(ob_hash_equal(&silent.name, &share.name));
    assert_true(told.calls == 3 && told.size == 40 << 20 && !told.wrong);
    ob_share_close(&silent);
    ob_share_close(&share);
    told = (struct test_progress){.end_at = "hashing the files"};
    assert_int_equal(ob_share_open(path, UINT64_MAX, NULL, &progress, &share, &error), OB_ESTATE);
    assert_int_equal(told.calls, 1);
}

static void share_refuses_what_is_no_file(void **state) {
    struct world *w = *state;
    struct ob_share share;
    char path[TEST_PATH_MAX];
    test_folder_write(&w->folder, "empty", "", 0);
    assert_int_equal(
        ob_share_open(test_folder_path(&w->folder, "empty", path), 100, NULL, NULL, &share, NULL),
        OB_ETOOBIG);
    assert_int_equal(ob_share_open(test_folder_path(&w->folder, "none", path), 100, NULL, NULL, &share, NULL),
                     OB_ENOTFOUND);
    assert_int_equal(ob_share_open(w->folder.path, 1 << 20, NULL, NULL, &share, NULL), OB_EFORMAT);
    assert_int_equal(ob_share_open(w->original, 100, NULL, NULL, &share, NULL), OB_ETOOBIG);
}

static void serve_queues_so_many_of_one_machine(void **state) {
    struct world *w = *state;
    struct ob_transfer_server *server = &w->servers[0].server;
    struct ob_transfer_message ask = {.kind = OB_MESSAGE_FILE_ASK, .run = RUN, .name = w->share.name};
    for (uint32_t i = 0; i < 2 * OB_TRANSFER_ASKS_A_PEER; i++, ask.block++)
        ob_transfer_serve(server, &w->reader, &ask);
    assert_int_equal(server->count, OB_TRANSFER_ASKS_A_PEER);
    assert_int_equal(server->dropped, OB_TRANSFER_ASKS_A_PEER);
    ask.block = 0;
    ob_transfer_serve(server, &w->reader, &ask); /* waits already */
    assert_int_equal(server->dropped, OB_TRANSFER_ASKS_A_PEER);
    for (unsigned m = 0; m < 20; m++)
        for (ask.block = 0; ask.block < OB_TRANSFER_ASKS_A_PEER; ask.block++)
            ob_transfer_serve(server, &(struct ob_machine_id){{(uint8_t)(100 + m)}}, &ask);
    assert_int_equal(server->count, OB_TRANSFER_ASKS);
}

int main(void) {
#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {CASE(fetch_through_losses_from_all),
                                       CASE(fetch_names_who_lies),
                                       CASE(fetch_goes_on_where_it_was_broken_off),
                                       CASE(fetch_waits_for_who_has_it),
                                       CASE(fetch_refuses_what_is_too_big_or_there),
                                       CASE(fetch_of_one_block),
                                       CASE(share_tells_how_far_it_is_and_ends_when_asked),
                                       CASE(share_refuses_what_is_no_file),
                                       CASE(serve_queues_so_many_of_one_machine)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
