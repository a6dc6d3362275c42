#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/invitations.h"
#include "model/formats/json_value.h"
#include "run/certificate.h"

struct arguments {
    struct ob_cli_at at;
    bool json;
};

static const struct ob_operand OPERANDS[] = {OB_OPERAND_STATE_DIR(struct arguments)};
static const struct ob_option OPTIONS[] = {OB_OPTION_RUN(struct arguments),
                                           OB_OPTION_RUN_MANIFEST(struct arguments),
                                           OB_OPTION_JSON(struct arguments)};

struct listing {
    const struct ob_admission *admission;
    json_t *machines, *invitations; /* with --json */
    const struct ob_control *by;    /* how the machine at hand was admitted */
};

static const char *standing_word(const struct ob_standing *standing, uint64_t expiry_s) {
    if (standing->revoked)
        return "revoked";
    if (standing->forked)
        return "forked";
    return expiry_s != 0 && expiry_s <= ob_wall_s() ? "expired" : "member";
}

/* Of the invitation that an admission is signed by. */
static struct ob_invitation invitation_of(const struct ob_admission *a, const struct ob_machine_id *key) {
    struct ob_invitation says = {.uses = 0};
    for (size_t i = 0; i < ob_admission_count(a); i++) {
        const struct ob_control *control = ob_admission_entry(a, i);
        if (control->kind == OB_CONTROL_INVITATION && ob_machine_equal(&control->subject, key) &&
            ob_admission_counts(a, control))
            says = ob_control_invitation(control);
    }
    return says;
}

static void show_machine(struct listing *l, const struct ob_control *by) {
    char key[OB_HEX_KEY_MAX], expiry[OB_TIME_TEXT_MAX], how[96] = "certificate";
    struct ob_standing standing = ob_admission_of(l->admission, &by->subject);
    uint64_t expiry_s;
    if (by->kind == OB_CONTROL_ADMISSION) {
        struct ob_invitation says = invitation_of(l->admission, &by->signer);
        (void)snprintf(how, sizeof how, "invitation \"%s\"", says.pattern);
        expiry_s = says.member_expiry_s;
    } else {
        expiry_s = ob_control_certificate(by).expiry_s;
    }
    ob_machine_to_text(&by->subject, key);
    ob_time_to_text(expiry_s, expiry);
    const char *word = standing_word(&standing, expiry_s);
    if (l->machines) {
        json_array_append_new(l->machines,
                              json_pack("{s:o, s:s, s:o, s:s, s:I}", "name", ob_json_text(standing.name),
                                        "machine", key, "by", ob_json_text(how), "standing", word, "expires",
                                        (json_int_t)expiry_s));
        return;
    }
    json_t *name = ob_json_text(standing.name); /* what is not UTF-8 is escaped */
    printf("%-20s %.16s...  %-8s expires %-20s %s\n", json_string_value(name), key, word, expiry, how);
    json_decref(name);
}

/* The one entry that a machine is listed by: its latest certificate, else its first admission that counts. */
static bool is_listed(const struct ob_admission *a, size_t index) {
    const struct ob_control *control = ob_admission_entry(a, index);
    bool certificate = control->kind == OB_CONTROL_CERTIFICATE;
    if ((!certificate && control->kind != OB_CONTROL_ADMISSION) || !ob_admission_counts(a, control))
        return false;
    for (size_t i = 0; i < ob_admission_count(a); i++) {
        const struct ob_control *other = ob_admission_entry(a, i);
        if (i == index || !ob_machine_equal(&other->subject, &control->subject) ||
            !ob_admission_counts(a, other))
            continue;
        if (other->kind == OB_CONTROL_CERTIFICATE && (!certificate || other->sequence > control->sequence))
            return false;
        if (other->kind == OB_CONTROL_ADMISSION && !certificate && i < index)
            return false;
    }
    return true;
}

static void show_invitation(void *context, const struct ob_cli_invitation *invitation) {
    struct listing *l = context;
    char key[OB_HEX_KEY_MAX], expiry[OB_TIME_TEXT_MAX];
    const struct ob_invitation *says = &invitation->says;
    ob_machine_to_text(&invitation->key, key);
    ob_time_to_text(says->expiry_s, expiry);
    const char *word = invitation->withdrawn                                  ? "withdrawn"
                       : says->expiry_s != 0 && says->expiry_s <= ob_wall_s() ? "expired"
                       : invitation->used >= says->uses                       ? "used up"
                                                                              : "open";
    if (l->invitations)
        json_array_append_new(l->invitations,
                              json_pack("{s:s, s:o, s:I, s:I, s:s, s:I}", "invitation", key, "pattern",
                                        ob_json_text(says->pattern), "used", (json_int_t)invitation->used,
                                        "uses", (json_int_t)says->uses, "state", word, "expires",
                                        (json_int_t)says->expiry_s));
    else
        printf("invitation %-20s %.16s...  %-9s %zu of %u used, expires %s\n", says->pattern, key, word,
               invitation->used, says->uses, expiry);
}

static int list(const void *arguments) {
    const struct arguments *a = arguments;
    struct ob_error error = {0};
    struct ob_cli_place place;
    struct ob_cli_table table = {0};
    enum ob_err failed = ob_cli_find(&a->at, OB_NEED_MANIFEST, &place, &error);
    if (!failed)
        failed = ob_cli_table_read(&place, &table, &error);
    if (failed)
        return ob_cli_fail(&error);
    struct listing l = {.admission = table.admission};
    json_t *root = a->json ? json_pack("{s:[], s:[]}", "machines", "invitations") : NULL;
    l.machines = json_object_get(root, "machines");
    l.invitations = json_object_get(root, "invitations");
    for (size_t i = 0; i < ob_admission_count(table.admission); i++)
        if (is_listed(table.admission, i))
            show_machine(&l, ob_admission_entry(table.admission, i));
    (void)ob_cli_each_invitation(table.admission, show_invitation, &l);
    ob_cli_table_free(&table);
    return a->json ? ob_cli_print_json(root, root != NULL) : OB_EXIT_DONE;
}

const struct ob_command OB_COMMAND_MACHINES = {
    .name = "machines",
    .summary = "list the machines that the run's authority admitted, and its invitations",
    .details = "Reads the control table in the log; no daemon needs to run.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = list,
};
