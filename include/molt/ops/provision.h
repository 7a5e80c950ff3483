/*
 * Makes a device one that Molt updates: file system, device package, boot hook, native engine,
 * trusted keys, name and id. Planned and checked first; run twice it changes nothing the second
 * time. Nothing of the user's files is lost.
 */
#ifndef MOLT_OPS_PROVISION_H
#define MOLT_OPS_PROVISION_H

#include "molt/crypto.h"
#include "molt/engine.h"
#include "molt/host/target.h"
#include "molt/ops/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

struct molt_provision_key {
    char path[4096]; /* public key file (PEM) */
    uint8_t uses;    /* enum molt_key_use; 0 = both */
};

struct molt_provision_request {
    const char *port;   /* folder with boot.py and ota/ (ports/micropython) */
    const char *native; /* folder with molt_ARCH.mpy, and perhaps ota/ as bytecode */
    struct molt_provision_key key[MOLT_KEYS_MAX];
    uint32_t key_count;  /* 1 at least */
    const char *folder;  /* the root of a device's file system; NULL: the target's */
    const char *output;  /* of an image: file to write; NULL = the image itself */
    const char *arch;    /* of the engine; "all"; NULL = found from the target */
    const char *board;   /* name that bundles must carry; NULL = what is there, or the board's */
    const char *url;     /* of the published tree; NULL leaves what is there */
    const char *channel; /* NULL = what is there, else "stable" */
    const char *id;      /* device id; NULL = the one that is there, else the chip's */
    bool allow_unsigned; /* images that nobody signed may be installed */
    bool source;         /* the package as .py, also where there is bytecode */
};

struct molt_provision;

/*
 * Reads everything, fills the plan; writes nothing. target: a board, a firmware file or a flash
 * dump; NULL with request->folder. MOLT_E_NOT_FOUND (no vfs partition, a source file is missing),
 * MOLT_E_EXISTS (a boot.py of the user's where boot_user.py is taken), MOLT_E_FORMAT (vfs holds
 * something that is no littlefs, ota.json is no JSON object), MOLT_E_NO_SPACE (four keys already),
 * MOLT_E_UNSUPPORTED (another kind of target), MOLT_E_ARGUMENT, errors of key files. *job is freed
 * by molt_provision_free, also after a failure.
 */
int molt_provision_prepare(struct molt_provision **job,
                           const struct molt_provision_request *request, struct molt_target *target,
                           struct molt_message *message);
const struct molt_plan *molt_provision_plan(const struct molt_provision *job);
int molt_provision_run(struct molt_provision *job, struct molt_message *message);
void molt_provision_free(struct molt_provision *job);

#ifdef __cplusplus
}
#endif
#endif
