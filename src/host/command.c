#define _GNU_SOURCE /* pipe2, posix_spawnp */
#include "molt/host/command.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Reads to the end, so that the program never waits for us. */
static void collect(int fd, char *output, size_t capacity)
{
    char dropped[512];
    size_t have = 0;
    for (;;) {
        size_t room = capacity - 1 - have;
        ssize_t n = read(fd, room ? output + have : dropped, room ? room : sizeof dropped);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        have += room ? (size_t)n : 0;
    }
    output[have] = 0;
}

static int spawn(pid_t *child, const char *const *words, int out)
{
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0) {
        return ENOMEM;
    }
    int error = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!error) {
        error = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    }
    if (!error) {
        error = posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
    }
    if (!error) {
        error = posix_spawnp(child, words[0], &actions, NULL, (char *const *)words, environ);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

int molt_command_run(const char *const *words, char *output, size_t capacity,
                     struct molt_message *message)
{
    int ends[2], status = 0;
    pid_t child;
    output[0] = 0;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return molt_fail(message, MOLT_E_IO, "%s: pipe: %s", words[0], strerror(errno));
    }
    int error = spawn(&child, words, ends[1]);
    close(ends[1]);
    if (error) {
        close(ends[0]);
        return molt_fail(message, error == ENOENT ? MOLT_E_NOT_FOUND : MOLT_E_IO,
                         "%s: cannot be started: %s", words[0], strerror(error));
    }
    collect(ends[0], output, capacity);
    close(ends[0]);
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            return molt_fail(message, MOLT_E_IO, "%s: %s", words[0], strerror(errno));
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
