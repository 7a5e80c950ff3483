/*
 * Makes a device one that Molt updates: file system, device package, boot hook, native engine,
 * trusted key, name and id. Planned and checked first; run twice it changes nothing the second
 * time. Nothing of the user's files is lost.
 */
#ifndef MOLT_OPS_PROVISION_H
#define MOLT_OPS_PROVISION_H

#include "molt/crypto.h"
#include "molt/host/target.h"
#include "molt/ops/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

struct molt_provision_request {
    const char *port;    /* folder with boot.py and ota/ (ports/micropython) */
    const char *native;  /* folder with molt_ARCH.mpy */
    const char *key;     /* public key file (PEM); needed */
    uint8_t uses;        /* enum molt_key_use that the key gets; 0 = both */
    const char *url;     /* of the published tree; NULL leaves what is there */
    const char *channel; /* NULL = "stable" */
    const char *id;      /* device id; NULL = the one that is there, else the chip's */
};

struct molt_provision;

/*
 * Reads everything, fills the plan; writes nothing. MOLT_E_NOT_FOUND (no vfs partition, a source
 * file is missing), MOLT_E_EXISTS (a boot.py of the user's where boot_user.py is taken),
 * MOLT_E_FORMAT (vfs holds something that is no littlefs), MOLT_E_NO_SPACE (four keys already),
 * errors of key files. *job is freed by molt_provision_free.
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
