#define _GNU_SOURCE /* pipe2 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/simrun_internal.h"

/* In the child: never returns. Only what is safe after fork. */
static void become(const struct molt_simrun_options *options, const char *script, const char *run,
                   int replies, int requests)
{
    char in[16], out[16];
    snprintf(in, sizeof in, "%d", replies);
    snprintf(out, sizeof out, "%d", requests);
    fcntl(replies, F_SETFD, 0);
    fcntl(requests, F_SETFD, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* the board dies with its owner */
    execlp(options->micropython, options->micropython, run, in, out, script, (char *)NULL);
    fprintf(stderr, "%s: %s\n", options->micropython, strerror(errno));
    _exit(127);
}

int simrun_spawn(struct simrun_child *child, const struct molt_simrun_options *options,
                 const char *script, struct molt_message *message)
{
    int replies[2], requests[2];
    char run[4096];
    if ((size_t)snprintf(run, sizeof run, "%s/run.py", options->modules) >= sizeof run ||
        access(run, R_OK) != 0) {
        return molt_fail(message, MOLT_E_NOT_FOUND,
                         "%s: the simulator's Python modules are missing", run);
    }
    if (pipe2(replies, O_CLOEXEC) != 0) {
        return molt_fail(message, MOLT_E_IO, "pipe: %s", strerror(errno));
    }
    if (pipe2(requests, O_CLOEXEC) != 0) {
        close(replies[0]);
        close(replies[1]);
        return molt_fail(message, MOLT_E_IO, "pipe: %s", strerror(errno));
    }
    fflush(NULL);
    child->pid = fork();
    if (child->pid == 0) {
        become(options, script, run, replies[0], requests[1]);
    }
    close(replies[0]);
    close(requests[1]);
    child->replies = replies[1];
    child->requests = requests[0];
    if (child->pid < 0) {
        close(child->replies);
        close(child->requests);
        return molt_fail(message, MOLT_E_IO, "fork: %s", strerror(errno));
    }
    return MOLT_OK;
}

int simrun_reap(struct simrun_child *child, bool kill_it)
{
    int status = 0;
    if (kill_it) {
        kill(child->pid, SIGKILL);
    }
    close(child->replies);
    close(child->requests);
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR) {
    }
    child->pid = 0;
    return status;
}

/*
 * A line of /proc/PID/maps: address perms offset device inode path. The interpreter may have been
 * started through a loader, so /proc/PID/exe tells less than what is mapped.
 */
static void judge_mapping(const char *line, struct molt_simrun_result *result)
{
    char permissions[8], path[512] = "";
    unsigned long inode;
    if (sscanf(line, "%*s %7s %*s %*s %lu %511[^\n]", permissions, &inode, path) < 2 ||
        permissions[2] != 'x') {
        return;
    }
    const char *name = strrchr(path, '/');
    if (name && strcmp(name, "/micropython") == 0) {
        result->genuine = true;
        snprintf(result->executable, sizeof result->executable, "%s", path);
    }
    if (inode == 0 && path[0] == 0) {
        result->native_code = true;
    }
}

void simrun_witness(const struct simrun_child *child, struct molt_simrun_result *result)
{
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%ld/maps", (long)child->pid);
    FILE *maps = fopen(path, "r");
    result->killed_pid = (long)child->pid;
    while (maps && fgets(line, sizeof line, maps)) {
        judge_mapping(line, result);
    }
    if (maps) {
        fclose(maps);
    }
}
