#include "daemon/signals.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define END SIGUSR2 /* ours: the daemon is done */

static void fill(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    sigaddset(set, END);
}

/* Nothing is flushed or freed: what counts is durable, and a lock or a socket is the kernel's to clear away. */
static void end_at_once(const struct ob_signals *s, const char *why, int code) {
    static const struct ob_logger PLAIN = {OB_LOG_INFO};
    char text[200];
    ob_log(s->asked.logger ? s->asked.logger : &PLAIN, OB_LOG_INFO, "stop", "text=%s",
           ob_logger_quote(why, text, sizeof text));
    _exit(code);
}

static void on_leave(struct ob_signals *s) {
    if (!s->running && !s->leaving)
        end_at_once(s, "told to stop before training began", 0);
    if (s->leaving)
        end_at_once(s, "told to stop twice; ended without a goodbye", 1);
    s->leaving = true;
    ob_log(
        s->asked.logger, OB_LOG_INFO, "leaving",
        "text=\"finishing the current sample and saying goodbye; a second signal ends the daemon at once\"");
    s->asked.leave(s->asked.context);
}

static void on_reload(struct ob_signals *s) {
    s->reload_waits = !s->running;
    if (s->running)
        s->asked.reload(s->asked.context);
}

static void *watch(void *argument) {
    struct ob_signals *s = argument;
    sigset_t set;
    int signal = 0;
    fill(&set);
    while (sigwait(&set, &signal) == 0 && signal != END) {
        pthread_mutex_lock(&s->lock);
        if (signal == SIGHUP)
            on_reload(s);
        else
            on_leave(s);
        pthread_mutex_unlock(&s->lock);
    }
    return NULL;
}

enum ob_err ob_signals_start(struct ob_signals *s, struct ob_error *error) {
    sigset_t set;
    *s = (struct ob_signals){0};
    fill(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    pthread_mutex_init(&s->lock, NULL);
    int code = pthread_create(&s->thread, NULL, watch, s);
    if (code)
        return ob_fail(error, OB_EIO, "cannot start the thread that waits for signals: %s", strerror(code));
    return OB_OK;
}

void ob_signals_ask(struct ob_signals *s, const struct ob_signals_asked *asked) {
    pthread_mutex_lock(&s->lock);
    s->asked = *asked;
    s->running = true;
    bool reload = s->reload_waits;
    s->reload_waits = false;
    pthread_mutex_unlock(&s->lock);
    if (reload)
        asked->reload(asked->context);
}

void ob_signals_ask_nobody(struct ob_signals *s) {
    pthread_mutex_lock(&s->lock);
    s->running = false;
    s->leaving = true; /* it is about to end anyway: one more signal ends it at once */
    s->asked.logger = NULL;
    pthread_mutex_unlock(&s->lock);
}

void ob_signals_stop(struct ob_signals *s) {
    pthread_kill(s->thread, END);
    pthread_join(s->thread, NULL);
    pthread_mutex_destroy(&s->lock);
}
