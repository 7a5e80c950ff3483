#define _POSIX_C_SOURCE 200809L /* sigset_t, sigpending */
#include "cli/dfu_stop.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "host/hold.h"

struct dfu_stop {
    struct molt_progress inner;
    sigset_t before;
    bool stopped; /* it was asked for */
};

static int report(void *context, const char *what, uint64_t done, uint64_t total)
{
    struct dfu_stop *stop = context;
    sigset_t waiting;
    sigemptyset(&waiting);
    sigpending(&waiting);
    stop->stopped = stop->stopped || sigismember(&waiting, SIGINT) == 1 ||
                    sigismember(&waiting, SIGTERM) == 1 || sigismember(&waiting, SIGHUP) == 1;
    int error = stop->inner.report(stop->inner.context, what, done, total);
    return error ? error : stop->stopped;
}

struct dfu_stop *dfu_stop_begin(struct molt_progress *progress)
{
    struct dfu_stop *stop = calloc(1, sizeof *stop);
    if (stop) {
        hold_begin(&stop->before);
        stop->inner = *progress;
        progress->report = report;
        progress->context = stop;
    }
    return stop;
}

void dfu_stop_end(struct dfu_stop *stop)
{
    if (stop) {
        sigset_t before = stop->before;
        free(stop);
        hold_end(&before);
    }
}
