/* What the power cuts go through: one update's life after another. For test_power.c only. */
#ifndef SCENARIOS_H
#define SCENARIOS_H

#include "rig_bundle.h"
#include "testing.h"

static struct rig_version old_version, new_version, next_version;

/* The operator's whole wish, from whatever state the device is in: `wanted` runs, confirmed. */
static int install_and_confirm(struct rig *rig, const struct rig_version *wanted)
{
    rig_serve_version(rig, wanted);
    rig->port.retry_failed = true;
    for (int i = 0; i < 8; i++) {
        struct molt_update update;
        int code = rig_start(rig);
        code = code < 0 ? code : molt_update_load(&rig->store, &update);
        if (code < 0) {
            return code;
        }
        /* an image without a bundle is written whenever it is asked for */
        if (wanted->unsigned_image && update.phase == MOLT_PHASE_CONFIRMED &&
            rig_runs(rig, wanted)) {
            return MOLT_OK;
        }
        code = rig_install(rig, NULL);
        if (code == MOLT_E_INSTALLED) {
            return MOLT_OK;
        }
        if (code == MOLT_E_UNCONFIRMED) {
            code = molt_trial_confirm(&rig->port);
        }
        if (code < 0) {
            return code;
        }
    }
    return MOLT_E_BOOT_DISAGREES;
}

static int to_new(struct rig *rig)
{
    return install_and_confirm(rig, &new_version);
}

static int to_next(struct rig *rig)
{
    return install_and_confirm(rig, &next_version);
}

/* Installed and started once, not confirmed. */
static int to_trial(struct rig *rig)
{
    rig_serve_version(rig, &new_version);
    int code = rig_start(rig);
    code = code < 0 ? code : rig_install(rig, NULL);
    return code < 0 ? code : rig_start(rig);
}

/* Cut short by a failing network, behind five eighths. */
static int to_half(struct rig *rig)
{
    static struct molt_engine engine;
    rig_serve_version(rig, &new_version);
    int code = rig_start(rig);
    code = code < 0 ? code : molt_engine_start(&engine, &rig->port);
    while (code == MOLT_OK && engine.bytes_written < new_version.length / 8 * 5) {
        code = molt_engine_step(&engine);
    }
    return code;
}

static int to_factory(struct rig *rig)
{
    rig->port.has_target = true;
    rig->port.target = MOLT_OTADATA_FACTORY;
    return to_next(rig);
}

/* The image in factory is on trial. */
static int to_factory_trial(struct rig *rig)
{
    int code = to_new(rig);
    rig_serve_version(rig, &next_version);
    rig->port.has_target = true;
    rig->port.target = MOLT_OTADATA_FACTORY;
    code = code < 0 ? code : rig_install(rig, NULL);
    return code < 0 ? code : rig_start(rig);
}

/* The operator switches back to the firmware in slot 0, by hand. */
static int by_hand(struct rig *rig)
{
    for (int i = 0; i < 8; i++) {
        struct molt_update update;
        int code = rig_start(rig);
        code = code < 0 ? code : molt_update_load(&rig->store, &update);
        if (code < 0) {
            return code;
        }
        if (rig_runs(rig, &old_version)) {
            return update.phase == MOLT_PHASE_CONFIRMED ? MOLT_OK : molt_trial_confirm(&rig->port);
        }
        code = molt_slot_switch(&rig->port, 0);
        if (code < 0) {
            return code;
        }
    }
    return MOLT_E_BOOT_DISAGREES;
}

/* The switch to new waits for the restart. */
static int to_waiting(struct rig *rig)
{
    rig_serve_version(rig, &new_version);
    int code = rig_start(rig);
    code = code < 0 ? code : rig_install(rig, NULL);
    return code < 0 ? code : MOLT_OK;
}

/* In the boot in which new was installed. */
static int files_now(struct rig *rig)
{
    rig_serve_version(rig, &next_version);
    int code = rig_install(rig, NULL);
    code = code < 0 ? code : rig_start(rig);
    return code < 0 ? code : molt_trial_confirm(&rig->port);
}

/* When the cut let the switch to new go on, it is given up. */
static int files_again(struct rig *rig)
{
    int code = rig_start(rig);
    if (code >= 0 && rig_runs(rig, &new_version)) {
        code = molt_trial_rollback(&rig->port);
    }
    return code < 0 ? code : to_next(rig);
}

/* Files first, then the firmware whose install had been cut. */
static int to_next_and_new(struct rig *rig)
{
    int code = rig_start(rig);
    if (code >= 0 && !rig_runs(rig, &new_version)) {
        code = to_next(rig);
    }
    return code < 0 ? code : to_new(rig);
}

static int to_failed(struct rig *rig)
{
    int code = to_trial(rig);
    code = code < 0 ? code : rig_start(rig);
    return code < 0 ? code : rig_start(rig);
}

/* A restart without a confirm: twice, because a bootloader without rollback needs the second. */
static int restart(struct rig *rig)
{
    int code = rig_start(rig);
    return code < 0 ? code : rig_start(rig);
}

/* The trial goes on where it was when the base state was taken: the application confirms in the
 * same boot. */
static int confirm_now(struct rig *rig)
{
    return molt_trial_confirm(&rig->port);
}

static int give_up(struct rig *rig)
{
    int code = molt_trial_rollback(&rig->port);
    return code < 0 ? code : rig_start(rig);
}

/* What new and next are. */
enum kind {
    BUNDLES,        /* apps, with a release each when the scenario says so */
    FILES,          /* new and next: files alone, for the image of old */
    FILES_LAST,     /* next: files alone, for the image of new */
    FILES_BESIDE,   /* next: files alone, for the image of old */
    FILES_FIRST,    /* new: files alone, for the image of old */
    UNSIGNED_FIRST, /* new: an image without a bundle */
    UNSIGNED_LAST,  /* next: an image without a bundle, which goes on with the files of new */
    UNSIGNED_BESIDE /* the same, with the files of old: none */
};

struct scenario {
    const char *name;
    struct rig_options options;
    enum molt_pack_codec codec;
    uint32_t length;      /* of the images */
    uint32_t new_changed; /* blocks in which new differs from old; 0 = everywhere */
    bool release;
    int (*prepare)(struct rig *rig); /* to the state before; NULL = just the old image */
    int (*act)(struct rig *rig);     /* what is cut */
    int (*rerun)(struct rig *rig);   /* the wish, again, after the cut */
    struct rig_version *wanted;      /* what runs in the end */
    bool live;                       /* act goes on in the boot of prepare */
    enum kind kind;
};

#define SMALL  0x10000u /* slot and image of one chunk, filled to the last byte */
#define MIDDLE 0x20000u
#define LARGE  0x30000u

static const struct scenario scenarios[] = {
    {"install raw, slot filled",
     {.slot_size = SMALL, .seed = 1},
     MOLT_PACK_RAW,
     SMALL,
     0,
     false,
     NULL,
     to_new,
     to_new,
     &new_version,
     false,
     BUNDLES},
    {"install deflate",
     {.slot_size = MIDDLE, .seed = 2},
     MOLT_PACK_SMALLEST,
     0x1F010,
     0,
     false,
     NULL,
     to_new,
     to_new,
     &new_version,
     false,
     BUNDLES},
    {"install over a similar image",
     {.slot_size = LARGE, .seed = 3},
     MOLT_PACK_SMALLEST,
     LARGE,
     0x4,
     true,
     to_new,
     to_next,
     to_next,
     &next_version,
     false,
     BUNDLES},
    {"install with files",
     {.slot_size = SMALL, .seed = 4},
     MOLT_PACK_SMALLEST,
     0xF000,
     0,
     true,
     NULL,
     to_new,
     to_new,
     &new_version,
     false,
     BUNDLES},
    {"release switch",
     {.slot_size = SMALL, .seed = 5},
     MOLT_PACK_RAW,
     0xE000,
     0,
     true,
     to_new,
     to_next,
     to_next,
     &next_version,
     false,
     BUNDLES},
    {"three slots",
     {.slot_size = SMALL, .slot_count = 3, .seed = 6},
     MOLT_PACK_SMALLEST,
     0x8000,
     0,
     true,
     to_new,
     to_next,
     to_next,
     &next_version,
     false,
     BUNDLES},
    {"factory and two slots",
     {.slot_size = SMALL, .factory = true, .seed = 7},
     MOLT_PACK_SMALLEST,
     0x9000,
     0,
     true,
     NULL,
     to_new,
     to_new,
     &new_version,
     false,
     BUNDLES},
    {"bootloader without rollback",
     {.slot_size = SMALL, .no_rollback = true, .seed = 8},
     MOLT_PACK_SMALLEST,
     0xA000,
     0,
     true,
     NULL,
     to_new,
     to_new,
     &new_version,
     false,
     BUNDLES},
    {"confirm",
     {.slot_size = SMALL, .seed = 9},
     MOLT_PACK_SMALLEST,
     0x8000,
     0,
     true,
     to_trial,
     confirm_now,
     to_new,
     &new_version,
     true,
     BUNDLES},
    {"rollback by the bootloader",
     {.slot_size = SMALL, .seed = 10},
     MOLT_PACK_SMALLEST,
     0x8000,
     0,
     true,
     to_trial,
     restart,
     restart,
     &old_version,
     false,
     BUNDLES},
    {"rollback without the bootloader",
     {.slot_size = SMALL, .no_rollback = true, .seed = 11},
     MOLT_PACK_SMALLEST,
     0x8000,
     0,
     true,
     to_trial,
     restart,
     restart,
     &old_version,
     false,
     BUNDLES},
    {"rollback by the operator",
     {.slot_size = SMALL, .seed = 12},
     MOLT_PACK_SMALLEST,
     0x8000,
     0,
     true,
     to_trial,
     give_up,
     restart,
     &old_version,
     true,
     BUNDLES},
    {"update after a rollback",
     {.slot_size = SMALL, .seed = 13},
     MOLT_PACK_SMALLEST,
     0xC000,
     0,
     true,
     to_failed,
     to_next,
     to_next,
     &next_version,
     false,
     BUNDLES},
    {"files alone",
     {.slot_size = SMALL, .seed = 20},
     MOLT_PACK_SMALLEST,
     0x8000,
     0,
     true,
     NULL,
     to_new,
     to_new,
     &new_version,
     false,
     FILES},
    {"files over files",
     {.slot_size = SMALL, .seed = 21},
     MOLT_PACK_RAW,
     0x8000,
     0,
     true,
     to_new,
     to_next,
     to_next,
     &next_version,
     false,
     FILES},
    {"files after files that failed",
     {.slot_size = SMALL, .no_rollback = true, .seed = 22},
     MOLT_PACK_SMALLEST,
     0x8000,
     0,
     true,
     to_failed,
     to_next,
     to_next,
     &next_version,
     false,
     FILES},
    {"files on a firmware with files",
     {.slot_size = SMALL, .seed = 23},
     MOLT_PACK_SMALLEST,
     0x8000,
     0,
     true,
     to_new,
     to_next,
     to_next,
     &next_version,
     false,
     FILES_LAST},
    {"a firmware after files",
     {.slot_size = SMALL, .seed = 24},
     MOLT_PACK_SMALLEST,
     0x8000,
     0,
     true,
     to_new,
     to_next,
     to_next,
     &next_version,
     false,
     FILES_FIRST},
    {"files while a switch waits",
     {.slot_size = SMALL, .seed = 25},
     MOLT_PACK_SMALLEST,
     0x8000,
     0,
     true,
     to_waiting,
     files_now,
     files_again,
     &next_version,
     true,
     FILES_BESIDE},
    {"files after half a firmware, then the firmware",
     {.slot_size = MIDDLE, .seed = 26},
     MOLT_PACK_RAW,
     0x18000,
     0,
     true,
     to_half,
     to_next_and_new,
     to_next_and_new,
     &new_version,
     false,
     FILES_BESIDE},
    {"confirm of files",
     {.slot_size = SMALL, .seed = 27},
     MOLT_PACK_SMALLEST,
     0x8000,
     0,
     true,
     to_trial,
     confirm_now,
     to_new,
     &new_version,
     true,
     FILES},
    {"files that are not confirmed",
     {.slot_size = SMALL, .seed = 28},
     MOLT_PACK_SMALLEST,
     0x8000,
     0,
     true,
     to_trial,
     restart,
     restart,
     &old_version,
     false,
     FILES},
    {"files that the operator gives up",
     {.slot_size = SMALL, .seed = 29},
     MOLT_PACK_SMALLEST,
     0x8000,
     0,
     true,
     to_trial,
     give_up,
     restart,
     &old_version,
     true,
     FILES},
    {"an unsigned image",
     {.slot_size = MIDDLE, .seed = 30},
     MOLT_PACK_RAW,
     0x12010,
     0,
     false,
     NULL,
     to_new,
     to_new,
     &new_version,
     false,
     UNSIGNED_FIRST},
    {"an unsigned image over a similar one",
     {.slot_size = LARGE, .seed = 31},
     MOLT_PACK_RAW,
     LARGE,
     0x4,
     true,
     to_new,
     to_next,
     to_next,
     &next_version,
     false,
     UNSIGNED_LAST},
    {"an unsigned image after half a bundle",
     {.slot_size = MIDDLE, .seed = 32},
     MOLT_PACK_RAW,
     0x18000,
     0,
     false,
     to_half,
     to_next,
     to_next,
     &next_version,
     false,
     UNSIGNED_BESIDE},
    {"an unsigned image for factory",
     {.slot_size = SMALL, .factory = true, .seed = 33},
     MOLT_PACK_SMALLEST,
     0x9000,
     0,
     true,
     to_new,
     to_factory,
     to_factory,
     &next_version,
     false,
     UNSIGNED_LAST},
    {"factory is not confirmed",
     {.slot_size = SMALL, .factory = true, .seed = 34},
     MOLT_PACK_SMALLEST,
     0x9000,
     0,
     true,
     to_factory_trial,
     restart,
     restart,
     &new_version,
     false,
     UNSIGNED_LAST},
    {"factory is given up",
     {.slot_size = SMALL, .factory = true, .no_rollback = true, .seed = 35},
     MOLT_PACK_SMALLEST,
     0x9000,
     0,
     true,
     to_factory_trial,
     give_up,
     restart,
     &new_version,
     true,
     UNSIGNED_LAST},
    {"confirm of factory",
     {.slot_size = SMALL, .factory = true, .seed = 36},
     MOLT_PACK_SMALLEST,
     0x9000,
     0,
     true,
     to_factory_trial,
     confirm_now,
     to_factory,
     &next_version,
     true,
     UNSIGNED_LAST},
    {"switch by hand",
     {.slot_size = SMALL, .seed = 37},
     MOLT_PACK_SMALLEST,
     0x9000,
     0,
     true,
     to_new,
     by_hand,
     by_hand,
     &old_version,
     false,
     BUNDLES},
    {"store in a log",
     {.slot_size = SMALL, .store = RIG_STORE_LOG, .seed = 14},
     MOLT_PACK_SMALLEST,
     0x8000,
     0,
     true,
     NULL,
     to_new,
     to_new,
     &new_version,
     false,
     BUNDLES},
    {"store in files",
     {.slot_size = SMALL, .store = RIG_STORE_FILES, .seed = 15},
     MOLT_PACK_SMALLEST,
     0x8000,
     0,
     true,
     NULL,
     to_new,
     to_new,
     &new_version,
     false,
     BUNDLES},
};

#endif
