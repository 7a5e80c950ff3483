/*
 * A small simulated device for tests of the engine: NOR flash with a table, otadata, app slots and
 * a file system, a store that shares the flash's power, bundles served from memory, and the boot
 * model as judge.
 */
#ifndef RIG_H
#define RIG_H

#include "fast_digest.h"
#include "molt/engine.h"
#include "molt/host/fs.h"
#include "molt/sim/bootmodel.h"
#include "molt/sim/nor.h"
#include "molt/stores.h"

#define RIG_FLASH_SIZE 0x100000u
#define RIG_OTADATA    0xD000u
#define RIG_LOG        0x9000u /* two sectors where nvs would be, for the log store */
#define RIG_SLOT_0     0x10000u

enum rig_store_kind {
    RIG_STORE_ATOMIC, /* as the board folder's: a record is replaced at once */
    RIG_STORE_LOG,    /* engine/logstore in flash */
    RIG_STORE_FILES   /* engine/filestore on the file system */
};

/* What a rig is made of; zero = default. */
struct rig_options {
    uint32_t slot_size;  /* 0x20000 */
    uint32_t slot_count; /* 2 */
    uint32_t vfs_size;   /* 0x30000; what is left of the flash at the most */
    bool factory;        /* a factory slot before the ota slots */
    bool no_rollback;    /* bootloader without rollback */
    enum rig_store_kind store;
    bool no_files;
    uint64_t seed;
};

struct rig_record {
    uint32_t n; /* 0 = absent */
    uint8_t bytes[MOLT_RECORD_MAX];
};

struct rig {
    struct rig_options options;
    uint8_t *bytes;
    struct molt_nor nor;
    struct molt_flash flash;
    struct rig_record record[MOLT_RECORD_LAST + 1];
    struct molt_store atomic, store;
    struct molt_filestore filestore;
    struct molt_logstore logstore;
    struct molt_fs *fs; /* NULL = not mounted */
    struct molt_files files;
    uint32_t vfs_offset, vfs_size;

    /* The bundle that the source serves. */
    const uint8_t *bundle;
    uint32_t bundle_size;
    uint64_t bytes_served;
    uint32_t again_every; /* every n-th read gives MOLT_AGAIN; 0 = never */
    uint32_t reads;
    uint32_t piece_max; /* bytes a read gives at the most; 0 = all */

    struct molt_source source;
    struct molt_verifier verifier;
    uint8_t buffer[MOLT_ENGINE_BUFFER], window[MOLT_INFLATE_WINDOW];
    struct molt_app_slot slots[8];
    uint32_t slot_count;
    struct molt_engine_port port;
    struct molt_bootmodel_facts facts;
    struct molt_boot_outcome boot; /* of the last boot */
};

/* An image that boots: valid for the ESP32, of exactly `length` bytes (a multiple of 16), its
   content from seed; `changed` 64 KB blocks (bit n) come from another seed. The caller frees it. */
uint8_t *rig_image(uint32_t length, uint32_t seed, uint32_t changed);

/* Makes the device with `image` in slot 0 (and factory), everything else erased; not booted yet. */
void rig_init(struct rig *rig, const struct rig_options *options, const uint8_t *image,
              uint32_t length);
void rig_free(struct rig *rig);

/* Copies of the whole device state, to start many runs from one point. to was made by rig_init with
   the same options. */
void rig_copy(struct rig *to, const struct rig *from);

/* The application goes on without a boot, as it was when suspended: for states copied in the middle
 * of a boot. */
int rig_resume(struct rig *rig);
void rig_suspend(struct rig *rig);

/* Power comes back (or a reset), the bootloader runs; then the application side: mount, store.
   MOLT_OK; MOLT_E_POWER when power was cut in it. rig->boot tells what runs; port.device.running is
   set. */
int rig_boot(struct rig *rig);

/* Serves this bundle from now on. */
void rig_serve(struct rig *rig, const uint8_t *bundle, uint32_t size);

/* Runs the engine to its end: MOLT_DONE or the error. engine may be NULL. */
int rig_install(struct rig *rig, struct molt_engine *engine);

/* Boot, then molt_trial_boot, again while it asks for a restart (at most 8 times). */
int rig_start(struct rig *rig);

/* The release bound to the running slot: 1 and its directory, 0 when there is none, or an error. */
int rig_release(struct rig *rig, char directory[MOLT_RELEASE_DIR_SIZE]);

/* A signer whose signatures the rig's verifier takes: fast, and nothing that a product links. */
extern const struct molt_signer rig_signer;
/* A second one that the rig does not trust. */
extern const struct molt_signer rig_foreign_signer;

#endif
