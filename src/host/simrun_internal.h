/* Parts of molt_simrun: the child process, and the requests that it sends. */
#ifndef MOLT_HOST_SIMRUN_INTERNAL_H
#define MOLT_HOST_SIMRUN_INTERNAL_H

#include <sys/types.h>

#include "molt/host/simrun.h"

#define SIMRUN_SCRATCH 4096u         /* bytes that a program keeps in the board's scratch.bin */
#define SIMRUN_PIECE   (64u * 1024u) /* bytes that one request carries or asks for, at most */

#define SIMRUN_DEEP_SLEEP "deep-sleep" /* reset cause */

struct simrun_child {
    pid_t pid;
    int requests, replies; /* our ends of the pipes */
};

int simrun_spawn(struct simrun_child *child, const struct molt_simrun_options *options,
                 const char *script, struct molt_message *message);
/* Looks at /proc of the living child and fills the evidence in. */
void simrun_witness(const struct simrun_child *child, struct molt_simrun_result *result);
/* SIGKILL when it still lives, and waits. Its wait status. */
int simrun_reap(struct simrun_child *child, bool kill_it);

/* What a served request led to. */
enum simrun_next {
    SIMRUN_GO_ON,
    SIMRUN_RESET,    /* the child asked for it, or wrote where the chip forbids it */
    SIMRUN_ENDED,    /* the program ended, code in exit_code */
    SIMRUN_POWER_OFF /* the cut happened: no reply was sent */
};

struct simrun_session {
    struct molt_board *board;
    struct molt_simrun_result *result;
    const struct molt_simrun_options *options;
    struct simrun_child child;
    const char *cause;        /* of the last reset */
    uint64_t first_operation; /* counter at the start of the run */
    uint32_t watchdog_ms;     /* as armed by the program; 0 = not armed */
    uint64_t watchdog_at_ms;  /* deadline on the host's monotonic clock */
    uint8_t buffer[SIMRUN_PIECE];
    int64_t clock_s;      /* the device's clock, seconds since 1970, at clock_at_ms */
    uint64_t clock_at_ms; /* on the host's monotonic clock */
};

uint64_t simrun_now_ms(void);
/* The device's clock: it goes on over resets and sleeps, and starts anew at each power-on. */
int64_t simrun_clock(const struct simrun_session *session);
void simrun_clock_set(struct simrun_session *session, int64_t seconds);
void simrun_event(const struct simrun_session *session, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Reads and answers one request. MOLT_E_TRUNCATED when the child went away. */
int simrun_serve(struct simrun_session *session, enum simrun_next *next,
                 struct molt_message *message);

#endif
