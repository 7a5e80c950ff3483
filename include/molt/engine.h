/*
 * The engine: installs a bundle on a device, and carries it through its trial. A bundle brings an
 * app, an app with a release of files, or a release alone (files only: it runs on the firmware that
 * runs now, and no slot is touched). Freestanding:
 * everything that the platform gives comes through the port's interfaces; no heap, no globals, no
 * clock.
 *
 * Promise: at every instant power may fail; the device still boots a whole, verified image with the
 * files that belong to it, and a rerun goes on at the first chunk that differs.
 *
 * Life of an update (docs/spec/store.md has the phases as stored):
 *   molt_engine_start, molt_engine_step until MOLT_DONE, restart,
 *   molt_trial_boot at every start of the application, then molt_trial_confirm or
 * molt_trial_rollback.
 */
#ifndef MOLT_ENGINE_H
#define MOLT_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/crypto.h"
#include "molt/error.h"
#include "molt/files.h"
#include "molt/flash.h"
#include "molt/inflate.h"
#include "molt/manifest.h"
#include "molt/otadata.h"
#include "molt/source.h"
#include "molt/store.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- What a port supplies ---- */

#define MOLT_ENGINE_BUFFER 4096
#define MOLT_SLOT_MAX      17 /* factory and ota_0..ota_15 */

struct molt_app_slot {
    uint32_t offset, size; /* bytes in flash, whole sectors */
    int number;            /* as the bootloader counts ota rows: 0.. ; MOLT_OTADATA_FACTORY */
};

struct molt_device {
    uint16_t chip_id;
    const char *board; /* name that bundles must carry; "" = unknown: only bundles for any board */
    uint16_t
        mpy_abi; /* .mpy version << 8 | sub-version that the running firmware loads; 0 = unknown */
    uint32_t bootloader;               /* ESP-IDF version, as in the manifest; 0 = unknown */
    const struct molt_app_slot *slots; /* the caller's, all app partitions that can be booted */
    uint32_t slot_count;
    int running;                             /* number of the slot that runs */
    uint32_t otadata_offset;                 /* in flash; 0 = the table has none */
    bool rollback;                           /* bootloader built with rollback; true when unknown */
    uint8_t running_image[MOLT_SHA256_SIZE]; /* last 32 bytes of the image that runs, its appended
                                                SHA-256; zeros = unknown */
};

/*
 * A platform without slots gives one in their place: number MOLT_OTADATA_FACTORY, offset and size
 * 0, running; otadata_offset 0. Only bundles with files alone can be installed there.
 */

struct molt_engine_port {
    const struct molt_flash *flash;
    const struct molt_store *store;
    const struct molt_source *source;     /* not needed by molt_trial_* */
    const struct molt_files *files;       /* NULL: bundles with a release are refused */
    const struct molt_verifier *verifier; /* not needed by molt_trial_* */
    const struct molt_digest *digest;
    uint8_t *buffer; /* MOLT_ENGINE_BUFFER bytes */
    uint8_t *window; /* MOLT_INFLATE_WINDOW bytes; not needed by molt_trial_* */
    struct molt_device device;
    uint64_t now;          /* seconds since 1970 UTC; 0 = unknown */
    const uint8_t *expect; /* digest that the bundle must have (from the channel), or NULL */
    bool retry_failed;     /* install also what failed its trial before */
    bool by_sector;        /* the flash erases a sector at a time, however many are asked for: each
                              goes just before it is written, and the network works meanwhile */
    uint32_t image;  /* not 0: the source is no bundle, but an app image of so many bytes, that
                        nobody signed. Only where the operator allowed that. */
    bool has_target; /* install into slot `target`, else the engine chooses */
    int target;      /* a number; MOLT_OTADATA_FACTORY too */
};

/* ---- Installing ---- */

/* In this order; a reboot in any of them starts again at the first, and hashing finds what is done
 * already. */
enum molt_engine_state {
    MOLT_STATE_HEAD,   /* read head and envelope */
    MOLT_STATE_VERIFY, /* signature, manifest, every refusal that needs no payload */
    MOLT_STATE_PROBE, /* first bytes of the image: right kind, right chip, before anything is erased
                       */
    MOLT_STATE_PREVIEW, /* the release's list: paths, and room for the files */
    MOLT_STATE_HEAL,    /* otadata keeps a way back to what runs */
    MOLT_STATE_PRUNE,   /* the release that belonged to the target slot goes, just before its first
                           erase */
    MOLT_STATE_SCAN,    /* is this chunk there already? */
    MOLT_STATE_ERASE,
    MOLT_STATE_WRITE,  /* fetch, decode, program */
    MOLT_STATE_CHECK,  /* read the chunk back and hash it */
    MOLT_STATE_IMAGE,  /* the whole slot: hash, bootable image for this chip */
    MOLT_STATE_LIST,   /* the release's list */
    MOLT_STATE_FILES,  /* the release's files */
    MOLT_STATE_BIND,   /* release belongs to slot */
    MOLT_STATE_SWITCH, /* otadata: the target boots next, as a trial */
    MOLT_STATE_DONE,
    MOLT_STATE_FAILED,
    MOLT_STATE_COUNT
};

/* The update record of the store, parsed. Byte layout: docs/spec/store.md. */
enum molt_phase {
    MOLT_PHASE_NONE = 0,
    MOLT_PHASE_INSTALLING = 1,
    MOLT_PHASE_SWITCHING =
        2,                /* installed; the switch is being written, or nobody saw it boot yet */
    MOLT_PHASE_TRIAL = 3, /* the target started at least once */
    MOLT_PHASE_CONFIRMING = 4,
    MOLT_PHASE_ROLLING_BACK = 5,
    MOLT_PHASE_CONFIRMED = 6,
    MOLT_PHASE_FAILED = 7 /* outcome says why; the digest is among the failed ones */
};

#define MOLT_NO_CHUNK     0xFF
#define MOLT_SWITCHES_MAX 3 /* switches without the target ever being seen to start */

struct molt_update {
    uint8_t phase; /* enum molt_phase */
    uint8_t chunk; /* being rewritten, index into the manifest; MOLT_NO_CHUNK */
    uint8_t switches;
    uint8_t boots; /* entries of the boot hook in the target */
    int32_t outcome;
    uint32_t from_offset, target_offset; /* slots, by flash offset; equal: files only */
    uint32_t sequence;                   /* 0: unsigned */
    uint8_t digest[MOLT_SHA256_SIZE];    /* of the bundle; unsigned: SHA-256 of the image */
};

/* Caller-owned; zero-initialised is fine before start. Fields are the engine's own, to be read at
 * will. */
struct molt_engine {
    const struct molt_engine_port *port;
    uint8_t state;     /* enum molt_engine_state */
    uint8_t failed_in; /* the state that failed, once state is MOLT_STATE_FAILED */
    int error;
    const struct molt_app_slot *target;
    const struct molt_payload *app, *release;

    uint32_t chunk;   /* under work, index into the manifest */
    uint32_t at;      /* bytes done inside the state's work */
    uint32_t erased;  /* by sector: bytes of the chunk, a sector ahead of `at` at the most */
    uint32_t filled;  /* bytes in the port's buffer */
    uint32_t fetched; /* encoded bytes of the chunk that came from the source */
    uint32_t input_at, input_size;
    bool stream_end, stream_raw;
    uint8_t sum, sum_before; /* XOR of the image's bytes without the appended hash, likewise */

    bool healing, writing; /* the update is stored; the otadata writer is at work */
    bool pruned, file_open;
    bool shared;      /* the release's directory belongs to another binding too */
    uint8_t torn;     /* unsigned: chunk that a cut may have left half written; MOLT_NO_CHUNK */
    uint32_t pack_at; /* offset in the release's pack, or in the unsigned image, that the stream
                         stands at */
    uint32_t file;    /* release: file under work */
    uint32_t room_needed, room_free; /* bytes for the release's files, known behind PREVIEW */
    char path[MOLT_PATH_MAX];

    /* For progress and reports. */
    uint64_t bytes_fetched, bytes_written;
    uint32_t chunks_kept, chunks_written;

    /* Behind the small ones, which a short offset reaches; the longest last. */
    struct molt_update update;
    struct molt_otadata_writer writer;
    uint8_t image_sha256[MOLT_SHA256_SIZE]; /* of the image without the appended hash */
    struct molt_digest_state decoded;       /* of the chunk as decoded */
    struct molt_digest_state read;          /* of the chunk as read back */
    struct molt_digest_state whole;         /* of the image as read back, chunks so far */
    struct molt_digest_state before;        /* whole, before the chunk under work */
    struct molt_manifest manifest;
    struct molt_inflate inflate;
    uint8_t input[512]; /* encoded bytes */
};

/* Begins or resumes; nothing is read or written yet. MOLT_E_ARGUMENT when the port lacks something.
 */
int molt_engine_start(struct molt_engine *engine, const struct molt_engine_port *port);

/*
 * One step: at most one erase call, one program of 4 KB, one file written, or one store record.
 * MOLT_OK: go on; MOLT_AGAIN: the source has nothing now; MOLT_DONE: installed, restart the device;
 * or an error, after which only start may follow. Every refusal comes before the first erase.
 */
int molt_engine_step(struct molt_engine *engine);

const char *molt_engine_state_name(enum molt_engine_state state);

/* Bytes of result done and in all, over every payload. */
void molt_engine_progress(const struct molt_engine *engine, uint32_t *done, uint32_t *total);

/* ---- The trial ---- */

enum molt_trial_action {
    MOLT_TRIAL_RUN = 0,     /* start the application of the running slot */
    MOLT_TRIAL_RESTART = 1, /* otadata was changed: restart now */
};

/*
 * At every start of the application, before its own code. Counts the entry, finishes what a power
 * cut interrupted (switch, confirm, rollback), notices a failed trial, heals otadata after a
 * fallback of the bootloader. After an error the action is MOLT_TRIAL_RUN.
 */
int molt_trial_boot(const struct molt_engine_port *port, enum molt_trial_action *action);

/*
 * The running image works. MOLT_E_NO_TRIAL when it is confirmed already, MOLT_E_BOOT_DISAGREES when
 * otadata names another slot (molt_trial_boot heals that).
 */
int molt_trial_confirm(const struct molt_engine_port *port);

/* Give the running image, or the files on trial, up: MOLT_OK = restart now. MOLT_E_NO_WAY_BACK,
 * also while an update is being installed into the other slot. The bundle counts as failed. */
int molt_trial_rollback(const struct molt_engine_port *port);

/* ---- Switching by hand ---- */

/*
 * Length of the image in a slot, which is read once: whole, and bootable on this chip. An error of
 * molt_image_check, of the flash, or MOLT_E_NOT_A_SLOT.
 */
int molt_slot_image(const struct molt_engine_port *port, int number);

/*
 * The slot boots next, as a trial, under the SHA-256 of its image as digest: MOLT_OK = restart now.
 * Refused as by molt_slot_image; MOLT_E_ARGUMENT for the slot that runs; MOLT_E_UNCONFIRMED;
 * MOLT_E_OTADATA_NONE; MOLT_E_NO_WAY_BACK when an install was cut that may have torn that slot.
 */
int molt_slot_switch(const struct molt_engine_port *port, int number);

/* ---- Records of the store (docs/spec/store.md) ---- */

/* load: zeros when there is none; MOLT_E_STORE when it is not of this version. */
int molt_update_load(const struct molt_store *store, struct molt_update *update);
int molt_update_save(const struct molt_store *store, const struct molt_update *update);

struct molt_floor {
    uint32_t sequence;    /* highest that was confirmed */
    uint64_t newest_time; /* newest signed time accepted, seconds since 1970 */
};
int molt_floor_load(const struct molt_store *store, struct molt_floor *floor);
int molt_floor_save(const struct molt_store *store, const struct molt_floor *floor);

#define MOLT_KEYS_MAX 4
/* The number of keys. */
int molt_keys_load(const struct molt_store *store, struct molt_trusted_key keys[MOLT_KEYS_MAX]);
int molt_keys_save(const struct molt_store *store, const struct molt_trusted_key *keys,
                   uint32_t count);

#define MOLT_FAILED_MAX 8
/* 1 = it failed before, 0 = not. */
int molt_failed_has(const struct molt_store *store, const uint8_t digest[MOLT_SHA256_SIZE]);
int molt_failed_add(const struct molt_store *store, const uint8_t digest[MOLT_SHA256_SIZE]);

#define MOLT_RELEASES_MAX 6
/* In place of a slot's offset: the release of a files-only update until it is confirmed. It runs
 * while that update (from_offset == target_offset == the running slot's) is in phase SWITCHING,
 * TRIAL or CONFIRMING and its image is the one that runs; else the binding of the running slot and
 * image. */
#define MOLT_CANDIDATE 0xFFFFFFFFu
struct molt_release_binding {
    uint32_t slot_offset;                   /* or MOLT_CANDIDATE */
    uint8_t image_sha256[MOLT_SHA256_SIZE]; /* the image's last 32 bytes: its appended SHA-256 */
    uint8_t release[MOLT_SHA256_SIZE];      /* SHA-256 of the release's pack */
};
/* The number of bindings. */
int molt_releases_load(const struct molt_store *store,
                       struct molt_release_binding bindings[MOLT_RELEASES_MAX]);
int molt_releases_save(const struct molt_store *store, const struct molt_release_binding *bindings,
                       uint32_t count);

#define MOLT_RELEASE_LIST     ".list" /* in a release's directory: its list, as in the pack */
#define MOLT_RELEASE_ROOT     "/rel"
#define MOLT_RELEASE_DIR_SIZE 22 /* "/rel/" and 16 hex digits and NUL */
void molt_release_directory(const uint8_t release[MOLT_SHA256_SIZE],
                            char directory[MOLT_RELEASE_DIR_SIZE]);

#ifdef __cplusplus
}
#endif
#endif
