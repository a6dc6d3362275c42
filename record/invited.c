#include "record/invited.h"

#include <string.h>

#include "base/cursor.h"

#define PAYLOAD_BYTES_OFFSET 2

size_t ob_control_first_bytes(const void *data, size_t bytes) {
    if (bytes < OB_CONTROL_HEADER_BYTES + OB_SIGNATURE_BYTES)
        return 0;
    size_t first = OB_CONTROL_HEADER_BYTES + OB_SIGNATURE_BYTES +
                   ob_load_u16((const uint8_t *)data + PAYLOAD_BYTES_OFFSET);
    return first <= bytes ? first : 0;
}

enum ob_err ob_invited_decode(const void *data, size_t bytes, struct ob_control *ret_invitation,
                              struct ob_control *ret_admission, struct ob_error *error) {
    struct ob_control invitation, admission;
    size_t first = ob_control_first_bytes(data, bytes);
    if (first == 0)
        return ob_fail(error, OB_EFORMAT, "invitation: truncated");
    enum ob_err err = ob_control_decode(data, first, &invitation, error);
    if (err == OB_OK)
        err = ob_control_decode((const uint8_t *)data + first, bytes - first, &admission, error);
    if (err != OB_OK)
        return err;
    if (invitation.kind != OB_CONTROL_INVITATION || admission.kind != OB_CONTROL_ADMISSION)
        return ob_fail(error, OB_EFORMAT, "invitation: not an invitation and an admission by it");
    if (!ob_machine_equal(&invitation.subject, &admission.signer))
        return ob_fail(error, OB_EREFUSED, "invitation: the admission is signed by another invitation's key");
    struct ob_invitation says = ob_control_invitation(&invitation);
    struct ob_admission_name name = ob_control_admission_name(&admission);
    if (!ob_invitation_fits(&says, name.text))
        return ob_fail(error, OB_EREFUSED, "invitation: for the name \"%s\", not \"%s\"", says.pattern,
                       name.text);
    *ret_invitation = invitation;
    *ret_admission = admission;
    return OB_OK;
}

enum ob_err ob_invited_admit(const struct ob_run_id *run, const struct ob_invitation *invitation,
                             const uint8_t invitation_secret_key[static OB_SECRET_KEY_BYTES],
                             const struct ob_machine_id *machine, const char *name, uint8_t *ret_data,
                             size_t *ret_bytes, struct ob_error *error) {
    uint8_t payload[OB_ADMISSION_BYTES_MAX];
    struct ob_control control = {.kind = OB_CONTROL_ADMISSION, .subject = *machine, .payload = payload};
    enum ob_err err = ob_admission_encode(name, payload, &control.payload_bytes, error);
    if (err != OB_OK)
        return err;
    if (!ob_invitation_fits(invitation, name))
        return ob_fail(error, OB_EUSAGE, "the name \"%s\" does not fit the invitation, which is for \"%s\"",
                       name, invitation->pattern);
    memcpy(control.signer.key, invitation_secret_key + OB_SECRET_KEY_BYTES - OB_KEY_BYTES, OB_KEY_BYTES);
    *ret_bytes = ob_control_sign(run, &control, invitation_secret_key, ret_data);
    return OB_OK;
}
