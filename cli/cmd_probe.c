#include <math.h>
#include <stdio.h>

#include "cli/command.h"
#include "cli/curvature.h"
#include "cli/evaluate.h"
#include "model/formats/json_value.h"

#define BYTE_ERROR 0.035 /* of stochastic rounding between codes 2^(1/8) apart, relative */

struct arguments {
    const char *manifest, *model, *data, *chat_template;
    int64_t batch, length, samples, rows_per_sample, machines;
    const char *products;
    bool json;
};

#define AT(member) OB_ARGUMENT(struct arguments, member)

static const struct ob_option OPTIONS[] = {
    OB_OPTION_MANIFEST(struct arguments),
    OB_OPTION_MODEL(struct arguments, "base model"),
    {"data", "FILE", "rows to train on, JSON Lines", AT(data), .required = true},
    {"samples", "N", "directions to measure, three forward passes each", AT(samples), .low = 2,
     .high = 100000, .fallback = "32"},
    OB_OPTION_BATCH(struct arguments),
    {"rows-per-sample", "N", "rows of a sample of the run; default: as many as --batch", AT(rows_per_sample),
     .low = 1, .high = 4096},
    {"machines", "N", "machines that will train", AT(machines), .low = 1, .high = OB_MACHINES_MAX,
     .fallback = "1"},
    {"length", "N", "longest row in tokens; longer ones are cut", AT(length), .low = 2, .high = OB_LENGTH_MAX,
     .fallback = "128"},
    OB_OPTION_CHAT_TEMPLATE(struct arguments),
    {"products", "NAME",
     "also measure each sample with products computed this way (bfloat16, bfloat16-native, bfloat16-onednn, "
     "bfloat16x2): "
     "its time, and how far the estimates are from those in float32",
     AT(products)},
    OB_OPTION_JSON(struct arguments),
};

/* What is reported. */
struct found {
    const struct arguments *a;
    const struct ob_manifest *manifest;
    struct ob_curvature c;
    struct ob_rate decay, constant; /* a rate for either kind of schedule */
};

static double peak_rate(const struct ob_manifest *manifest) {
    uint64_t peak = 0;
    for (size_t i = 0; i < manifest->rule.rate_count; i++)
        peak = manifest->rule.rates[i] > peak ? manifest->rule.rates[i] : peak;
    return ldexp((double)peak, -48);
}

static int print_json(const struct found *found) {
    const struct ob_curvature *f = &found->c;
    json_t *root = json_object();
    const struct {
        const char *name;
        double value;
    } REALS[] = {{"epsilon", f->epsilon},
                 {"loss", f->loss},
                 {"curvature", f->curvature},
                 {"curvature_error", f->curvature_error},
                 {"estimate_rms", f->estimate_rms},
                 {"sample_seconds", f->sample_seconds},
                 {"rate_of_run", peak_rate(found->manifest)},
                 {"square", f->square},
                 {"signal", f->signal},
                 {"signal_error", f->signal_error},
                 {"ratio", ob_curvature_ratio(f)},
                 {"ratio_error", ob_curvature_ratio_error(f)},
                 {"rate_step", found->decay.step},
                 {"rate_walk", found->decay.walk},
                 {"rate_decay", found->decay.rate},
                 {"rate_constant", found->constant.rate},
                 {"products_sample_seconds", f->half_seconds},
                 {"products_error", f->half_error}};
    size_t count = sizeof REALS / sizeof *REALS - (found->a->products ? 0 : 2);
    bool good = ob_json_set(root, "samples", json_integer(found->a->samples)) &&
                ob_json_set(root, "passes", json_integer((json_int_t)f->passes)) &&
                ob_json_set(root, "bound", ob_json_text(found->decay.bound));
    for (size_t i = 0; i < count; i++)
        good = ob_json_set(root, REALS[i].name, ob_json_real(REALS[i].value)) && good;
    return ob_cli_print_json(root, good);
}

static int print_text(const struct found *found) {
    const struct ob_curvature *f = &found->c;
    printf(
        "loss %.4f, |g| %.3g (rms), curvature %.4g ± %.2g over %lld samples of epsilon %.3g, %.3g s each\n",
        f->loss, f->estimate_rms, f->curvature, f->curvature_error, (long long)found->a->samples, f->epsilon,
        f->sample_seconds);
    if (ob_curvature_signal_is_sure(f))
        printf("signal to noise of a row: %.2g ± %.1g\n", ob_curvature_ratio(f), ob_curvature_ratio_error(f));
    else
        printf("the signal is lost in the noise of the rows (%.2g ± %.1g of %.3g); the step follows other "
               "models\n",
               f->signal, f->signal_error, f->square);
    if (found->a->products)
        printf("%s products: %.3g s each; the estimates differ by %.2g of |g| (rms; the rounding of "
               "the byte "
               "alone is %.2g)\n",
               found->a->products, f->half_seconds, f->half_error, BYTE_ERROR);
    if (!ob_curvature_is_sure(f))
        puts("the curvature estimate is mostly noise; use more --samples");
    else
        printf(
            "this run's peak rate is %.3g; suggested for a run like it: --lr %.2g with a decaying schedule, "
            "%.2g with a constant one (bound by the %s; the walk over %u rounds would cost %.2g of the "
            "loss)\n",
            peak_rate(found->manifest), found->decay.rate, found->constant.rate, found->decay.bound,
            found->manifest->bounds.max_rounds, found->decay.walk_share);
    return OB_EXIT_DONE;
}

static int probe(const void *arguments) {
    const struct arguments *a = arguments;
    struct ob_error error = {0};
    struct ob_manifest *manifest = NULL;
    struct ob_progress progress = {0};
    enum ob_err failed = ob_manifest_read(a->manifest, &manifest, &error);
    struct found found = {.a = a, .manifest = manifest};
    if (!failed) {
        struct ob_curvature_options options = {.manifest = manifest,
                                               .model = a->model,
                                               .data = a->data,
                                               .chat_template = a->chat_template,
                                               .batch = a->batch,
                                               .length = a->length,
                                               .samples = a->samples,
                                               .products = a->products,
                                               .progress = &progress};
        failed = ob_curvature_measure(&options, &found.c, &error);
        struct ob_rate_plan plan = {.manifest = manifest,
                                    .machines = a->machines,
                                    .rows_per_sample =
                                        a->rows_per_sample == OB_NOT_GIVEN ? a->batch : a->rows_per_sample};
        found.decay = ob_curvature_rate(&found.c, &plan);
        plan.is_constant = true;
        found.constant = ob_curvature_rate(&found.c, &plan);
    }
    ob_progress_end(&progress);
    int code = failed ? OB_EXIT_FAILED : (a->json ? print_json : print_text)(&found);
    ob_manifest_free(manifest);
    if (failed)
        return ob_cli_fail(&error);
    return code == OB_EXIT_DONE && !ob_curvature_is_sure(&found.c) ? OB_EXIT_CHECK : code;
}

const struct ob_command OB_COMMAND_PROBE = {
    .name = "probe",
    .summary = "suggest a learning rate for a run",
    .details = "Measures, along the run's random directions on these rows, the curvature and how much the "
               "rows agree, "
               "and suggests a rate: for a step, and for the walk over the whole run. "
               "Recreate the run with that rate. The step size is increased until the curvature rises above "
               "the noise, which adapters need most; the exit code is 3 if it never does.",
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .needs_blas = true,
    .run = probe,
};
