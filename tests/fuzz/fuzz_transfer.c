/* fuzz_transfer - any bytes as the messages by which a file travels, several one after the other (each with a length of two
 * bytes before it): what is accepted is encoded to the same bytes, and neither a server nor a fetcher that gets it does
 * anything but ask and answer; a file never comes out that does not have its name. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/folder.h"
#include "transfer/fetch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const struct ob_run_id RUN = {{{7}}};
static const struct ob_machine_id FROM = {{1}};

static bool send_nowhere(void *context, const struct ob_machine_id *to, const void *data, size_t bytes) {
    struct ob_transfer_message message;
    (void)context, (void)to;
    assert(ob_transfer_message_decode(data, bytes, &message));
    return true;
}

static void as_message(const uint8_t *frame, size_t bytes, struct ob_transfer_server *server,
                       struct ob_transfer_fetch *fetch, const struct ob_hash *name, uint64_t now_ns) {
    static uint8_t again[OB_TRANSFER_MESSAGE_MAX];
    struct ob_transfer_message message;
    bool done = false;
    if (!ob_transfer_message_decode(frame, bytes, &message))
        return;
    assert(ob_transfer_message_encode(&message, again) == bytes && memcmp(again, frame, bytes) == 0);
    ob_transfer_serve(server, &FROM, &message);
    if (message.bytes > 0 && message.data[0] & 1) /* as if it were asked for */
        message.name = *name;
    assert(ob_transfer_fetch_take(fetch, &FROM, &message, now_ns, NULL) == OB_OK);
    assert(ob_transfer_fetch_tend(fetch, now_ns, &done, NULL) == OB_OK && !done);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct test_folder folder;
    char path[TEST_PATH_MAX];
    struct ob_transfer_server server = {0};
    struct ob_transfer_fetch *fetch = NULL;
    test_folder_make(&folder);
    test_folder_write(&folder, "served", "onebyte", 7);
    struct ob_share share;
    if (ob_share_open(test_folder_path(&folder, "served", path), 100, NULL, NULL, &share, NULL) != OB_OK)
        abort();
    struct ob_transfer_fetch_options options = {.run = RUN,
                                                .name = {{3}},
                                                .bytes_max = 1 << 20,
                                                .path = test_folder_path(&folder, "fetched", path),
                                                .send = send_nowhere};
    if (ob_transfer_fetch_new(&options, &fetch, NULL) != OB_OK)
        abort();
    ob_transfer_fetch_from(fetch, &FROM);
    struct ob_transfer_source source = {.run = RUN, .shares = &share, .count = 1, .send = send_nowhere};
    for (uint64_t now_ns = 1; bytes >= 2; now_ns += 1000000000) {
        size_t count = (size_t)data[0] | (size_t)data[1] << 8;
        data += 2, bytes -= 2;
        if (count > bytes)
            count = bytes;
        as_message(data, count, &server, fetch, &options.name, now_ns);
        ob_transfer_serve_tend(&server, &source, 1024, now_ns);
        data += count, bytes -= count;
    }
    ob_transfer_fetch_free(fetch);
    ob_share_close(&share);
    test_folder_remove(&folder);
    return 0;
}
