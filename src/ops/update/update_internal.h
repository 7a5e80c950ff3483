/* Shared by update.c, update_words.c and update_channel.c. */
#ifndef MOLT_OPS_UPDATE_INTERNAL_H
#define MOLT_OPS_UPDATE_INTERNAL_H

#include "molt/engine.h"
#include "molt/host/file_source.h"
#include "molt/host/fs.h"
#include "molt/host/target.h"
#include "molt/ops/device.h"
#include "molt/ops/update.h"

struct molt_update_session {
    struct molt_update_request request;
    struct molt_update_report report;
    struct molt_target target;
    struct molt_ops_device device;
    struct molt_curl_source *curl; /* one of the two is open */
    struct molt_file_source file;
    struct molt_source source;
    struct molt_store store; /* the board's; with dry_run one that keeps nothing */
    struct molt_fs *fs;
    struct molt_files files;
    struct molt_engine_port port;
    struct molt_engine engine;
    struct molt_progress network; /* hands on to: */
    const struct molt_progress *progress;
    uint64_t first_operation;
    uint8_t buffer[MOLT_ENGINE_BUFFER];
    uint8_t window[MOLT_INFLATE_WINDOW];
};

/* Fetches and checks the channel; report.channel, report.bundle. */
int update_read_channel(struct molt_update_session *s, struct molt_message *message);

/* Is it http:// or https://? */
bool update_is_url(const char *from);

/* What the engine's error means here, in words. Returns it. */
int update_fail(const struct molt_update_session *s, int error, struct molt_message *message);

/* Fills report and plan; the engine has verified the manifest. */
int update_make_plan(struct molt_update_session *s, struct molt_message *message);

#endif
