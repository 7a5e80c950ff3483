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

/* What is done, and with which end. */
struct path {
    int (*prepare)(struct rig *rig); /* to the state before; NULL = just the old image */
    int (*act)(struct rig *rig);     /* what is cut */
    int (*rerun)(struct rig *rig);   /* the wish, again, after the cut */
    struct rig_version *wanted;      /* what runs in the end */
    bool live;                       /* act goes on in the boot of prepare */
};

static const struct path first = {NULL, to_new, to_new, &new_version, false};
static const struct path second = {to_new, to_next, to_next, &next_version, false};
static const struct path confirmed = {to_trial, confirm_now, to_new, &new_version, true};
static const struct path unconfirmed = {to_trial, restart, restart, &old_version, false};
static const struct path given_up = {to_trial, give_up, restart, &old_version, true};
static const struct path after_failure = {to_failed, to_next, to_next, &next_version, false};
static const struct path while_waiting = {to_waiting, files_now, files_again, &next_version, true};
static const struct path after_half_then_new = {to_half, to_next_and_new, to_next_and_new,
                                                &new_version, false};
static const struct path after_half = {to_half, to_next, to_next, &next_version, false};
static const struct path factory = {to_new, to_factory, to_factory, &next_version, false};
static const struct path factory_unconfirmed = {to_factory_trial, restart, restart, &new_version,
                                                false};
static const struct path factory_given_up = {to_factory_trial, give_up, restart, &new_version,
                                             true};
static const struct path factory_confirmed = {to_factory_trial, confirm_now, to_factory,
                                              &next_version, true};
static const struct path hand = {to_new, by_hand, by_hand, &old_version, false};

struct scenario {
    const char *name;
    const struct path *path;
    struct rig_options options;
    uint32_t length; /* of the images */
    enum molt_pack_codec codec;
    uint32_t new_changed; /* blocks in which new differs from old; 0 = everywhere */
    bool release;
    enum kind kind;
};

#define SMALL  0x10000u /* slot and image of one chunk, filled to the last byte */
#define MIDDLE 0x20000u
#define LARGE  0x30000u

static const struct scenario scenarios[] = {
    {"install raw, slot filled", &first, .options = {.slot_size = SMALL, .seed = 1},
     .length = SMALL, .codec = MOLT_PACK_RAW},
    {"install deflate", &first, .options = {.slot_size = MIDDLE, .seed = 2}, .length = 0x1F010},
    {"install over a similar image", &second, .options = {.slot_size = LARGE, .seed = 3},
     .length = LARGE, .new_changed = 0x4, .release = true},
    {"install with files", &first, .options = {.slot_size = SMALL, .seed = 4}, .length = 0xF000,
     .release = true},
    {"release switch", &second, .options = {.slot_size = SMALL, .seed = 5}, .length = 0xE000,
     .codec = MOLT_PACK_RAW, .release = true},
    {"three slots", &second, .options = {.slot_size = SMALL, .slot_count = 3, .seed = 6},
     .length = 0x8000, .release = true},
    {"factory and two slots", &first, .options = {.slot_size = SMALL, .factory = true, .seed = 7},
     .length = 0x9000, .release = true},
    {"bootloader without rollback", &first,
     .options = {.slot_size = SMALL, .no_rollback = true, .seed = 8}, .length = 0xA000,
     .release = true},
    {"confirm", &confirmed, .options = {.slot_size = SMALL, .seed = 9}, .length = 0x8000,
     .release = true},
    {"rollback by the bootloader", &unconfirmed, .options = {.slot_size = SMALL, .seed = 10},
     .length = 0x8000, .release = true},
    {"rollback without the bootloader", &unconfirmed,
     .options = {.slot_size = SMALL, .no_rollback = true, .seed = 11}, .length = 0x8000,
     .release = true},
    {"rollback by the operator", &given_up, .options = {.slot_size = SMALL, .seed = 12},
     .length = 0x8000, .release = true},
    {"update after a rollback", &after_failure, .options = {.slot_size = SMALL, .seed = 13},
     .length = 0xC000, .release = true},
    {"files alone", &first, .options = {.slot_size = SMALL, .seed = 20}, .length = 0x8000,
     .release = true, .kind = FILES},
    {"files over files", &second, .options = {.slot_size = SMALL, .seed = 21}, .length = 0x8000,
     .codec = MOLT_PACK_RAW, .release = true, .kind = FILES},
    {"files after files that failed", &after_failure,
     .options = {.slot_size = SMALL, .no_rollback = true, .seed = 22}, .length = 0x8000,
     .release = true, .kind = FILES},
    {"files on a firmware with files", &second, .options = {.slot_size = SMALL, .seed = 23},
     .length = 0x8000, .release = true, .kind = FILES_LAST},
    {"a firmware after files", &second, .options = {.slot_size = SMALL, .seed = 24},
     .length = 0x8000, .release = true, .kind = FILES_FIRST},
    {"files while a switch waits", &while_waiting, .options = {.slot_size = SMALL, .seed = 25},
     .length = 0x8000, .release = true, .kind = FILES_BESIDE},
    {"files after half a firmware, then the firmware", &after_half_then_new,
     .options = {.slot_size = MIDDLE, .seed = 26}, .length = 0x18000, .codec = MOLT_PACK_RAW,
     .release = true, .kind = FILES_BESIDE},
    {"confirm of files", &confirmed, .options = {.slot_size = SMALL, .seed = 27}, .length = 0x8000,
     .release = true, .kind = FILES},
    {"files that are not confirmed", &unconfirmed, .options = {.slot_size = SMALL, .seed = 28},
     .length = 0x8000, .release = true, .kind = FILES},
    {"files that the operator gives up", &given_up, .options = {.slot_size = SMALL, .seed = 29},
     .length = 0x8000, .release = true, .kind = FILES},
    {"an unsigned image", &first, .options = {.slot_size = MIDDLE, .seed = 30}, .length = 0x12010,
     .codec = MOLT_PACK_RAW, .kind = UNSIGNED_FIRST},
    {"an unsigned image over a similar one", &second, .options = {.slot_size = LARGE, .seed = 31},
     .length = LARGE, .codec = MOLT_PACK_RAW, .new_changed = 0x4, .release = true,
     .kind = UNSIGNED_LAST},
    {"an unsigned image after half a bundle", &after_half,
     .options = {.slot_size = MIDDLE, .seed = 32}, .length = 0x18000, .codec = MOLT_PACK_RAW,
     .kind = UNSIGNED_BESIDE},
    {"an unsigned image for factory", &factory,
     .options = {.slot_size = SMALL, .factory = true, .seed = 33}, .length = 0x9000,
     .release = true, .kind = UNSIGNED_LAST},
    {"factory is not confirmed", &factory_unconfirmed,
     .options = {.slot_size = SMALL, .factory = true, .seed = 34}, .length = 0x9000,
     .release = true, .kind = UNSIGNED_LAST},
    {"factory is given up", &factory_given_up,
     .options = {.slot_size = SMALL, .factory = true, .no_rollback = true, .seed = 35},
     .length = 0x9000, .release = true, .kind = UNSIGNED_LAST},
    {"confirm of factory", &factory_confirmed,
     .options = {.slot_size = SMALL, .factory = true, .seed = 36}, .length = 0x9000,
     .release = true, .kind = UNSIGNED_LAST},
    {"switch by hand", &hand, .options = {.slot_size = SMALL, .seed = 37}, .length = 0x9000,
     .release = true},
    {"store in a log", &first, .options = {.slot_size = SMALL, .store = RIG_STORE_LOG, .seed = 14},
     .length = 0x8000, .release = true},
    {"store in files", &first,
     .options = {.slot_size = SMALL, .store = RIG_STORE_FILES, .seed = 15}, .length = 0x8000,
     .release = true}};

#endif
