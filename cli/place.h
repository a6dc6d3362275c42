/* place - where a run lives on this machine, when a command is not told: its state directory, its manifest, its base model.
 *
 * The state directory is, in this order
 *   1. the operand STATE_DIR
 *   2. --run NAME: ROOT/NAME, ROOT being $XDG_STATE_HOME/onebyte or ~/.local/state/onebyte; else /var/lib/onebyte/NAME
 *   3. $ONEBYTE_STATE
 *   4. the only state directory in ROOT, else the only one in /var/lib/onebyte, else that itself
 * The manifest is --manifest, STATE_DIR/run.json, or the one of the last start (run/last_start.h); the base model is --model
 * or that of the last start.
 *
 * A folder that may not be looked into is not taken for an empty one: the commands that use it name it and its owner.
 *
 * Errors:  OB_EUSAGE, which says what to give; OB_ENOTFOUND; OB_EREFUSED (permissions). */
#ifndef OB_CLI_PLACE_H
#define OB_CLI_PLACE_H

#include "base/options.h"
#include "base/path.h"

/* What a command was told: a member `at` of its arguments, filled by these rows. */
struct ob_cli_at {
    const char *state_dir, *run, *manifest, *model;
};

#define OB_OPERAND_STATE_DIR(type)                                                                           \
    {                                                                                                        \
        "STATE_DIR",                                                                                         \
            "state directory; default: the run's that --run names, $ONEBYTE_STATE, or the only one on this " \
            "machine",                                                                                       \
            offsetof(type, at.state_dir), .optional = true                                                   \
    }
#define OB_OPTION_RUN(type)                                                                                  \
    {                                                                                                        \
        "run", "NAME", "use the state directory NAME in $XDG_STATE_HOME/onebyte or ~/.local/state/onebyte",  \
            OB_ARGUMENT(type, at.run)                                                                        \
    }
#define OB_OPTION_RUN_MANIFEST(type)                                                                         \
    {                                                                                                        \
        "manifest", "FILE",                                                                                  \
            "the run's manifest; default: run.json in the state directory, or the one of the last start",    \
            OB_ARGUMENT(type, at.manifest)                                                                   \
    }
#define OB_OPTION_RUN_MODEL(type)                                                                            \
    {                                                                                                        \
        "model", "MODEL",                                                                                    \
            "base model, a Hugging Face folder or a GGUF file; default: that of the last start",             \
            OB_ARGUMENT(type, at.model)                                                                      \
    }

struct ob_cli_place {
    char state_dir[OB_PATH_MAX], manifest[OB_PATH_MAX], model[OB_PATH_MAX];
};

enum ob_cli_need { OB_NEED_STATE_DIR, OB_NEED_MANIFEST, OB_NEED_MODEL }; /* each with those before it */

/* What is not needed is "". */
OB_MUST_USE enum ob_err ob_cli_find(const struct ob_cli_at *at, enum ob_cli_need need,
                                    struct ob_cli_place *ret_place, struct ob_error *error);

/* ROOT, which may not exist. */
OB_MUST_USE enum ob_err ob_cli_runs_root(char ret_path[static OB_PATH_MAX], struct ob_error *error);
/* Calls `see` with the name and the path of each state directory in ROOT, by name, then of those in /var/lib/onebyte. */
OB_MUST_USE enum ob_err ob_cli_each_run(void (*see)(void *context, const char *name, const char *path),
                                        void *context, struct ob_error *error);
/* What a command needs to be told to mean this state directory: "" when it is what it would find by itself, else " --run NAME", or
 * " STATE_DIR" ("" for a path that is too long). `option`: what stands before the path, "" or "--state ". Returns ret_text. */
#define OB_CLI_HINT_MAX 512
const char *ob_cli_hint(const char *state_dir, const char *option, char ret_text[static OB_CLI_HINT_MAX]);

#endif
