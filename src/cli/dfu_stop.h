/* Ctrl-C while a device is written: the work ends at its next safe point, and says where. */
#ifndef CLI_DFU_STOP_H
#define CLI_DFU_STOP_H

#include <signal.h>
#include <stdbool.h>

#include "molt/progress.h"

struct dfu_stop {
    struct molt_progress inner;
    sigset_t before;
    bool stopped; /* it was asked for */
};

/* Holds SIGINT, SIGTERM and SIGHUP back, and puts itself in front of the call-back: a signal that
 * waits is a cancel. */
void dfu_stop_begin(struct dfu_stop *stop, struct molt_progress *progress);

/* Lets them through again: one that came ends the process here, as it is used to. */
void dfu_stop_end(struct dfu_stop *stop);

#endif
