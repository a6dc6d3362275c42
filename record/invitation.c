#include "record/invitation.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "record/hash.h"

#define RANK_LABEL       "onebyte/invited1"
#define RANK_LABEL_BYTES (sizeof RANK_LABEL - 1)

static_assert(RANK_LABEL_BYTES == 16, "the label's length is part of the format");
static_assert(OB_INVITATION_HEADER_BYTES == 23, "fields of the header");

static bool has_one_star_at_most(const uint8_t *pattern, size_t bytes) {
    size_t stars = 0;
    for (size_t i = 0; i < bytes; i++)
        stars += pattern[i] == '*';
    return stars <= 1;
}

enum ob_err ob_invitation_decode(const void *payload, size_t bytes, struct ob_invitation *ret_invitation,
                                 struct ob_error *error) {
    struct ob_reader reader = ob_reader_init(payload, bytes);
    struct ob_invitation invitation = {0};
    invitation.expiry_s = ob_read_u64(&reader);
    invitation.member_expiry_s = ob_read_u64(&reader);
    invitation.last_round = ob_read_u32(&reader);
    invitation.uses = ob_read_u16(&reader);
    invitation.pattern_bytes = ob_read_u8(&reader);
    if (reader.failed)
        return ob_fail(error, OB_EFORMAT, "control: invitation is truncated");
    if (reader.left != invitation.pattern_bytes || !ob_certificate_good_name(reader.at, reader.left) ||
        !has_one_star_at_most(reader.at, reader.left))
        return ob_fail(error, OB_EFORMAT, "control: invitation's name pattern is malformed");
    if (invitation.uses < 1 || invitation.uses > OB_INVITATION_USES_MAX)
        return ob_fail(error, OB_EFORMAT, "control: invitation for %u machines, expected 1 to %d",
                       invitation.uses, OB_INVITATION_USES_MAX);
    ob_read_bytes(&reader, invitation.pattern, invitation.pattern_bytes);
    *ret_invitation = invitation;
    return OB_OK;
}

enum ob_err ob_admission_decode(const void *payload, size_t bytes, struct ob_admission_name *ret_name,
                                struct ob_error *error) {
    struct ob_reader reader = ob_reader_init(payload, bytes);
    struct ob_admission_name name = {{0}};
    uint8_t length = ob_read_u8(&reader);
    if (reader.failed || reader.left != length || !ob_certificate_good_name(reader.at, reader.left))
        return ob_fail(error, OB_EFORMAT, "control: admission's name is malformed");
    ob_read_bytes(&reader, name.text, length);
    *ret_name = name;
    return OB_OK;
}

enum ob_err ob_withdrawal_check(const void *payload, size_t bytes, struct ob_error *error) {
    const uint8_t *keys = payload;
    if (bytes % OB_KEY_BYTES != 0 || bytes > OB_WITHDRAWAL_BYTES_MAX)
        return ob_fail(error, OB_EFORMAT, "control: withdrawal of %zu bytes, expected at most %d keys", bytes,
                       OB_INVITATION_USES_MAX);
    for (size_t at = OB_KEY_BYTES; at < bytes; at += OB_KEY_BYTES)
        if (memcmp(keys + at - OB_KEY_BYTES, keys + at, OB_KEY_BYTES) >= 0)
            return ob_fail(error, OB_EFORMAT, "control: withdrawal's keys are not in order");
    return OB_OK;
}

enum ob_err ob_invitation_encode(const struct ob_invitation *invitation, uint8_t *ret_payload,
                                 uint16_t *ret_bytes, struct ob_error *error) {
    size_t length = strnlen(invitation->pattern, sizeof invitation->pattern);
    enum ob_err err = ob_certificate_check_name(invitation->pattern, error);
    if (err != OB_OK)
        return err;
    if (!has_one_star_at_most((const uint8_t *)invitation->pattern, length))
        return ob_fail(error, OB_EUSAGE, "a pattern of names may contain one '*', not more");
    if (invitation->uses < 1 || invitation->uses > OB_INVITATION_USES_MAX)
        return ob_fail(error, OB_EUSAGE, "an invitation is for 1 to %d machines, not %u",
                       OB_INVITATION_USES_MAX, invitation->uses);
    struct ob_writer writer = ob_writer_init(ret_payload, OB_INVITATION_BYTES_MAX);
    ob_write_u64(&writer, invitation->expiry_s);
    ob_write_u64(&writer, invitation->member_expiry_s);
    ob_write_u32(&writer, invitation->last_round);
    ob_write_u16(&writer, invitation->uses);
    ob_write_u8(&writer, (uint8_t)length);
    ob_write_bytes(&writer, invitation->pattern, length);
    assert(!writer.failed);
    *ret_bytes = (uint16_t)writer.used;
    return OB_OK;
}

enum ob_err ob_admission_encode(const char *name, uint8_t *ret_payload, uint16_t *ret_bytes,
                                struct ob_error *error) {
    enum ob_err err = ob_certificate_check_name(name, error);
    if (err != OB_OK)
        return err;
    size_t length = strlen(name);
    struct ob_writer writer = ob_writer_init(ret_payload, OB_ADMISSION_BYTES_MAX);
    ob_write_u8(&writer, (uint8_t)length);
    ob_write_bytes(&writer, name, length);
    assert(!writer.failed);
    *ret_bytes = (uint16_t)writer.used;
    return OB_OK;
}

static int by_key(const void *one, const void *other) {
    return ob_machine_compare(one, other);
}

enum ob_err ob_withdrawal_encode(struct ob_machine_id *keys, size_t count, uint8_t *ret_payload,
                                 uint16_t *ret_bytes, struct ob_error *error) {
    size_t kept = 0;
    if (count > 0)
        qsort(keys, count, sizeof *keys, by_key);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || !ob_machine_equal(&keys[kept - 1], &keys[i]))
            keys[kept++] = keys[i];
    if (kept > OB_INVITATION_USES_MAX)
        return ob_fail(error, OB_EUSAGE, "a withdrawal lets at most %d machines stay, not %zu",
                       OB_INVITATION_USES_MAX, kept);
    for (size_t i = 0; i < kept; i++)
        memcpy(ret_payload + i * OB_KEY_BYTES, keys[i].key, OB_KEY_BYTES);
    *ret_bytes = (uint16_t)(kept * OB_KEY_BYTES);
    return OB_OK;
}

bool ob_withdrawal_keeps(const void *payload, size_t bytes, const struct ob_machine_id *machine) {
    const uint8_t *keys = payload;
    for (size_t at = 0; at < bytes; at += OB_KEY_BYTES)
        if (memcmp(keys + at, machine->key, OB_KEY_BYTES) == 0)
            return true;
    return false;
}

bool ob_invitation_fits(const struct ob_invitation *invitation, const char *name) {
    const char *star = strchr(invitation->pattern, '*');
    if (star == NULL)
        return strcmp(invitation->pattern, name) == 0;
    size_t before = (size_t)(star - invitation->pattern), after = strlen(star + 1), length = strlen(name);
    return length > before + after && memcmp(name, invitation->pattern, before) == 0 &&
           memcmp(name + length - after, star + 1, after) == 0;
}

struct ob_hash ob_invitation_rank(const struct ob_machine_id *invitation,
                                  const struct ob_machine_id *machine) {
    struct ob_hasher hasher;
    ob_hasher_init(&hasher);
    ob_hasher_add(&hasher, RANK_LABEL, RANK_LABEL_BYTES);
    ob_hasher_add(&hasher, invitation->key, OB_KEY_BYTES);
    ob_hasher_add(&hasher, machine->key, OB_KEY_BYTES);
    return ob_hasher_end(&hasher);
}

struct ob_certificate ob_invitation_certificate(const struct ob_run_id *run,
                                                const struct ob_invitation *invitation, const char *name) {
    struct ob_certificate certificate = {.run = *run,
                                         .expiry_s = invitation->member_expiry_s,
                                         .last_round = invitation->last_round,
                                         .name_bytes = (uint8_t)strlen(name)};
    memcpy(certificate.name, name, certificate.name_bytes);
    return certificate;
}
