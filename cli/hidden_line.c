#include "cli/hidden_line.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* SIGTTOU and SIGTTIN are not among them: they stop whoever is in the background before it has changed anything. */
static const int SIGNALS[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM, SIGPIPE, SIGTSTP, SIGCONT};
#define SIGNAL_COUNT (sizeof SIGNALS / sizeof *SIGNALS)

static int news[2]; /* what handlers say: from, to */

struct hiding {
    int terminal;
    bool known; /* else it is no terminal, and shows nothing */
    struct termios before;
    struct sigaction actions[SIGNAL_COUNT];
};

static void note(int number) {
    int before = errno;
    unsigned char byte = (unsigned char)number;
    (void)!write(news[1], &byte, 1); /* a full pipe says enough */
    errno = before;
}

static void set_terminal(const struct hiding *hiding, const struct termios *how) {
    while (hiding->known && tcsetattr(hiding->terminal, TCSAFLUSH, how) != 0 && errno == EINTR)
        continue;
}

static void hide(const struct hiding *hiding, const char *prompt) {
    struct termios silent = hiding->before;
    silent.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    set_terminal(hiding, &silent);
    (void)!write(hiding->terminal, prompt, strlen(prompt));
}

static void show(const struct hiding *hiding) {
    (void)!write(hiding->terminal, "\n", 1);
    set_terminal(hiding, &hiding->before);
}

static void take_signals(struct hiding *hiding) {
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        if (sigaction(SIGNALS[i], NULL, &hiding->actions[i]) == 0 && hiding->actions[i].sa_handler != SIG_IGN)
            (void)sigaction(SIGNALS[i], &action, NULL);
}

static void give_signals(const struct hiding *hiding) {
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        (void)sigaction(SIGNALS[i], &hiding->actions[i], NULL);
}

/* The terminal shows what is typed, and the signal does what it would have done. False: that should have ended us. */
static bool heed(struct hiding *hiding, int number) {
    static const struct timespec MOMENT = {.tv_sec = 1};
    show(hiding);
    give_signals(hiding);
    if (number == SIGTSTP) {
        (void)raise(SIGTSTP); /* here we stand still */
    } else if (number != SIGCONT) {
        (void)kill(getpid(), number);
        (void)nanosleep(&MOMENT, NULL); /* another thread ends us */
        return false;
    }
    take_signals(hiding);
    return true;
}

/* The number of a signal that came, 0 when there is something to read; -1: neither can be had. */
static int wait_for_line(int terminal) {
    struct pollfd wanted[2] = {{.fd = news[0], .events = POLLIN}, {.fd = terminal, .events = POLLIN}};
    unsigned char number;
    while (poll(wanted, 2, -1) < 0)
        if (errno != EINTR)
            return -1;
    return (wanted[0].revents & POLLIN) != 0 && read(news[0], &number, 1) == 1 ? number : 0;
}

static enum ob_err ask(struct hiding *hiding, const char *prompt, char *ret_line, size_t bytes,
                       struct ob_error *error) {
    ssize_t got = 0;
    hide(hiding, prompt);
    for (int number; (number = wait_for_line(hiding->terminal)) != 0;) {
        if (number < 0)
            return ob_fail(error, OB_EIO, "cannot wait for the terminal: %s", strerror(errno));
        if (!heed(hiding, number)) {
            take_signals(hiding); /* as they are expected to be */
            return ob_fail(error, OB_ESTATE, "interrupted");
        }
        hide(hiding, prompt);
    }
    while ((got = read(hiding->terminal, ret_line, bytes - 1)) < 0 && errno == EINTR)
        continue;
    if (got < 0)
        return ob_fail(error, OB_EIO, "cannot read from the terminal: %s", strerror(errno));
    ret_line[got] = 0;
    ret_line[strcspn(ret_line, "\r\n")] = 0;
    return ret_line[0] ? OB_OK : ob_fail(error, OB_EUSAGE, "the terminal: no passphrase");
}

enum ob_err ob_cli_hidden_line(int terminal, const char *prompt, char *ret_line, size_t bytes,
                               struct ob_error *error) {
    struct hiding hiding = {.terminal = terminal};
    ret_line[0] = 0;
    hiding.known = tcgetattr(terminal, &hiding.before) == 0;
    if (pipe2(news, O_CLOEXEC | O_NONBLOCK) != 0)
        return ob_fail(error, OB_EIO, "cannot ask at the terminal: %s", strerror(errno));
    take_signals(&hiding);
    enum ob_err failed = ask(&hiding, prompt, ret_line, bytes, error);
    show(&hiding);
    give_signals(&hiding);
    /* One that came at the last moment, when the line had been typed. */
    for (unsigned char number; read(news[0], &number, 1) == 1;)
        if (number != SIGCONT)
            (void)kill(getpid(), number);
    (void)close(news[0]);
    (void)close(news[1]);
    return failed;
}
