/* conf - STATE_DIR/onebyte.conf, the configuration that `onebyte up` and `onebyte join` write for their daemon. People may
 * edit it; configs/onebyte.conf documents every key.
 *
 * Errors:  OB_EBUSY (already exists), OB_EUSAGE (a path that cannot stand in it), those of files. */
#ifndef OB_CLI_CONF_H
#define OB_CLI_CONF_H

#include "base/path.h"
#include "run/token.h"
#include "transport/identity.h"

#define OB_CLI_CONF "onebyte.conf"

struct ob_cli_conf {
    const char *state_dir, *model, *data; /* absolute paths; data NULL: an observer */
    const char *chat_template;            /* NULL: the model's own */
    const char *listen;                   /* "": connect to others only */
    int64_t threads;
    const char *model_parts; /* name of the list of the model's files, to be fetched; NULL */
    bool exit_when_finished, share_model;
    const struct ob_token_place *places;
    size_t place_count;
};

OB_MUST_USE enum ob_err ob_cli_conf_write(const struct ob_cli_conf *conf, struct ob_error *error);
/* A value of an existing one; "" when the key is not there. OB_ENOTFOUND: there is no such file. */
OB_MUST_USE enum ob_err ob_cli_conf_value(const char *state_dir, const char *section, const char *key,
                                          char ret_value[static OB_PATH_MAX], struct ob_error *error);
/* Sets a value of an existing one; comments and all other lines stay. */
OB_MUST_USE enum ob_err ob_cli_conf_set(const char *state_dir, const char *section, const char *key,
                                        const char *value, struct ob_error *error);

#endif
