#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/path.h"
#include "cli/calibrate.h"
#include "cli/command.h"
#include "cli/curvature.h"
#include "cli/evaluate.h"
#include "cli/guard.h"
#include "cli/usual_rate.h"
#include "model/convert/open_model.h"
#include "model/convert/open_tokenizer.h"
#include "model/families/adapter.h"
#include "run/manifest_create.h"
#include "transport/identity.h"

struct arguments {
    const char *model, *out, *authority, *name, *learning_rate, *data, *chat_template, *calibrate;
    double warm_up, epsilon, lora_alpha;
    int64_t rounds, samples_per_round, s0, max_machines, lora_rank, rank, calibrate_rows, exponents;
    int64_t probe_rows, probe_samples, rows_per_sample, machines; /* for --lr auto */
    int64_t scale_norm, scale_bias, scale_head, scale_matrix, scale_embedding, scale_adapter;
    int schedule, combine, distribution, adapters, basis_scale;
    struct ob_option_list trainable, lora_targets;
};

static const char *const SCHEDULES[] = {"constant", "linear", "cosine", NULL}; /* enum ob_schedule */
static const char *const COMBINES[] = {"capped", "sum", "sqrt", "mean", NULL}; /* enum ob_spsa_combine */

static const char *const DISTRIBUTIONS[] = {"rademacher", "gaussian", NULL}; /* enum ob_spsa_distribution */

/* What depends on what is trained: a sample is 8 rows in turn, or a row of a pass of 64 (daemon/sampling.h). */
#define ROWS          8
#define BASIS_SAMPLES 64
#define BASIS_ROWS    1
#define BASIS_S0      512   /* rows, as 64 samples of 8 are (docs/learning.md: machines) */
#define BASIS_EPSILON 0.004 /* smaller steps drown in bfloat16's rounding (docs/performance.md) */
#define BASIS_RANK    1

static const char *const SCALES[] = {"orthonormal", "tamed", NULL};
static const enum ob_basis_rule RULES[] = {OB_BASIS_ORTHONORMAL, OB_BASIS_TAMED};
enum adapters { ADAPTERS_NONE, ADAPTERS_RANDOM, ADAPTERS_BASIS };
static const char *const ADAPTERS[] = {"none", "random", "basis", NULL};

#define AT(member) OB_ARGUMENT(struct arguments, member)
#define SCALE(role, member, value)                                                                           \
    {                                                                                                        \
        "scale-" role, "K", "log2 of the direction scale of " role " tensors", AT(member),                   \
            .low = -16, .high = 16, .fallback = (value)                                                      \
    }

static const struct ob_option OPTIONS[] = {
    OB_OPTION_MODEL(struct arguments, "base model"),
    {"out", "FILE", "manifest to write; must not exist. Copy it unchanged to every machine", AT(out),
     .required = true},
    {"name", "TEXT", "name of the run", AT(name), .fallback = "run"},
    {"lr", "RATE",
     "peak learning rate, below 1; auto: measure the curvature on --data first, as `onebyte probe` does. "
     "Default: auto with --data, else 2e-5",
     AT(learning_rate)},
    {"data", "FILE", "rows to train on, JSON Lines, to find the learning rate and the basis with", AT(data)},
    {"probe-samples", "N", "with --lr auto: directions to measure", AT(probe_samples), .low = 2,
     .high = 100000, .fallback = "32"},
    {"probe-rows", "N", "with --lr auto: rows of each; each costs three forward passes", AT(probe_rows),
     .low = 1, .high = 4096, .fallback = "8"},
    {"rows-per-sample", "N",
     "with --lr auto: rows of a sample ([training] rows_per_sample, or batch); default: 8, with a basis 1",
     AT(rows_per_sample), .low = 1, .high = 4096},
    {"machines", "N", "with --lr auto: machines that will train", AT(machines), .low = 1,
     .high = OB_MACHINES_MAX, .fallback = "1"},
    OB_OPTION_CHAT_TEMPLATE(struct arguments),
    {"rounds", "N", "rounds of the run", AT(rounds), .low = 1, .high = OB_ROUNDS_MAX, .fallback = "10000"},
    {"samples-per-round", "N", "maximum number of samples in one record; default: 8, with a basis 64",
     AT(samples_per_round), .low = 1, .high = OB_SAMPLES_PER_ROUND_MAX},
    {"schedule", "NAME", "how the rate changes after the warm-up", AT(schedule), .choices = SCHEDULES,
     .fallback = "linear"},
    {"warm-up", "PART", "fraction of the rounds over which the rate rises", AT(warm_up), .least = 0,
     .most = 0.9, .fallback = "0.02"},
    {"epsilon", "NUMBER",
     "half the distance between the two weights whose losses are compared; default: 0.001, with a basis "
     "0.004",
     AT(epsilon), .least = 1e-9, .most = 1},
    {"distribution", "NAME",
     "elements of directions: rademacher (+1 or -1), or gaussian (the paper's; replay costs about eight "
     "times as much)",
     AT(distribution), .choices = DISTRIBUTIONS, .fallback = "rademacher"},
    {"combine", "NAME", "how the samples of a round are combined", AT(combine), .choices = COMBINES,
     .fallback = "capped"},
    {"s0", "N",
     "with `capped`: number of parallel samples up to which each moves the weights at the full rate; "
     "default: "
     "64, with a basis 512",
     AT(s0), .low = 1, .high = 1 << 24},
    {"max-machines", "N", "maximum number of machines that train at once", AT(max_machines), .low = 1,
     .high = OB_MACHINES_MAX, .fallback = "1024"},
    {"exponents", "N",
     "a record may scale its estimates by 2^-N to 2^N. 0: a sample moves the weights at most 16 times as far "
     "as a typical "
     "one, measured with --lr auto; else as far as an estimate of 14.7 does",
     AT(exponents), .low = 0, .high = OB_EXPONENT_LIMIT, .fallback = "0"},
    {"trainable", "PATTERN",
     "tensors to train: all, norms, biases, head, embedding, positions, attention, mlp, upper-half (matrices "
     "of the layers from the middle on), or a shell pattern over tensor names. The rest stays in the "
     "checkpoint's file",
     AT(trainable)},
    {"lora-rank", "N",
     "train low-rank adapters of this rank, and of the base model only what --trainable names", AT(lora_rank),
     .low = 1, .high = OB_ADAPTER_RANK_MAX},
    {"adapters", "KIND",
     "low-rank adapters beside the base's matrices: basis (one factor; the other is fixed to the principal "
     "directions of each matrix's inputs), random (both factors, as --lora-rank), or none: the base's own "
     "tensors. Default: basis; with --trainable none",
     AT(adapters), .choices = ADAPTERS},
    {"rank", "R", "rank of the adapters; default: of a basis 1", AT(rank), .low = 1,
     .high = OB_ADAPTER_RANK_MAX},
    {"calibrate", "FILE",
     "rows whose inputs the basis is made of, JSON Lines; default: those of --data. The basis, an average "
     "over them, is written beside the manifest and travels with it",
     AT(calibrate)},
    {"calibrate-rows", "N", "at most so many of them, evenly over the file", AT(calibrate_rows), .low = 1,
     .high = 1 << 20, .fallback = "256"},
    {"basis-scale", "RULE",
     "which directions a basis has: orthonormal, the principal ones; tamed, those of inputs that are not far "
     "longer than the others",
     AT(basis_scale), .choices = SCALES, .fallback = "orthonormal"},
    {"lora-alpha", "NUMBER",
     "scale of the adapters: alpha / rank multiplies them; default: twice the rank, of a basis the rank",
     AT(lora_alpha), .least = 1e-3, .most = 1e6},
    {"lora-target", "PATTERN",
     "matrices that get an adapter, as in --trainable; default: attention, of a basis upper-half",
     AT(lora_targets)},
    {"authority", "FILE",
     "key that admits machines; created if the file does not exist. Default: FILE of --out with "
     "the "
     "suffix .authority",
     AT(authority)},
    SCALE("norm", scale_norm, "3"),
    SCALE("bias", scale_bias, "3"),
    SCALE("head", scale_head, "2"),
    SCALE("matrix", scale_matrix, "0"),
    SCALE("embedding", scale_embedding, "0"),
    SCALE("adapter", scale_adapter, "0"),
};

static void set_scales(const struct arguments *a, struct ob_manifest_options *options) {
    int32_t *scale = options->log2_scale;
    scale[OB_ROLE_NORM] = (int32_t)a->scale_norm;
    scale[OB_ROLE_BIAS] = (int32_t)a->scale_bias;
    scale[OB_ROLE_HEAD] = (int32_t)a->scale_head;
    scale[OB_ROLE_ATTENTION] = scale[OB_ROLE_MLP] = (int32_t)a->scale_matrix;
    scale[OB_ROLE_EMBEDDING] = scale[OB_ROLE_POSITION] = (int32_t)a->scale_embedding;
    scale[OB_ROLE_ADAPTER] = (int32_t)a->scale_adapter;
}

static bool is_auto(const struct arguments *a) {
    return a->learning_rate ? strcmp(a->learning_rate, "auto") == 0 : a->data != NULL;
}

/* --lora-rank N is --adapters random --rank N; who chooses tensors wants no adapters beside them. */
static enum adapters adapters_of(const struct arguments *a) {
    if (a->lora_rank != OB_NOT_GIVEN)
        return ADAPTERS_RANDOM;
    if (a->adapters >= 0)
        return (enum adapters)a->adapters;
    return a->trainable.count > 0 ? ADAPTERS_NONE : ADAPTERS_BASIS;
}

static const char *calibration_of(const struct arguments *a) {
    return a->calibrate ? a->calibrate : a->data;
}

static bool multiplies(const void *arguments) {
    const struct arguments *a = arguments;
    return is_auto(a) || adapters_of(a) == ADAPTERS_BASIS;
}

static enum ob_err check_auto(const struct arguments *a, struct ob_error *error) {
    return a->data ? OB_OK : ob_fail(error, OB_EUSAGE, "--lr auto needs --data FILE, the rows to train on");
}

static enum ob_err read_rate(const char *text, double *ret_rate, struct ob_error *error) {
    char *end;
    double rate = strtod(text, &end);
    if (end == text || *end || !(rate >= 1e-12 && rate <= 0.999))
        return ob_fail(error, OB_EUSAGE, "--lr is \"%s\"; expected a number from 1e-12 to 0.999, or auto",
                       text);
    *ret_rate = rate;
    return OB_OK;
}

/* It is shown on terminals and in log lines of every machine. */
static enum ob_err check_name(const char *name, struct ob_error *error) {
    json_t *utf8 = json_string(name);
    json_decref(utf8);
    if (!utf8 || name[0] == 0)
        return ob_fail(error, OB_EUSAGE, "--name is %s", name[0] ? "not UTF-8" : "empty");
    for (const char *at = name; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return ob_fail(error, OB_EUSAGE, "--name contains a control character");
    return OB_OK;
}

static enum ob_err check_adapters(const struct arguments *a, struct ob_error *error) {
    enum adapters kind = adapters_of(a);
    if (a->lora_rank != OB_NOT_GIVEN && (a->adapters >= 0 || a->rank != OB_NOT_GIVEN))
        return ob_fail(error, OB_EUSAGE,
                       "--lora-rank N is short for --adapters random --rank N; give one of them");
    if (kind == ADAPTERS_NONE && (a->lora_alpha > 0 || a->lora_targets.count > 0 || a->rank != OB_NOT_GIVEN))
        return ob_fail(error, OB_EUSAGE,
                       "--rank, --lora-alpha and --lora-target need --adapters or --lora-rank");
    if (kind == ADAPTERS_RANDOM && a->rank == OB_NOT_GIVEN && a->lora_rank == OB_NOT_GIVEN)
        return ob_fail(error, OB_EUSAGE, "--adapters random needs --rank R");
    if (kind != ADAPTERS_BASIS && a->calibrate)
        return ob_fail(error, OB_EUSAGE, "--calibrate is for --adapters basis");
    if (kind == ADAPTERS_BASIS && !calibration_of(a))
        return ob_fail(
            error, OB_EUSAGE,
            "give --data ROWS or --calibrate ROWS: %s trains adapters that fit what the model makes "
            "of rows. --adapters none trains the whole model",
            a->adapters >= 0 ? "--adapters basis" : "a run");
    return OB_OK;
}

static void set_adapters(const struct arguments *a, struct ob_manifest_options *options) {
    static const char *const OF_BASIS[] = {"upper-half"};
    enum adapters kind = adapters_of(a);
    int64_t rank = a->lora_rank != OB_NOT_GIVEN ? a->lora_rank
                   : a->rank != OB_NOT_GIVEN    ? a->rank
                                                : BASIS_RANK;
    options->lora_rank = kind != ADAPTERS_NONE ? (uint32_t)rank : 0;
    options->lora_alpha =
        a->lora_alpha > 0 ? a->lora_alpha : (kind == ADAPTERS_BASIS ? 1.0 : 2.0) * options->lora_rank;
    options->lora_targets = a->lora_targets.values;
    options->lora_target_count = a->lora_targets.count;
    if (kind == ADAPTERS_BASIS && a->lora_targets.count == 0) {
        options->lora_targets = OF_BASIS;
        options->lora_target_count = sizeof OF_BASIS / sizeof *OF_BASIS;
    }
}

static int64_t given_or(int64_t given, int64_t otherwise) {
    return given != OB_NOT_GIVEN ? given : otherwise;
}

static int64_t rows_of_sample(const struct arguments *a) {
    return given_or(a->rows_per_sample, adapters_of(a) == ADAPTERS_BASIS ? BASIS_ROWS : ROWS);
}

static enum ob_err set_options(const struct arguments *a, struct ob_manifest_options *options,
                               struct ob_error *error) {
    double rate = ob_manifest_defaults().learning_rate;
    enum ob_err failed = check_name(a->name, error);
    if (!failed && is_auto(a))
        failed = check_auto(a, error);
    else if (!failed && a->learning_rate)
        failed = read_rate(a->learning_rate, &rate, error);
    if (!failed)
        failed = check_adapters(a, error);
    if (failed)
        return failed;
    bool basis = adapters_of(a) == ADAPTERS_BASIS;
    *options = ob_manifest_defaults();
    options->name = a->name;
    options->learning_rate = rate;
    options->warm_up = a->warm_up;
    options->schedule = (enum ob_schedule)a->schedule;
    if (basis || !isnan(a->epsilon))
        options->epsilon = isnan(a->epsilon) ? BASIS_EPSILON : a->epsilon;
    options->distribution = (enum ob_spsa_distribution)a->distribution;
    options->combine = (enum ob_spsa_combine)a->combine;
    options->s0 = (uint32_t)given_or(a->s0, basis ? BASIS_S0 : options->s0);
    options->rounds = (uint32_t)a->rounds;
    options->samples_per_round =
        (uint16_t)given_or(a->samples_per_round, basis ? BASIS_SAMPLES : options->samples_per_round);
    options->max_machines = (uint16_t)a->max_machines;
    options->exponents = (int8_t)a->exponents;
    options->trainable = a->trainable.values;
    options->trainable_count = a->trainable.count;
    set_adapters(a, options);
    set_scales(a, options);
    return OB_OK;
}

/* What is trained takes 4 bytes a weight; the rest stays in the checkpoint's file, mapped. */
static enum ob_err print_trained(const struct ob_model *model, const char *manifest_path,
                                 struct ob_error *error) {
    struct ob_manifest *manifest = NULL;
    enum ob_err failed = ob_manifest_read(manifest_path, &manifest, error);
    if (failed)
        return failed;
    uint64_t all = 0, trained = 0;
    for (size_t i = 0; i < model->tensor_count; i++)
        all += model->tensors[i].elements;
    for (size_t i = 0; i < manifest->tensor_count; i++)
        trained += manifest->tensors[i].layout.elements;
    printf("%s: trains %zu of %zu tensors, %" PRIu64 " of %" PRIu64 " parameters: %.1f MB of exact weights\n",
           manifest_path, manifest->tensor_count, model->tensor_count, trained, all, 4e-6 * (double)trained);
    ob_manifest_free(manifest);
    return OB_OK;
}

/* The manifest's name with another suffix: run.json gives run.authority. */
static enum ob_err beside_manifest(const struct arguments *a, const char *suffix, char *path, size_t bytes,
                                   struct ob_error *error) {
    const char *slash = strrchr(a->out, '/'), *dot = strrchr(a->out, '.');
    int stem =
        (int)(dot && (!slash || dot > slash + 1) && dot != a->out ? (size_t)(dot - a->out) : strlen(a->out));
    int length = snprintf(path, bytes, "%.*s%s", stem, a->out, suffix);
    return length < (int)bytes ? OB_OK : ob_fail(error, OB_EUSAGE, "%s: the name is too long", a->out);
}

static enum ob_err authority_path(const struct arguments *a, char *path, size_t bytes,
                                  struct ob_error *error) {
    if (!a->authority)
        return beside_manifest(a, ".authority", path, bytes, error);
    return snprintf(path, bytes, "%s", a->authority) < (int)bytes
               ? OB_OK
               : ob_fail(error, OB_EUSAGE, "%.60s...: the name is too long", a->authority);
}

/* Loads the authority's key, or creates it when there is none. */
static enum ob_err take_authority(const char *path, struct ob_cli_guard *guard,
                                  struct ob_machine_id *ret_authority, struct ob_error *error) {
    struct ob_identity authority;
    char public[OB_PATH_MAX];
    bool exists = access(path, F_OK) == 0;
    enum ob_err failed = OB_OK;
    if (exists) {
        failed = ob_identity_load(path, &authority, error);
    } else {
        ob_identity_generate(&authority);
        failed = ob_path_append(public, path, ".pub", error);
        if (!failed) {
            ob_cli_guard_begin(guard, path, false);
            ob_cli_guard_begin(guard, public, false);
            failed = ob_identity_save(&authority, path, error);
        }
    }
    if (failed)
        return ob_fail_within(error, failed, "the run's authority key");
    *ret_authority = authority.machine;
    ob_identity_wipe(&authority);
    if (exists)
        printf("%s: existing key; it admits machines to this run too\n", path);
    else
        printf(
            "%s: new key; it admits machines to this run. Keep it secret, and keep a copy in another place\n",
            path);
    return OB_OK;
}

/* The basis, as a file beside the manifest. */
static enum ob_err make_basis(const struct arguments *a, const struct ob_manifest_options *options,
                              const char *path, struct ob_cli_guard *guard, struct ob_hash *ret_name,
                              struct ob_error *error) {
    char part[OB_PATH_MAX];
    struct ob_progress progress = {0};
    struct ob_calibrated made;
    uint64_t start = ob_now_ns();
    struct ob_calibration calibration = {.model = a->model,
                                         .data = calibration_of(a),
                                         .chat_template = a->chat_template,
                                         .rows = a->calibrate_rows,
                                         .rank = options->lora_rank,
                                         .rule = RULES[a->basis_scale],
                                         .targets = options->lora_targets,
                                         .target_count = options->lora_target_count,
                                         .path = path,
                                         .progress = &progress};
    if (access(path, F_OK) == 0)
        return ob_fail(error, OB_EBUSY,
                       "%s already exists; choose another name for --out, or remove it if no run uses it",
                       path);
    enum ob_err failed = ob_path_append(part, path, ".part", error);
    if (failed)
        return failed;
    ob_cli_guard_begin(guard, part, false);
    ob_cli_guard_begin(guard, path, false); /* until the run is whole */
    failed = ob_calibrate(&calibration, &made, error);
    if (failed)
        return failed;
    *ret_name = made.name;
    printf("%s: basis of %" PRIu64
           " rows, %.1f MB, made in %.0f s; it keeps %.0f %% of the inputs' energy. Copy it with the "
           "manifest, or let newcomers fetch it\n",
           path, made.rows, 1e-6 * (double)made.bytes, ob_seconds_since(start), 100 * made.energy);
    return OB_OK;
}

/* The rate of a run like this one: of its own manifest under another name, which is removed again. */
static enum ob_err probe(const struct arguments *a, const struct ob_manifest_options *options,
                         struct ob_cli_guard *guard, struct ob_curvature *ret_curvature,
                         struct ob_rate *ret_rate, struct ob_error *error) {
    char path[OB_PATH_MAX];
    struct ob_model *model = NULL;
    struct ob_manifest *manifest = NULL;
    struct ob_progress progress = {0};
    struct ob_progress_callback shown = ob_progress_of_bytes(&progress);
    struct ob_manifest_options own = *options;
    own.progress = &shown;
    struct ob_identity nobody; /* a manifest names an authority; this one admits no machine */
    ob_identity_generate(&nobody);
    own.authority = nobody.machine;
    ob_identity_wipe(&nobody);
    enum ob_err failed = beside_manifest(a, ".probe", path, sizeof path, error); /* has the same basis */
    if (failed)
        return failed;
    (void)unlink(path); /* of a command that was killed */
    ob_cli_guard_begin(guard, path, false);
    failed = ob_model_open(a->model, &model, error);
    if (!failed)
        failed = ob_manifest_create(model, &own, path, error);
    ob_model_free(model);
    if (!failed)
        failed = ob_manifest_read(path, &manifest, error);
    (void)unlink(path);
    ob_cli_guard_done(guard);
    struct ob_curvature_options measuring = {.manifest = manifest,
                                             .model = a->model,
                                             .data = a->data,
                                             .chat_template = a->chat_template,
                                             .batch = a->probe_rows,
                                             .length = OB_CURVATURE_LENGTH,
                                             .samples = a->probe_samples,
                                             .progress = &progress};
    if (!failed)
        failed = ob_curvature_measure(&measuring, ret_curvature, error);
    ob_progress_end(&progress);
    struct ob_rate_plan plan = {.manifest = manifest,
                                .machines = a->machines,
                                .rows_per_sample = rows_of_sample(a),
                                .is_constant = options->schedule == OB_SCHEDULE_CONSTANT};
    if (!failed)
        *ret_rate = ob_curvature_rate(ret_curvature, &plan);
    ob_manifest_free(manifest);
    return failed;
}

static enum ob_err find_rate(const struct arguments *a, struct ob_manifest_options *options,
                             struct ob_cli_guard *guard, struct ob_error *error) {
    struct ob_curvature curvature;
    uint64_t start = ob_now_ns();
    struct ob_rate rate = {0};
    enum ob_err failed = probe(a, options, guard, &curvature, &rate, error);
    if (failed)
        return failed;
    if (!(rate.rate > 0 && rate.rate < 1))
        return ob_fail(error, OB_EMISMATCH,
                       "%s: the curvature estimate is mostly noise (%.3g ± %.2g), so no rate can be "
                       "suggested; give --lr",
                       a->data, curvature.curvature, curvature.curvature_error);
    options->learning_rate = rate.rate;
    options->found = (struct ob_rate_found){.passes = curvature.passes,
                                            .epsilon = curvature.epsilon,
                                            .loss = curvature.loss,
                                            .curvature = curvature.curvature,
                                            .curvature_error = curvature.curvature_error,
                                            .square = curvature.square,
                                            .signal = curvature.signal,
                                            .signal_error = curvature.signal_error,
                                            .rows_per_sample = (uint32_t)rows_of_sample(a),
                                            .machines = (uint32_t)a->machines,
                                            .bound = rate.bound,
                                            .walk_share = rate.walk_share};
    printf("learning rate %.3g: probed in %.0f s on %s, curvature %.4g ± %.2g, signal to noise of a row ",
           rate.rate, ob_seconds_since(start), a->data, curvature.curvature, curvature.curvature_error);
    if (ob_curvature_signal_is_sure(&curvature))
        printf("%.2g ± %.1g", ob_curvature_ratio(&curvature), ob_curvature_ratio_error(&curvature));
    else
        printf("not measurable (more --probe-rows)");
    printf("; bound by the %s\n", rate.bound);
    options->typical = curvature.estimate_rms;
    printf("estimates: %.3g (root mean square); one sample moves the weights at most %d times as far\n",
           curvature.estimate_rms, OB_MANIFEST_LOUDEST);
    return OB_OK;
}

static void warn_of_rate(const struct ob_model *model, const struct ob_manifest_options *options) {
    bool adapters = options->lora_rank > 0;
    uint64_t parameters = 0;
    for (size_t i = 0; i < model->tensor_count; i++)
        parameters += model->tensors[i].elements;
    double usual = ob_usual_rate(parameters, adapters);
    enum ob_rate_verdict verdict = ob_usual_rate_judge(options->learning_rate, parameters, adapters);
    if (verdict != OB_RATE_USUAL)
        fprintf(stderr,
                "onebyte: warning: the learning rate %.3g is far %s what is usual for a model of %" PRIu64
                " parameters (about %.1g): the run will probably %s; `onebyte probe` or --lr auto measures a "
                "rate\n",
                options->learning_rate, verdict == OB_RATE_HIGH ? "above" : "below", parameters, usual,
                verdict == OB_RATE_HIGH ? "diverge" : "barely learn");
}

/* A model whose tokenizer we cannot read can still be trained, by those who can. */
static void warn_of_vocabulary(const struct arguments *a, const struct ob_model *model) {
    struct ob_tokenizer *tokenizer = NULL;
    if (ob_tokenizer_open(a->model, &tokenizer, NULL) == OB_OK)
        ob_cli_warn_vocabulary(tokenizer, a->model, &model->config);
    ob_tokenizer_free(tokenizer);
}

/* Everything but the basis. */
static enum ob_err create_run(const struct arguments *a, struct ob_manifest_options *options,
                              struct ob_cli_guard *guard, struct ob_error *error) {
    char authority[OB_PATH_MAX];
    struct ob_progress progress = {0};
    struct ob_progress_callback shown = ob_progress_of_bytes(&progress);
    struct ob_model *model = NULL;
    enum ob_err failed = authority_path(a, authority, sizeof authority, error);
    if (!failed && is_auto(a))
        failed = find_rate(a, options, guard, error);
    if (!failed)
        failed = ob_model_open(a->model, &model, error);
    if (!failed)
        warn_of_rate(model, options);
    if (!failed && !is_auto(a)) /* else probing has said it */
        warn_of_vocabulary(a, model);
    if (!failed)
        failed = take_authority(authority, guard, &options->authority, error);
    if (!failed) {
        options->progress = &shown;
        ob_cli_guard_begin(guard, a->out, false);
        failed = ob_manifest_create(model, options, a->out, error);
        options->progress = NULL;
        ob_progress_end(&progress);
    }
    if (!failed)
        (void)ob_cli_guard_finish(guard, NULL, a->out);
    if (!failed)
        failed = print_trained(model, a->out, error);
    ob_model_free(model);
    return failed;
}

static enum ob_err create(const struct arguments *a, struct ob_manifest_options *options,
                          struct ob_cli_guard *guard, struct ob_error *error) {
    char path[OB_PATH_MAX];
    struct ob_hash basis;
    if (access(a->out, F_OK) == 0)
        return ob_fail(error, OB_EBUSY,
                       "%s already exists; choose another name, or remove it if no machine uses that run",
                       a->out);
    if (adapters_of(a) != ADAPTERS_BASIS)
        return create_run(a, options, guard, error);
    enum ob_err failed = ob_basis_path(a->out, path, error);
    if (!failed)
        failed = make_basis(a, options, path, guard, &basis, error);
    if (failed)
        return failed;
    options->basis = &basis;
    failed = create_run(a, options, guard, error);
    options->basis = NULL;
    if (failed)
        (void)unlink(path); /* of no run */
    return failed;
}

static int work(struct ob_cli_guard *guard, const void *arguments) {
    struct ob_manifest_options options;
    struct ob_error error = {0};
    enum ob_err failed = set_options(arguments, &options, &error);
    if (!failed)
        failed = create(arguments, &options, guard, &error);
    return failed ? ob_cli_fail(&error) : OB_EXIT_DONE;
}

static int run_create(const void *arguments) {
    return ob_cli_guard_run(work, arguments);
}

const struct ob_command OB_COMMAND_RUN_CREATE = {
    .name = "run create",
    .summary = "create a run: write its manifest",
    .details = "The manifest fixes everything that must be the same on all machines: the base model (by "
               "hash), what is trained, the learning rate and its schedule. It cannot be changed later.",
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .needs_blas_for = multiplies,
    .run = run_create,
};
