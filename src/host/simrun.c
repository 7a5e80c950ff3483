#define _POSIX_C_SOURCE 200809L /* clock_gettime, sigaction */
#include "molt/host/simrun.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "host/simrun_internal.h"

#define DEFAULT_BOOTS 8
/* A longer watchdog than this is one that a program has put out of the way; nobody waits for it at
 * the prompt. */
#define PROMPT_LIMIT_MS (10u * 60u * 1000u)

uint64_t simrun_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int64_t simrun_clock(const struct simrun_session *session)
{
    return session->clock_s + (int64_t)((simrun_now_ms() - session->clock_at_ms) / 1000);
}

void simrun_clock_set(struct simrun_session *session, int64_t seconds)
{
    session->clock_s = seconds;
    session->clock_at_ms = simrun_now_ms();
}

void simrun_event(const struct simrun_session *session, const char *format, ...)
{
    char text[600];
    va_list list;
    if (!session->options->event) {
        return;
    }
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    session->options->event(session->options->context, text);
}

/* Waits for a request until the watchdog bites: 1 a request (or the end of the pipe), 0 the
 * watchdog. */
static int wait_for_request(const struct simrun_session *session)
{
    for (;;) {
        int timeout = -1;
        if (session->watchdog_ms) {
            uint64_t now = simrun_now_ms();
            if (now >= session->watchdog_at_ms) {
                return 0;
            }
            uint64_t left = session->watchdog_at_ms - now;
            timeout = left > 1000000 ? 1000000 : (int)left;
        }
        struct pollfd wanted = {.fd = session->child.requests, .events = POLLIN};
        int ready = poll(&wanted, 1, timeout);
        if (ready > 0 || (ready < 0 && errno != EINTR)) {
            return 1;
        }
    }
}

/* Serves one boot's child until something ends it. */
static int serve_until(struct simrun_session *session, enum simrun_next *next,
                       struct molt_message *message)
{
    do {
        if (!wait_for_request(session)) {
            simrun_event(session, "watchdog: not fed for %u ms", session->watchdog_ms);
            session->cause = "watchdog";
            *next = SIMRUN_RESET;
            return MOLT_OK;
        }
        int result = simrun_serve(session, next, message);
        if (result != MOLT_OK) {
            return result;
        }
    } while (*next == SIMRUN_GO_ON);
    return MOLT_OK;
}

static int died(int status, const struct molt_simrun_options *options, struct molt_message *message)
{
    if (WIFSIGNALED(status)) {
        return molt_fail(message, MOLT_E_IO, "%s was killed by signal %d", options->micropython,
                         WTERMSIG(status));
    }
    if (WEXITSTATUS(status) == 127) {
        return molt_fail(message, MOLT_E_NOT_FOUND,
                         "%s: no MicroPython there: scripts/micropython.sh fetches one, or name "
                         "another with --micropython",
                         options->micropython);
    }
    return molt_fail(message, MOLT_E_IO, "%s ended with code %d before its program did",
                     options->micropython, WEXITSTATUS(status));
}

/* The program has ended: at the prompt nobody feeds an armed watchdog. True when the board resets
 * for it. */
static bool bitten_at_prompt(struct simrun_session *session)
{
    if (session->watchdog_ms == 0 || session->watchdog_ms > PROMPT_LIMIT_MS) {
        return false;
    }
    simrun_event(session, "at the prompt; the watchdog bites after %u ms", session->watchdog_ms);
    session->cause = "watchdog";
    return true;
}

/* Starts the interpreter for one boot and sees it to its end. */
static int run_once(struct simrun_session *session, const char *script, enum simrun_next *next,
                    struct molt_message *message)
{
    struct molt_message local = {0};
    session->watchdog_ms = 0;
    int result = simrun_spawn(&session->child, session->options, script, message);
    if (result != MOLT_OK) {
        return result;
    }
    result = serve_until(session, next, &local);
    if (result == MOLT_OK && *next == SIMRUN_POWER_OFF) {
        simrun_witness(&session->child, session->result);
    }
    bool gone = result == MOLT_E_TRUNCATED;
    int status = simrun_reap(&session->child, !gone && *next != SIMRUN_ENDED);
    if (gone) {
        return died(status, session->options, message);
    }
    if (result != MOLT_OK) {
        return molt_fail(message, local.error, "%s", local.text);
    }
    if (*next == SIMRUN_ENDED && bitten_at_prompt(session)) {
        *next = SIMRUN_RESET;
    }
    return MOLT_OK;
}

static int boot(struct simrun_session *session, struct molt_message *message)
{
    struct molt_simrun_result *result = session->result;
    bool power_on = result->boots == 0;
    if (power_on) {
        uint64_t at = session->options->cut_at;
        session->first_operation = session->board->nor.operations;
        session->board->nor.cut_at = at ? session->first_operation + at : 0;
        session->board->nor.cut = at ? session->options->cut : MOLT_CUT_NONE;
    }
    result->boots++;
    /* A wake from deep sleep starts what ran before and does not look at otadata (ESP-IDF's
     * CONFIG_BOOTLOADER_SKIP_VALIDATE_IN_DEEP_SLEEP). */
    if (strcmp(session->cause, SIMRUN_DEEP_SLEEP) != 0) {
        int status = molt_board_boot(session->board, power_on, &result->boot, message);
        if (status != MOLT_OK) {
            return status;
        }
    }
    snprintf(session->board->facts.reset_cause, sizeof session->board->facts.reset_cause, "%s",
             session->cause);
    if (result->boot.result == MOLT_BOOT_RUNS) {
        simrun_event(session, "boot %u (%s): %s runs: %s", result->boots, session->cause,
                     result->boot.label, result->boot.why);
    } else {
        simrun_event(session, "boot %u (%s): nothing runs: %s", result->boots, session->cause,
                     result->boot.why);
    }
    return MOLT_OK;
}

static int run_boots(struct simrun_session *session, struct molt_message *message)
{
    struct molt_simrun_result *result = session->result;
    uint32_t limit = session->options->boots ? session->options->boots : DEFAULT_BOOTS;
    for (;;) {
        enum simrun_next next = SIMRUN_POWER_OFF;
        int status = boot(session, message);
        if (status == MOLT_OK && result->boot.result != MOLT_BOOT_RUNS) {
            result->end = MOLT_SIMRUN_NO_BOOT;
            return MOLT_OK;
        }
        if (status == MOLT_OK) {
            const char *script = result->boots == 1 ? session->options->script : NULL;
            status = run_once(session, script, &next, message);
        }
        if (status != MOLT_OK && status != MOLT_E_POWER) {
            return status;
        }
        if (next == SIMRUN_POWER_OFF) {
            result->end = MOLT_SIMRUN_CUT;
            return MOLT_OK;
        }
        if (next == SIMRUN_ENDED) {
            result->end = MOLT_SIMRUN_EXIT;
            return MOLT_OK;
        }
        if (result->boots == limit) {
            result->end = MOLT_SIMRUN_BOOTS;
            return MOLT_OK;
        }
    }
}

int molt_simrun(struct molt_board *board, const struct molt_simrun_options *options,
                struct molt_simrun_result *result, struct molt_message *message)
{
    struct simrun_session *session = calloc(1, sizeof *session);
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    memset(result, 0, sizeof *result);
    if (!session) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    session->board = board;
    session->result = result;
    session->options = options;
    session->cause = "power-on";
    simrun_clock_set(session, options->clock ? options->clock : (int64_t)time(NULL));
    board->nor.random ^= options->seed;
    /* A child that dies while we answer it is an error here, not the end of this process. */
    sigaction(SIGPIPE, &ignore, &before);
    int status = run_boots(session, message);
    sigaction(SIGPIPE, &before, NULL);
    result->operations = board->nor.operations - session->first_operation;
    board->nor.cut_at = 0;
    board->nor.cut = MOLT_CUT_NONE;
    free(session);
    return status;
}
