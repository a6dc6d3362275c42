#include "record/control.h"

#include <assert.h>

#include "base/cursor.h"
#include "record/payload.h"
#include "record/record_sign.h"

#define LABEL_BYTES (sizeof OB_CONTROL_LABEL - 1)

static_assert(LABEL_BYTES == 16, "the label's length is part of the format");
static_assert(OB_CONTROL_HEADER_BYTES == 1 + 1 + 2 + 32 + 32 + 8, "fields of the header");
static_assert(OB_CONTROL_PAYLOAD_MAX <= UINT16_MAX && OB_CONTROL_BYTES_MAX <= UINT16_MAX, "lengths are u16");
static_assert(OB_CONTROL_CERTIFICATE_BYTES_MIN + OB_CONTROL_NAME_MAX <= OB_CONTROL_PLAIN_MAX,
              "every kind but evidence is small");
static_assert(OB_CONTROL_BODY_BYTES_MAX ==
                  LABEL_BYTES + OB_HASH_BYTES + OB_CONTROL_HEADER_BYTES + OB_CONTROL_PLAIN_MAX,
              "the longest signed body");

static enum ob_err check_header(const struct ob_control *control, uint8_t kind, uint8_t reserved,
                                struct ob_error *error) {
    if (reserved != 0)
        return ob_fail(error, OB_EFORMAT, "control: the reserved byte is %u, not 0", reserved);
    if (kind < OB_CONTROL_GOODBYE || kind > OB_CONTROL_ROTATION)
        return ob_fail(error, OB_EUNSUPPORTED, "control: kind %u is not known to this version", kind);
    size_t most = kind == OB_CONTROL_EVIDENCE ? OB_CONTROL_PAYLOAD_MAX : OB_CONTROL_PLAIN_MAX;
    if (control->payload_bytes > most)
        return ob_fail(error, OB_ETOOBIG, "control: a payload of %u bytes, at most %zu are allowed",
                       control->payload_bytes, most);
    return OB_OK;
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
        return ob_fail(error, OB_EFORMAT, "control: %zu bytes, which is not 140 and the payload", bytes);
    enum ob_err err = check_header(&control, kind, reserved, error);
    if (err != OB_OK)
        return err;
    control.kind = (enum ob_control_kind)kind;
    err = ob_payload_check(&control, error);
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
    assert(control->kind != OB_CONTROL_EVIDENCE && control->payload_bytes <= OB_CONTROL_PLAIN_MAX);
    uint8_t entry[OB_CONTROL_PLAIN_BYTES_MAX];
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
