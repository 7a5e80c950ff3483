#define _POSIX_C_SOURCE 200809L /* sigprocmask */
#include "host/hold.h"

#include <signal.h>
#include <stddef.h>

void hold_begin(sigset_t *before)
{
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGHUP);
    sigaddset(&ending, SIGQUIT);
    sigprocmask(SIG_BLOCK, &ending, before);
}

void hold_end(const sigset_t *before)
{
    sigprocmask(SIG_SETMASK, before, NULL);
}
