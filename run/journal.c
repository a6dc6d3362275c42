#include "run/journal.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"

#define KEY_MAX 48

static bool stderr_is_journal(void) {
    const char *text = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat info;
    return text && sscanf(text, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &info) == 0 &&
           (unsigned long long)info.st_dev == device && (unsigned long long)info.st_ino == inode;
}

int ob_journal_open(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!stderr_is_journal() || strlen(path) >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

struct entry {
    char *text;
    size_t used;
};

static void add(struct entry *entry, const char *format, ...) OB_PRINTF(2, 3);
static void add(struct entry *entry, const char *format, ...) {
    size_t room = OB_JOURNAL_ENTRY_MAX - entry->used;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(entry->text + entry->used, room, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length < room)
        entry->used += (size_t)length; /* a field that does not fit is left out whole */
}

/* The value at `at`, without quotes and escapes (an escaped line break: a blank); returns what is behind it. */
static const char *take_value(const char *at, char *ret_value, size_t capacity) {
    size_t used = 0;
    bool quoted = *at == '"';
    for (at += quoted; *at && (quoted ? *at != '"' : *at != ' '); at++) {
        char c = *at;
        if (quoted && c == '\\' && at[1]) {
            at++;
            c = *at == 'n' ? ' ' : *at;
        }
        if (used + 1 < capacity)
            ret_value[used++] = c == '\n' ? ' ' : c;
    }
    ret_value[used] = 0;
    return quoted && *at ? at + 1 : at;
}

/* Letters, digits and underscores; false: no key. */
static bool take_key(const char **at, char ret_key[static KEY_MAX]) {
    size_t used = 0;
    const char *from = *at;
    for (; *from && *from != '=' && *from != ' '; from++) {
        char c = *from >= 'a' && *from <= 'z' ? (char)(*from - 'a' + 'A') : *from;
        bool good = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        if (used + 1 < KEY_MAX)
            ret_key[used++] = good ? c : '_';
    }
    ret_key[used] = 0;
    *at = *from == '=' ? from + 1 : from;
    return *from == '=' && used > 0;
}

size_t ob_journal_entry(int priority, const char *event, const char *pairs,
                        char ret_entry[static OB_JOURNAL_ENTRY_MAX]) {
    struct entry entry = {.text = ret_entry};
    char key[KEY_MAX], value[1600];
    add(&entry, "PRIORITY=%d\nSYSLOG_IDENTIFIER=onebyted\nONEBYTE_EVENT=%s\n", priority, event);
    (void)snprintf(value, sizeof value, "%s", pairs);
    for (char *c = value; *c; c++)
        if (*c == '\n')
            *c = ' ';
    add(&entry, "MESSAGE=%s %s\n", event, value);
    for (const char *at = pairs; *at;) {
        if (*at == ' ') {
            at++;
        } else if (take_key(&at, key)) {
            at = take_value(at, value, sizeof value);
            add(&entry, "ONEBYTE_%s=%s\n", key, value);
        }
    }
    return entry.used;
}

bool ob_journal_send(int socket, const char *entry, size_t bytes) {
    return send(socket, entry, bytes, MSG_NOSIGNAL) == (ssize_t)bytes;
}
