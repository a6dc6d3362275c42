#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/adjust.h"
#include "cli/ask.h"
#include "cli/authority.h"
#include "cli/base.h"
#include "cli/command.h"
#include "cli/conf.h"
#include "cli/launch.h"
#include "cli/listen.h"
#include "cli/model_list.h"
#include "cli/newplace.h"
#include "cli/places.h"
#include "cli/unit.h"
#include "run/certificate.h"
#include "run/last_start.h"

struct arguments {
    const char *model, *data, *run, *state_dir, *learning_rate, *listen, *chat_template;
    int64_t rounds, threads;
    int adapters; /* of ADAPTERS */
    struct ob_option_list set;
    bool foreground, systemd, exit_when_finished, share_model;
};

#define AT(member) OB_ARGUMENT(struct arguments, member)

#define NEW_ROUNDS ((int64_t)20000)
#define SAME_RATE  0.01 /* a rate as it was printed is the run's */

/* Of what `onebyte run create` can train, what --data alone describes. */
static const char *const ADAPTERS[] = {"none", "basis", NULL};
enum { WHOLE, BASIS };

static const struct ob_option OPTIONS[] = {
    {"model", "MODEL", "base model: a Hugging Face folder or a GGUF file; needed for a new run", AT(model)},
    {"data", "FILE", "rows to train on, JSON Lines; needed for a new run", AT(data)},
    {"run", "NAME",
     "name of the run and of its state directory; default: the name of --data without its ending", AT(run)},
    {"state", "STATE_DIR", "another state directory than $XDG_STATE_HOME/onebyte/NAME", AT(state_dir)},
    {"rounds", "N", "rounds of a new run; default: 20000", AT(rounds), .low = 1, .high = OB_ROUNDS_MAX},
    {"lr", "RATE", "peak learning rate of a new run; default: auto, probe for it", AT(learning_rate)},
    {"adapters", "KIND",
     "what a new run trains: adapters on a basis, made from --data (`onebyte run create --help`); none: the "
     "whole model; default: basis",
     AT(adapters), .choices = ADAPTERS},
    OB_OPTION_CHAT_TEMPLATE(struct arguments),
    {"listen", "ADDRESS",
     "tcp://ADDRESS:PORT to listen on; none: do not listen; default: the first free port from 7300 on",
     AT(listen)},
    {"threads", "N", "compute threads; default: 0, all processors", AT(threads), .low = 0, .high = 1024},
    {"share-model", NULL,
     "machines that join may fetch the base model from members of the run; mind its licence",
     AT(share_model)},
    {"exit-when-finished", NULL, "the daemon ends when the run is finished", AT(exit_when_finished)},
    OB_CLI_OPTION_SET(struct arguments),
    {"foreground", NULL, "be the daemon: messages to the terminal, Ctrl-C leaves", AT(foreground)},
    {"systemd", NULL,
     "let systemd keep the daemon, the user's or for root the system's: it starts again with the machine; "
     "`onebyte down` ends that",
     AT(systemd)},
};

struct starting {
    const struct arguments *arguments;
    char name[OB_NAME_MAX], state_dir[OB_PATH_MAX], model[OB_PATH_MAX], data[OB_PATH_MAX];
    char manifest[OB_PATH_MAX], authority[OB_PATH_MAX], certificate[OB_PATH_MAX];
    char listen[OB_ENDPOINT_MAX]; /* of --listen; "": not given, or none */
    bool new;                     /* there is no run yet */
    bool made;                    /* the folder is new too */
};

static void name_of(const struct arguments *a, char ret_name[static OB_NAME_MAX]) {
    const char *slash = a->data ? strrchr(a->data, '/') : NULL;
    const char *from = a->run ? a->run : slash ? slash + 1 : a->data ? a->data : "";
    (void)snprintf(ret_name, OB_NAME_MAX, "%.*s", OB_NAME_MAX - 1, from);
    char *dot = a->run ? NULL : strrchr(ret_name, '.');
    if (dot && dot != ret_name)
        *dot = 0;
}

/* Where it is, and whether it is new. */
static enum ob_err find(struct starting *s, struct ob_error *error) {
    const struct arguments *a = s->arguments;
    struct ob_cli_place place;
    bool there = false;
    enum ob_err failed = OB_OK;
    name_of(a, s->name);
    if (!a->data && !a->run && !a->state_dir) { /* go on with the only one that is here */
        failed = ob_cli_find(&(struct ob_cli_at){0}, OB_NEED_STATE_DIR, &place, error);
        if (!failed)
            failed = ob_path_append(s->state_dir, place.state_dir, "", error);
        if (failed == OB_EUSAGE && strncmp(error->text, "several", 7) != 0)
            return ob_fail(error, OB_EUSAGE,
                           "give --model MODEL and --data ROWS for a new run, or --run NAME to go on");
    } else {
        failed = ob_cli_new_place(a->state_dir, s->name, s->state_dir, error);
    }
    if (!failed)
        failed = ob_path_join(s->manifest, s->state_dir, "run.json", error);
    if (!failed)
        failed = ob_path_join(s->authority, s->state_dir, "authority", error);
    if (!failed)
        failed = ob_path_join(s->certificate, s->state_dir, "certificate", error);
    if (!failed)
        failed = ob_cli_place_has(s->state_dir, OB_CLI_CONF, &there, error);
    s->new = !there;
    return failed;
}

/* ---- a new run: each step makes a file, and is left out when that is there ---- */

static int kind_of(const struct arguments *a) {
    return a->adapters < 0 ? BASIS : a->adapters;
}

static enum ob_err create_run(const struct starting *s, struct ob_error *error) {
    const struct arguments *a = s->arguments;
    char rounds[32], basis[OB_PATH_MAX];
    const char *rate = a->learning_rate ? a->learning_rate : "auto";
    (void)snprintf(rounds, sizeof rounds, "%" PRId64, a->rounds == OB_NOT_GIVEN ? NEW_ROUNDS : a->rounds);
    const char *arguments[48] = {
        "run",         "create",     "--model", s->model, "--out",      s->manifest,
        "--authority", s->authority, "--name",  s->name,  "--rounds",   rounds,
        "--lr",        rate,         "--data",  s->data,  "--adapters", ADAPTERS[kind_of(a)]};
    size_t count = 18;
    if (strcmp(rate, "auto") == 0)
        puts("  measuring the learning rate on the rows: 768 forward passes");
    if (a->chat_template) {
        arguments[count++] = "--chat-template";
        arguments[count++] = a->chat_template;
    }
    enum ob_err failed = ob_basis_path(s->manifest, basis, error);
    if (failed)
        return failed;
    (void)unlink(basis); /* of a command that was killed: without a manifest no run has it */
    return ob_cli_run_self(arguments, error);
}

static enum ob_err certify(const struct starting *s, const struct ob_machine_id *machine,
                           struct ob_error *error) {
    struct ob_manifest *manifest = NULL;
    struct ob_identity authority;
    struct ob_certificate certificate = {.last_round = OB_CONTROL_NEVER};
    enum ob_err failed = ob_manifest_read(s->manifest, &manifest, error);
    if (!failed)
        failed = ob_cli_load_authority(s->authority, &authority, error);
    if (!failed) {
        certificate.run = manifest->run;
        ob_cli_host_name(certificate.name);
        failed = ob_certificate_file_write(s->certificate, &authority, machine, ob_cli_sequence(),
                                           &certificate, error);
        ob_identity_wipe(&authority);
    }
    ob_manifest_free(manifest);
    return failed;
}

static enum ob_err check_room(const struct starting *s, struct ob_error *error) {
    struct ob_manifest *manifest = NULL;
    char name[OB_NAME_MAX];
    uint64_t base = 0, trained = 0;
    enum ob_err failed = ob_manifest_read(s->manifest, &manifest, error);
    if (failed)
        return failed;
    ob_cli_base_describe(s->model, name, &base);
    for (size_t t = 0; t < manifest->tensor_count; t++)
        trained += sizeof(int32_t) * ob_cli_elements(&manifest->tensors[t]);
    ob_manifest_free(manifest);
    return ob_cli_check_room(s->state_dir, base, trained, error);
}

static enum ob_err configure(const struct starting *s, struct ob_error *error) {
    const struct arguments *a = s->arguments;
    char listen[OB_ENDPOINT_MAX] = "";
    enum ob_err failed = OB_OK;
    if (a->listen)
        memcpy(listen, s->listen, sizeof listen);
    else
        failed = ob_cli_listen_free(NULL, listen, error);
    const struct ob_cli_conf conf = {.state_dir = s->state_dir,
                                     .model = s->model,
                                     .data = s->data,
                                     .chat_template = a->chat_template,
                                     .listen = listen,
                                     .threads = a->threads == OB_NOT_GIVEN ? 0 : a->threads,
                                     .share_model = a->share_model,
                                     .exit_when_finished = a->exit_when_finished};
    if (!failed && a->share_model)
        failed = ob_cli_model_list_make(s->state_dir, s->model, error);
    if (!failed)
        failed = ob_cli_conf_write(&conf, error);
    return failed ? failed : ob_cli_adjust_new(s->state_dir, &a->set, error);
}

/* What `make` needs, looked at before anything takes time or is written. */
static enum ob_err check_new(struct starting *s, struct ob_error *error) {
    const struct arguments *a = s->arguments;
    if (!a->model || !a->data)
        return ob_fail(error, OB_EUSAGE,
                       "%s: there is no run yet; give --model MODEL and --data ROWS to make one",
                       s->state_dir);
    enum ob_err failed = ob_cli_absolute("--model", a->model, s->model, error);
    if (!failed)
        failed = ob_cli_absolute("--data", a->data, s->data, error);
    if (!failed)
        failed = ob_cli_listen_try(s->listen, error);
    if (failed)
        return failed;
    char name[OB_NAME_MAX];
    uint64_t base = 0;
    ob_cli_base_describe(s->model, name, &base);
    return ob_cli_check_room(s->state_dir, base, 0, error); /* what is trained adds to it: check_room */
}

static enum ob_err make_files(const struct starting *s, struct ob_error *error) {
    struct ob_identity identity;
    bool there = false;
    enum ob_err failed = ob_cli_place_identity(s->state_dir, &identity, error);
    if (failed)
        return failed;
    failed = ob_cli_place_has(s->state_dir, "run.json", &there, error);
    if (!failed && !there)
        failed = create_run(s, error);
    if (!failed)
        failed = ob_cli_place_has(s->state_dir, "certificate", &there, error);
    if (!failed && !there)
        failed = certify(s, &identity.machine, error);
    ob_identity_wipe(&identity);
    if (!failed)
        failed = check_room(s, error);
    return failed ? failed : configure(s, error);
}

/* What was begun and did not come about is taken away, so that the next try is a first one. */
static enum ob_err make(struct starting *s, struct ob_error *error) {
    enum ob_err failed = check_new(s, error);
    if (!failed)
        failed = ob_cli_make_place(s->state_dir, &s->made, error);
    if (!failed)
        failed = make_files(s, error);
    if (failed && s->made)
        ob_cli_unmake_place(s->state_dir);
    return failed;
}

/* ---- a run that exists ---- */

/* An existing one is what it is: another model or other rows would be another run. */
static enum ob_err check_same(const struct starting *s, struct ob_error *error) {
    const struct arguments *a = s->arguments;
    const struct {
        const char *section, *key, *given;
    } SAME[] = {{"run", "model", a->model}, {"training", "data", a->data}};
    for (size_t i = 0; i < 2; i++) {
        char there[OB_PATH_MAX] = "", given[OB_PATH_MAX];
        if (!SAME[i].given)
            continue;
        enum ob_err failed = ob_cli_conf_value(s->state_dir, SAME[i].section, SAME[i].key, there, error);
        if (!failed)
            failed = ob_cli_absolute(SAME[i].key, SAME[i].given, given, error);
        if (failed)
            return failed;
        if (strcmp(there, given) != 0)
            return ob_fail(error, OB_EUSAGE,
                           "%.180s holds a run with %s = %.120s: give --run NAME for another run, or edit "
                           "its " OB_CLI_CONF,
                           s->state_dir, SAME[i].key, there);
    }
    return OB_OK;
}

static double peak_rate(const struct ob_manifest *manifest) {
    double peak = 0;
    for (size_t i = 0; i < manifest->rule.rate_count; i++)
        peak = fmax(peak, ldexp((double)manifest->rule.rates[i], -48));
    return peak;
}

/* Rounds, rate and what is trained are the run's, in its manifest; one who says the same again is not refused. */
static enum ob_err check_run(const struct starting *s, struct ob_error *error) {
    const struct arguments *a = s->arguments;
    struct ob_manifest *manifest = NULL;
    bool rate_given = a->learning_rate && strcmp(a->learning_rate, "auto") != 0;
    if (a->rounds == OB_NOT_GIVEN && !rate_given && a->adapters < 0)
        return OB_OK;
    enum ob_err failed = ob_manifest_read(s->manifest, &manifest, error);
    if (failed)
        return failed;
    double rate = rate_given ? strtod(a->learning_rate, NULL) : 0, peak = peak_rate(manifest);
    if (a->rounds != OB_NOT_GIVEN && a->rounds != (int64_t)manifest->bounds.max_rounds)
        failed = ob_fail(error, OB_EUSAGE,
                         "the run in %.200s has %" PRIu32 " rounds, which nobody can change: leave --rounds "
                         "out to go on, or give --run NAME for another run",
                         s->state_dir, manifest->bounds.max_rounds);
    else if (rate_given && !(fabs(rate - peak) <= SAME_RATE * peak))
        failed = ob_fail(error, OB_EUSAGE,
                         "the run in %.200s has the peak learning rate %.3g, which nobody can change: leave "
                         "--lr out to go on, or give --run NAME for another run",
                         s->state_dir, peak);
    else if (a->adapters >= 0 && (a->adapters == BASIS) != manifest->has_basis)
        failed = ob_fail(error, OB_EUSAGE,
                         "the run in %.200s trains %s, which nobody can change: leave --adapters out to go "
                         "on, or give --run NAME for another run",
                         s->state_dir, manifest->has_basis ? "adapters on a basis" : "without a basis");
    ob_manifest_free(manifest);
    return failed;
}

static enum ob_err adjust(const struct starting *s, bool runs, struct ob_error *error) {
    const struct arguments *a = s->arguments;
    char threads[OB_CLI_NUMBER_MAX], model[OB_PATH_MAX];
    struct ob_cli_settings settings = {
        .items = {{"network", "listen", a->listen ? s->listen : NULL},
                  {"machine", "threads", ob_cli_number(a->threads, threads)},
                  {"training", "chat_template", a->chat_template},
                  {"training", "exit_when_finished", a->exit_when_finished ? "yes" : NULL},
                  {"run", "share_model", a->share_model ? "yes" : NULL}},
        .count = 5};
    enum ob_err failed = ob_cli_settings_add(&settings, &a->set, error);
    if (!failed && a->listen && !runs)
        failed = ob_cli_listen_try(s->listen, error);
    if (!failed && a->share_model)
        failed = ob_cli_conf_value(s->state_dir, "run", "model", model, error);
    if (!failed && a->share_model)
        failed = ob_cli_model_list_make(s->state_dir, model, error);
    return failed ? failed : ob_cli_adjust(s->state_dir, settings.items, settings.count, runs, error);
}

static bool is_running(const struct starting *s) {
    json_t *status = NULL;
    bool runs = ob_cli_ask_command(s->state_dir, "status", &status, NULL) == OB_OK;
    json_decref(status);
    return runs;
}

static enum ob_err go_on(const struct starting *s, struct ob_error *error) {
    enum ob_err failed = check_same(s, error);
    if (!failed)
        failed = check_run(s, error);
    return failed ? failed : adjust(s, is_running(s), error);
}

/* ---- what it says ---- */

static void print_time_left(const json_t *status) {
    double round_s = json_number_value(json_object_get(status, "median_round_s"));
    double left = json_number_value(json_object_get(status, "max_rounds")) -
                  json_number_value(json_object_get(status, "round"));
    double seconds = round_s * left;
    if (!(seconds > 0))
        return;
    if (seconds >= 5400)
        printf("  %.0f rounds to go, about %.0f h at the present pace\n", left, seconds / 3600);
    else
        printf("  %.0f rounds to go, about %.0f min at the present pace\n", left, fmax(1, seconds / 60));
}

/* What there is to say at the start, and whether that is all. OB_EREFUSED: this machine may not take part. */
static enum ob_err look(const struct starting *s, bool *ret_enough, struct ob_error *error) {
    json_t *status = NULL;
    if (ob_cli_ask_command(s->state_dir, "status", &status, NULL) != OB_OK)
        return OB_OK;
    const char *life = json_string_value(json_object_get(status, "life"));
    bool halted = life && strcmp(life, "halted") == 0, finished = life && strcmp(life, "finished") == 0;
    if (finished)
        puts("  all rounds of the run are done");
    else if (json_number_value(json_object_get(status, "own_rounds")) >= 3)
        print_time_left(status);
    *ret_enough = halted || finished || json_number_value(json_object_get(status, "own_rounds")) >= 3;
    json_decref(status);
    return halted ? ob_fail(error, OB_EREFUSED,
                            "this machine may no longer take part: %s/onebyted.log says why", s->state_dir)
                  : OB_OK;
}

/* Until a few rounds are done, for the pace; not for ever. */
static enum ob_err watch_first_rounds(const struct starting *s, pid_t pid, struct ob_error *error) {
    bool enough = false;
    enum ob_err failed = OB_OK;
    for (int tries = 0; tries < 100 && !enough && !failed; tries++) {
        failed = ob_cli_launched(s->state_dir, pid, error);
        if (!failed)
            failed = look(s, &enough, error);
        if (!failed && !enough)
            (void)nanosleep(&(struct timespec){.tv_nsec = 100000000L}, NULL);
    }
    return failed ? failed : ob_cli_launched(s->state_dir, pid, error);
}

/* Its folder may have another name. */
static void name_run(const struct starting *s, char ret_name[static OB_NAME_MAX]) {
    struct ob_manifest *manifest = NULL;
    enum ob_err failed = ob_manifest_read(s->manifest, &manifest, NULL);
    (void)snprintf(ret_name, OB_NAME_MAX, "%s", failed ? s->name : manifest->name);
    ob_manifest_free(manifest);
}

static void print_up(const struct starting *s) {
    char endpoint[OB_ENDPOINT_MAX], hint[OB_CLI_HINT_MAX], option[OB_CLI_HINT_MAX];
    char journal[OB_UNIT_JOURNAL_MAX];
    char name[OB_NAME_MAX];
    bool reached = ob_cli_own_endpoint(s->state_dir, endpoint);
    (void)ob_cli_hint(s->state_dir, "", hint);
    name_run(s, name);
    printf("  run \"%s\" is up%s%s. Stop it with `onebyte down%s`, watch it with `onebyte status%s`.\n", name,
           reached ? " on " : "", reached ? endpoint : "", hint, hint);
    if (!s->arguments->foreground && ob_unit_exists(s->state_dir))
        printf("  systemd keeps it; its messages: %s%s\n", ob_unit_journal(s->state_dir, journal),
               geteuid() == 0 ? "" : ". It ends when you log out, unless you `loginctl enable-linger`");
    if (access(s->authority, F_OK) == 0)
        printf("  Admit a machine: onebyte invite NAME%s     (authority: %s, keep a copy)\n",
               ob_cli_hint(s->state_dir, "--state ", option), s->authority);
}

static enum ob_err start(const struct starting *s, struct ob_cli_guard *guard, struct ob_error *error) {
    json_t *status = NULL;
    pid_t pid;
    if (ob_cli_ask_command(s->state_dir, "status", &status, NULL) == OB_OK) {
        printf("  already running: round %.0f of %.0f\n", json_number_value(json_object_get(status, "round")),
               json_number_value(json_object_get(status, "max_rounds")));
        json_decref(status);
        print_up(s);
        return OB_OK;
    }
    if (s->arguments->foreground) {
        print_up(s);
        (void)fflush(stdout);
        return ob_cli_become_daemon(s->state_dir, error);
    }
    bool moves = s->new && !s->arguments->listen; /* nobody chose the port */
    enum ob_err failed = ob_cli_launch(s->state_dir, s->arguments->systemd, guard, &pid, error);
    for (int i = 0; failed && moves && i < OB_CLI_MOVES && ob_cli_move(s->state_dir); i++)
        failed = ob_cli_launch(s->state_dir, s->arguments->systemd, guard, &pid, error);
    if (failed && s->made) /* it never was up */
        ob_cli_unmake_place(s->state_dir);
    if (failed)
        return failed;
    ob_cli_guard_child(guard, 0); /* it stays, also when nobody waits for what follows */
    print_up(s);
    (void)fflush(stdout);
    return watch_first_rounds(s, pid, error);
}

struct call {
    const struct starting *starting;
    struct ob_error *error;
};

static int work(struct ob_cli_guard *guard, const void *arguments) {
    const struct call *call = arguments;
    return (int)start(call->starting, guard, call->error);
}

/* Until it is up, an interrupt ends the daemon too. */
static enum ob_err start_guarded(const struct starting *s, struct ob_error *error) {
    struct call call = {s, error};
    return (enum ob_err)ob_cli_guard_run(work, &call);
}

static int up(const void *arguments) {
    struct ob_error error = {0};
    struct starting s = {.arguments = arguments};
    if (s.arguments->systemd && s.arguments->foreground)
        return ob_cli_fail_usage("--systemd and --foreground exclude each other");
    enum ob_err failed = s.arguments->systemd ? ob_unit_check_manager(&error) : OB_OK;
    if (!failed && s.arguments->listen)
        failed = ob_cli_listen_read(s.arguments->listen, s.listen, &error);
    if (!failed)
        failed = find(&s, &error);
    if (!failed)
        failed = s.new ? make(&s, &error) : go_on(&s, &error);
    if (!failed)
        failed = start_guarded(&s, &error);
    if (!failed)
        return OB_EXIT_DONE;
    (void)ob_cli_fail(&error);
    return OB_EXIT_USAGE; /* as of `join`: it is not up, and what was said is to be mended first */
}

const struct ob_command OB_COMMAND_UP = {
    .name = "up",
    .summary = "create a run and start to train, or go on with one",
    .details = "Makes what is missing: identity, learning rate, manifest, authority key, certificate, "
               "configuration; then "
               "starts the daemon in the background. The same command goes on where it was. Everything is in "
               "the state directory; its onebyte.conf may be edited, and options of this command that are a "
               "machine's change it. Ends with exit code 2 when the run is not up, and says why.",
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = up,
};
