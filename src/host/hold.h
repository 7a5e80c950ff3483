/* Ctrl-C and its like wait while a step runs that must not stay half done. */
#ifndef MOLT_HOST_HOLD_H
#define MOLT_HOST_HOLD_H

#include <sys/select.h> /* sigset_t, also in strict C11 */

/* SIGINT, SIGTERM, SIGHUP and SIGQUIT wait until hold_end. May be nested; keep *before. */
void hold_begin(sigset_t *before);
void hold_end(const sigset_t *before);

#endif
