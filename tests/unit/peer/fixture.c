#include "tests/unit/peer/fixture.h"

#include <sodium.h>
#include <stdlib.h>

#include "peer/message.h"
#include "record/sign.h"

static size_t find(void *context, const struct ob_machine_id *machine, struct ob_sample sample,
                   uint8_t *ret_data) {
    const struct fixture *f = context;
    for (size_t i = 0; i < f->stored; i++) {
        const struct fixture_stored *stored = &f->store[i];
        uint64_t first = ob_load_u64(stored->data + OB_KEY_BYTES),
                 n = stored->bytes - OB_RECORD_OVERHEAD_BYTES;
        if (!stored->there || memcmp(stored->data, machine->key, OB_KEY_BYTES) != 0 || sample.index < first ||
            sample.index >= first + n)
            continue;
        memcpy(ret_data, stored->data, stored->bytes);
        return stored->bytes;
    }
    return 0;
}

static void store_record(struct fixture *f, const struct ob_record *record) {
    assert_true(f->stored < sizeof f->store / sizeof f->store[0]);
    struct fixture_stored *stored = &f->store[f->stored++];
    stored->there = true;
    stored->bytes = ob_record_encode(record, stored->data);
}

static void cut_records(struct fixture *f, const struct ob_effect *effect) {
    for (size_t i = 0; i < f->stored; i++)
        if (memcmp(f->store[i].data, effect->machine.key, OB_KEY_BYTES) == 0 &&
            ob_load_u64(f->store[i].data + OB_KEY_BYTES) >= effect->unapply.first.index)
            f->store[i].there = false;
}

struct fixture *fixture_new(void) {
    assert_true(sodium_init() >= 0);
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    for (size_t i = 0; i < FIXTURE_MACHINES; i++) {
        uint8_t seed[32] = {(uint8_t)(i + 1)};
        crypto_sign_seed_keypair(f->machines[i].id.key, f->machines[i].secret_key, seed);
    }
    uint8_t seed[32] = {200};
    crypto_sign_seed_keypair(f->authority.key, f->authority_key, seed);
    f->options.authority = f->authority;
    f->options.store = (struct ob_peer_store){.context = f, .find = find};
    memset(f->options.run.hash.bytes, 0x77, OB_HASH_BYTES);
    f->options.machine = f->machines[0].id;
    f->options.instance = 1;
    f->options.bounds = (struct ob_record_bounds){.max_rounds = 1000,
                                                  .max_machines = FIXTURE_MACHINES,
                                                  .samples_per_round = FIXTURE_SAMPLES,
                                                  .exponent_min = -4,
                                                  .exponent_max = 4,
                                                  .profiles = 1};
    f->options.max_staleness = 2;
    f->options.rejoin_wait_ns = 5 * SECOND;
    f->options.may_start_alone = true;
    f->options.machines_max = FIXTURE_MACHINES;
    f->certify = true;
    f->options.crypto = (struct ob_peer_crypto){.context = f->machines[0].secret_key,
                                                .sign = ob_record_ed25519_sign,
                                                .verify = ob_record_ed25519_verify};
    f->now_ns = 100 * SECOND;
    return f;
}

void fixture_free(struct fixture *f) {
    ob_peer_free(f->peer);
    free(f);
}

void fixture_make_peer(struct fixture *f) {
    ob_peer_free(f->peer);
    f->peer = NULL;
    assert_int_equal(ob_peer_new(&f->options, &f->peer, NULL), OB_OK);
    if (f->certify && !f->options.open)
        certify_all(f);
}

void fixture_start(struct fixture *f) {
    fixture_make_peer(f);
    step(f, OB_EVENT_START);
}

void step_event(struct fixture *f, struct ob_event event) {
    event.now_ns = f->now_ns;
    event.wall_s = f->wall_s;
    f->effects = ob_peer_step(f->peer, &event);
    for (size_t i = 0; i < f->effects.count; i++) {
        const struct ob_effect *effect = &f->effects.items[i];
        if (effect->kind == OB_EFFECT_PERSIST || effect->kind == OB_EFFECT_PERSIST_OWN)
            store_record(f, &effect->record);
        if (effect->kind == OB_EFFECT_UNAPPLY)
            cut_records(f, effect);
    }
    const char *broken = ob_peer_check(f->peer);
    if (broken != NULL)
        fail_msg("%s", broken);
}

void step(struct fixture *f, enum ob_event_kind kind) {
    step_event(f, (struct ob_event){.kind = kind});
}

void step_machine(struct fixture *f, enum ob_event_kind kind, size_t machine) {
    step_event(f, (struct ob_event){.kind = kind, .machine = f->machines[machine].id});
}

void step_message(struct fixture *f, size_t sender, const void *data, size_t bytes) {
    step_event(
        f, (struct ob_event){
               .kind = OB_EVENT_MESSAGE, .machine = f->machines[sender].id, .data = data, .bytes = bytes});
}

void step_round_done(struct fixture *f, size_t samples) {
    static const uint8_t BYTES[FIXTURE_SAMPLES + 1] = {0x01, 0x60, 0x80, 0xe0, 0x10};
    step_event(
        f, (struct ob_event){.kind = OB_EVENT_ROUND_DONE, .data = BYTES, .bytes = samples, .exponent = 1});
}

const struct ob_effect *pass_until(struct fixture *f, uint64_t ns, enum ob_effect_kind kind) {
    for (uint64_t end = f->now_ns + ns; f->now_ns < end;) {
        f->now_ns += 100 * MILLISECOND;
        step(f, OB_EVENT_TICK);
        const struct ob_effect *effect = find_effect(f, kind);
        if (effect != NULL)
            return effect;
    }
    return NULL;
}

void pass(struct fixture *f, uint64_t ns) {
    for (uint64_t end = f->now_ns + ns; f->now_ns < end;) {
        f->now_ns += 100 * MILLISECOND;
        step(f, OB_EVENT_TICK);
    }
}

size_t make_record(struct fixture *f, size_t number, uint32_t round, uint8_t *ret_message) {
    return make_record_of(f, number, round, FIXTURE_SAMPLES, ret_message);
}

size_t make_record_of(struct fixture *f, size_t number, uint32_t round, uint16_t n, uint8_t *ret_message) {
    static const uint8_t BYTES[FIXTURE_SAMPLES] = {0x20, 0x21, 0xa2, 0x80};
    struct fixture_machine *machine = &f->machines[number];
    uint8_t signature[64];
    struct ob_record record = {.machine = machine->id,
                               .first = {machine->next},
                               .round = {round},
                               .live = 1,
                               .n = n,
                               .prev = machine->head,
                               .bytes = BYTES,
                               .signature = signature};
    ob_record_sign(&f->options.run, &record, machine->secret_key, signature);
    machine->head = ob_record_hash(&f->options.run, &record);
    machine->head_round = round;
    machine->next += n;
    ret_message[0] = OB_MESSAGE_RECORD;
    ret_message[1] = OB_PROTOCOL_VERSION;
    return 2 + ob_record_encode(&record, ret_message + 2);
}

void receive_record(struct fixture *f, size_t machine, uint32_t round) {
    static uint8_t message[OB_RECORD_BYTES_MAX + 2];
    size_t bytes = make_record(f, machine, round, message);
    step_message(f, machine, message, bytes);
}

size_t make_heartbeat(struct fixture *f, size_t number, bool trains, const struct ob_hash *log,
                      uint8_t *ret_message) {
    struct fixture_machine *machine = &f->machines[number];
    struct ob_peer_view view = ob_peer_view(f->peer);
    struct ob_heartbeat heartbeat = {.run = f->options.run,
                                     .machine = machine->id,
                                     .instance = 50 + number,
                                     .sequence = ++machine->heartbeats,
                                     .trains = trains,
                                     .next = {machine->next},
                                     .log = log != NULL ? *log : view.log_digest,
                                     .control = view.control_digest};
    uint8_t body[OB_HEARTBEAT_BODY_BYTES], signature[64];
    size_t bytes = ob_heartbeat_body(&heartbeat, body);
    ob_record_ed25519_sign(machine->secret_key, body, bytes, signature);
    heartbeat.signature = signature;
    return ob_heartbeat_encode(&heartbeat, ret_message);
}

void receive_heartbeat(struct fixture *f, size_t machine, bool trains) {
    uint8_t message[OB_HEARTBEAT_BYTES];
    size_t bytes = make_heartbeat(f, machine, trains, NULL, message);
    step_message(f, machine, message, bytes);
}

size_t make_goodbye(struct fixture *f, size_t machine, uint64_t sequence, uint64_t next,
                    uint8_t *ret_message) {
    uint8_t payload[8], entry[OB_CONTROL_BYTES_MAX];
    ob_store_u64(payload, next);
    struct ob_control control = {.kind = OB_CONTROL_GOODBYE,
                                 .payload_bytes = 8,
                                 .signer = f->machines[machine].id,
                                 .subject = f->machines[machine].id,
                                 .sequence = sequence,
                                 .payload = payload};
    size_t bytes = ob_control_sign(&f->options.run, &control, f->machines[machine].secret_key, entry);
    struct ob_writer writer = ob_control_list_start(&f->options.run, ret_message, OB_SMALL_MESSAGE_BYTES_MAX);
    assert_true(ob_control_list_add(&writer, entry, bytes));
    ob_control_list_end(&writer, 1);
    return writer.used;
}

static size_t sign_entry(struct fixture *f, struct ob_control *control, uint8_t *ret_entry) {
    control->signer = f->authority;
    return ob_control_sign(&f->options.run, control, f->authority_key, ret_entry);
}

size_t make_certificate(struct fixture *f, size_t machine, uint64_t sequence, uint64_t expiry_s,
                        uint32_t last_round, uint8_t *ret_entry) {
    uint8_t payload[OB_CONTROL_PLAIN_MAX];
    struct ob_certificate certificate = {
        .run = f->options.run, .expiry_s = expiry_s, .last_round = last_round};
    memcpy(certificate.name, "somebody", 9);
    struct ob_control control = {.kind = OB_CONTROL_CERTIFICATE,
                                 .subject = f->machines[machine].id,
                                 .sequence = sequence,
                                 .payload = payload};
    assert_int_equal(ob_certificate_encode(&certificate, payload, &control.payload_bytes, NULL), OB_OK);
    return sign_entry(f, &control, ret_entry);
}

size_t make_revocation(struct fixture *f, size_t machine, uint64_t sequence, uint64_t keep_below,
                       uint8_t *ret_entry) {
    uint8_t payload[8];
    ob_store_u64(payload, keep_below);
    struct ob_control control = {.kind = OB_CONTROL_REVOCATION,
                                 .payload_bytes = sizeof payload,
                                 .subject = f->machines[machine].id,
                                 .sequence = sequence,
                                 .payload = payload};
    return sign_entry(f, &control, ret_entry);
}

void receive_control(struct fixture *f, size_t sender, const uint8_t *entry, size_t bytes) {
    static uint8_t message[OB_MESSAGE_MAX];
    struct ob_writer writer = ob_control_list_start(&f->options.run, message, sizeof message);
    assert_true(ob_control_list_add(&writer, entry, bytes));
    ob_control_list_end(&writer, 1);
    step_message(f, sender, message, writer.used);
}

void certify_all(struct fixture *f) {
    uint8_t entry[OB_CONTROL_PLAIN_BYTES_MAX];
    for (size_t i = 0; i < FIXTURE_MACHINES; i++) {
        size_t bytes = make_certificate(f, i, 1, 0, OB_CONTROL_NEVER, entry);
        step_event(f, (struct ob_event){.kind = OB_EVENT_CONTROL, .data = entry, .bytes = bytes});
    }
}

size_t make_frontier(struct fixture *f, const size_t *machines, uint32_t count, uint8_t *ret_message) {
    struct ob_writer writer =
        ob_frontier_start(&f->options.run, count, 0, count, ret_message, OB_MESSAGE_MAX);
    for (uint32_t i = 0; i < count; i++) {
        const struct fixture_machine *machine = &f->machines[machines[i]];
        ob_frontier_add(&writer, &(struct ob_frontier_entry){.machine = machine->id,
                                                             .next = {machine->next},
                                                             .head_round = {machine->head_round},
                                                             .head = machine->head});
    }
    return writer.used;
}

size_t count_effects(const struct fixture *f, enum ob_effect_kind kind) {
    size_t count = 0;
    for (size_t i = 0; i < f->effects.count; i++)
        count += f->effects.items[i].kind == kind;
    return count;
}

const struct ob_effect *find_effect(const struct fixture *f, enum ob_effect_kind kind) {
    for (size_t i = 0; i < f->effects.count; i++)
        if (f->effects.items[i].kind == kind)
            return &f->effects.items[i];
    return NULL;
}

const struct ob_effect *find_notice(const struct fixture *f, enum ob_notice notice) {
    for (size_t i = 0; i < f->effects.count; i++)
        if (f->effects.items[i].kind == OB_EFFECT_TELL && f->effects.items[i].notice == notice)
            return &f->effects.items[i];
    return NULL;
}

const struct ob_effect *find_sent(const struct fixture *f, enum ob_message_kind kind) {
    for (size_t i = 0; i < f->effects.count; i++)
        if (f->effects.items[i].kind == OB_EFFECT_SEND && f->effects.items[i].data[0] == kind)
            return &f->effects.items[i];
    return NULL;
}

struct ob_peer_machine look(const struct fixture *f, size_t machine) {
    size_t machines = ob_peer_view(f->peer).machines;
    for (size_t i = 0; i < machines; i++) {
        struct ob_peer_machine seen = ob_peer_machine(f->peer, i);
        if (ob_machine_equal(&seen.machine, &f->machines[machine].id))
            return seen;
    }
    return (struct ob_peer_machine){.reported_next = {UINT64_MAX}};
}

void train_rounds(struct fixture *f, unsigned rounds) {
    for (unsigned i = 0; i < rounds; i++) {
        if (ob_peer_view(f->peer).life == OB_PEER_TRAINING)
            step_round_done(f, FIXTURE_SAMPLES);
        f->now_ns += 100 * MILLISECOND;
        step(f, OB_EVENT_TICK);
    }
}
