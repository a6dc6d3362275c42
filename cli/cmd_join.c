#include <dirent.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/access.h"
#include "base/clock.h"
#include "base/hex.h"
#include "cli/adjust.h"
#include "cli/ask.h"
#include "cli/base.h"
#include "cli/command.h"
#include "cli/conf.h"
#include "cli/launch.h"
#include "cli/listen.h"
#include "cli/model_list.h"
#include "cli/newplace.h"
#include "cli/patience.h"
#include "cli/places.h"
#include "cli/progress.h"
#include "cli/status_screen.h"
#include "cli/unit.h"
#include "run/certificate.h"

struct arguments {
    const char *token, *data, *model, *run, *state_dir, *name, *listen, *chat_template;
    int64_t threads, timeout_s;
    struct ob_option_list set;
    bool observer, foreground, systemd, exit_when_finished;
};

#define AT(member) OB_ARGUMENT(struct arguments, member)

static const struct ob_operand OPERANDS[] = {{"TOKEN",
                                              "what `onebyte invite` printed; - reads it from standard input",
                                              offsetof(struct arguments, token)}};
static const struct ob_option OPTIONS[] = {
    {"data", "FILE", "rows to train on, JSON Lines", AT(data)},
    {"model", "MODEL",
     "base model, a Hugging Face folder or a GGUF file; default: found by its hash in the caches of "
     "Hugging Face and llama.cpp and in ~/models",
     AT(model)},
    {"name", "NAME", "this machine's name, within what the token allows; default: made of the host's name",
     AT(name)},
    {"run", "NAME", "name of the state directory; default: the run's name", AT(run)},
    {"state", "STATE_DIR", "another state directory than $XDG_STATE_HOME/onebyte/NAME", AT(state_dir)},
    OB_OPTION_CHAT_TEMPLATE(struct arguments),
    {"listen", "ADDRESS",
     "tcp://ADDRESS:PORT to listen on; none: only connect to others; default: the first free port "
     "from 7300 on",
     AT(listen)},
    {"threads", "N", "compute threads; default: 0, all processors", AT(threads), .low = 0, .high = 1024},
    {"observer", NULL, "follow, store and serve the run, but do not train", AT(observer)},
    {"timeout", "SECONDS", "how long to wait for a link, and half of it for others to connect", AT(timeout_s),
     .low = 1, .high = 86400, .fallback = "60"},
    {"exit-when-finished", NULL, "the daemon ends when the run is finished", AT(exit_when_finished)},
    OB_CLI_OPTION_SET(struct arguments),
    {"foreground", NULL, "be the daemon: messages to the terminal, Ctrl-C leaves", AT(foreground)},
    {"systemd", NULL,
     "let systemd keep the daemon, the user's or for root the system's: it starts again with the machine; "
     "`onebyte down` ends that",
     AT(systemd)},
};

#define CLOCK_SLACK_S   600
#define POLL_NS         200000000L
#define FETCH_TELL_S    5
#define IN_STEP_SAMPLES 64 /* what may be under way */
#define REACHED_AGAIN_S 3  /* until others connect to a machine that has been here before */

struct joining {
    const struct arguments *arguments;
    struct ob_token token;
    struct ob_control invitation; /* points into the token */
    struct ob_invitation says;
    char state_dir[OB_PATH_MAX], model[OB_PATH_MAX], data[OB_PATH_MAX], certificate[OB_PATH_MAX];
    char listen[OB_ENDPOINT_MAX]; /* of --listen; "": not given, or none */
    bool member;                  /* it has a certificate of the run already */
    bool made;                    /* the state directory is new */
    bool been_here;               /* it has a configuration and a log: it was started before */
    bool moves;                   /* its port was chosen for it */
    bool fetches;                 /* the base model, from members */
};

/* ---- before anything is made ---- */

static enum ob_err read_token(struct joining *j, struct ob_error *error) {
    char text[OB_TOKEN_TEXT_MAX + 2] = "";
    const char *token = j->arguments->token;
    if (strcmp(token, "-") == 0) {
        if (!fgets(text, sizeof text, stdin))
            return ob_fail(error, OB_EUSAGE, "there is no token on standard input");
        token = text;
    }
    enum ob_err failed = ob_token_decode(token, &j->token, &j->invitation, error);
    sodium_memzero(text, sizeof text);
    if (!failed)
        j->says = ob_control_invitation(&j->invitation);
    return failed;
}

/* The authority's sequence numbers are times, so that a token says when it was made. */
static enum ob_err check_clock(const struct joining *j, struct ob_error *error) {
    char made[OB_TIME_TEXT_MAX], now[OB_TIME_TEXT_MAX], expiry[OB_TIME_TEXT_MAX];
    uint64_t wall_s = ob_wall_s(), made_s = j->invitation.sequence / 1000;
    ob_time_to_text(made_s, made);
    ob_time_to_text(wall_s, now);
    ob_time_to_text(j->says.expiry_s, expiry);
    if (wall_s + CLOCK_SLACK_S < made_s)
        return ob_fail(error, OB_EUSAGE,
                       "this machine's clock is off: it says %s, but the token was made at %s; set the clock",
                       now, made);
    if (j->says.expiry_s != 0 && wall_s >= j->says.expiry_s && !j->member)
        return ob_fail(error, OB_ETIMEOUT,
                       "the token has expired (%s; this machine's clock says %s): ask for a new one", expiry,
                       now);
    return OB_OK;
}

static enum ob_err check_data(struct joining *j, struct ob_error *error) {
    const struct arguments *a = j->arguments;
    if (a->observer && a->data)
        return ob_fail(error, OB_EUSAGE, "give --data or --observer, not both");
    if (a->observer)
        return OB_OK;
    return a->data ? ob_cli_absolute("--data", a->data, j->data, error)
                   : ob_fail(error, OB_EUSAGE,
                             "give --data ROWS to train on, or --observer to follow without training");
}

/* Into the state directory, when the token says what it is made of. */
static enum ob_err fetch_model(struct joining *j, struct ob_error *error) {
    const char *name = j->token.base_name;
    size_t length = strlen(name);
    bool one_file = length > 5 && strcmp(name + length - 5, ".gguf") == 0 && ob_model_parts_good_name(name);
    char folder[OB_PATH_MAX];
    enum ob_err failed = ob_path_join(folder, j->state_dir, OB_MODEL_PARTS_FOLDER, error);
    if (!failed && one_file)
        failed = ob_path_join(j->model, folder, name, error);
    else if (!failed)
        failed = ob_path_append(j->model, folder, "", error);
    if (failed)
        return failed;
    j->fetches = true;
    printf("  base model: not here; fetching it from members (%.1f MB of weights)\n",
           (double)j->token.base_bytes / 1e6);
    return OB_OK;
}

static enum ob_err find_model(struct joining *j, struct ob_error *error) {
    static const struct ob_hash NOT_SHARED;
    char found[OB_PATH_MAX];
    const char *given = j->arguments->model;
    enum ob_err failed = OB_OK;
    if (!given)
        failed = ob_cli_base_find(&j->token, found, error);
    if (failed == OB_ENOTFOUND && !ob_hash_equal(&j->token.parts, &NOT_SHARED))
        return fetch_model(j, error);
    if (!failed)
        failed = ob_cli_absolute("--model", given ? given : found, j->model, error);
    if (!failed && given)
        failed = ob_cli_base_check(j->model, &j->token.base_hash, error);
    if (!failed && !given)
        printf("  base model: %s\n", j->model);
    return failed;
}

/* What a join leaves that reached nobody: an identity, a certificate and a configuration, but neither manifest nor log. */
static enum ob_err was_ever_in(const struct joining *j, bool *ret_ever, struct ob_error *error) {
    bool manifest = true, log = true, conf = false;
    enum ob_err failed = ob_cli_place_has(j->state_dir, "run.json", &manifest, error);
    if (!failed)
        failed = ob_cli_place_has(j->state_dir, "log.sqlite", &log, error);
    if (!failed)
        failed = ob_cli_place_has(j->state_dir, OB_CLI_CONF, &conf, error);
    *ret_ever = manifest || log || !conf;
    return failed;
}

/* A certificate that is there must be of this run; one of another token of the run is replaced. */
static enum ob_err check_place(struct joining *j, struct ob_error *error) {
    struct ob_certificate_file file;
    char text[OB_HEX_KEY_MAX];
    const struct arguments *a = j->arguments;
    enum ob_err failed =
        ob_cli_new_place(a->state_dir, a->run ? a->run : j->token.run_name, j->state_dir, error);
    if (!failed)
        failed = ob_path_join(j->certificate, j->state_dir, "certificate", error);
    if (!failed)
        failed = ob_access_exists(j->certificate, &j->member, error);
    if (failed || !j->member)
        return failed;
    failed = ob_certificate_file_read(j->certificate, &file, error);
    if (failed || ob_hash_equal(&file.certificate.run.hash, &j->token.run.hash))
        return failed;
    bool ever = true;
    if (was_ever_in(j, &ever, error) == OB_OK && !ever) {
        j->member = false;
        return OB_OK;
    }
    return ob_fail(
        error, OB_EUSAGE,
        "%.200s belongs to another run (%s): give --run NAME to join this one in a folder of its own",
        j->state_dir, ob_hex_short((const struct ob_machine_id *)&file.certificate.run, text));
}

/* ---- making it ---- */

/* The host's name and a few digits of the key in the place of the star. */
static void choose_name(const struct joining *j, const struct ob_machine_id *machine,
                        char ret_name[static 128]) {
    char host[64], key[OB_HEX_KEY_MAX];
    const char *pattern = j->says.pattern, *star = strchr(pattern, '*');
    if (j->arguments->name || !star) {
        (void)snprintf(ret_name, 128, "%s", j->arguments->name ? j->arguments->name : pattern);
        return;
    }
    ob_cli_host_name(host);
    ob_machine_to_text(machine, key);
    size_t rest = strlen(pattern) - 1,
           room = OB_CERTIFICATE_NAME_MAX > rest + 5 ? OB_CERTIFICATE_NAME_MAX - rest - 5 : 1;
    (void)snprintf(ret_name, 128, "%.*s%.*s-%.4s%s", (int)(star - pattern), pattern, (int)room, host, key,
                   star + 1);
}

static enum ob_err admit(const struct joining *j, struct ob_error *error) {
    struct ob_identity identity;
    uint8_t entries[OB_INVITED_BYTES_MAX], key[OB_SECRET_KEY_BYTES];
    char name[128];
    size_t more = 0;
    if (j->member && j->says.expiry_s != 0 && ob_wall_s() >= j->says.expiry_s)
        return OB_OK; /* the token admits nobody any more, and need not */
    enum ob_err failed = ob_cli_place_identity(j->state_dir, &identity, error);
    if (failed)
        return failed;
    choose_name(j, &identity.machine, name);
    memcpy(entries, j->token.entry, j->token.entry_bytes);
    ob_token_key(&j->token, key);
    failed = ob_invited_admit(&j->token.run, &j->says, key, &identity.machine, name,
                              entries + j->token.entry_bytes, &more, error);
    sodium_memzero(key, sizeof key);
    ob_identity_wipe(&identity);
    if (!failed && access(j->certificate, F_OK) == 0)
        (void)unlink(j->certificate);
    if (!failed)
        failed = ob_certificate_file_write_invited(j->certificate, &j->token.run, entries,
                                                   j->token.entry_bytes + more, error);
    return failed;
}

/* A machine that has been here before keeps its configuration, which its owner may have edited, but for what this command says.
 * Before the first start (there is no log) it is what the last attempt said. */
static enum ob_err look_back(struct joining *j, struct ob_error *error) {
    bool conf = false, log = false;
    enum ob_err failed = ob_cli_place_has(j->state_dir, OB_CLI_CONF, &conf, error);
    if (!failed)
        failed = ob_cli_place_has(j->state_dir, "log.sqlite", &log, error);
    j->been_here = conf && log;
    return failed;
}

static enum ob_err adjust(const struct joining *j, bool runs, struct ob_error *error) {
    const struct arguments *a = j->arguments;
    char threads[OB_CLI_NUMBER_MAX];
    struct ob_cli_settings settings = {
        .items = {{"network", "listen", a->listen ? j->listen : NULL},
                  {"machine", "threads", ob_cli_number(a->threads, threads)},
                  {"run", "model", a->model ? j->model : NULL},
                  {"training", "data", a->data ? j->data : NULL},
                  {"training", "observer",
                   a->observer ? "yes"
                   : a->data   ? "no"
                               : NULL},
                  {"training", "chat_template", a->chat_template},
                  {"training", "exit_when_finished", a->exit_when_finished ? "yes" : NULL}},
        .count = 7};
    enum ob_err failed = ob_cli_settings_add(&settings, &a->set, error);
    return failed ? failed : ob_cli_adjust(j->state_dir, settings.items, settings.count, runs, error);
}

static enum ob_err configure(struct joining *j, struct ob_error *error) {
    const struct arguments *a = j->arguments;
    char listen[OB_ENDPOINT_MAX] = "", path[OB_PATH_MAX], parts[OB_HEX_HASH_MAX];
    enum ob_err failed = look_back(j, error);
    if (!failed && j->been_here)
        return adjust(j, false, error);
    if (!failed)
        failed = ob_path_join(path, j->state_dir, OB_CLI_CONF, error);
    if (!failed)
        (void)unlink(path); /* the token and the arguments say it anew */
    j->moves = !a->listen;
    if (a->listen)
        memcpy(listen, j->listen, sizeof listen);
    else if (!failed)
        failed = ob_cli_listen_free(NULL, listen, error);
    ob_hex_encode(j->token.parts.bytes, OB_HASH_BYTES, parts);
    const struct ob_cli_conf conf = {.state_dir = j->state_dir,
                                     .model = j->model,
                                     .model_parts = j->fetches ? parts : NULL,
                                     .share_model = j->fetches, /* the creator allows it */
                                     .data = a->observer ? NULL : j->data,
                                     .chat_template = a->chat_template,
                                     .listen = listen,
                                     .threads = a->threads == OB_NOT_GIVEN ? 0 : a->threads,
                                     .exit_when_finished = a->exit_when_finished,
                                     .places = j->token.places,
                                     .place_count = j->token.place_count};
    if (!failed)
        failed = ob_cli_conf_write(&conf, error);
    return failed ? failed : ob_cli_adjust_new(j->state_dir, &a->set, error);
}

/* ---- is it linked, and in step? ---- */

static const json_t *linked_machine(const json_t *status) {
    const json_t *machine;
    size_t i;
    json_array_foreach(json_object_get(status, "machines"), i,
                       machine) if (json_is_true(json_object_get(machine, "linked")) &&
                                    !json_is_true(json_object_get(machine, "self"))) return machine;
    return NULL;
}

/* It starts rounds, and holds what the machine that it is linked with says it has. */
static bool in_step(const json_t *status, const json_t *peer, bool observer) {
    const char *life = json_string_value(json_object_get(status, "life"));
    bool heard = json_is_number(json_object_get(peer, "last_heard_s"));
    if (!heard || json_number_value(json_object_get(peer, "samples")) + IN_STEP_SAMPLES <
                      json_number_value(json_object_get(peer, "reported_samples")))
        return false;
    return life &&
           (strcmp(life, "training") == 0 || strcmp(life, "finished") == 0 || strcmp(life, "waiting") == 0 ||
            strcmp(life, "paused") == 0 || (observer && strcmp(life, "fetching") != 0));
}

static void print_in_step(const json_t *status) {
    double live = json_number_value(json_object_get(status, "live"));
    const char *life = json_string_value(json_object_get(status, "life"));
    bool finished = life && strcmp(life, "finished") == 0;
    printf(live > 0 && !finished ? "  in step: round %.0f of %.0f" : "  up to date: round %.0f of %.0f",
           json_number_value(json_object_get(status, "round")),
           json_number_value(json_object_get(status, "max_rounds")));
    if (finished)
        puts("; all rounds are done");
    else if (live > 0)
        printf(", %.0f machine%s training\n", live, live == 1 ? "" : "s");
    else
        puts("; no machine trains at present");
}

/* A door that said no means it: what else would help than another token? */
static bool refused(const char *why) {
    return strstr(why, "not admitted") != NULL;
}

/* Why each machine is not linked, the first reason that there is. */
static void why_not(const json_t *status, char ret_why[static 320]) {
    const json_t *machine;
    size_t i;
    ret_why[0] = 0;
    json_array_foreach(json_object_get(status, "machines"), i, machine) {
        const char *why = json_string_value(json_object_get(machine, "why_unlinked"));
        if (why && why[0] && (!ret_why[0] || refused(why)))
            (void)snprintf(ret_why, 320, "%.300s", why);
    }
}

/* Bytes of the base model that have arrived. */
static uint64_t fetched_bytes(const struct joining *j) {
    char folder[OB_PATH_MAX], path[OB_PATH_MAX];
    struct stat info;
    uint64_t bytes = 0;
    DIR *open = ob_path_join(folder, j->state_dir, OB_MODEL_PARTS_FOLDER, NULL) ? NULL : opendir(folder);
    for (const struct dirent *at; open && (at = readdir(open));)
        if (at->d_name[0] != '.' && ob_path_join(path, folder, at->d_name, NULL) == OB_OK &&
            stat(path, &info) == 0)
            bytes += (uint64_t)info.st_blocks * 512;
    if (open)
        closedir(open);
    return bytes;
}

struct watching {
    bool linked, in_step, ended;
    char why[320];
    uint64_t started_s, fetched;
    struct ob_patience patience;
    struct ob_progress progress; /* on a terminal, when there is something to count */
};

/* What is under way and can be counted. `what` is NULL: nothing. */
struct countable {
    const char *what, *unit;
    uint64_t done, total;
};

static uint64_t number_at(const json_t *status, const char *path) {
    return (uint64_t)json_integer_value(ob_status_at(status, path));
}

static struct countable count_of(const struct joining *j, const json_t *status, uint64_t fetched,
                                 bool linked) {
    uint64_t of = number_at(status, "fetching.of"), known = number_at(status, "catch_up.samples_known"),
             held = number_at(status, "catch_up.samples_held");
    if (fetched > 0)
        return (struct countable){"fetching the base model", "MB", fetched / 1000000,
                                  j->token.base_bytes / 1000000};
    if (of > 0)
        return (struct countable){"fetching what the run needs", "MB",
                                  number_at(status, "fetching.bytes") / 1000000, of / 1000000};
    if (linked && known > held)
        return (struct countable){"catching up", "samples", held, known};
    return (struct countable){0};
}

/* On a terminal: how much of a file, or of the log, is here. False: nothing is known of that. */
static bool show_progress(const struct joining *j, const json_t *status, uint64_t fetched,
                          struct watching *w) {
    struct countable c = count_of(j, status, fetched, w->linked);
    if (!c.what || isatty(STDERR_FILENO) != 1) {
        ob_progress_end(&w->progress);
        return false;
    }
    ob_patience_end(&w->patience);
    if (!w->progress.enabled || w->progress.what != c.what)
        ob_progress_start(&w->progress, c.what, c.unit, c.total);
    ob_progress_at(&w->progress, c.done);
    return true;
}

/* The limit of time is for silence, not for a large model. */
static void watch_fetch(const struct joining *j, uint64_t bytes, bool shown, struct watching *w) {
    if (bytes <= w->fetched)
        return;
    if (bytes - w->fetched < j->token.base_bytes / 10 && ob_now_s() - w->started_s < FETCH_TELL_S)
        return;
    w->fetched = bytes;
    w->started_s = ob_now_s();
    if (shown)
        return;
    printf("  base model: %.1f of %.1f MB\n", (double)bytes / 1e6, (double)j->token.base_bytes / 1e6);
    (void)fflush(stdout);
}

/* One look at the daemon. */
static void look(const struct joining *j, struct watching *w) {
    json_t *status = NULL;
    bool answered = ob_cli_ask_command(j->state_dir, "status", &status, NULL) == OB_OK;
    const json_t *peer = answered ? linked_machine(status) : NULL;
    const char *life = json_string_value(json_object_get(status, "life"));
    uint64_t fetched = j->fetches && life && strcmp(life, "fetching") == 0 ? fetched_bytes(j) : 0;
    bool shown = show_progress(j, status, fetched, w);
    if (!shown)
        ob_patience_tell(&w->patience, "%s%s%.200s",
                         w->linked ? "linked; catching up with the run" : "not linked yet",
                         !w->linked && w->why[0] ? ": " : "", w->linked ? "" : w->why);
    watch_fetch(j, fetched, shown, w);
    if (answered && !peer && !w->linked)
        why_not(status, w->why);
    if (peer && !w->linked) {
        w->linked = true;
        ob_progress_end(&w->progress);
        ob_patience_end(&w->patience);
        printf("  linked with %s\n", json_string_value(json_object_get(peer, "name")));
        (void)fflush(stdout);
    }
    if (w->linked && peer && in_step(status, peer, j->arguments->observer)) {
        w->in_step = true;
        ob_progress_end(&w->progress);
        ob_patience_end(&w->patience);
        print_in_step(status);
        (void)fflush(stdout);
    }
    json_decref(status);
}

static enum ob_err watch(const struct joining *j, pid_t pid, struct watching *w, struct ob_error *error) {
    enum ob_err failed = OB_OK;
    w->started_s = ob_now_s();
    ob_patience_start(&w->patience);
    while (!w->in_step && !failed) {
        failed = ob_cli_launched(j->state_dir, pid, error);
        w->ended = failed != OB_OK;
        if (failed)
            break;
        look(j, w);
        bool late = ob_now_s() - w->started_s >= (uint64_t)j->arguments->timeout_s;
        if (!w->linked && (late || refused(w->why)))
            failed = ob_fail(error, OB_ETIMEOUT, "not linked: %s", w->why[0] ? w->why : "nobody answered");
        else if (late && !w->in_step)
            break;
        else if (!w->in_step)
            (void)nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    }
    ob_progress_end(&w->progress);
    ob_patience_end(&w->patience);
    if (!failed && !w->in_step)
        puts("  linked, and still catching up; `onebyte status` shows how far it is");
    return failed;
}

/* ---- is it reached from outside? ---- */

/* The names of the machines that have connected to this one, and how many there are. */
static size_t who_reaches(const struct joining *j, char ret_names[static 320]) {
    const json_t *machine;
    json_t *status = NULL;
    size_t i, count = 0, used = 0;
    ret_names[0] = 0;
    if (ob_cli_ask_command(j->state_dir, "status", &status, NULL) != OB_OK)
        return 0;
    json_array_foreach(json_object_get(status, "machines"), i, machine) {
        const char *name = json_string_value(json_object_get(machine, "name"));
        if (!json_is_true(json_object_get(machine, "reaches_us")))
            continue;
        count++;
        if (used + strlen(name ? name : "?") + 3 < 320)
            used +=
                (size_t)snprintf(ret_names + used, 320 - used, "%s%s", used ? ", " : "", name ? name : "?");
    }
    json_decref(status);
    return count;
}

/* Others connect to a machine as soon as they know its address. One that has been in the run before may have to wait for them
 * to try again; one that is new has an address that is not right. */
static enum ob_err watch_reached(const struct joining *j, struct ob_error *error) {
    char endpoint[OB_ENDPOINT_MAX], names[320];
    struct ob_patience patience;
    uint64_t started_s = ob_now_s(),
             limit_s = j->been_here ? REACHED_AGAIN_S : (uint64_t)(j->arguments->timeout_s + 1) / 2;
    size_t count = 0;
    if (!ob_cli_own_endpoint(j->state_dir, endpoint)) {
        puts("  this machine does not listen: it reaches others, and what is for it comes over those links");
        return OB_OK;
    }
    ob_patience_start(&patience);
    while ((count = who_reaches(j, names)) == 0 && ob_now_s() - started_s < limit_s) {
        ob_patience_tell(&patience, "waiting for a machine to connect to %s", endpoint);
        (void)nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    }
    ob_patience_end(&patience);
    if (count > 0)
        printf("  others reach this machine at %s (%s)\n", endpoint, names);
    else if (j->been_here)
        printf("  no machine has connected to %s yet; see [network] in " OB_CLI_CONF "\n", endpoint);
    else
        return ob_fail(
            error, OB_ETIMEOUT,
            "no machine reaches this one at %s: open that port and the two after it, give --listen "
            "with an address that others can use, or --listen none to connect to others only",
            endpoint);
    return OB_OK;
}

/* Launched, linked, in step. *ret_runs: it still runs; else its last words are the error. */
static enum ob_err attempt(const struct joining *j, struct ob_cli_guard *guard, struct watching *w,
                           pid_t *ret_pid, bool *ret_runs, struct ob_error *error) {
    *w = (struct watching){.linked = false};
    enum ob_err failed = ob_cli_launch(j->state_dir, j->arguments->systemd, guard, ret_pid, error);
    w->ended = failed != OB_OK;
    if (!failed)
        failed = watch(j, *ret_pid, w, error);
    *ret_runs = !w->ended;
    return failed;
}

static enum ob_err start(const struct joining *j, struct ob_cli_guard *guard, struct ob_error *error) {
    struct watching w;
    pid_t pid = -1;
    bool runs = false;
    enum ob_err failed = attempt(j, guard, &w, &pid, &runs, error);
    for (int moves = 0; failed && !runs && j->moves && moves < OB_CLI_MOVES && ob_cli_move(j->state_dir);
         moves++)
        failed = attempt(j, guard, &w, &pid, &runs, error);
    if (!failed)
        failed = watch_reached(j, error);
    ob_cli_guard_child(guard, 0);
    if (!failed)
        return OB_OK;
    if (runs)
        ob_cli_unlaunch(j->state_dir, pid);
    /* Its key is of no use when it was refused; one that was only not heard may be known, and keeps its place. */
    if (j->made && (refused(w.why) || (!runs && !w.linked)))
        ob_cli_unmake_place(j->state_dir);
    return failed;
}

struct starting {
    const struct joining *joining;
    struct ob_error *error;
};

static int work(struct ob_cli_guard *guard, const void *arguments) {
    const struct starting *starting = arguments;
    return (int)start(starting->joining, guard, starting->error);
}

/* Until it is in, an interrupt ends the daemon too. */
static enum ob_err start_guarded(const struct joining *j, struct ob_error *error) {
    struct starting starting = {j, error};
    return (enum ob_err)ob_cli_guard_run(work, &starting);
}

static bool runs_already(const struct joining *j) {
    json_t *status = NULL;
    bool runs = ob_cli_ask_command(j->state_dir, "status", &status, NULL) == OB_OK;
    const char *life = json_string_value(json_object_get(status, "life"));
    if (runs && life && strcmp(life, "fetching") == 0)
        printf("  already running in %s, but not in the run yet; `onebyte status` says why\n", j->state_dir);
    else if (runs)
        printf("  already joined and running in %s: round %.0f of %.0f\n", j->state_dir,
               json_number_value(json_object_get(status, "round")),
               json_number_value(json_object_get(status, "max_rounds")));
    json_decref(status);
    return runs;
}

static enum ob_err prepare(struct joining *j, struct ob_error *error) {
    enum ob_err failed = check_data(j, error);
    if (!failed)
        failed = ob_cli_check_room(j->state_dir, j->token.base_bytes, j->token.trained_bytes, error);
    if (!failed)
        failed = ob_cli_listen_try(j->listen, error);
    if (!failed)
        failed = find_model(j, error);
    if (!failed)
        failed = ob_cli_make_place(j->state_dir, &j->made, error);
    if (failed)
        return failed;
    failed = admit(j, error);
    if (!failed)
        failed = configure(j, error);
    if (failed && j->made)
        ob_cli_unmake_place(j->state_dir);
    return failed;
}

static enum ob_err join_run(struct joining *j, struct ob_error *error) {
    enum ob_err failed = read_token(j, error);
    if (!failed && j->arguments->listen)
        failed = ob_cli_listen_read(j->arguments->listen, j->listen, error);
    if (!failed)
        failed = check_place(j, error);
    if (!failed)
        failed = check_clock(j, error);
    if (failed)
        return failed;
    if (runs_already(j)) {
        failed = check_data(j, error);
        if (!failed && j->arguments->model)
            failed = find_model(j, error);
        return failed ? failed : adjust(j, true, error);
    }
    failed = prepare(j, error);
    if (failed)
        return failed;
    printf("  state directory: %s\n", j->state_dir);
    (void)fflush(stdout);
    return j->arguments->foreground ? ob_cli_become_daemon(j->state_dir, error) : start_guarded(j, error);
}

static int join(const void *arguments) {
    struct ob_error error = {0};
    struct joining j = {.arguments = arguments};
    if (j.arguments->systemd && j.arguments->foreground)
        return ob_cli_fail_usage("--systemd and --foreground exclude each other");
    enum ob_err failed = j.arguments->systemd ? ob_unit_check_manager(&error) : OB_OK;
    if (!failed)
        failed = join_run(&j, &error);
    ob_token_wipe(&j.token);
    if (!failed)
        return OB_EXIT_DONE;
    (void)ob_cli_fail(&error);
    return OB_EXIT_USAGE;
}

const struct ob_command OB_COMMAND_JOIN = {
    .name = "join",
    .summary = "join a run with a token, and start to train",
    .details = "Makes this machine's key, state directory and configuration, finds the base model, starts "
               "the daemon "
               "in the background, and shows that it is linked and in step, or says why not and ends with "
               "exit code 2. The same command joins again after a stop.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = join,
};
