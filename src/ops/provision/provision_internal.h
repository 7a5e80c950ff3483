/* Shared by provision.c, provision_files.c and provision_records.c. */
#ifndef MOLT_OPS_PROVISION_INTERNAL_H
#define MOLT_OPS_PROVISION_INTERNAL_H

#include "molt/engine.h"
#include "molt/host/fs.h"
#include "molt/ops/provision.h"

#define PROVISION_FILES 96
#define PROVISION_BOOT  "/boot.py"
#define PROVISION_SITE  "/ota.json"

struct wanted {
    char path[MOLT_PATH_MAX]; /* on the device */
    uint8_t *bytes;           /* NULL: is to go */
    size_t n;
    bool write; /* it is not there, or differs; of one to go: it is there */
};

struct molt_provision {
    const struct molt_provision_request *request;
    const char *name;           /* of the target, for people */
    struct molt_target *target; /* NULL: a folder */
    const struct molt_partition *vfs;
    struct molt_plan plan;
    struct wanted file[PROVISION_FILES];
    uint32_t count;
    bool format, keep_boot; /* keep_boot: the user's boot.py becomes boot_user.py */
    struct molt_trusted_key keys[MOLT_KEYS_MAX];
    uint32_t key_count;
    bool write_keys, write_device;
    uint8_t device[MOLT_RECORD_MAX];
    uint32_t device_size;
    struct molt_fs *fs;
    struct molt_files files;
    bool has_files; /* files is usable: not a file system yet to be made */
};

/* What is wanted: package, engine, boot hook. Takes the bytes, also after a failure. */
int provision_want(struct molt_provision *job, const char *path, uint8_t *bytes, size_t n,
                   struct molt_message *message);
int provision_want_package(struct molt_provision *job, struct molt_message *message);
int provision_want_boot(struct molt_provision *job, struct molt_message *message);

/* Reads a file of the device. *bytes is the caller's; NULL when there is none. */
int provision_read(struct molt_provision *job, const char *path, uint8_t **bytes, uint32_t *n,
                   struct molt_message *message);

/* Keys and name: into the board's store, and as /ota.json. */
int provision_look_at_store(struct molt_provision *job, struct molt_message *message);
int provision_want_site(struct molt_provision *job, struct molt_message *message);

#endif
