#include "record/payload.h"

#include <assert.h>

#include "base/cursor.h"
#include "record/record_sign.h"

#define NAME_OFFSET OB_CONTROL_CERTIFICATE_BYTES_MIN

/* What any record may say in any run: evidence shows what was signed, whether it was within the run's bounds
 * or not. */
static const struct ob_record_bounds ANY = {.max_rounds = UINT32_MAX,
                                            .max_machines = UINT16_MAX,
                                            .samples_per_round = OB_SAMPLES_PER_ROUND_MAX,
                                            .exponent_min = INT8_MIN,
                                            .exponent_max = INT8_MAX,
                                            .profiles = UINT8_MAX};

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
        return ob_fail(error, OB_ETOOBIG, "control: the sample of %s is beyond 2^63", what);
    return err;
}

static bool good_name(const uint8_t *name, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (name[i] < 0x20 || name[i] == 0x7f)
            return false;
    return bytes >= 1 && bytes <= OB_CONTROL_NAME_MAX;
}

static enum ob_err check_certificate(const struct ob_control *control, struct ob_error *error) {
    if (control->payload_bytes < NAME_OFFSET)
        return ob_fail(error, OB_EFORMAT, "control: a certificate is cut short");
    uint8_t name_bytes = control->payload[NAME_OFFSET - 1];
    if (control->payload_bytes != NAME_OFFSET + name_bytes)
        return ob_fail(error, OB_EFORMAT, "control: a certificate's length is not that of its name");
    if (!good_name(control->payload + NAME_OFFSET, name_bytes))
        return ob_fail(error, OB_EFORMAT,
                       "control: a certificate's name is empty, too long or has control characters");
    return OB_OK;
}

static enum ob_err check_address(const struct ob_control *control, struct ob_error *error) {
    static const char SCHEME[6] = "tcp://";
    const uint8_t *text = control->payload;
    size_t bytes = control->payload_bytes;
    if (bytes == 0)
        return OB_OK;
    if (bytes <= sizeof SCHEME || memcmp(text, SCHEME, sizeof SCHEME) != 0)
        return ob_fail(error, OB_EFORMAT, "control: an address that is not tcp://host:port");
    for (size_t i = 0; i < bytes; i++)
        if (text[i] <= 0x20 || text[i] >= 0x7f)
            return ob_fail(error, OB_EFORMAT, "control: an address with characters that none has");
    return OB_OK;
}

static enum ob_err decode_evidence(const struct ob_control *control, struct ob_record records[static 2],
                                   struct ob_error *error) {
    struct ob_reader reader = ob_reader_init(control->payload, control->payload_bytes);
    for (size_t i = 0; i < 2; i++) {
        uint16_t bytes = ob_read_u16(&reader);
        const uint8_t *data = ob_read_view(&reader, bytes);
        if (data == NULL)
            return ob_fail(error, OB_EFORMAT, "control: evidence is cut short");
        enum ob_err err = ob_record_decode(data, bytes, &ANY, &records[i], error);
        if (err != OB_OK)
            return ob_fail_within(error, err, "control: evidence");
    }
    if (reader.left != 0)
        return ob_fail(error, OB_EFORMAT, "control: evidence of more than two records");
    return OB_OK;
}

/* Smaller bytes first: by the whole records, so that either order of finding them gives one entry. */
static int compare_bodies(const struct ob_record *one, const struct ob_record *other) {
    uint8_t a[OB_RECORD_BYTES_MAX], b[OB_RECORD_BYTES_MAX];
    size_t a_bytes = ob_record_encode_unsigned(one, a), b_bytes = ob_record_encode_unsigned(other, b);
    int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);
    return order != 0 ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

static bool proves(const struct ob_record *one, const struct ob_record *other) {
    return ob_machine_equal(&one->machine, &other->machine) && ob_hash_equal(&one->prev, &other->prev) &&
           compare_bodies(one, other) != 0;
}

static enum ob_err check_evidence(const struct ob_control *control, struct ob_error *error) {
    static const uint8_t ZEROS[OB_SIGNATURE_BYTES];
    struct ob_record records[2];
    enum ob_err err = decode_evidence(control, records, error);
    if (err != OB_OK)
        return err;
    if (control->sequence != 0 || memcmp(control->signature, ZEROS, sizeof ZEROS) != 0)
        return ob_fail(error, OB_EFORMAT, "control: evidence has sequence 0 and no signature of its own");
    if (!ob_machine_equal(&records[0].machine, &control->subject) || !proves(&records[0], &records[1]))
        return ob_fail(error, OB_EREFUSED, "control: evidence that proves nothing");
    if (compare_bodies(&records[0], &records[1]) > 0)
        return ob_fail(error, OB_EFORMAT, "control: evidence with its records in the wrong order");
    return OB_OK;
}

static bool signs_for_itself(enum ob_control_kind kind) {
    return kind == OB_CONTROL_GOODBYE || kind == OB_CONTROL_EVIDENCE || kind == OB_CONTROL_ADDRESS;
}

enum ob_err ob_payload_check(const struct ob_control *control, struct ob_error *error) {
    if (signs_for_itself(control->kind) && !ob_machine_equal(&control->signer, &control->subject))
        return ob_fail(error, OB_EREFUSED,
                       "control: an entry that only the machine itself may make is by another");
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
            return ob_fail(error, OB_EREFUSED, "control: a rotation to the same key");
        return exactly(control, OB_CONTROL_ROTATION_BYTES, "a rotation", error);
    }
    assert(false);
    return OB_EFORMAT;
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

void ob_control_evidence(const struct ob_control *control, struct ob_record ret_records[static 2]) {
    assert(control->kind == OB_CONTROL_EVIDENCE);
    enum ob_err err = decode_evidence(control, ret_records, NULL);
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
    if (!proves(one, other))
        return 0;
    bool swap = compare_bodies(one, other) > 0;
    const struct ob_record *records[2] = {swap ? other : one, swap ? one : other};
    uint8_t payload[OB_CONTROL_PAYLOAD_MAX];
    size_t used = 0;
    for (size_t i = 0; i < 2; i++) {
        size_t bytes = ob_record_encode(records[i], payload + used + 2);
        ob_store_u16(payload + used, (uint16_t)bytes);
        used += 2 + bytes;
    }
    struct ob_control control = {.kind = OB_CONTROL_EVIDENCE,
                                 .payload_bytes = (uint16_t)used,
                                 .signer = one->machine,
                                 .subject = one->machine,
                                 .payload = payload,
                                 .signature = ZEROS};
    return ob_control_encode(&control, ret_data);
}

struct ob_certificate ob_control_certificate(const struct ob_control *control) {
    assert(control->kind == OB_CONTROL_CERTIFICATE && control->payload_bytes > NAME_OFFSET);
    struct ob_reader reader = ob_reader_init(control->payload, control->payload_bytes);
    struct ob_certificate certificate = {0};
    ob_read_bytes(&reader, certificate.run.hash.bytes, OB_HASH_BYTES);
    certificate.expiry_s = ob_read_u64(&reader);
    certificate.last_round = ob_read_u32(&reader);
    certificate.name_bytes = ob_read_u8(&reader);
    ob_read_bytes(&reader, certificate.name, certificate.name_bytes);
    assert(!reader.failed && reader.left == 0);
    return certificate;
}

enum ob_err ob_certificate_encode(const struct ob_certificate *certificate, uint8_t *ret_payload,
                                  uint16_t *ret_bytes, struct ob_error *error) {
    size_t name_bytes = strnlen(certificate->name, sizeof certificate->name);
    if (!good_name((const uint8_t *)certificate->name, name_bytes))
        return ob_fail(error, OB_EUSAGE, "a machine's name has 1 to %d bytes and no control characters",
                       OB_CONTROL_NAME_MAX);
    struct ob_writer writer = ob_writer_init(ret_payload, OB_CONTROL_PLAIN_MAX);
    ob_write_bytes(&writer, certificate->run.hash.bytes, OB_HASH_BYTES);
    ob_write_u64(&writer, certificate->expiry_s);
    ob_write_u32(&writer, certificate->last_round);
    ob_write_u8(&writer, (uint8_t)name_bytes);
    ob_write_bytes(&writer, certificate->name, name_bytes);
    assert(!writer.failed);
    *ret_bytes = (uint16_t)writer.used;
    return OB_OK;
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
        return ob_fail(error, OB_EFORMAT, "certificate: it is a control entry of kind %d", control.kind);
    struct ob_certificate certificate = ob_control_certificate(&control);
    if (!ob_hash_equal(&certificate.run.hash, &run->hash))
        return ob_fail(error, OB_EMISMATCH, "certificate of %s: it is for another run", certificate.name);
    if (machine != NULL && !ob_machine_equal(&control.subject, machine))
        return ob_fail(error, OB_EMISMATCH, "certificate of %s: it is for another machine key",
                       certificate.name);
    if (!ob_machine_equal(&control.signer, authority) || !ob_control_verify_with(verifier, run, &control))
        return ob_fail(error, OB_EREFUSED, "certificate of %s: it is not signed by the run's authority",
                       certificate.name);
    if (wall_s != 0 && certificate.expiry_s != 0 && wall_s >= certificate.expiry_s)
        return ob_fail(error, OB_ETIMEOUT, "certificate of %s: it has expired; ask for a renewed one",
                       certificate.name);
    return OB_OK;
}
