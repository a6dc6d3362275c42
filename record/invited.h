/* invited - what a newcomer shows that an invitation admits: the control entry of the invitation and, right
 * behind it, that of its admission. The same bytes stand in its certificate file.
 *
 * Owns:    decoded entries point into the bytes.
 * Threads: pure functions. */
#ifndef OB_RECORD_INVITED_H
#define OB_RECORD_INVITED_H

#include "record/control.h"

#define OB_INVITED_BYTES_MAX                                                                                 \
    (2 * (OB_CONTROL_HEADER_BYTES + OB_SIGNATURE_BYTES) + OB_INVITATION_BYTES_MAX + OB_ADMISSION_BYTES_MAX)

/* The length of the first of several entries in a row; 0: there is none. */
size_t ob_control_first_bytes(const void *data, size_t bytes);
/* Signatures are not looked at.
 * Errors:  those of decoding; OB_EFORMAT other kinds; OB_EREFUSED the admission is not by that invitation, or
 *          its name does not fit. */
OB_MUST_USE enum ob_err ob_invited_decode(const void *data, size_t bytes, struct ob_control *ret_invitation,
                                          struct ob_control *ret_admission, struct ob_error *error);
/* The invitation's key signs the machine under that name. Writes the admission alone. Returns its length.
 * Errors:  OB_EUSAGE: the name is none, or does not fit. */
OB_MUST_USE enum ob_err ob_invited_admit(const struct ob_run_id *run, const struct ob_invitation *invitation,
                                         const uint8_t invitation_secret_key[static OB_SECRET_KEY_BYTES],
                                         const struct ob_machine_id *machine, const char *name,
                                         uint8_t *ret_data, size_t *ret_bytes, struct ob_error *error);

#endif
