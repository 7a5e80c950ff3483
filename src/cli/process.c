#define _POSIX_C_SOURCE 200809L /* sigaction */
#include "cli/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/json.h"

static void on_bus_error(int signal)
{
    static const char text[] =
        "\nmolt: a board's flash.bin was made shorter while it was in use, or its disk is full: "
        "leave the file alone or free some space, then repeat the command\n";
    (void)signal;
    ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
    _exit(CLI_FAILED);
}

void process_start(void)
{
    /* Each in the direction that its use does not expect, so that reads and writes fail. */
    static const int flags[3] = {O_WRONLY, O_RDONLY, O_RDONLY};
    struct sigaction action = {.sa_handler = on_bus_error};
    for (int fd = 0; fd < 3; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", flags[fd]) != fd) {
            _exit(CLI_FAILED);
        }
    }
    sigaction(SIGBUS, &action, NULL);
}

int process_end(int code)
{
    int number = fflush(stdout) != 0 ? errno : 0;
    if (number || ferror(stdout)) { /* what failed before may have lost its number */
        fprintf(stderr, "molt: standard output: cannot print all of it%s%s\n", number ? ": " : "",
                number ? strerror(number) : "");
        return code == CLI_OK ? CLI_FAILED : code;
    }
    return code;
}

void process_print_safe(FILE *out, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    while (*p) {
        unsigned n = *p < 0x80 ? 1 : json_sequence(p);
        if (*p < ' ' || *p == 0x7F || n == 0) {
            fprintf(out, "\\x%02x", *p);
            n = 1;
        } else {
            fwrite(p, 1, n, out);
        }
        p += n;
    }
}
