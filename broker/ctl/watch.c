/* SPDX-License-Identifier: Apache-2.0
 * status --watch. A frame is written into memory and put over the one before, so that nothing flickers; the screen it covers is the
 * terminal's second one, and comes back whole.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "screen.h"
#include "watch.h"

#define ENTER "\033[?1049h\033[?25l\033[2J"
#define LEAVE "\033[?25h\033[?1049l"
#define HOME "\033[H"
#define LINE_END "\033[0m\033[K"
#define REST "\033[J"

static volatile sig_atomic_t ended;

static void on_end(int signal)
{
    ended = signal;
}

static void on_resize(int signal)
{
    (void)signal;   /* it ends the wait */
}

/* What the screens print, as text; malloc'ed. */
static char *frame_of(const struct daemon_at *at, int *ret_code)
{
    static const char *const history[] = { "history", "recent" };
    char *text = NULL;
    size_t size = 0;
    FILE *terminal = stdout, *memory = open_memstream(&text, &size);
    json_t *h = NULL;
    if (memory == NULL) {
        return NULL;
    }
    stdout = memory;
    *ret_code = status_run(at, false, stdout);
    if (*ret_code != EXIT_UNKNOWN && ask_daemon(at, history, 2, TMX_BYTES_NULL, ASK_STATUS_MS, &h) == 0) {
        printf("\n");
        (void)show_sparklines(h);
    }
    json_decref(h);
    stdout = terminal;
    (void)fclose(memory);
    return text;
}

/* As many lines as there is room for, and below them what can be done. */
static void frame_put(const char *text, unsigned rows, unsigned seconds)
{
    unsigned row = 1;
    (void)fputs(HOME, stdout);
    for (const char *line = text; *line != '\0' && row < rows; row++) {
        size_t n = strcspn(line, "\n");
        (void)fwrite(line, 1, n, stdout);
        (void)fputs(LINE_END "\n", stdout);
        line += n + (line[n] == '\n' ? 1 : 0);
    }
    printf("every %u s; q ends it" LINE_END REST, seconds);
    (void)fflush(stdout);
}

/* True: it is over. */
static bool wait_for_key(unsigned seconds, const sigset_t *open)
{
    struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
    struct timespec wait = { .tv_sec = (time_t)seconds };
    char key;
    int n = ppoll(&in, 1, &wait, open);
    if (n > 0) {
        return read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q';
    }
    return ended != 0;
}

/* Signals come during the wait only: a frame is never torn, and the terminal is put back by one hand. */
static void signals_take(sigset_t *ret_open)
{
    static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
    struct sigaction end = { .sa_handler = on_end }, resize = { .sa_handler = on_resize };
    sigset_t shut;
    (void)sigemptyset(&shut);
    for (size_t i = 0; i < TMX_N(ends); i++) {
        (void)sigaddset(&shut, ends[i]);
        (void)sigaction(ends[i], &end, NULL);
    }
    (void)sigaddset(&shut, SIGWINCH);
    (void)sigaction(SIGWINCH, &resize, NULL);
    (void)sigprocmask(SIG_BLOCK, &shut, ret_open);
    for (size_t i = 0; i < TMX_N(ends); i++) {
        (void)sigdelset(ret_open, ends[i]);
    }
    (void)sigdelset(ret_open, SIGWINCH);
}

int watch_run(const struct daemon_at *at, unsigned seconds)
{
    struct termios before, raw;
    struct winsize size;
    sigset_t open;
    int code = EXIT_UNKNOWN;
    if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &before) != 0) {
        fprintf(stderr, "tmxctl: --watch needs a terminal: without one, ask for status as often as it is wanted\n");
        return EXIT_USAGE;
    }
    signals_take(&open);
    raw = before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    (void)fputs(ENTER, stdout);
    do {
        char *text = frame_of(at, &code);
        unsigned rows = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 1 ? size.ws_row : 24;
        frame_put(text != NULL ? text : "out of memory\n", rows, seconds);
        free(text);
    } while (!wait_for_key(seconds, &open));
    (void)fputs(LEAVE, stdout);
    (void)fflush(stdout);
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
    return code;
}
