/*
 * Updates a device from a published tree or a bundle: the channel and the manifest are fetched and
 * checked, a plan is made, then the engine runs over the device's own flash, store and files.
 * Nothing is printed here.
 */
#ifndef MOLT_OPS_UPDATE_H
#define MOLT_OPS_UPDATE_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/host/curl_source.h"
#include "molt/host/message.h"
#include "molt/manifest.h"
#include "molt/ops/plan.h"
#include "molt/progress.h"
#include "molt/sim/nor.h"

#ifdef __cplusplus
extern "C" {
#endif

struct molt_update_request {
    const char *target;  /* sim:FOLDER */
    const char *from;    /* URL or path: a bundle when it ends in .molt, else a published tree */
    const char *channel; /* of a tree; not looked at for a bundle */
    struct molt_http_options http; /* progress is set by molt_update_run */
    uint64_t now;                  /* seconds since 1970 UTC; 0 = unknown */
    bool retry_failed;             /* install what failed its trial here, too */
    bool dry_run;                  /* the store is not written to either; run is not allowed */
    uint64_t cut_at; /* power fails at that operation of this update, from 1; 0 = never */
    enum molt_cut cut;
};

struct molt_update_report {
    char bundle[2200]; /* URL or path */
    bool has_channel;
    struct molt_channel channel;
    uint8_t digest[MOLT_SHA256_SIZE]; /* of the bundle */
    uint32_t sequence;
    char running[17], target[17]; /* labels of slots */
    bool resumed;                 /* an interrupted run of the same bundle goes on */
    uint32_t chunks,
        chunks_there;        /* of the firmware; there: found right before anything was written */
    uint64_t bytes_to_fetch; /* of the firmware */
    uint32_t release_size;   /* bytes of the files' pack; 0 = no files */
    bool files_only;         /* no firmware: target is the slot that runs, and it stays as it is */
    struct molt_plan plan;

    /* After the run, however it ended. */
    uint32_t chunks_written, chunks_kept;
    uint64_t operations; /* of flash and store, since the update was opened */
    struct molt_http_counters http;
};

struct molt_update_session;

/*
 * Everything up to the plan; nothing but the newest signed time is written. *session is freed by
 * molt_update_close, also after a failure (then it may be NULL). Errors: those of targets, channels
 * (MOLT_E_CHANNEL_*, MOLT_E_NOT_IN_ROLLOUT), transports and of the engine's refusals.
 */
int molt_update_open(struct molt_update_session **session,
                     const struct molt_update_request *request, struct molt_message *message);
const struct molt_update_report *molt_update_report(const struct molt_update_session *session);

/* Installs. MOLT_OK: restart the device. MOLT_E_POWER: the message says at which operation. */
int molt_update_run(struct molt_update_session *session, const struct molt_progress *progress,
                    struct molt_message *message);
int molt_update_close(struct molt_update_session *session, struct molt_message *message);

#ifdef __cplusplus
}
#endif
#endif
