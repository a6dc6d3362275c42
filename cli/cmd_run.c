/* keygen, run create */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "cli/options.h"
#include "model/families/adapter.h"
#include "run/manifest_create.h"
#include "transport/identity.h"

int ob_tool_keygen(int argc, char **argv) {
    const char *path = NULL;
    size_t count = 0;
    struct ob_identity identity;
    struct ob_error error = {0};
    char text[OB_HEX_KEY_MAX];
    if (!ob_tool_parse(argc, argv, NULL, 0, &path, 1, &count))
        return OB_EXIT_USAGE;
    if (count != 1)
        return ob_tool_usage("keygen needs the name of the file to write");
    ob_identity_generate(&identity);
    ob_machine_to_text(&identity.machine, text);
    enum ob_err failed = ob_identity_save(&identity, path, &error);
    ob_identity_wipe(&identity);
    if (failed)
        return ob_tool_complain(&error);
    return puts(text) < 0;
}

enum run_option {
    RUN_MODEL,
    RUN_OUT,
    RUN_NAME,
    RUN_LR,
    RUN_ROUNDS,
    RUN_SAMPLES,
    RUN_SCHEDULE,
    RUN_WARM_UP,
    RUN_EPSILON,
    RUN_COMBINE,
    RUN_S0,
    RUN_MACHINES,
    RUN_AUTHORITY,
    RUN_NORM,
    RUN_BIAS,
    RUN_HEAD,
    RUN_MATRIX,
    RUN_EMBEDDING,
    RUN_TRAINABLE,
    RUN_LORA_RANK,
    RUN_LORA_ALPHA,
    RUN_LORA_TARGET,
    RUN_ADAPTER,
    RUN_OPTIONS
};

static bool read_scales(const struct ob_tool_option *o, struct ob_manifest_options *options) {
    static const struct {
        enum run_option option;
        enum ob_tensor_role role;
    } SCALES[] = {{RUN_NORM, OB_ROLE_NORM},          {RUN_BIAS, OB_ROLE_BIAS},
                  {RUN_HEAD, OB_ROLE_HEAD},          {RUN_MATRIX, OB_ROLE_ATTENTION},
                  {RUN_MATRIX, OB_ROLE_MLP},         {RUN_EMBEDDING, OB_ROLE_EMBEDDING},
                  {RUN_EMBEDDING, OB_ROLE_POSITION}, {RUN_ADAPTER, OB_ROLE_ADAPTER}};
    for (size_t i = 0; i < sizeof SCALES / sizeof *SCALES; i++) {
        int64_t value;
        if (!o[SCALES[i].option].value)
            continue;
        if (!ob_tool_integer(&o[SCALES[i].option], -16, 16, &value))
            return false;
        options->log2_scale[SCALES[i].role] = (int32_t)value;
    }
    return true;
}

static bool read_numbers(const struct ob_tool_option *o, struct ob_manifest_options *options) {
    int64_t rounds = options->rounds, samples = options->samples_per_round, s0 = options->s0;
    int64_t machines = options->max_machines;
    if ((o[RUN_LR].value && !ob_tool_real(&o[RUN_LR], 1e-12, 0.999, &options->learning_rate)) ||
        (o[RUN_EPSILON].value && !ob_tool_real(&o[RUN_EPSILON], 1e-9, 1, &options->epsilon)) ||
        (o[RUN_WARM_UP].value && !ob_tool_real(&o[RUN_WARM_UP], 0, 0.9, &options->warm_up)) ||
        (o[RUN_ROUNDS].value && !ob_tool_integer(&o[RUN_ROUNDS], 1, OB_ROUNDS_MAX, &rounds)) ||
        (o[RUN_SAMPLES].value && !ob_tool_integer(&o[RUN_SAMPLES], 1, OB_SAMPLES_PER_ROUND_MAX, &samples)) ||
        (o[RUN_S0].value && !ob_tool_integer(&o[RUN_S0], 1, 1 << 24, &s0)) ||
        (o[RUN_MACHINES].value && !ob_tool_integer(&o[RUN_MACHINES], 1, OB_MACHINES_MAX, &machines)))
        return false;
    options->rounds = (uint32_t)rounds;
    options->samples_per_round = (uint16_t)samples;
    options->s0 = (uint32_t)s0;
    options->max_machines = (uint16_t)machines;
    return read_scales(o, options);
}

static bool read_names(const struct ob_tool_option *o, struct ob_manifest_options *options) {
    if (o[RUN_NAME].value)
        options->name = o[RUN_NAME].value;
    int combine =
        o[RUN_COMBINE].value ? ob_spsa_combine_from_name(o[RUN_COMBINE].value) : (int)options->combine;
    int schedule =
        o[RUN_SCHEDULE].value ? ob_schedule_from_name(o[RUN_SCHEDULE].value) : (int)options->schedule;
    if (combine < 0 || schedule < 0) {
        (void)ob_tool_usage(combine < 0 ? "--combine is one of capped, sum, sqrt, mean"
                                        : "--schedule is one of constant, linear, cosine");
        return false;
    }
    options->combine = (enum ob_spsa_combine)combine;
    options->schedule = (enum ob_schedule)schedule;
    return true;
}

static bool read_trained(const struct ob_tool_option *o, struct ob_manifest_options *options) {
    int64_t rank = 0;
    options->trainable = o[RUN_TRAINABLE].values;
    options->trainable_count = o[RUN_TRAINABLE].value_count;
    options->lora_targets = o[RUN_LORA_TARGET].values;
    options->lora_target_count = o[RUN_LORA_TARGET].value_count;
    if (!o[RUN_LORA_RANK].value && (o[RUN_LORA_ALPHA].value || o[RUN_LORA_TARGET].value)) {
        (void)ob_tool_usage("--lora-alpha and --lora-target need --lora-rank");
        return false;
    }
    if (o[RUN_LORA_RANK].value && !ob_tool_integer(&o[RUN_LORA_RANK], 1, OB_ADAPTER_RANK_MAX, &rank))
        return false;
    options->lora_rank = (uint32_t)rank;
    options->lora_alpha = 2.0 * (double)rank;
    return !o[RUN_LORA_ALPHA].value || ob_tool_real(&o[RUN_LORA_ALPHA], 1e-3, 1e6, &options->lora_alpha);
}

/* What is trained is held as 4 bytes a weight; the rest stays in the checkpoint's file, mapped. */
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

/* The run's authority key: of --authority when that file is there; else a new one, in that file or beside the
 * manifest (run.json → run.authority). */
static enum ob_err take_authority(const struct ob_tool_option *o, struct ob_machine_id *ret_authority,
                                  struct ob_error *error) {
    char path[OB_PATH_MAX];
    const char *out = o[RUN_OUT].value, *given = o[RUN_AUTHORITY].value;
    const char *slash = strrchr(out, '/'), *dot = strrchr(out, '.');
    int stem = (int)(dot && (!slash || dot > slash + 1) && dot != out ? (size_t)(dot - out) : strlen(out));
    int length = given ? snprintf(path, sizeof path, "%s", given)
                       : snprintf(path, sizeof path, "%.*s.authority", stem, out);
    if (length >= (int)sizeof path)
        return ob_fail(error, OB_EUSAGE, "%s: the name is too long", out);
    struct ob_identity authority;
    enum ob_err failed =
        given && access(path, F_OK) == 0 ? ob_identity_load(path, &authority, error) : OB_ENOTFOUND;
    if (failed == OB_ENOTFOUND) {
        if (access(out, F_OK) == 0)
            return ob_fail(error, OB_EBUSY, "%s: already exists; choose another name or remove it", out);
        ob_identity_generate(&authority);
        failed = ob_identity_save(&authority, path, error);
    }
    if (failed)
        return ob_fail_within(error, failed, "the run's authority key");
    *ret_authority = authority.machine;
    ob_identity_wipe(&authority);
    return OB_OK;
}

int ob_tool_run(int argc, char **argv) {
    struct ob_tool_option o[RUN_OPTIONS] = {
        [RUN_MODEL] = {.name = "model"},
        [RUN_OUT] = {.name = "out"},
        [RUN_NAME] = {.name = "name"},
        [RUN_LR] = {.name = "lr"},
        [RUN_ROUNDS] = {.name = "rounds"},
        [RUN_SAMPLES] = {.name = "samples-per-round"},
        [RUN_SCHEDULE] = {.name = "schedule"},
        [RUN_WARM_UP] = {.name = "warm-up"},
        [RUN_EPSILON] = {.name = "epsilon"},
        [RUN_COMBINE] = {.name = "combine"},
        [RUN_S0] = {.name = "s0"},
        [RUN_MACHINES] = {.name = "max-machines"},
        [RUN_AUTHORITY] = {.name = "authority"},
        [RUN_NORM] = {.name = "scale-norm"},
        [RUN_BIAS] = {.name = "scale-bias"},
        [RUN_HEAD] = {.name = "scale-head"},
        [RUN_MATRIX] = {.name = "scale-matrix"},
        [RUN_EMBEDDING] = {.name = "scale-embedding"},
        [RUN_TRAINABLE] = {.name = "trainable", .is_list = true},
        [RUN_LORA_RANK] = {.name = "lora-rank"},
        [RUN_LORA_ALPHA] = {.name = "lora-alpha"},
        [RUN_LORA_TARGET] = {.name = "lora-target", .is_list = true},
        [RUN_ADAPTER] = {.name = "scale-adapter"},
    };
    const char *what = NULL;
    size_t count = 0;
    struct ob_manifest_options options = ob_manifest_defaults();
    struct ob_error error = {0};
    struct ob_model *model = NULL;
    if (!ob_tool_parse(argc, argv, o, RUN_OPTIONS, &what, 1, &count))
        return OB_EXIT_USAGE;
    if (count != 1 || strcmp(what, "create") != 0)
        return ob_tool_usage("expected `run create`");
    if (!o[RUN_MODEL].value || !o[RUN_OUT].value)
        return ob_tool_usage("run create needs --model and --out");
    if (!read_numbers(o, &options) || !read_names(o, &options))
        return OB_EXIT_USAGE;
    if (!read_trained(o, &options))
        return OB_EXIT_USAGE;
    enum ob_err failed = take_authority(o, &options.authority, &error);
    if (!failed)
        failed = ob_model_open(o[RUN_MODEL].value, &model, &error);
    if (!failed)
        failed = ob_manifest_create(model, &options, o[RUN_OUT].value, &error);
    if (!failed)
        failed = print_trained(model, o[RUN_OUT].value, &error);
    ob_model_free(model);
    return failed ? ob_tool_complain(&error) : OB_EXIT_DONE;
}
