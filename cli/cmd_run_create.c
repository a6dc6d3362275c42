#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "cli/command.h"
#include "model/convert/open_model.h"
#include "model/families/adapter.h"
#include "run/manifest_create.h"
#include "transport/identity.h"

struct arguments {
    const char *model, *out, *authority, *name;
    double learning_rate, warm_up, epsilon, lora_alpha;
    int64_t rounds, samples_per_round, s0, max_machines, lora_rank;
    int64_t scale_norm, scale_bias, scale_head, scale_matrix, scale_embedding, scale_adapter;
    int schedule, combine;
    struct ob_option_list trainable, lora_targets;
};

static const char *const SCHEDULES[] = {"constant", "linear", "cosine", NULL}; /* enum ob_schedule */
static const char *const COMBINES[] = {"capped", "sum", "sqrt", "mean", NULL}; /* enum ob_spsa_combine */

#define AT(member) OB_ARGUMENT(struct arguments, member)
#define SCALE(role, member, value)                                                                           \
    {                                                                                                        \
        "scale-" role, "K", "log2 of the direction scale of " role " tensors", AT(member),                   \
            .low = -16, .high = 16, .fallback = value                                                        \
    }

static const struct ob_option OPTIONS[] = {
    OB_OPTION_MODEL(struct arguments, "base model"),
    {"out", "FILE", "manifest to write; must not exist. Copy it unchanged to every machine", AT(out),
     .required = true},
    {"name", "TEXT", "name of the run", AT(name), .fallback = "run"},
    {"lr", "RATE", "peak learning rate; `onebyte probe` suggests one", AT(learning_rate), .least = 1e-12,
     .most = 0.999, .fallback = "2e-5"},
    {"rounds", "N", "rounds of the run", AT(rounds), .low = 1, .high = OB_ROUNDS_MAX, .fallback = "10000"},
    {"samples-per-round", "N", "most samples in one record", AT(samples_per_round), .low = 1,
     .high = OB_SAMPLES_PER_ROUND_MAX, .fallback = "8"},
    {"schedule", "NAME", "how the rate changes after the warm-up", AT(schedule), .choices = SCHEDULES,
     .fallback = "linear"},
    {"warm-up", "PART", "part of the rounds in which the rate rises", AT(warm_up), .least = 0, .most = 0.9,
     .fallback = "0.02"},
    {"epsilon", "NUMBER", "half the distance between the two weights whose losses are compared", AT(epsilon),
     .least = 1e-9, .most = 1, .fallback = "0.001"},
    {"combine", "NAME", "how the samples of a round are combined", AT(combine), .choices = COMBINES,
     .fallback = "capped"},
    {"s0", "N",
     "with `capped`: number of parallel samples up to which each moves the weights at the full rate", AT(s0),
     .low = 1, .high = 1 << 24, .fallback = "64"},
    {"max-machines", "N", "most machines that may train at once", AT(max_machines), .low = 1,
     .high = OB_MACHINES_MAX, .fallback = "1024"},
    {"trainable", "PATTERN",
     "tensors to train: all, norms, biases, head, embedding, positions, attention, mlp, or a shell pattern "
     "over "
     "tensor names. The rest stays in the checkpoint's file",
     AT(trainable)},
    {"lora-rank", "N", "train low-rank adapters of this rank; of the base model only what --trainable names",
     AT(lora_rank), .low = 1, .high = OB_ADAPTER_RANK_MAX},
    {"lora-alpha", "NUMBER", "scale of the adapters: alpha / rank multiplies them; default: twice the rank",
     AT(lora_alpha), .least = 1e-3, .most = 1e6},
    {"lora-target", "PATTERN", "matrices that get an adapter; default: attention", AT(lora_targets)},
    {"authority", "FILE",
     "key that admits machines; used when the file exists, created otherwise. Default: FILE of --out with "
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

static enum ob_err set_options(const struct arguments *a, struct ob_manifest_options *options,
                               struct ob_error *error) {
    bool lora = a->lora_rank != OB_NOT_GIVEN;
    if (!lora && (a->lora_alpha > 0 || a->lora_targets.count > 0))
        return ob_fail(error, OB_EUSAGE, "--lora-alpha and --lora-target need --lora-rank");
    *options = ob_manifest_defaults();
    options->name = a->name;
    options->learning_rate = a->learning_rate;
    options->warm_up = a->warm_up;
    options->schedule = (enum ob_schedule)a->schedule;
    options->epsilon = a->epsilon;
    options->combine = (enum ob_spsa_combine)a->combine;
    options->s0 = (uint32_t)a->s0;
    options->rounds = (uint32_t)a->rounds;
    options->samples_per_round = (uint16_t)a->samples_per_round;
    options->max_machines = (uint16_t)a->max_machines;
    options->trainable = a->trainable.values;
    options->trainable_count = a->trainable.count;
    options->lora_targets = a->lora_targets.values;
    options->lora_target_count = a->lora_targets.count;
    options->lora_rank = lora ? (uint32_t)a->lora_rank : 0;
    options->lora_alpha = a->lora_alpha > 0 ? a->lora_alpha : 2.0 * options->lora_rank;
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

/* --authority, or the manifest's name with the suffix .authority (run.json → run.authority). */
static enum ob_err authority_path(const struct arguments *a, char *path, size_t bytes,
                                  struct ob_error *error) {
    const char *slash = strrchr(a->out, '/'), *dot = strrchr(a->out, '.');
    int stem =
        (int)(dot && (!slash || dot > slash + 1) && dot != a->out ? (size_t)(dot - a->out) : strlen(a->out));
    int length = a->authority ? snprintf(path, bytes, "%s", a->authority)
                              : snprintf(path, bytes, "%.*s.authority", stem, a->out);
    return length < (int)bytes ? OB_OK : ob_fail(error, OB_EUSAGE, "%s: the name is too long", a->out);
}

/* Loads the authority's key, or creates it when there is none. */
static enum ob_err take_authority(const char *path, struct ob_machine_id *ret_authority,
                                  struct ob_error *error) {
    struct ob_identity authority;
    bool exists = access(path, F_OK) == 0;
    enum ob_err failed = OB_OK;
    if (exists) {
        failed = ob_identity_load(path, &authority, error);
    } else {
        ob_identity_generate(&authority);
        failed = ob_identity_save(&authority, path, error);
    }
    if (failed)
        return ob_fail_within(error, failed, "the run's authority key");
    *ret_authority = authority.machine;
    ob_identity_wipe(&authority);
    if (exists)
        printf("%s: existing key, admits machines to this run too\n", path);
    else
        printf("%s: new key, admits machines to this run; keep it secret, and a copy in another place\n",
               path);
    return OB_OK;
}

static enum ob_err create(const struct arguments *a, struct ob_manifest_options *options,
                          struct ob_error *error) {
    char authority[OB_PATH_MAX];
    struct ob_model *model = NULL;
    if (access(a->out, F_OK) == 0)
        return ob_fail(error, OB_EBUSY,
                       "%s already exists; choose another name, or remove it if no machine uses that run",
                       a->out);
    enum ob_err failed = authority_path(a, authority, sizeof authority, error);
    if (!failed)
        failed = ob_model_open(a->model, &model, error);
    if (!failed)
        failed = take_authority(authority, &options->authority, error);
    if (!failed)
        failed = ob_manifest_create(model, options, a->out, error);
    if (!failed)
        failed = print_trained(model, a->out, error);
    ob_model_free(model);
    return failed;
}

static int run_create(const void *arguments) {
    struct ob_manifest_options options;
    struct ob_error error = {0};
    enum ob_err failed = set_options(arguments, &options, &error);
    if (!failed)
        failed = create(arguments, &options, &error);
    return failed ? ob_cli_fail(&error) : OB_EXIT_DONE;
}

const struct ob_command OB_COMMAND_RUN_CREATE = {
    .name = "run create",
    .summary = "create a run: write its manifest",
    .details = "The manifest fixes everything that must be the same on all machines: the base model (by "
               "hash), what is "
               "trained, the learning rate and its schedule. It cannot be changed later.",
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = run_create,
};
