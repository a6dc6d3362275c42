#include "run/model_card.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"

enum ob_err ob_card_see(void *context, const struct ob_record *record, struct ob_error *error) {
    (void)error;
    struct ob_card *card = context;
    card->samples += record->n;
    bool same = card->listed > 0 && ob_machine_equal(&card->machines[card->listed - 1].id, &record->machine);
    if (!same && record->first.index == 0) {
        card->machine_count++;
        if (card->listed < OB_CARD_MACHINES_MAX)
            card->machines[card->listed++] = (struct ob_card_machine){.id = record->machine};
    }
    struct ob_card_machine *machine = &card->machines[card->listed - 1];
    if (!ob_machine_equal(&machine->id, &record->machine))
        return OB_OK; /* one that is only counted */
    machine->records++;
    machine->next = record->first.index + record->n;
    machine->head = ob_record_hash(&card->manifest->run, record);
    return OB_OK;
}

static void print_hash(FILE *to, const char *label, const struct ob_hash *hash) {
    char text[OB_HEX_HASH_MAX];
    fprintf(to, "| %s | `%s` |\n", label, ob_hex_encode(hash->bytes, OB_HASH_BYTES, text));
}

/* The last part of a path, without what would end a cell of the table. */
static void print_base(FILE *to, const char *path) {
    const char *end = path + strlen(path);
    while (end > path && end[-1] == '/')
        end--;
    const char *start = end;
    while (start > path && start[-1] != '/')
        start--;
    fputs("| base model | ", to);
    for (; start < end; start++)
        fputc(*start == '|' || (unsigned char)*start < 0x20 ? '_' : *start, to);
    fputs(" |\n", to);
}

static void print_run(FILE *to, const struct ob_card *card) {
    const struct ob_manifest *m = card->manifest;
    fprintf(to, "# %s\n\nFine-tuned with onebyte: two-point SPSA estimates, one byte a sample.\n\n", m->name);
    fputs("| | |\n| --- | --- |\n", to);
    print_hash(to, "run", &m->run.hash);
    print_base(to, card->base);
    print_hash(to, "hash of the base's tensors", &m->base_hash);
    print_hash(to, "weights digest", &card->weights_digest);
    fprintf(to, "| samples | %" PRIu64 " of %zu machines |\n", card->samples, card->machine_count);
    if (card->below > 0 && card->below != OB_CARD_WHOLE)
        fprintf(to, "| frontier | the records of rounds below %" PRIu32 " |\n", card->below);
    fprintf(to, "| stored as | %s, %s |\n", ob_dtype_name(card->options.dtype),
            card->options.format == OB_EXPORT_GGUF ? "GGUF" : "safetensors");
}

static void print_parameters(FILE *to, const struct ob_manifest *m) {
    uint64_t peak = 0, elements = 0;
    for (size_t i = 0; i < m->rule.rate_count; i++)
        peak = m->rates[i] > peak ? m->rates[i] : peak;
    for (size_t i = 0; i < m->tensor_count; i++)
        elements += m->tensors[i].layout.elements;
    fputs("\n## Parameters\n\n| | |\n| --- | --- |\n", to);
    fprintf(to, "| trained | %" PRIu64 " numbers in %zu tensors |\n", elements, m->tensor_count);
    if (m->lora_rank > 0)
        fprintf(to, "| adapters | rank %" PRIu32 ", alpha %g |\n", m->lora_rank, m->lora_alpha);
    if (m->has_basis)
        print_hash(to, "basis of the adapters", &m->basis);
    fprintf(to, "| directions | %s |\n", ob_spsa_distribution_name(m->rule.distribution));
    fprintf(to, "| epsilon | %g |\n| peak learning rate | %.4g |\n", (double)m->epsilon,
            ldexp((double)peak, -48));
    fprintf(to, "| rounds | %" PRIu32 " of at most %u samples |\n", m->bounds.max_rounds,
            m->bounds.samples_per_round);
    fprintf(to, "| combination | %s, s0 %u |\n", ob_spsa_combine_name(m->rule.combine), m->rule.s0);
    fprintf(to, "| byte | c0 %d, code_max %u |\n", m->rule.code.c0, m->rule.code.code_max);
}

static void print_frontier(FILE *to, const struct ob_card *card) {
    fputs("\n## Frontier\n\n| machine | records | next sample | head |\n| --- | --- | --- | --- |\n", to);
    for (size_t i = 0; i < card->listed; i++) {
        const struct ob_card_machine *machine = &card->machines[i];
        char key[OB_HEX_HASH_MAX], head[OB_HEX_HASH_MAX];
        fprintf(to, "| `%s` | %" PRIu64 " | %" PRIu64 " | `%s` |\n",
                ob_hex_encode(machine->id.key, OB_KEY_BYTES, key), machine->records, machine->next,
                ob_hex_encode(machine->head.bytes, OB_HASH_BYTES, head));
    }
    if (card->machine_count > card->listed)
        fprintf(to, "\nand %zu more machines.\n", card->machine_count - card->listed);
}

enum ob_err ob_card_text(const struct ob_card *card, char **ret_text, struct ob_error *error) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    if (!to)
        return ob_fail(error, OB_ENOMEM, "not enough memory for the model card");
    print_run(to, card);
    fputs("\nWeights are whole numbers times a power of two for each tensor: the base, rounded once, and the "
          "run's "
          "records. An\nF32 file holds them exactly; F16 and BF16 round half to even. Anyone with the base "
          "and the "
          "records gets the same bits\n(`onebyte verify`, `onebyte apply`).\n",
          to);
    print_parameters(to, card->manifest);
    if (card->curve)
        fputs("\n## Curve\n\n![loss, machines and samples a second over rounds](" OB_CARD_CURVE ")\n", to);
    print_frontier(to, card);
    if (fclose(to) != 0) {
        free(text);
        return ob_fail(error, OB_ENOMEM, "not enough memory for the model card");
    }
    *ret_text = text;
    return OB_OK;
}
