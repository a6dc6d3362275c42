#include "cli/invitations.h"

#include <string.h>

#include "cli/ask.h"
#include "cli/authority.h"

static const struct ob_control *latest(const struct ob_admission *a, enum ob_control_kind kind,
                                       const struct ob_machine_id *key) {
    const struct ob_control *best = NULL;
    struct ob_machine_id authority = ob_admission_authority(a);
    for (size_t i = 0; i < ob_admission_count(a); i++) {
        const struct ob_control *control = ob_admission_entry(a, i);
        if (control->kind != kind || !ob_machine_equal(&control->subject, key) ||
            !ob_admission_counts(a, control))
            continue;
        bool newer = !best || ob_machine_equal(&control->signer, &authority) ||
                     (control->sequence > best->sequence && !ob_machine_equal(&best->signer, &authority));
        best = newer ? control : best;
    }
    return best;
}

static void count(void *context, const struct ob_machine_id *machine) {
    (void)machine;
    ++*(size_t *)context;
}

void ob_cli_each_invited(const struct ob_admission *a, const struct ob_machine_id *key,
                         void (*see)(void *context, const struct ob_machine_id *machine), void *context) {
    for (size_t i = 0; i < ob_admission_count(a); i++) {
        const struct ob_control *control = ob_admission_entry(a, i);
        if (control->kind == OB_CONTROL_ADMISSION && ob_machine_equal(&control->signer, key) &&
            ob_admission_counts(a, control))
            see(context, &control->subject);
    }
}

size_t ob_cli_each_invitation(const struct ob_admission *a,
                              void (*see)(void *context, const struct ob_cli_invitation *invitation),
                              void *context) {
    size_t found = 0;
    for (size_t i = 0; i < ob_admission_count(a); i++) {
        const struct ob_control *control = ob_admission_entry(a, i);
        if (control->kind != OB_CONTROL_INVITATION ||
            latest(a, OB_CONTROL_INVITATION, &control->subject) != control)
            continue;
        struct ob_cli_invitation invitation = {.key = control->subject,
                                               .says = ob_control_invitation(control)};
        invitation.withdrawn = latest(a, OB_CONTROL_WITHDRAWAL, &control->subject) != NULL;
        ob_cli_each_invited(a, &control->subject, count, &invitation.used);
        found++;
        if (see)
            see(context, &invitation);
    }
    return found;
}

enum ob_err ob_cli_run_authority(const char *given, const struct ob_cli_place *place,
                                 const struct ob_cli_table *table, struct ob_identity *ret_authority,
                                 struct ob_error *error) {
    char path[OB_PATH_MAX], expected[OB_HEX_KEY_MAX];
    struct ob_machine_id key = ob_admission_authority(table->admission);
    enum ob_err failed = given ? ob_path_append(path, given, "", error)
                               : ob_path_join(path, place->state_dir, "authority", error);
    if (failed)
        return failed;
    failed = ob_cli_load_authority(path, ret_authority, error);
    if (failed == OB_ENOTFOUND && !given)
        return ob_fail(
            error, OB_ENOTFOUND,
            "%s: the run's authority key is not here: use the machine on which the run was created, or "
            "give --authority FILE",
            path);
    if (failed)
        return failed;
    if (ob_machine_equal(&ret_authority->machine, &key))
        return OB_OK;
    ob_identity_wipe(ret_authority);
    ob_machine_to_text(&key, expected);
    return ob_fail(error, OB_EMISMATCH,
                   "%s: is not the run's authority, which is %s; use the file of that key", path, expected);
}

enum ob_err ob_cli_tell_run(const char *state_dir, const uint8_t *entry, size_t bytes, bool *ret_told,
                            struct ob_error *error) {
    json_t *answer = NULL;
    *ret_told = ob_cli_ask_command(state_dir, "status", &answer, NULL) == OB_OK;
    json_decref(answer);
    return *ret_told ? ob_cli_hand_over(state_dir, entry, bytes, error) : OB_OK;
}
