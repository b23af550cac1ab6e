/* SPDX-License-Identifier: Apache-2.0 */
#include <tmx/passphrase.h>

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define CTRL_C 0x03
#define CTRL_D 0x04
#define BACKSPACE 0x08
#define CTRL_U 0x15
#define RUBOUT 0x7f

struct tmx_passphrase {
    size_t size;
    uint8_t bytes[TMX_PASSPHRASE_MAX];
};

struct tmx_bytes tmx_passphrase_bytes(const struct tmx_passphrase *p)
{
    return TMX_BYTES(p->bytes, p->size);
}

struct tmx_passphrase *tmx_passphrase_free(struct tmx_passphrase *p)
{
    sodium_free(p);
    return NULL;
}

/* Up to the end of a line, or of the file; what is wrong, or NULL. At a terminal keys come as they are typed, and some of them edit. */
static const char *read_line(int fd, bool typed, struct tmx_passphrase *p)
{
    uint8_t c;
    ssize_t n;
    p->size = 0;
    while ((n = read(fd, &c, 1)) > 0 && c != '\n' && c != '\r') {
        if (typed && (c == CTRL_C || c == CTRL_D)) {
            return "interrupted";
        }
        if (typed && (c == RUBOUT || c == BACKSPACE)) {
            p->size -= p->size > 0 ? 1 : 0;
        } else if (typed && c == CTRL_U) {
            p->size = 0;
        } else if (p->size == sizeof(p->bytes)) {
            return "the passphrase is too long";
        } else {
            p->bytes[p->size++] = c;
        }
    }
    if (n < 0) {
        return strerror(errno);
    }
    return p->size == 0 ? "the passphrase is empty" : NULL;
}

/* Nothing is shown, and no key ends the program while nothing is shown. */
static const char *read_terminal(int fd, const char *path, const char *what, struct tmx_passphrase *p)
{
    struct termios before, quiet;
    if (tcgetattr(fd, &before) < 0) {
        return strerror(errno);
    }
    dprintf(fd, "%s %s: ", what, path);
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    quiet.c_cc[VMIN] = 1;
    quiet.c_cc[VTIME] = 0;
    if (tcsetattr(fd, TCSAFLUSH, &quiet) < 0) {
        return strerror(errno);
    }
    const char *wrong = read_line(fd, true, p);
    (void)tcsetattr(fd, TCSAFLUSH, &before);
    dprintf(fd, "\n");
    return wrong;
}

static const char *ask_terminal(const char *path, bool twice, struct tmx_passphrase *p)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return "no terminal to ask for the passphrase at: TMX_PASSPHRASE_FILE names a file with it";
    }
    const char *wrong = read_terminal(fd, path, twice ? "New passphrase for" : "Passphrase of", p);
    if (wrong == NULL && twice) {
        struct tmx_passphrase *again = sodium_malloc(sizeof(*again));
        wrong = again == NULL ? strerror(ENOMEM) : read_terminal(fd, path, "The same again for", again);
        if (wrong == NULL && (again->size != p->size || sodium_memcmp(again->bytes, p->bytes, p->size) != 0)) {
            wrong = "the two passphrases differ";
        }
        sodium_free(again);
    }
    close(fd);
    return wrong;
}

static const char *read_secret_file(const char *name, struct tmx_passphrase *p)
{
    struct stat st;
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return strerror(errno);
    }
    const char *wrong = fstat(fd, &st) < 0                              ? strerror(errno)
                        : S_ISREG(st.st_mode) && (st.st_mode & 077) != 0 ? "others may read the passphrase: chmod 0400"
                                                                        : read_line(fd, false, p);
    close(fd);
    return wrong;
}

struct tmx_passphrase *tmx_passphrase_get(const char *path, bool twice, char *ret_error, size_t capacity)
{
    const char *name = getenv("TMX_PASSPHRASE_FILE");
    struct tmx_passphrase *p = sodium_init() < 0 ? NULL : sodium_malloc(sizeof(*p));   /* a tool may not have begun with it */
    const char *wrong = p == NULL ? strerror(ENOMEM) : name != NULL ? read_secret_file(name, p) : ask_terminal(path, twice, p);
    if (wrong != NULL) {
        snprintf(ret_error, capacity, "%s: %s", p != NULL && name != NULL ? name : path, wrong);
        return tmx_passphrase_free(p);
    }
    return p;
}

bool tmx_passphrase_ask(void *ctx, const char *path, struct tmx_bytes *ret_passphrase, char *ret_error, size_t capacity)
{
    struct tmx_passphrase **p = ctx;
    *p = tmx_passphrase_get(path, false, ret_error, capacity);
    if (*p != NULL) {
        *ret_passphrase = tmx_passphrase_bytes(*p);
    }
    return *p != NULL;
}
