/* tap_switch - an Ethernet switch between TAP devices that can lose, delay and separate: what tc's netem
 * does, for kernels that do not have it.
 *
 *   tap_switch DEVICE...
 * Makes the devices (at most 16), then forwards each frame to all others; "ready" on standard output. The
 * devices may be moved into network namespaces. Commands on standard input, one a line; the end of input ends
 * the program: loss PERCENT      of the frames, each on its own delay MS          of every frame, in order
 *   sides S S S ...   a number for each device: frames pass between equal numbers only; what is under way is
 * lost mute M M M ...    1 for each device whose frames are all lost, 0 for the others seed N            of
 * the losses After each: "ok" and the counts of frames that were passed and lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/random.h"

#define PORTS_MAX  16
#define FRAME_MAX  2048
#define FRAMES_MAX 8192 /* under way; more are lost */

struct frame {
    uint64_t due_ms;
    unsigned from;
    size_t bytes;
    uint8_t data[FRAME_MAX];
};

struct tap_switch {
    unsigned ports;
    int devices[PORTS_MAX];
    unsigned sides[PORTS_MAX];
    bool mute[PORTS_MAX];
    unsigned loss_percent;
    uint64_t delay_ms;
    struct test_random random;
    uint64_t passed, lost;
    struct frame *frames; /* a ring of FRAMES_MAX; one delay for all keeps it in order */
    size_t first, count;
};

static bool is_lost(struct tap_switch *s) {
    return test_random_below(&s->random, 100) < s->loss_percent;
}

static int open_device(const char *name) {
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (device < 0 || strlen(name) >= sizeof request.ifr_name)
        return -1;
    memcpy(request.ifr_name, name, strlen(name) + 1);
    if (ioctl(device, TUNSETIFF, &request) != 0) {
        close(device);
        return -1;
    }
    return device;
}

static void receive(struct tap_switch *s, unsigned port) {
    for (;;) {
        struct frame *frame = &s->frames[(s->first + s->count) % FRAMES_MAX];
        uint8_t spare[FRAME_MAX];
        bool full = s->count == FRAMES_MAX;
        ssize_t bytes = read(s->devices[port], full ? spare : frame->data, FRAME_MAX);
        if (bytes <= 0)
            return;
        if (full) {
            s->lost++;
            continue;
        }
        frame->due_ms = ob_now_ns() / 1000000 + s->delay_ms;
        frame->from = port;
        frame->bytes = (size_t)bytes;
        s->count++;
    }
}

static void deliver(struct tap_switch *s, const struct frame *frame) {
    for (unsigned port = 0; port < s->ports; port++) {
        if (port == frame->from || s->sides[port] != s->sides[frame->from])
            continue;
        if (s->mute[frame->from] || is_lost(s) ||
            write(s->devices[port], frame->data, frame->bytes) != (ssize_t)frame->bytes)
            s->lost++;
        else
            s->passed++;
    }
}

static void deliver_due(struct tap_switch *s) {
    uint64_t now = ob_now_ns() / 1000000;
    while (s->count > 0 && s->frames[s->first].due_ms <= now) {
        deliver(s, &s->frames[s->first]);
        s->first = (s->first + 1) % FRAMES_MAX;
        s->count--;
    }
}

static bool obey(struct tap_switch *s, char *line) {
    char *word = strtok(line, " \n"), *value = strtok(NULL, " \n");
    if (word == NULL || value == NULL)
        return false;
    unsigned long number = strtoul(value, NULL, 10);
    if (strcmp(word, "loss") == 0) {
        s->loss_percent = (unsigned)number;
    } else if (strcmp(word, "delay") == 0) {
        s->delay_ms = number;
        s->first = s->count = 0; /* the order by due time must hold */
    } else if (strcmp(word, "seed") == 0) {
        s->random.state = number;
    } else if (strcmp(word, "sides") == 0) {
        s->first = s->count = 0;
        for (unsigned port = 0; port < s->ports && value != NULL; port++, value = strtok(NULL, " \n"))
            s->sides[port] = (unsigned)strtoul(value, NULL, 10);
    } else if (strcmp(word, "mute") == 0) {
        for (unsigned port = 0; port < s->ports && value != NULL; port++, value = strtok(NULL, " \n"))
            s->mute[port] = strtoul(value, NULL, 10) != 0;
    } else {
        return false;
    }
    printf("ok passed=%llu lost=%llu\n", (unsigned long long)s->passed, (unsigned long long)s->lost);
    fflush(stdout);
    return true;
}

static int run(struct tap_switch *s) {
    struct pollfd waits[PORTS_MAX + 1];
    for (unsigned port = 0; port < s->ports; port++)
        waits[port] = (struct pollfd){.fd = s->devices[port], .events = POLLIN};
    waits[s->ports] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    for (;;) {
        if (poll(waits, s->ports + 1, s->count > 0 ? 1 : 1000) < 0 && errno != EINTR)
            return 1;
        for (unsigned port = 0; port < s->ports; port++)
            receive(s, port);
        deliver_due(s);
        if (waits[s->ports].revents != 0) {
            char line[256];
            if (fgets(line, sizeof line, stdin) == NULL)
                return 0;
            if (!obey(s, line))
                fprintf(stderr, "tap_switch: not understood\n");
        }
    }
}

int main(int count, char **names) {
    struct tap_switch s = {.ports = (unsigned)count - 1, .random = {1}};
    if (count < 3 || count - 1 > PORTS_MAX) {
        fprintf(stderr, "usage: tap_switch DEVICE DEVICE...\n");
        return 2;
    }
    setvbuf(stdin, NULL, _IONBF, 0); /* poll must see every line */
    s.frames = calloc(FRAMES_MAX, sizeof *s.frames);
    for (unsigned port = 0; port < s.ports; port++)
        if (s.frames == NULL || (s.devices[port] = open_device(names[port + 1])) < 0) {
            fprintf(stderr, "tap_switch: %s: %s\n", names[port + 1], strerror(errno));
            return 1;
        }
    printf("ready\n");
    fflush(stdout);
    int status = run(&s);
    free(s.frames);
    return status;
}
