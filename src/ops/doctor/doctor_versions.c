/* Which ESP-IDF made bootloader and app, and whether the two go together. */
#define _GNU_SOURCE /* memmem */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/ptable.h"
#include "ops/doctor/doctor_internal.h"

#define RANK(major, minor, patch)                                                                  \
    ((uint32_t)(major) << 20 | (uint32_t)(minor) << 10 | (uint32_t)(patch))
#define SRAM1_LOW  0x400A0000u /* of the ESP32, as code */
#define SRAM1_HIGH 0x400C0000u

struct version {
    bool known;
    bool exact; /* else only the major version counts */
    uint32_t major, minor, patch;
    char text[40];
};

/* "v5.0.4-dirty", "5.2", "v4.4-beta1-189-g0be8f2": up to three numbers. */
static struct version parse(const char *text)
{
    struct version version = {0};
    int n = sscanf(text[0] == 'v' ? text + 1 : text, "%4u.%4u.%4u", &version.major, &version.minor,
                   &version.patch);
    version.known = version.exact = n >= 2;
    snprintf(version.text, sizeof version.text, "%s", text);
    molt_info_plain(version.text);
    return version;
}

static uint32_t rank(const struct version *version)
{
    return RANK(version->major, version->minor, version->patch);
}

/*
 * Before ESP-IDF 5.2 a bootloader has no descriptor. One that logs at level info carries "ESP-IDF
 * vX.Y.Z 2nd stage bootloader"; of others the format of its messages tells on which side of 5.0 it
 * was built: since then 32-bit numbers are long ("E (%lu)").
 */
static struct version from_text(const char *bytes, uint32_t n)
{
    static const char mark[] = " 2nd stage bootloader";
    struct version version = {0};
    const char *at = memmem(bytes, n, "v", 1);
    const char *second = memmem(bytes, n, mark, sizeof mark - 1);
    if (second) { /* the format; the version is a string of its own: "v4.2.1" */
        for (; at; at = memmem(at + 1, n - (size_t)(at + 1 - bytes), "v", 1)) {
            size_t left = n - (size_t)(at - bytes);
            char text[24];
            size_t k = 0;
            while (k + 1 < sizeof text && k < left && at[k] > ' ' && at[k] < 0x7F) {
                text[k] = at[k];
                k++;
            }
            text[k] = 0;
            version = parse(text);
            if (version.known && version.major >= 2 && version.major < 10 && k < left &&
                at[k] == 0) {
                return version;
            }
        }
    }
    memset(&version, 0, sizeof version);
    if (memmem(bytes, n, "E (%lu) %s:", 11)) {
        version.known = true;
        version.major = 5;
        snprintf(version.text, sizeof version.text, "5.0 or 5.1");
    } else if (memmem(bytes, n, "E (%d) %s:", 10) || memmem(bytes, n, "E (%u) %s:", 10)) {
        version.known = true;
        version.major = 4;
        snprintf(version.text, sizeof version.text, "before 5.0");
    }
    return version;
}

static int bootloader_version(const struct doctor_work *work, struct version *version)
{
    const struct molt_info_image *boot = &work->info.bootloader;
    memset(version, 0, sizeof *version);
    if (!boot->readable || boot->error) {
        return MOLT_OK;
    }
    if (boot->image.bootloader_idf[0]) {
        *version = parse(boot->image.bootloader_idf);
        return MOLT_OK;
    }
    uint32_t n = boot->image.length;
    char *bytes = malloc(n + 1);
    if (!bytes) {
        return MOLT_E_NO_MEMORY;
    }
    int error = molt_flash_read(&work->target->flash, boot->offset, bytes, n);
    if (!error) {
        bytes[n] = 0;
        *version = from_text(bytes, n);
    }
    free(bytes);
    return error;
}

/* MicroPython's builds by ESP-IDF version, where the app does not say it. */
static struct version version_of(const struct molt_info_image *app)
{
    static const struct {
        uint32_t minor; /* of MicroPython 1.x: this one and those up to the next */
        const char *idf;
    } builds[] = {{9, "v3.1"},  {10, "v3.2"}, {11, "v3.3"},   {13, "v3.3.2"}, {15, "v4.0.2"},
                  {17, "v4.2"}, {21, "v5.0"}, {24, "v5.2.2"}, {26, "v5.4.2"}, {27, "v5.5.1"}};
    struct version version = parse(app->image.app.present ? app->image.app.idf_version : "");
    uint32_t minor = 0;
    if (version.known || sscanf(app->micropython, "v1.%4u", &minor) != 1) {
        return version;
    }
    for (size_t i = 0; i < sizeof builds / sizeof builds[0]; i++) {
        if (minor >= builds[i].minor) {
            version = parse(builds[i].idf);
        }
    }
    return version;
}

/* CONFIG_ESP_SYSTEM_ESP32_SRAM1_REGION_AS_IRAM: bootloaders before 5.1 have their own data there.
 */
static bool uses_sram1(const struct molt_info_image *app)
{
    bool found = false;
    for (uint32_t i = 0; i < app->image.header.segment_count && app->image.header.chip_id == 0;
         i++) {
        uint32_t load = app->image.segment[i].load_address;
        found = found ||
                (load >= 0x40080000 && load < SRAM1_HIGH &&
                 app->image.segment[i].length > SRAM1_LOW - load) ||
                (load >= SRAM1_LOW && load < SRAM1_HIGH);
    }
    return found;
}

/* The exceptions; true when one was found. */
static bool too_old(struct doctor_work *work, const struct version *boot, const struct version *is,
                    const struct molt_info_image *app)
{
    bool before_5_1 = boot->exact ? rank(boot) < RANK(5, 1, 0) : boot->major < 5;
    if (before_5_1 && uses_sram1(app)) {
        doctor_found(work->doctor, DOCTOR_BOOTLOADER_OLD,
                     "the app in '%s' has code in SRAM1 (0x400a0000), which only bootloaders of "
                     "ESP-IDF 5.1 and later load; this one is of %s; flash a whole firmware, with "
                     "its bootloader",
                     app->label, boot->text);
        return true;
    }
    if (boot->exact && rank(boot) >= RANK(3, 1, 0) && rank(boot) < RANK(3, 2, 0) &&
        rank(is) == RANK(3, 3, 1)) {
        doctor_found(work->doctor, DOCTOR_BOOTLOADER_OLD,
                     "the bootloader is of ESP-IDF %s, which does not start apps of 3.3.1, as the "
                     "one in '%s' is; those of 3.3.2 it does",
                     boot->text, app->label);
        return true;
    }
    return false;
}

static void compare(struct doctor_work *work, const struct version *boot,
                    const struct molt_info_image *app)
{
    struct version is = version_of(app);
    if (!is.known || too_old(work, boot, &is, app)) {
        return;
    }
    if (boot->exact && rank(boot) < RANK(3, 1, 0) && rank(&is) >= rank(boot) &&
        is.major > boot->major) {
        doctor_found(work->doctor, DOCTOR_BOOTLOADER_OLD,
                     "the bootloader is of ESP-IDF %s, the app in '%s' of %s: bootloaders before "
                     "3.1 start only apps that were built with CONFIG_ESP32_COMPATIBLE_PRE_V3_1"
                     "_BOOTLOADERS; flash a whole firmware, with its bootloader",
                     boot->text, app->label, is.text);
    } else if (boot->exact && rank(&is) < rank(boot)) {
        doctor_found(work->doctor, DOCTOR_BOOTLOADER_NEWER,
                     "the app in '%s' is of ESP-IDF %s, the bootloader of %s: an app older than "
                     "its bootloader is not promised to start; build it with %s or later",
                     app->label, is.text, boot->text, boot->text);
    } else if (is.major != boot->major && !(boot->major == 5 && is.major == 6)) {
        doctor_found(work->doctor, DOCTOR_BOOTLOADER_MAJOR,
                     "the bootloader is of ESP-IDF %s, the app in '%s' of %s: only a bootloader of "
                     "the same major version is known to do for it all that it relies on; flash a "
                     "whole firmware, with its bootloader, when you can",
                     boot->text, app->label, is.text);
    }
}

/* ESP-IDF 4.4 made CONFIG_PARTITION_TABLE_MD5 the default: the app then asks for the row. */
static void md5(struct doctor_work *work)
{
    const struct molt_target *target = work->target;
    if (target->table_error || target->table.has_md5 || !doctor_has_layout(target)) {
        return;
    }
    const struct molt_info_image *hit = NULL;
    struct version is = {0};
    for (uint32_t i = 0; i < work->info.app_count && !hit; i++) {
        is = version_of(&work->info.app[i]);
        if (work->info.app[i].readable && is.known && rank(&is) >= RANK(4, 4, 0)) {
            hit = &work->info.app[i];
        }
    }
    struct molt_finding *found =
        hit ? doctor_found(work->doctor, DOCTOR_MD5_MISSING,
                           "the table has no MD5 row, and the app in '%s' (ESP-IDF %s) asks for "
                           "one: it boots, and aborts when it first looks at a partition",
                           hit->label, is.text)
            : doctor_found(work->doctor, DOCTOR_MD5_NONE,
                           "the table has no MD5 row: apps of ESP-IDF 4.4 and later abort when "
                           "they look at a partition");
    char name[100];
    if (molt_shell_word(name, sizeof name, target->name)[0]) {
        molt_finding_fix(found, "molt csv %s -o table.csv && molt edit %s --table table.csv%s",
                         name, name, target->board ? "" : " -o fixed.bin");
    }
}

static void rollback(struct doctor_work *work, const struct version *boot)
{
    const struct molt_target *target = work->target;
    if (target->table_error || molt_ptable_slot_count(&target->table) < 2) {
        return;
    }
    if (target->board && !target->board->facts.boot.rollback) {
        doctor_found(
            work->doctor, DOCTOR_ROLLBACK_NONE,
            "this board's bootloader was built without rollback: an app that does not "
            "work stays; 'ota.boot()' goes back by itself, a new bootloader needs a cable");
    } else if (!target->board && boot->known && boot->major < 5) {
        doctor_found(work->doctor, DOCTOR_ROLLBACK_NONE,
                     "the bootloader is of ESP-IDF %s; MicroPython's have rollback since 2023-09 "
                     "(ESP-IDF 5): with this one an app that does not work probably stays, unless "
                     "'ota.boot()' goes back by itself",
                     boot->text);
    }
}

int doctor_versions(struct doctor_work *work)
{
    struct version boot;
    int error = bootloader_version(work, &boot);
    if (error || !doctor_has_layout(work->target)) {
        return error;
    }
    if (!boot.known && work->info.bootloader.readable && !work->info.bootloader.error) {
        doctor_found(work->doctor, DOCTOR_BOOTLOADER_UNKNOWN,
                     "the bootloader does not say which ESP-IDF made it (those before 5.2 rarely "
                     "do): whether it goes with the app is not known");
    }
    for (uint32_t i = 0; i < work->info.app_count && boot.known; i++) {
        if (work->info.app[i].readable && !work->info.app[i].error) {
            compare(work, &boot, &work->info.app[i]);
        }
    }
    md5(work);
    rollback(work, &boot);
    return MOLT_OK;
}
