#include <stdio.h>
#include <string.h>

#include "cli/authority.h"
#include "cli/command.h"
#include "cli/invitations.h"

struct arguments {
    struct ob_cli_at at;
    const char *invitation, *authority;
    bool nobody;
};

#define AT(member) OB_ARGUMENT(struct arguments, member)

static const struct ob_operand OPERANDS[] = {
    OB_OPERAND_STATE_DIR(struct arguments),
    {"INVITATION", "its name or pattern, its key, or the first 8 or more digits of that",
     offsetof(struct arguments, invitation)}};
static const struct ob_option OPTIONS[] = {
    {"nobody-stays", NULL,
     "also those that it admitted are no members any more: what they trained is taken back", AT(nobody)},
    {"authority", "FILE", "the run's authority key; default: STATE_DIR/authority", AT(authority)},
    OB_OPTION_RUN(struct arguments),
    OB_OPTION_RUN_MANIFEST(struct arguments),
};

struct choosing {
    const char *wanted;
    size_t count;
    struct ob_cli_invitation found;
};

static void choose(void *context, const struct ob_cli_invitation *invitation) {
    struct choosing *c = context;
    char key[OB_HEX_KEY_MAX];
    size_t length = strlen(c->wanted);
    ob_machine_to_text(&invitation->key, key);
    bool named = strcmp(invitation->says.pattern, c->wanted) == 0;
    if (!named && !(length >= 8 && strncmp(key, c->wanted, length) == 0))
        return;
    if (c->count > 0 && invitation->withdrawn && !c->found.withdrawn)
        return; /* of several with a name, one that can still be used is meant */
    if (c->count > 0 && !invitation->withdrawn && c->found.withdrawn)
        c->count = 0;
    c->found = *invitation;
    c->count++;
}

struct staying {
    struct ob_machine_id keys[OB_INVITATION_USES_MAX];
    size_t count;
};

static void stay(void *context, const struct ob_machine_id *machine) {
    struct staying *staying = context;
    if (staying->count < OB_INVITATION_USES_MAX)
        staying->keys[staying->count++] = *machine;
}

static enum ob_err find(const struct ob_cli_table *table, const char *wanted,
                        struct ob_cli_invitation *ret_found, struct ob_error *error) {
    struct choosing c = {.wanted = wanted};
    (void)ob_cli_each_invitation(table->admission, choose, &c);
    if (c.count == 0)
        return ob_fail(error, OB_ENOTFOUND, "no invitation \"%s\"; `onebyte machines` lists them", wanted);
    if (c.count > 1)
        return ob_fail(error, OB_EUSAGE, "\"%s\" matches %zu invitations; give the key of one", wanted,
                       c.count);
    *ret_found = c.found;
    return OB_OK;
}

static enum ob_err sign_and_tell(const struct arguments *a, const struct ob_cli_place *place,
                                 const struct ob_cli_table *table, const struct ob_cli_invitation *invitation,
                                 struct ob_error *error) {
    uint8_t payload[OB_WITHDRAWAL_BYTES_MAX], entry[OB_CONTROL_BYTES_MAX];
    struct staying staying = {.count = 0};
    struct ob_identity authority;
    bool told = false;
    enum ob_err failed = ob_cli_run_authority(a->authority, place, table, &authority, error);
    if (failed)
        return failed;
    if (!a->nobody)
        ob_cli_each_invited(table->admission, &invitation->key, stay, &staying);
    struct ob_control control = {.kind = OB_CONTROL_WITHDRAWAL,
                                 .signer = authority.machine,
                                 .subject = invitation->key,
                                 .sequence = ob_cli_sequence(),
                                 .payload = payload};
    failed = ob_withdrawal_encode(staying.keys, staying.count, payload, &control.payload_bytes, error);
    size_t bytes = failed ? 0 : ob_control_sign(&table->manifest->run, &control, authority.secret_key, entry);
    ob_identity_wipe(&authority);
    if (!failed)
        failed = ob_cli_tell_run(place->state_dir, entry, bytes, &told, error);
    if (!failed && !told)
        failed =
            ob_fail(error, OB_ESTATE, "%s: no daemon is running, which would tell the others; start it first",
                    place->state_dir);
    if (!failed)
        printf("%s withdrawn; %zu machine%s that it admitted stay%s\n", invitation->says.pattern,
               staying.count, staying.count == 1 ? "" : "s", staying.count == 1 ? "s" : "");
    return failed;
}

static int withdraw(const void *arguments) {
    const struct arguments *a = arguments;
    struct ob_error error = {0};
    struct ob_cli_place place;
    struct ob_cli_table table = {0};
    struct ob_cli_invitation invitation;
    enum ob_err failed = ob_cli_find(&a->at, OB_NEED_MANIFEST, &place, &error);
    if (!failed)
        failed = ob_cli_table_read(&place, &table, &error);
    if (!failed)
        failed = find(&table, a->invitation, &invitation, &error);
    if (!failed && invitation.withdrawn && !a->nobody)
        printf("%s is withdrawn already\n", invitation.says.pattern);
    else if (!failed)
        failed = sign_and_tell(a, &place, &table, &invitation, &error);
    ob_cli_table_free(&table);
    return failed ? ob_cli_fail(&error) : OB_EXIT_DONE;
}

const struct ob_command OB_COMMAND_WITHDRAW = {
    .name = "withdraw",
    .summary = "end an invitation",
    .details = "Nobody joins by its tokens any more; the daemon spreads that. Those that it admitted stay "
               "members; a "
               "single machine is taken out with `onebyte revoke`.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = withdraw,
};
