#include "daemon/mend.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "daemon/names.h"
#include "peer/fetch.h"

#define LOOK_RECORDS 1024 /* from where something was wrong: more than a message holds */
#define ASK_EVERY_NS (2 * OB_SECOND_NS)
#define TRIES        30
#define RECORDS_MAX  (OB_MESSAGE_MAX / OB_RECORD_OVERHEAD_BYTES)

void ob_mend_look(struct ob_mend *mend, const struct ob_machine_id *machine, struct ob_sample from) {
    for (size_t i = 0; i < mend->wish_count; i++)
        if (ob_machine_equal(&mend->wishes[i].machine, machine)) {
            if (from.index < mend->wishes[i].from.index)
                mend->wishes[i].from = from;
            return;
        }
    if (mend->wish_count == OB_MEND_WISHES || (mend->asks && ob_machine_equal(&mend->machine, machine)))
        return;
    mend->wishes[mend->wish_count].machine = *machine;
    mend->wishes[mend->wish_count++].from = from;
}

/* The last wish: is there really something wrong? */
static void look(struct ob_mend *mend, const struct ob_session *session) {
    struct ob_peer_machine machine;
    char name[64];
    mend->wish_count--;
    mend->machine = mend->wishes[mend->wish_count].machine;
    if (!ob_peer_find(session->peer, &mend->machine, &machine) ||
        !ob_store_find_bad(session->store, &mend->machine, mend->wishes[mend->wish_count].from, machine.next,
                           LOOK_RECORDS, &mend->at))
        return;
    mend->asks = true;
    mend->tries = 0;
    mend->asked_ns = 0;
    ob_log(session->logger, OB_LOG_ERROR, "log-damaged",
           "machine=%s first=%" PRIu64
           " text=\"this record was changed in log.sqlite while the daemon runs; fetching "
           "it again\"",
           ob_machine_name(session->config, session->peer, &mend->machine, name), mend->at.index);
}

/* One of those with a link, another one each time. */
static bool ask(const struct ob_mend *mend, const struct ob_session *session) {
    size_t count = ob_peer_count(session->peer);
    for (size_t i = 0; i < count; i++) {
        struct ob_peer_machine machine = ob_peer_machine(session->peer, (mend->tries + i) % count);
        struct ob_records_ask question = {
            .run = session->manifest->run, .machine = mend->machine, .first = mend->at};
        uint8_t data[OB_SMALL_MESSAGE_BYTES_MAX];
        size_t bytes = ob_records_ask_encode(&question, data);
        data[1] = ob_peer_speaks(session->peer, &machine.machine);
        if (machine.linked && ob_transport_send(session->transport, &machine.machine, data, bytes))
            return true;
    }
    return false;
}

void ob_mend_tend(struct ob_mend *mend, const struct ob_session *session, uint64_t now_ns) {
    if (!mend->asks && mend->wish_count > 0)
        look(mend, session);
    if (!mend->asks || (mend->asked_ns != 0 && now_ns - mend->asked_ns < ASK_EVERY_NS))
        return;
    mend->asked_ns = now_ns;
    if (++mend->tries > TRIES) {
        mend->asks = false;
        ob_log(session->logger, OB_LOG_ERROR, "log-damaged",
               "first=%" PRIu64
               " text=\"no other machine has sent this record; restart onebyted to repair the log\"",
               mend->at.index);
        return;
    }
    (void)ask(mend, session);
}

/* Records of the machine, from the place on, as far as they fit the layout. */
static size_t read_records(const struct ob_mend *mend, const struct ob_session *session, const void *data,
                           size_t bytes, struct ob_record *records) {
    struct ob_reader reader = ob_reader_init(data, bytes);
    struct ob_run_id run;
    struct ob_list list;
    size_t count = 0, length;
    if (ob_read_u8(&reader) != OB_MESSAGE_RECORDS ||
        !ob_peer_understands(session->peer, ob_read_u8(&reader)) ||
        !ob_list_decode(reader, false, &run, &list) ||
        !ob_hash_equal(&run.hash, &session->manifest->run.hash))
        return 0;
    for (const uint8_t *at; count < RECORDS_MAX && (at = ob_list_next(&list, &length)); count++) {
        struct ob_record *record = &records[count];
        if (ob_record_decode(at, length, &session->manifest->bounds, record, NULL) != OB_OK ||
            !ob_machine_equal(&record->machine, &mend->machine) ||
            (count == 0 && record->first.index != mend->at.index))
            break;
    }
    return count;
}

bool ob_mend_take(struct ob_mend *mend, const struct ob_session *session, const void *data, size_t bytes) {
    struct ob_peer_machine machine;
    struct ob_error why = {0};
    char name[64];
    size_t mended = 0;
    if (!mend->asks || bytes == 0 || *(const uint8_t *)data != OB_MESSAGE_RECORDS)
        return false;
    struct ob_record *records = calloc(RECORDS_MAX, sizeof *records);
    size_t count = records ? read_records(mend, session, data, bytes, records) : 0;
    bool answer = count > 0 && ob_peer_find(session->peer, &mend->machine, &machine);
    if (answer && ob_store_mend(session->store, records, count, &machine.head, &mended, &why) == OB_OK) {
        struct ob_sample end = {records[mended - 1].first.index + records[mended - 1].n};
        ob_log(session->logger, OB_LOG_INFO, "log-mended",
               "machine=%s first=%" PRIu64 " records=%zu text=\"the log has the true records again\"",
               ob_machine_name(session->config, session->peer, &mend->machine, name), mend->at.index, mended);
        mend->asks = false;
        ob_mend_look(mend, &mend->machine, end); /* what is behind it */
    }
    free(records);
    return answer;
}
