#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/hex.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/open_log.h"
#include "model/formats/json_value.h"
#include "transport/identity.h"

struct arguments {
    struct ob_cli_at at;
    bool json;
};

static const struct ob_operand OPERANDS[] = {OB_OPERAND_STATE_DIR(struct arguments)};
static const struct ob_option OPTIONS[] = {
    OB_OPTION_RUN(struct arguments),
    OB_OPTION_RUN_MANIFEST(struct arguments),
    OB_OPTION_RUN_MODEL(struct arguments),
    OB_OPTION_JSON(struct arguments),
};

/* What the log says. */
struct progress {
    uint64_t records, samples, machines;
    uint32_t round; /* the first that has no record */
    struct ob_machine_id last;
};

static enum ob_err see_record(void *context, const struct ob_record *record, struct ob_error *error) {
    struct progress *p = context;
    (void)error;
    if (p->records == 0 ||
        !ob_machine_equal(&p->last, &record->machine)) /* a machine's records are neighbours */
        p->machines++;
    p->last = record->machine;
    p->records++;
    p->samples += record->n;
    if (record->round.index >= p->round)
        p->round = record->round.index + 1;
    return OB_OK;
}

static double rate_at(const struct ob_manifest *m, uint32_t round) {
    size_t at = round / m->rule.rounds_per_rate;
    return ldexp((double)m->rule.rates[at < m->rule.rate_count ? at : m->rule.rate_count - 1], -48);
}

struct rates {
    double peak, now, last;
    const char *schedule;
};

/* The manifest has the rates, not the name of what made them. */
static struct rates rates_of(const struct ob_manifest *m, uint32_t round) {
    struct rates r = {.now = rate_at(m, round), .last = rate_at(m, m->bounds.max_rounds - 1)};
    for (size_t i = 0; i < m->rule.rate_count; i++)
        r.peak = fmax(r.peak, ldexp((double)m->rule.rates[i], -48));
    r.schedule = r.last == r.peak ? "constant" : "decaying";
    return r;
}

static uint64_t trained(const struct ob_manifest *m) {
    uint64_t all = 0;
    for (size_t i = 0; i < m->tensor_count; i++)
        all += m->tensors[i].layout.elements;
    return all;
}

static int print_text(const struct ob_manifest *m, const char *model, const struct progress *p) {
    char run[OB_HEX_HASH_MAX], base[OB_HEX_HASH_MAX];
    struct rates r = rates_of(m, p->round);
    ob_hex_encode(m->run.hash.bytes, OB_HASH_BYTES, run);
    ob_hex_encode(m->base_hash.bytes, OB_HASH_BYTES, base);
    printf("run        %s (%s)\n", m->name, run);
    printf("base       %s (%s)\n", model[0] ? model : "path unknown", base);
    printf("trained    %zu tensors, %" PRIu64 " parameters", m->tensor_count, trained(m));
    if (m->lora_rank > 0)
        printf(", adapters of rank %" PRIu32 " and alpha %g%s", m->lora_rank, m->lora_alpha,
               m->has_basis ? " on a fixed basis" : "");
    printf("\nrate       %.3g now, peak %.3g, %s to %.3g\n", r.now, r.peak, r.schedule, r.last);
    printf("round      %" PRIu32 " of %" PRIu32 ", at most %u samples in a record\n", p->round,
           m->bounds.max_rounds, m->bounds.samples_per_round);
    printf("update     %s", ob_spsa_combine_name(m->rule.combine));
    if (m->rule.combine == OB_SPSA_CAPPED)
        printf(" at %" PRIu32 " parallel samples", m->rule.s0);
    printf(", epsilon %g\n", (double)m->epsilon);
    printf("log        %" PRIu64 " records, %" PRIu64 " samples of %" PRIu64
           " machines (at most %u train at once)\n",
           p->records, p->samples, p->machines, m->bounds.max_machines);
    return OB_EXIT_DONE;
}

static int print_json(const struct ob_manifest *m, const char *model, const struct progress *p) {
    json_t *root = json_object();
    bool good = root != NULL;
    struct rates r = rates_of(m, p->round);
    const struct {
        const char *name;
        json_t *value;
    } FIELDS[] = {
        {"name", ob_json_text(m->name)},
        {"run", ob_json_hex(m->run.hash.bytes, OB_HASH_BYTES)},
        {"base_hash", ob_json_hex(m->base_hash.bytes, OB_HASH_BYTES)},
        {"model", ob_json_text(model[0] ? model : NULL)},
        {"tensors", json_integer((json_int_t)m->tensor_count)},
        {"parameters", json_integer((json_int_t)trained(m))},
        {"lora_rank", json_integer((json_int_t)m->lora_rank)},
        {"basis", m->has_basis ? ob_json_hex(m->basis.bytes, OB_HASH_BYTES) : json_null()},
        {"rate_now", ob_json_real(r.now)},
        {"rate_peak", ob_json_real(r.peak)},
        {"rate_last", ob_json_real(r.last)},
        {"round", json_integer((json_int_t)p->round)},
        {"max_rounds", json_integer((json_int_t)m->bounds.max_rounds)},
        {"samples_per_round", json_integer(m->bounds.samples_per_round)},
        {"max_machines", json_integer(m->bounds.max_machines)},
        {"combine", ob_json_text(ob_spsa_combine_name(m->rule.combine))},
        {"s0", json_integer((json_int_t)m->rule.s0)},
        {"epsilon", ob_json_real((double)m->epsilon)},
        {"records", json_integer((json_int_t)p->records)},
        {"samples", json_integer((json_int_t)p->samples)},
        {"machines", json_integer((json_int_t)p->machines)},
    };
    for (size_t i = 0; i < sizeof FIELDS / sizeof *FIELDS; i++)
        good = ob_json_set(root, FIELDS[i].name, FIELDS[i].value) && good;
    return ob_cli_print_json(root, good);
}

static int show(const void *arguments) {
    const struct arguments *a = arguments;
    struct ob_error error = {0};
    struct ob_cli_place place;
    struct ob_manifest *manifest = NULL;
    struct ob_store *store = NULL;
    struct progress progress = {0};
    enum ob_err failed = ob_cli_find(&a->at, OB_NEED_MODEL, &place, NULL);
    if (failed) /* the model is only named */
        failed = ob_cli_find(&a->at, OB_NEED_MANIFEST, &place, &error);
    if (!failed)
        failed = ob_cli_open_log(&place, &manifest, &store, &error);
    if (!failed)
        failed = ob_store_each(store, see_record, &progress, &error);
    int code =
        failed ? ob_cli_fail(&error) : (a->json ? print_json : print_text)(manifest, place.model, &progress);
    ob_store_close(store);
    ob_manifest_free(manifest);
    return code;
}

const struct ob_command OB_COMMAND_RUN_SHOW = {
    .name = "run show",
    .summary = "show a run's base model, trained tensors, learning rate, rounds and machines",
    .details = "Reads the manifest and the log; works without a running daemon. `onebyte status` shows what "
               "a daemon is doing.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = show,
};
