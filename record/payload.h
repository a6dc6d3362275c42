/* payload - does a control entry's payload follow its kind? Private to record/; the layouts stand in
 * control.h. */
#ifndef OB_RECORD_PAYLOAD_H
#define OB_RECORD_PAYLOAD_H

#include "record/control.h"

/* Errors: as ob_control_decode. */
OB_MUST_USE enum ob_err ob_payload_check(const struct ob_control *control, struct ob_error *error);

#endif
