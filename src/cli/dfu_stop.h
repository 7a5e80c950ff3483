/* Ctrl-C while a device is written: the work ends at its next safe point, and says where. */
#ifndef CLI_DFU_STOP_H
#define CLI_DFU_STOP_H

#include "molt/progress.h"

struct dfu_stop;

/* Holds the signals back that end a process, and puts itself in front of the call-back: one that
 * waits is a cancel. To be called before a device is opened: libusb's thread would take them. NULL:
 * no memory; then they end the process at once, as ever. */
struct dfu_stop *dfu_stop_begin(struct molt_progress *progress);

/* Lets them through again: one that came ends the process here. NULL is fine. */
void dfu_stop_end(struct dfu_stop *stop);

#endif
