#include "record/control.h"

#include <assert.h>
#include <string.h>

#include "base/cursor.h"

#define LABEL_BYTES (sizeof OB_CONTROL_LABEL - 1)

static_assert(LABEL_BYTES == 16, "the label's length is part of the format");
static_assert(OB_CONTROL_HEADER_BYTES == 1 + 1 + 2 + 32 + 32 + 8, "fields of the header");
static_assert(OB_CONTROL_PAYLOAD_MAX <= UINT16_MAX && OB_CONTROL_BYTES_MAX <= UINT16_MAX, "lengths are u16");
static_assert(OB_CERTIFICATE_BYTES_MAX <= OB_CONTROL_PLAIN_MAX &&
                  OB_INVITATION_BYTES_MAX <= OB_CONTROL_PLAIN_MAX &&
                  OB_ADMISSION_BYTES_MAX <= OB_CONTROL_PLAIN_MAX &&
                  OB_WITHDRAWAL_BYTES_MAX <= OB_CONTROL_PAYLOAD_MAX,
              "every kind but evidence and withdrawals is small");
static_assert(OB_CONTROL_BODY_BYTES_MAX ==
                  LABEL_BYTES + OB_HASH_BYTES + OB_CONTROL_HEADER_BYTES + OB_WITHDRAWAL_BYTES_MAX,
              "the longest signed body");

static enum ob_err check_header(const struct ob_control *control, uint8_t kind, uint8_t reserved,
                                struct ob_error *error) {
    if (reserved != 0)
        return ob_fail(error, OB_EFORMAT, "control: the reserved byte is %u, not 0", reserved);
    if (kind < OB_CONTROL_GOODBYE || kind > OB_CONTROL_LAST)
        return ob_fail(error, OB_EUNSUPPORTED, "control: unknown kind %u; a newer version may know it", kind);
    bool large = kind == OB_CONTROL_EVIDENCE || kind == OB_CONTROL_WITHDRAWAL;
    size_t most = large ? OB_CONTROL_PAYLOAD_MAX : OB_CONTROL_PLAIN_MAX;
    if (control->payload_bytes > most)
        return ob_fail(error, OB_ETOOBIG, "control: a payload of %u bytes, must be at most %zu",
                       control->payload_bytes, most);
    return OB_OK;
}

static enum ob_err exactly(const struct ob_control *control, uint16_t bytes, const char *what,
                           struct ob_error *error) {
    if (control->payload_bytes == bytes)
        return OB_OK;
    return ob_fail(error, OB_EFORMAT, "control: %s has %u bytes of payload, not %u", what, bytes,
                   control->payload_bytes);
}

static enum ob_err check_sample(const struct ob_control *control, const char *what, struct ob_error *error) {
    enum ob_err err = exactly(control, 8, what, error);
    if (err == OB_OK && ob_load_u64(control->payload) > OB_SAMPLE_END)
        return ob_fail(error, OB_ETOOBIG, "control: %s names a sample beyond 2^63", what);
    return err;
}

static enum ob_err check_certificate(const struct ob_control *control, struct ob_error *error) {
    struct ob_certificate certificate;
    return ob_certificate_decode(control->payload, control->payload_bytes, &certificate, error);
}

static enum ob_err check_invitation(const struct ob_control *control, struct ob_error *error) {
    struct ob_invitation invitation;
    return ob_invitation_decode(control->payload, control->payload_bytes, &invitation, error);
}

static enum ob_err check_admission(const struct ob_control *control, struct ob_error *error) {
    struct ob_admission_name name;
    if (control->sequence != 0)
        return ob_fail(error, OB_EFORMAT, "control: an admission must have sequence 0");
    return ob_admission_decode(control->payload, control->payload_bytes, &name, error);
}

static enum ob_err check_address(const struct ob_control *control, struct ob_error *error) {
    static const char SCHEME[6] = "tcp://";
    const uint8_t *text = control->payload;
    size_t bytes = control->payload_bytes;
    if (bytes == 0)
        return OB_OK;
    if (bytes <= sizeof SCHEME || memcmp(text, SCHEME, sizeof SCHEME) != 0)
        return ob_fail(error, OB_EFORMAT, "control: address is not tcp://host:port");
    for (size_t i = 0; i < bytes; i++)
        if (text[i] <= 0x20 || text[i] >= 0x7f)
            return ob_fail(error, OB_EFORMAT,
                           "control: address contains a space or an unprintable character");
    return OB_OK;
}

static enum ob_err check_evidence(const struct ob_control *control, struct ob_error *error) {
    static const uint8_t ZEROS[OB_SIGNATURE_BYTES];
    struct ob_record records[2];
    if (control->sequence != 0 || memcmp(control->signature, ZEROS, sizeof ZEROS) != 0)
        return ob_fail(error, OB_EFORMAT,
                       "control: evidence must have sequence 0 and no signature of its own");
    enum ob_err err = ob_evidence_decode(control->payload, control->payload_bytes, records, error);
    if (err != OB_OK)
        return err;
    if (!ob_machine_equal(&records[0].machine, &control->subject))
        return ob_fail(error, OB_EREFUSED, "control: evidence names another machine than its records");
    return OB_OK;
}

static bool signs_for_itself(enum ob_control_kind kind) {
    return kind == OB_CONTROL_GOODBYE || kind == OB_CONTROL_EVIDENCE || kind == OB_CONTROL_ADDRESS;
}

static enum ob_err check_payload(const struct ob_control *control, struct ob_error *error) {
    if (signs_for_itself(control->kind) && !ob_machine_equal(&control->signer, &control->subject))
        return ob_fail(error, OB_EREFUSED, "control: only the machine itself may sign this entry");
    switch (control->kind) {
    case OB_CONTROL_GOODBYE:
        return check_sample(control, "a goodbye", error);
    case OB_CONTROL_CERTIFICATE:
        return check_certificate(control, error);
    case OB_CONTROL_REVOCATION:
        return check_sample(control, "a revocation", error);
    case OB_CONTROL_EVIDENCE:
        return check_evidence(control, error);
    case OB_CONTROL_ADDRESS:
        return check_address(control, error);
    case OB_CONTROL_ROTATION:
        if (ob_machine_equal(&control->signer, &control->subject))
            return ob_fail(error, OB_EREFUSED, "control: rotation to the same key");
        return exactly(control, OB_CONTROL_ROTATION_BYTES, "a rotation", error);
    case OB_CONTROL_INVITATION:
        return check_invitation(control, error);
    case OB_CONTROL_ADMISSION:
        return check_admission(control, error);
    case OB_CONTROL_WITHDRAWAL:
        return ob_withdrawal_check(control->payload, control->payload_bytes, error);
    }
    assert(false);
    return OB_EFORMAT;
}

enum ob_err ob_control_decode(const void *data, size_t bytes, struct ob_control *ret_control,
                              struct ob_error *error) {
    struct ob_reader reader = ob_reader_init(data, bytes);
    struct ob_control control = {0};
    uint8_t kind = ob_read_u8(&reader);
    uint8_t reserved = ob_read_u8(&reader);
    control.payload_bytes = ob_read_u16(&reader);
    ob_read_bytes(&reader, control.signer.key, OB_KEY_BYTES);
    ob_read_bytes(&reader, control.subject.key, OB_KEY_BYTES);
    control.sequence = ob_read_u64(&reader);
    control.payload = ob_read_view(&reader, control.payload_bytes);
    control.signature = ob_read_view(&reader, OB_SIGNATURE_BYTES);
    if (reader.failed || reader.left != 0)
        return ob_fail(error, OB_EFORMAT, "control: %zu bytes, expected 140 + payload", bytes);
    enum ob_err err = check_header(&control, kind, reserved, error);
    if (err != OB_OK)
        return err;
    control.kind = (enum ob_control_kind)kind;
    err = check_payload(&control, error);
    if (err != OB_OK)
        return err;
    *ret_control = control;
    return OB_OK;
}

size_t ob_control_encode(const struct ob_control *control, uint8_t *ret_data) {
    assert(control->signature != NULL && control->payload_bytes <= OB_CONTROL_PAYLOAD_MAX);
    struct ob_writer writer = ob_writer_init(ret_data, OB_CONTROL_BYTES_MAX);
    ob_write_u8(&writer, (uint8_t)control->kind);
    ob_write_u8(&writer, 0);
    ob_write_u16(&writer, control->payload_bytes);
    ob_write_bytes(&writer, control->signer.key, OB_KEY_BYTES);
    ob_write_bytes(&writer, control->subject.key, OB_KEY_BYTES);
    ob_write_u64(&writer, control->sequence);
    ob_write_bytes(&writer, control->payload, control->payload_bytes);
    ob_write_bytes(&writer, control->signature, OB_SIGNATURE_BYTES);
    assert(!writer.failed);
    return writer.used;
}

size_t ob_control_body(const struct ob_run_id *run, const struct ob_control *control, uint8_t *ret_body) {
    static const uint8_t NO_SIGNATURE[OB_SIGNATURE_BYTES];
    assert(control->kind != OB_CONTROL_EVIDENCE && control->payload_bytes <= OB_WITHDRAWAL_BYTES_MAX);
    uint8_t entry[OB_CONTROL_BYTES_MAX];
    struct ob_control plain = *control;
    plain.signature = NO_SIGNATURE;
    size_t bytes = ob_control_encode(&plain, entry) - OB_SIGNATURE_BYTES;
    memcpy(ret_body, OB_CONTROL_LABEL, LABEL_BYTES);
    memcpy(ret_body + LABEL_BYTES, run->hash.bytes, OB_HASH_BYTES);
    memcpy(ret_body + LABEL_BYTES + OB_HASH_BYTES, entry, bytes);
    return LABEL_BYTES + OB_HASH_BYTES + bytes;
}

size_t ob_control_sign(const struct ob_run_id *run, const struct ob_control *control,
                       const uint8_t secret_key[static 64], uint8_t *ret_data) {
    uint8_t body[OB_CONTROL_BODY_BYTES_MAX], key[OB_SECRET_KEY_BYTES], signature[OB_SIGNATURE_BYTES];
    size_t bytes = ob_control_body(run, control, body);
    memcpy(key, secret_key, sizeof key);
    ob_record_ed25519_sign(key, body, bytes, signature);
    explicit_bzero(key, sizeof key);
    struct ob_control signed_control = *control;
    signed_control.signature = signature;
    return ob_control_encode(&signed_control, ret_data);
}

struct ob_sample ob_control_goodbye_next(const struct ob_control *control) {
    assert(control->kind == OB_CONTROL_GOODBYE && control->payload_bytes == OB_CONTROL_GOODBYE_BYTES);
    return (struct ob_sample){ob_load_u64(control->payload)};
}

struct ob_sample ob_control_keep_below(const struct ob_control *control) {
    assert(control->kind == OB_CONTROL_REVOCATION && control->payload_bytes == OB_CONTROL_REVOCATION_BYTES);
    return (struct ob_sample){ob_load_u64(control->payload)};
}

uint64_t ob_control_until(const struct ob_control *control) {
    assert(control->kind == OB_CONTROL_ROTATION && control->payload_bytes == OB_CONTROL_ROTATION_BYTES);
    return ob_load_u64(control->payload);
}

struct ob_invitation ob_control_invitation(const struct ob_control *control) {
    assert(control->kind == OB_CONTROL_INVITATION);
    struct ob_invitation invitation = {0};
    enum ob_err err = ob_invitation_decode(control->payload, control->payload_bytes, &invitation, NULL);
    assert(err == OB_OK); /* decoding the entry checked it */
    (void)err;
    return invitation;
}

struct ob_admission_name ob_control_admission_name(const struct ob_control *control) {
    assert(control->kind == OB_CONTROL_ADMISSION);
    struct ob_admission_name name = {{0}};
    enum ob_err err = ob_admission_decode(control->payload, control->payload_bytes, &name, NULL);
    assert(err == OB_OK); /* decoding the entry checked it */
    (void)err;
    return name;
}

bool ob_control_keeps(const struct ob_control *withdrawal, const struct ob_machine_id *machine) {
    assert(withdrawal->kind == OB_CONTROL_WITHDRAWAL);
    return ob_withdrawal_keeps(withdrawal->payload, withdrawal->payload_bytes, machine);
}

void ob_control_evidence(const struct ob_control *control, struct ob_record ret_records[static 2]) {
    assert(control->kind == OB_CONTROL_EVIDENCE);
    enum ob_err err = ob_evidence_decode(control->payload, control->payload_bytes, ret_records, NULL);
    assert(err == OB_OK); /* decoding the entry checked it */
    (void)err;
}

struct ob_sample ob_control_cut(const struct ob_control *control) {
    if (control->kind == OB_CONTROL_REVOCATION)
        return ob_control_keep_below(control);
    struct ob_record records[2];
    ob_control_evidence(control, records);
    return records[0].first.index < records[1].first.index ? records[0].first : records[1].first;
}

size_t ob_evidence_encode(const struct ob_record *one, const struct ob_record *other, uint8_t *ret_data) {
    static const uint8_t ZEROS[OB_SIGNATURE_BYTES];
    uint8_t payload[OB_EVIDENCE_BYTES_MAX];
    size_t bytes = ob_evidence_payload(one, other, payload);
    struct ob_control control = {.kind = OB_CONTROL_EVIDENCE,
                                 .payload_bytes = (uint16_t)bytes,
                                 .signer = one->machine,
                                 .subject = one->machine,
                                 .payload = payload,
                                 .signature = ZEROS};
    return bytes == 0 ? 0 : ob_control_encode(&control, ret_data);
}

struct ob_certificate ob_control_certificate(const struct ob_control *control) {
    assert(control->kind == OB_CONTROL_CERTIFICATE);
    struct ob_certificate certificate = {0};
    enum ob_err err = ob_certificate_decode(control->payload, control->payload_bytes, &certificate, NULL);
    assert(err == OB_OK); /* decoding the entry checked it */
    (void)err;
    return certificate;
}

static bool record_verifies(const struct ob_verifier *verifier, const struct ob_run_id *run,
                            const struct ob_record *record) {
    uint8_t body[OB_RECORD_BODY_BYTES_MAX];
    size_t bytes = ob_record_body(run, record, body);
    return verifier->verify(verifier->context, &record->machine, body, bytes, record->signature);
}

bool ob_control_verify_with(const struct ob_verifier *verifier, const struct ob_run_id *run,
                            const struct ob_control *control) {
    assert(control->signature != NULL);
    if (control->kind == OB_CONTROL_EVIDENCE) {
        struct ob_record records[2];
        ob_control_evidence(control, records);
        return record_verifies(verifier, run, &records[0]) && record_verifies(verifier, run, &records[1]);
    }
    if (control->kind == OB_CONTROL_CERTIFICATE) {
        struct ob_certificate certificate = ob_control_certificate(control);
        if (!ob_hash_equal(&certificate.run.hash, &run->hash))
            return false;
    }
    uint8_t body[OB_CONTROL_BODY_BYTES_MAX];
    size_t bytes = ob_control_body(run, control, body);
    return verifier->verify(verifier->context, &control->signer, body, bytes, control->signature);
}

bool ob_control_verify(const struct ob_run_id *run, const struct ob_control *control) {
    return ob_control_verify_with(&OB_VERIFIER_ED25519, run, control);
}

enum ob_err ob_certificate_check(const void *data, size_t bytes, const struct ob_run_id *run,
                                 const struct ob_machine_id *authority, const struct ob_machine_id *machine,
                                 uint64_t wall_s, const struct ob_verifier *verifier,
                                 struct ob_error *error) {
    struct ob_control control;
    enum ob_err err = ob_control_decode(data, bytes, &control, error);
    if (err != OB_OK)
        return err;
    if (control.kind != OB_CONTROL_CERTIFICATE)
        return ob_fail(error, OB_EFORMAT, "certificate: this is a control entry of kind %d", control.kind);
    struct ob_certificate certificate = ob_control_certificate(&control);
    if (!ob_hash_equal(&certificate.run.hash, &run->hash))
        return ob_fail(error, OB_EMISMATCH, "certificate of %s: issued for another run", certificate.name);
    if (machine != NULL && !ob_machine_equal(&control.subject, machine))
        return ob_fail(error, OB_EMISMATCH, "certificate of %s: issued for another machine key",
                       certificate.name);
    if (!ob_machine_equal(&control.signer, authority) || !ob_control_verify_with(verifier, run, &control))
        return ob_fail(error, OB_EREFUSED, "certificate of %s: not signed by the run's authority",
                       certificate.name);
    if (wall_s != 0 && certificate.expiry_s != 0 && wall_s >= certificate.expiry_s)
        return ob_fail(error, OB_ETIMEOUT,
                       "certificate of %s has expired: ask the run's operator to renew it", certificate.name);
    return OB_OK;
}
