#define _POSIX_C_SOURCE 200809L /* sigprocmask, sigpending */
#include "cli/dfu_stop.h"

#include "host/hold.h"

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

void dfu_stop_begin(struct dfu_stop *stop, struct molt_progress *progress)
{
    hold_begin(&stop->before);
    stop->inner = *progress;
    stop->stopped = false;
    progress->report = report;
    progress->context = stop;
}

void dfu_stop_end(struct dfu_stop *stop)
{
    hold_end(&stop->before);
}
