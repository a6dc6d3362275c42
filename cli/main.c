/* onebyte - the tool's main: a table of subcommands. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "cli/options.h"
#include "model/forward/blas.h"
#include "run/replica.h"

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
    const char *help;
    bool is_light; /* multiplies nothing: OpenBLAS need not be checked first */
};

static const struct command COMMANDS[] = {
    {"keygen", ob_tool_keygen, "make a machine's identity",
     "usage: onebyte keygen FILE\n\nWrites an Ed25519 identity to FILE (mode 0600) and its public key to "
     "FILE.pub; prints the\n"
     "public key. FILE must not exist. The public key is what `invite` wants.\n",
     true},
    {"run", ob_tool_run, "create a run: write its manifest",
     "usage: onebyte run create --model FOLDER --out FILE [options]\n\n"
     "  --name TEXT            name of the run (run)\n  --lr NUMBER            peak learning rate, below 1 "
     "(2e-5)\n"
     "  --rounds N             rounds of the run (10000)\n  --samples-per-round N  at most so many samples a "
     "record (8)\n"
     "  --schedule NAME        constant, linear or cosine (linear)\n  --warm-up PART         part of the "
     "rounds, 0 to 0.9 (0.02)\n"
     "  --epsilon NUMBER       half the distance between the two losses' weights (0.001)\n"
     "  --combine NAME         capped, sum, sqrt or mean (capped)\n  --s0 N                 for capped: "
     "parallel samples at full rate (64)\n"
     "  --max-machines N       (1024)\n"
     "  --trainable PATTERN (may be given again): all, norms, biases, head, embedding, positions, attention, "
     "mlp, or a\n"
     "      shell pattern over tensor names; what is not trained stays in the checkpoint's file\n"
     "  --lora-rank N          train adapters of this rank; then of the base only what --trainable names\n"
     "  --lora-alpha X         (2 N)\n"
     "  --lora-target PATTERN  (may be given again) matrices that get one (attention)\n"
     "  --scale-adapter K      log2 of the adapters' direction scale (0)\n"
     "  --authority FILE       key that admits machines: used when it is there, made when not "
     "(FILE's stem + .authority)\n"
     "  --scale-norm K, --scale-bias K, --scale-head K, --scale-matrix K, --scale-embedding K\n"
     "                         log2 of the direction scale by role (3, 3, 2, 0, 0)\n\n"
     "FILE must not exist; copy it to every machine of the run as it is.\n",
     true},
    {"invite", ob_tool_invite, "sign a certificate: admit a machine to a run",
     "usage: onebyte invite --authority FILE --manifest FILE --machine KEY --name NAME --out FILE "
     "[options]\n\n"
     "  --authority FILE   the run's authority key (made by `run create`)\n"
     "  --machine KEY      what `keygen` printed on the machine\n"
     "  --name NAME        what to call it, 1 to 63 bytes\n"
     "  --expiry TIME      30d, 12h, 90m, 60s or never (30d)\n"
     "  --last-round N     records of later rounds do not count (none)\n\n"
     "Send the file to the machine: it goes to its STATE_DIR/certificate. It is no secret.\n"},
    {"renew", ob_tool_renew, "sign a certificate again, with a later expiry",
     "usage: onebyte renew CERTIFICATE --authority FILE --out FILE [--expiry TIME] [--last-round N] [--state "
     "STATE_DIR]\n\n"
     "With --state the new certificate is also handed to the daemon there, which spreads it: nobody "
     "restarts.\n"},
    {"revoke", ob_tool_revoke, "take a machine's admission back",
     "usage: onebyte revoke STATE_DIR MACHINE --authority FILE [--keep-below N]\n\n"
     "MACHINE is a key, its beginning, or a name. Its records that end at or before sample N count on, all "
     "others are\n"
     "taken out of the weights on every machine. Without --keep-below: what the daemon at STATE_DIR holds "
     "counts on.\n"
     "The daemon there spreads it. It cannot be taken back: to return, the machine needs a new key.\n"},
    {"authority", ob_tool_authority, "replace a run's authority key",
     "usage: onebyte authority rotate STATE_DIR --authority FILE --out FILE\n\n"
     "Makes a new key, signs it with the old one and spreads it through the daemon at STATE_DIR. "
     "Certificates so far\n"
     "count on; new ones and revocations are signed with the new key.\n"},
    {"cert", ob_tool_cert, "show a certificate",
     "usage: onebyte cert show FILE\n\nExit code 3 when it has expired or was changed.\n"},
    {"status", ob_tool_status, "what a daemon is doing",
     "usage: onebyte status STATE_DIR [--json] [--watch]\n\nExit code 1 when no daemon answers.\n", true},
    {"leave", ob_tool_leave, "let a daemon leave its run properly", "usage: onebyte leave STATE_DIR\n", true},
    {"pause", ob_tool_pause, "let a daemon start no further round", "usage: onebyte pause STATE_DIR\n", true},
    {"resume", ob_tool_resume, "let a paused daemon go on", "usage: onebyte resume STATE_DIR\n", true},
    {"log", ob_tool_log, "print the records that a state directory holds",
     "usage: onebyte log STATE_DIR --manifest FILE [--json]\n", true},
    {"verify", ob_tool_verify, "replay a log from the base and compare digests",
     "usage: onebyte verify STATE_DIR --manifest FILE --model FOLDER [--digest HEX]\n\n"
     "Checks every signature and chain, replays the log onto the base model and prints the weights\n"
     "digest. Compares it with --digest, or with the running daemon's when one answers. Exit code 3\n"
     "when they differ.\n"},
    {"audit", ob_tool_audit, "what each machine's records do to the held-out loss",
     "usage: onebyte audit STATE_DIR --manifest FILE --model MODEL --data HELD_OUT [--length N] [--batch N]\n"
     "                     [--chat-template NAME] [--json]\n\n"
     "Takes one machine's records after the other out of a copy of the weights, exactly, and evaluates\n"
     "without them. The difference is the loss without the machine less the loss with all: positive, the\n"
     "run is better with it; negative, look before `revoke`. Works beside a running daemon and changes\n"
     "nothing. Exit code 3 when putting the records back did not give the same weights.\n"},
    {"export", ob_tool_export, "write the fine-tuned model for other software, or the run as one file",
     "usage: onebyte export STATE_DIR --manifest FILE --model MODEL [--out FOLDER] [--delta FILE]\n"
     "                      [--format safetensors|gguf|peft] [--dtype f32|f16|bf16]\n\n"
     "--format peft: the adapters of a run with --lora-rank, apart; the others merge them.\n"
     "--out: a Hugging Face folder, or a folder with model.gguf; with a model card. FOLDER must not exist\n"
     "or be empty. --delta: manifest and records as one file for `onebyte apply`. MODEL is the base: a\n"
     "folder or a GGUF file.\n"},
    {"apply", ob_tool_apply, "make the fine-tuned model from the base and a delta",
     "usage: onebyte apply --model MODEL --delta FILE --out FOLDER [--format safetensors|gguf|peft]\n"
     "                     [--dtype f32|f16|bf16]\n\n"
     "Checks every signature and chain of the delta, replays it onto the base and compares the weights\n"
     "digest with the delta's. Exit code 3, and nothing written, when they differ.\n"},
    {"data", ob_tool_data, "what a JSON Lines file holds, before a run starts",
     "usage: onebyte data check FILE --model MODEL [--length N] [--chat-template NAME] [--json]\n\n"
     "Of each kind of row: how many, their lengths in tokens; which are cut or skipped, why, and on which\n"
     "lines; what a run sees of them. Exit code 0 when all rows are usable (some may be cut), 3 when some\n"
     "are skipped, 1 when a run would refuse the file, 2 for a --length beyond the model's context.\n",
     true},
    {"eval", ob_tool_eval, "loss, and perplexity or accuracy, of a checkpoint on a JSON Lines file",
     "usage: onebyte eval --model FOLDER --data FILE [--length N] [--batch N] [--chat-template NAME] "
     "[--json]\n"},
    {"generate", ob_tool_generate, "sample text from a checkpoint",
     "usage: onebyte generate --model FOLDER [--prompt TEXT] [--tokens N] [--temperature T] [--seed N]\n"
     "                        [--chat [--system TEXT] [--chat-template NAME]]\n\n"
     "--chat: the prompt is a user's message, and the model answers it.\n"},
    {"probe", ob_tool_probe, "find the learning rate that a run bears",
     "usage: onebyte probe --manifest FILE --model FOLDER --data FILE [--batch N] [--length N] [--samples N] "
     "[--chat-template NAME] [--bfloat16] [--json]\n\n"
     "Measures the curvature that steps along the run's random directions meet on these rows (three\n"
     "forward passes a sample, 32 samples; steps are widened while the curvature is lost in its error, as\n"
     "it is with adapters) and suggests a rate: create the run anew with it. Exit code 3 when it stays\n"
     "lost.\n\n"
     "  --bfloat16   also take each sample with products in bfloat16: its time, and how far the estimates "
     "are\n"
     "               from those in float32 (what [training] products = bfloat16 does to this run)\n"},
    {"bench", ob_tool_bench, "measure this machine on a checkpoint",
     "usage: onebyte bench --model FOLDER [--batch N] [--length N] [--seconds S] [--bfloat16] [--json]\n\n"
     "Forward passes, one sample, its efficiency against sgemm's peak, a loss on completions alone, replay\n"
     "with 1 and 64 records a pass, the memory's bandwidth, peak memory.\n"},
};
#define COMMAND_COUNT (sizeof COMMANDS / sizeof *COMMANDS)

static int print_help(FILE *to) {
    fputs("usage: onebyte COMMAND [ARGUMENTS]\n\n", to);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(to, "  %-10s %s\n", COMMANDS[i].name, COMMANDS[i].summary);
    fputs("\n`onebyte COMMAND --help` says more. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a check did "
          "not hold.\n",
          to);
    return to == stdout ? OB_EXIT_DONE : OB_EXIT_USAGE;
}

int main(int argc, char **argv) {
    if (argc < 2)
        return print_help(stderr);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return print_help(stdout);
    if (strcmp(argv[1], "--version") == 0)
        return puts("onebyte " OB_VERSION) < 0;
    if (sodium_init() < 0)
        return ob_tool_usage("no source of randomness");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(argv[1], COMMANDS[i].name) != 0)
            continue;
        for (int a = 2; a < argc; a++)
            if (strcmp(argv[a], "--help") == 0)
                return fputs(COMMANDS[i].help, stdout) < 0;
        struct ob_error error = {0};
        if (!COMMANDS[i].is_light && ob_blas_fix_core(argv, "auto", &error))
            return ob_tool_complain(&error);
        ob_blas_set_threads(1); /* our own pool spreads the products */
        return COMMANDS[i].run(argc - 1, argv + 1);
    }
    fprintf(stderr, "onebyte: there is no command \"%s\"\n", argv[1]);
    return print_help(stderr);
}
