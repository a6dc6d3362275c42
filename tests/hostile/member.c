#include "tests/hostile/member.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/path.h"
#include "daemon/hello.h"
#include "peer/fetch.h"
#include "peer/frontier.h"
#include "peer/holds.h"
#include "record/record.h"
#include "record/sign.h"

static void give_up(const char *what, const struct ob_error *error) {
    fprintf(stderr, "member: %s: %s\n", what, error ? error->text : "");
    exit(2);
}

void member_open(struct member *member, const char *manifest, const char *state) {
    struct ob_error error = {0};
    char identity[OB_PATH_MAX], certificate[OB_PATH_MAX];
    struct ob_certificate_file file;
    *member = (struct member){.instance = ob_wall_ns()};
    if (ob_path_append(identity, state, "/identity", &error) != OB_OK ||
        ob_path_append(certificate, state, "/certificate", &error) != OB_OK ||
        ob_manifest_read(manifest, &member->manifest, &error) != OB_OK ||
        ob_identity_load(identity, &member->identity, &error) != OB_OK ||
        ob_certificate_file_read(certificate, &file, &error) != OB_OK)
        give_up("cannot begin", &error);
    member->hello_bytes = ob_hello_encode(&file, member->hello);
    struct ob_transport_options options = {.secret_key = member->identity.secret_key, .linger_ms = 500};
    if (ob_transport_new(&options, &member->transport, &error) != OB_OK)
        give_up("no transport", &error);
    member->records = calloc(MEMBER_RECORDS_MAX, sizeof *member->records);
    if (member->records == NULL)
        give_up("no memory", NULL);
}

void member_close(struct member *member) {
    ob_transport_free(member->transport);
    for (size_t i = 0; i < member->record_count; i++)
        free(member->records[i].data);
    free(member->records);
    ob_manifest_free(member->manifest);
    ob_identity_wipe(&member->identity);
}

void member_connect(struct member *member, const char *peer) {
    struct ob_error error = {0};
    const char *at = strchr(peer, '@');
    char key[OB_HEX_KEY_MAX];
    if (at == NULL || at - peer != OB_HEX_KEY_MAX - 1 || member->peer_count == MEMBER_PEERS_MAX)
        give_up(peer, NULL);
    memcpy(key, peer, sizeof key - 1);
    key[sizeof key - 1] = 0;
    struct member_peer *to = &member->peers[member->peer_count++];
    if (ob_machine_from_text(key, &to->machine, &error) != OB_OK ||
        ob_transport_allow(member->transport, &to->machine, &error) != OB_OK ||
        ob_transport_knock(member->transport, &to->machine, at + 1, member->hello, member->hello_bytes,
                           &error) != OB_OK ||
        ob_transport_connect(member->transport, &to->machine, at + 1, &error) != OB_OK)
        give_up(peer, &error);
}

void member_send(struct member *member, const struct member_peer *to, const void *data, size_t bytes) {
    (void)ob_transport_send(member->transport, &to->machine, data, bytes);
}

static void answer_frontier(struct member *member, const struct member_peer *to) {
    uint8_t data[OB_FRONTIER_HEADER_BYTES + OB_FRONTIER_ENTRY_BYTES];
    uint32_t count = member->record_count > 0;
    struct ob_writer writer = ob_frontier_start(&member->manifest->run, count, 0, count, data, sizeof data);
    if (count > 0)
        ob_frontier_add(&writer, &(struct ob_frontier_entry){.machine = member->identity.machine,
                                                             .next = {member->next},
                                                             .head_round = {member->round - 1},
                                                             .head = member->head});
    member_send(member, to, data, writer.used);
}

static void answer_records(struct member *member, const struct member_peer *to,
                           const struct ob_records_ask *ask) {
    static uint8_t data[OB_MESSAGE_MAX];
    struct ob_message_records message;
    size_t at = 0;
    while (at + 1 < member->record_count && member->records[at + 1].first <= ask->first.index)
        at++;
    ob_message_records_start(&message, &member->manifest->run, data, sizeof data);
    while (at < member->record_count && (ask->count == 0 || message.count < ask->count) &&
           ob_message_records_add(&message, member->records[at].data, member->records[at].bytes))
        at++;
    member_send(member, to, data, ob_message_records_end(&message));
}

static void answer_holds(struct member *member, const struct member_peer *to) {
    uint8_t data[OB_SMALL_MESSAGE_BYTES_MAX];
    struct ob_holds holds = {.run = member->manifest->run,
                             .machine = member->identity.machine,
                             .next = {member->next},
                             .head = member->head};
    member_send(member, to, data, ob_holds_encode(&holds, data));
}

static void answer(struct member *member, const struct member_peer *from, uint8_t kind,
                   struct ob_reader reader) {
    struct ob_run_id run;
    struct ob_machine_id machine;
    struct ob_records_ask ask;
    uint32_t page;
    if (kind == OB_MESSAGE_FRONTIER_ASK && ob_frontier_ask_decode(reader, &run, &page))
        answer_frontier(member, from);
    else if (kind == OB_MESSAGE_RECORDS_ASK && ob_records_ask_decode(reader, &ask) &&
             ob_machine_equal(&ask.machine, &member->identity.machine))
        answer_records(member, from, &ask);
    else if (kind == OB_MESSAGE_HOLDS_ASK && ob_holds_ask_decode(reader, &run, &machine) &&
             ob_machine_equal(&machine, &member->identity.machine))
        answer_holds(member, from);
    else
        return;
    member->answered++;
}

static struct member_peer *peer_of(struct member *member, const struct ob_machine_id *machine) {
    for (size_t i = 0; i < member->peer_count; i++)
        if (ob_machine_equal(&member->peers[i].machine, machine))
            return &member->peers[i];
    return NULL;
}

static void take(struct member *member, const struct ob_transport_event *event) {
    struct member_peer *from = peer_of(member, &event->machine);
    if (from == NULL)
        return;
    if (event->kind == OB_TRANSPORT_LINK_UP || event->kind == OB_TRANSPORT_LINK_DOWN)
        from->linked = event->kind == OB_TRANSPORT_LINK_UP;
    if (event->kind != OB_TRANSPORT_FRAME)
        return;
    struct ob_reader reader = ob_reader_init(event->data, event->bytes);
    uint8_t kind = ob_read_u8(&reader);
    (void)ob_read_u8(&reader);
    struct ob_heartbeat heartbeat;
    if (kind == OB_MESSAGE_HEARTBEAT && ob_heartbeat_decode(reader, &heartbeat) &&
        ob_machine_equal(&heartbeat.machine, &from->machine)) {
        from->heartbeat = heartbeat;
        from->heartbeat.signature = NULL;
        from->heard = true;
    } else if (!member->mute) {
        answer(member, from, kind, reader);
    }
}

void member_poll(struct member *member, int ms) {
    uint64_t end = ob_now_ns() + (uint64_t)ms * 1000000;
    for (uint64_t now = ob_now_ns(); now <= end; now = ob_now_ns()) {
        struct ob_transport_event event;
        struct ob_error error = {0};
        int left_ms = (int)((end - now) / 1000000);
        if (ob_transport_poll(member->transport, left_ms < 20 ? left_ms : 20, &event, &error) != OB_OK)
            give_up("poll", &error);
        take(member, &event);
        if (event.kind == OB_TRANSPORT_NOTHING && left_ms == 0)
            return;
    }
}

bool member_wait(struct member *member, int ms) {
    uint64_t end = ob_now_ns() + (uint64_t)ms * 1000000;
    for (;;) {
        size_t ready = 0;
        for (size_t i = 0; i < member->peer_count; i++)
            ready += member->peers[i].linked && member->peers[i].heard;
        if (ready == member->peer_count)
            return true;
        if (ob_now_ns() > end)
            return false;
        member_poll(member, 50);
    }
}

void member_record(struct member *member, uint32_t round, uint16_t live, int8_t exponent,
                   const uint8_t *bytes, uint16_t n) {
    uint8_t signature[OB_RECORD_SIGNATURE_BYTES], data[OB_MESSAGE_HEADER_BYTES + OB_RECORD_BYTES_MAX];
    struct ob_record record = {.machine = member->identity.machine,
                               .first = {member->next},
                               .round = {round},
                               .live = live,
                               .n = n,
                               .exponent = exponent,
                               .prev = member->head,
                               .bytes = bytes,
                               .signature = signature};
    if (member->record_count == MEMBER_RECORDS_MAX)
        give_up("too many records", NULL);
    ob_record_sign(&member->manifest->run, &record, member->identity.secret_key, signature);
    data[0] = OB_MESSAGE_RECORD;
    data[1] = OB_PROTOCOL_VERSION;
    struct member_record *kept = &member->records[member->record_count++];
    kept->first = member->next;
    kept->bytes = ob_record_encode(&record, data + OB_MESSAGE_HEADER_BYTES);
    kept->data = malloc(kept->bytes);
    if (kept->data == NULL)
        give_up("no memory", NULL);
    memcpy(kept->data, data + OB_MESSAGE_HEADER_BYTES, kept->bytes);
    member->head = ob_record_hash(&member->manifest->run, &record);
    member->next += n;
    member->round = round + 1;
    ob_transport_publish(member->transport, data, OB_MESSAGE_HEADER_BYTES + kept->bytes);
}

void member_beat(struct member *member, const struct member_peer *as, const struct ob_hash *weights,
                 const struct ob_hash *weights_log) {
    uint8_t body[OB_HEARTBEAT_BODY_BYTES], signature[64], data[OB_HEARTBEAT_BYTES];
    uint32_t last = member->manifest->bounds.max_rounds;
    struct ob_heartbeat heartbeat = {.run = member->manifest->run,
                                     .machine = member->identity.machine,
                                     .instance = member->instance,
                                     .sequence = ++member->sequence,
                                     .trains = true,
                                     .next = {member->next},
                                     .round = {member->round < last ? member->round : last},
                                     .log = as->heartbeat.log,
                                     .control = as->heartbeat.control,
                                     .weights = *weights,
                                     .weights_log = *weights_log,
                                     .signature = signature};
    size_t bytes = ob_heartbeat_body(&heartbeat, body);
    ob_record_ed25519_sign(member->identity.secret_key, body, bytes, signature);
    ob_transport_publish(member->transport, data, ob_heartbeat_encode(&heartbeat, data));
}
