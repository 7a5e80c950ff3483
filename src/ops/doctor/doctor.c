#include "molt/ops/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/ops/layout.h"
#include "ops/doctor/doctor_internal.h"

/* docs/doctor.md has a paragraph for each. */
static const struct molt_doctor_check checks[DOCTOR_COUNT] = {
    [DOCTOR_BOOTLOADER_MISSING] = {"bootloader-missing", MOLT_WRONG,
                                   "there is no bootloader: nothing boots", false},
    [DOCTOR_BOOTLOADER_BROKEN] = {"bootloader-broken", MOLT_WRONG,
                                  "the bootloader is damaged, or of another chip", false},
    [DOCTOR_TABLE_MISSING] = {"table-missing", MOLT_WRONG,
                              "the partition table cannot be read: nothing boots", false},
    [DOCTOR_TABLE_PAST_FLASH] = {"table-past-flash", MOLT_WRONG,
                                 "a partition ends behind the flash that the bootloader's header "
                                 "names, or behind the chip",
                                 false},
    [DOCTOR_HEADER_PAST_CHIP] = {"header-past-chip", MOLT_WRONG,
                                 "the bootloader's header names more flash than the chip has",
                                 false},
    [DOCTOR_HEADER_SMALLER] = {"header-smaller", MOLT_ODD,
                               "the bootloader's header names less flash than the chip has", false},
    [DOCTOR_DUMP_LENGTH] = {"dump-length", MOLT_ODD,
                            "a flash dump is not as long as the flash of its header", false},
    [DOCTOR_TABLE_OVERLAP] = {"table-overlap", MOLT_WRONG, "two partitions overlap", false},
    [DOCTOR_TABLE_UNALIGNED] = {"table-unaligned", MOLT_WRONG,
                                "a partition does not begin or end where flash allows", false},
    [DOCTOR_TABLE_RULE] = {"table-rule", MOLT_WRONG, "the table breaks another rule", false},
    [DOCTOR_TABLE_GAP] = {"table-gap", MOLT_ODD, "flash between two partitions is unused", false},
    [DOCTOR_MD5_MISSING] = {"md5-missing", MOLT_WRONG,
                            "the table has no MD5 row, and an app's ESP-IDF (4.4 or later) aborts "
                            "without one",
                            false},
    [DOCTOR_MD5_NONE] = {"md5-none", MOLT_ODD,
                         "the table has no MD5 row, which later apps will need", false},
    [DOCTOR_NVS_SMALL] = {"nvs-small", MOLT_WRONG,
                          "nvs has fewer than three sectors: it cannot be written", false},
    [DOCTOR_NVS_NONE] = {"nvs-none", MOLT_ODD, "there is no nvs: Wi-Fi does not start", false},
    [DOCTOR_ENCRYPTED] = {"encrypted", MOLT_ODD,
                          "a partition is marked as encrypted: files for it must be, too", false},
    [DOCTOR_APP_NONE] = {"app-none", MOLT_WRONG, "no app partition holds an app", false},
    [DOCTOR_APP_TOO_LARGE] = {"app-too-large", MOLT_WRONG, "an app is larger than its slot", false},
    [DOCTOR_APP_MERGED] = {"app-merged", MOLT_WRONG,
                           "a whole firmware file lies where an app belongs", false},
    [DOCTOR_APP_CHIP] = {"app-chip", MOLT_WRONG, "an app is for another chip", false},
    [DOCTOR_APP_REVISION] = {"app-revision", MOLT_WRONG,
                             "an app does not run on this revision of the chip", false},
    [DOCTOR_APP_BROKEN] = {"app-broken", MOLT_WRONG, "an app is damaged or no app", false},
    [DOCTOR_APP_FULL] = {"app-full", MOLT_ODD, "an app fills its slot to over 95 %", false},
    [DOCTOR_MEMORY_UNKNOWN] = {"memory-unknown", MOLT_ODD,
                               "the chip's memory is not known: load addresses are not judged",
                               false},
    [DOCTOR_APP_STALE] = {"app-stale", MOLT_ODD, "an old app lies where the table has none", false},
    [DOCTOR_SECURE_VERSION] = {"secure-version", MOLT_ODD,
                               "the apps' secure versions differ, or are not 0", false},
    [DOCTOR_SLOTS_NONE] = {"slots-none", MOLT_ODD, "there are no slots: no updates over the air",
                           false},
    [DOCTOR_SLOT_ONE] = {"slot-one", MOLT_ODD,
                         "there is one slot only: an update has no second one to go to", false},
    [DOCTOR_SLOTS_GAP] = {"slots-gap", MOLT_WRONG,
                          "slots are not numbered from 0 without gaps: one is never started",
                          false},
    [DOCTOR_OTADATA_NONE] = {"otadata-none", MOLT_WRONG,
                             "there are slots, but no otadata: the first one boots for ever",
                             false},
    [DOCTOR_OTADATA_TWO] = {"otadata-two", MOLT_WRONG,
                            "there are two otadata: bootloader and app use different ones", false},
    [DOCTOR_OTADATA_SMALL] = {"otadata-small", MOLT_WRONG,
                              "otadata has fewer than two sectors: nothing boots", false},
    [DOCTOR_OTADATA_POINTS] = {"otadata-points", MOLT_WRONG,
                               "otadata chooses a slot that does not start", false},
    [DOCTOR_OTADATA_DISAGREES] = {"otadata-disagrees", MOLT_WRONG,
                                  "another slot runs than the one that boots next", false},
    [DOCTOR_OTADATA_END] = {"otadata-end", MOLT_WRONG,
                            "the sequence numbers of otadata have come to their end", false},
    [DOCTOR_OTADATA_CRC] = {"otadata-crc", MOLT_ODD,
                            "a record of otadata has a wrong CRC and does not count", false},
    [DOCTOR_OTADATA_TRIAL] = {"otadata-trial", MOLT_ODD, "an app is not confirmed yet", false},
    [DOCTOR_BOOTLOADER_OLD] = {"bootloader-old", MOLT_WRONG,
                               "the bootloader is too old for the app", false},
    [DOCTOR_BOOTLOADER_NEWER] = {"bootloader-newer", MOLT_ODD,
                                 "the app's ESP-IDF is older than the bootloader's", false},
    [DOCTOR_BOOTLOADER_MAJOR] = {"bootloader-major", MOLT_ODD,
                                 "bootloader and app are of different major versions of ESP-IDF",
                                 false},
    [DOCTOR_BOOTLOADER_UNKNOWN] = {"bootloader-unknown", MOLT_ODD,
                                   "the bootloader's ESP-IDF version is not known", false},
    [DOCTOR_ROLLBACK_NONE] = {"rollback-none", MOLT_ODD,
                              "there are slots, but the bootloader cannot roll back", false},
    [DOCTOR_FILES_NONE] = {"files-none", MOLT_ODD, "there is no room for files", false},
    [DOCTOR_FILES_NAME] = {"files-name", MOLT_ODD,
                           "the partition for files has a name that MicroPython does not look for",
                           false},
    [DOCTOR_FS_LARGER] = {"fs-larger", MOLT_WRONG, "a file system is larger than its partition",
                          false},
    [DOCTOR_FS_SMALLER] = {"fs-smaller", MOLT_ODD,
                           "a file system does not use all of its partition", false},
    [DOCTOR_FS_NEWER] = {"fs-newer", MOLT_WRONG,
                         "a littlefs is newer than what the firmware's MicroPython mounts", false},
    [DOCTOR_FS_KIND] = {"fs-kind", MOLT_ODD,
                        "a file system is of another kind than its partition says", false},
    [DOCTOR_FS_UNKNOWN] = {"fs-unknown", MOLT_ODD,
                           "what is in the partition for files is no file system", false},
    [DOCTOR_BOARD_FILE_MISSING] = {"board-file-missing", MOLT_WRONG,
                                   "a file that the board names does not exist", true},
    [DOCTOR_BOARD_CSV_MISSING] = {"board-csv-missing", MOLT_WRONG,
                                  "the partition CSV that wins does not exist", true},
    [DOCTOR_BOARD_CUSTOM_LOST] = {"board-custom-lost", MOLT_WRONG,
                                  "a custom table that the board asks for does not take effect",
                                  true},
    [DOCTOR_BOARD_CSV_FLASH] = {"board-csv-flash", MOLT_WRONG,
                                "the table does not fit the flash size of the sdkconfig", true},
    [DOCTOR_BOARD_CSV_RULE] = {"board-csv-rule", MOLT_WRONG, "the partition CSV is wrong", true},
    [DOCTOR_BOARD_CSV_ODD] = {"board-csv-odd", MOLT_ODD, "the table leaves flash unused", true},
    [DOCTOR_BOARD_KEY_TWICE] = {"board-key-twice", MOLT_ODD,
                                "what the board sets is set again, later and to another value",
                                true},
    [DOCTOR_BOARD_FRAGMENT_TWICE] = {"board-fragment-twice", MOLT_ODD,
                                     "an sdkconfig file is merged twice", true},
    [DOCTOR_BOARD_GLUED] = {"board-glued", MOLT_WRONG,
                            "an sdkconfig file does not end with a newline: the next one's first "
                            "setting is lost",
                            true},
    [DOCTOR_BOARD_CMAKE] = {"board-cmake", MOLT_ODD, "CMake that is not followed", true},
};

const struct molt_doctor_check *molt_doctor_check(uint32_t index)
{
    return index < DOCTOR_COUNT ? &checks[index] : NULL;
}

struct molt_finding *doctor_found(struct molt_doctor *doctor, enum doctor_id id, const char *format,
                                  ...)
{
    doctor->wrong = doctor->wrong || checks[id].severity == MOLT_WRONG;
    if (doctor->finding_count == MOLT_DOCTOR_FINDINGS) { /* the last one gives its place */
        doctor->left_out++;
        doctor->finding_count--;
    }
    struct molt_doctor_finding *found = &doctor->finding[doctor->finding_count++];
    memset(found, 0, sizeof *found);
    found->check = &checks[id];
    found->finding.severity = checks[id].severity;
    va_list list;
    va_start(list, format);
    vsnprintf(found->finding.text, sizeof found->finding.text, format, list);
    va_end(list);
    molt_info_plain(found->finding.text);
    return &found->finding;
}

/* ---- Fixes ---- */

void doctor_fix(struct molt_finding *finding, const struct molt_target *target, const char *verb,
                const char *rest)
{
    char word[sizeof finding->fix];
    if (molt_shell_word(word, sizeof word, target->name)[0]) {
        molt_finding_fix(finding, "molt %s %s%s%s", verb, word, rest[0] ? " " : "", rest);
    }
}

void doctor_fix_edit(struct molt_finding *finding, const struct molt_target *target,
                     const char *options, ...)
{
    char text[120];
    va_list list;
    if (target->kind != MOLT_TARGET_FIRMWARE && target->kind != MOLT_TARGET_DUMP &&
        target->kind != MOLT_TARGET_BOARD) {
        return;
    }
    va_start(list, options);
    int n = vsnprintf(text, sizeof text - 16, options, list);
    va_end(list);
    if (n < 0 || (size_t)n >= sizeof text - 16) {
        return;
    }
    if (!target->board) {
        memcpy(text + n, " -o fixed.bin", 14);
    }
    doctor_fix(finding, target, "edit", text);
}

/* A layout that takes this firmware at the place where its app is. */
static bool layout_fits(const struct doctor_work *work, const char *name, uint32_t slots)
{
    struct molt_ptable table;
    struct molt_message message;
    const struct molt_info_image *app = work->info.app_count ? &work->info.app[0] : NULL;
    struct molt_layout_request request = {.name = name,
                                          .flash_size = work->target->flash_size,
                                          .app_offset = app ? app->offset : 0,
                                          .app_length = work->app_length,
                                          .micropython = app ? app->micropython : NULL};
    return molt_layout_make(&table, &request, &message) == MOLT_OK &&
           molt_ptable_slot_count(&table) >= slots;
}

/* Also of an app that is larger than its slot, of which info knows no more than that. */
static bool is_micropython(const struct doctor_work *work)
{
    char version[48], date[16];
    const struct molt_target *target = work->target;
    const struct molt_info_image *app = work->info.app_count ? &work->info.app[0] : NULL;
    if (!app || app->micropython[0] || !target->bytes || app->offset >= target->flash.size) {
        return app && app->micropython[0];
    }
    uint32_t n = target->flash.size - app->offset;
    n = work->app_length < n ? work->app_length : n;
    return molt_info_find_version(target->bytes + app->offset, n, version, date);
}

void doctor_fix_layout(struct doctor_work *work, struct molt_finding *finding, uint32_t slots)
{
    static const char *const with_slots[] = {"ota", "two-slots"};
    static const char *const without[] = {"original", "single"};
    const struct molt_info_image *app = work->info.app_count ? &work->info.app[0] : NULL;
    if (app && app->error && app->error != MOLT_E_IMAGE_TOO_LARGE) {
        return; /* a new layout is made for an app that boots */
    }
    for (uint32_t i = 0; i < 2 && doctor_has_layout(work->target); i++) {
        const char *name = slots ? with_slots[i] : without[i];
        if (layout_fits(work, name, slots)) {
            /* LoBo's layouts have other names than the one that MicroPython looks for. */
            bool named = i == 1 && is_micropython(work);
            doctor_fix_edit(finding, work->target, "--layout %s%s", name,
                            named ? " --fs-name vfs" : "");
            return;
        }
    }
}

/* ---- A target ---- */

bool doctor_has_layout(const struct molt_target *target)
{
    return target->kind == MOLT_TARGET_FIRMWARE || target->kind == MOLT_TARGET_DUMP ||
           target->kind == MOLT_TARGET_BOARD;
}

const char *doctor_label(const struct molt_partition *row, char text[17])
{
    memcpy(text, row->label, 17);
    molt_info_plain(text);
    return text;
}

/* A '?' may stand for a byte that is not printable: no name to give. */
const char *doctor_word(const char *label, char word[DOCTOR_WORD])
{
    word[0] = 0;
    return label[0] == '-' || strchr(label, '?') ? word : molt_shell_word(word, DOCTOR_WORD, label);
}

static int examine(struct doctor_work *work, struct molt_message *message)
{
    const struct molt_target *target = work->target;
    int error = molt_info_gather(&work->info, target, message);
    if (error) {
        return error;
    }
    struct molt_message unused;
    work->has_boot = doctor_has_layout(target) && molt_boot_read(&work->boot, target, &unused) == 0;
    for (uint32_t i = 0; i < work->info.app_count; i++) {
        const struct molt_info_image *app = &work->info.app[i];
        if (app->readable && app->image.length > work->app_length) {
            work->app_length = app->image.length;
        }
    }
    doctor_bootloader(work);
    doctor_table(work);
    doctor_apps(work);
    doctor_boot(work);
    error = doctor_versions(work);
    if (!error) {
        error = doctor_files(work);
    }
    return error ? molt_fail(message, error, "%s: %s", target->name, molt_strerror(error)) : error;
}

static bool goes_before(const struct molt_doctor_finding *x, const struct molt_doctor_finding *y)
{
    if (x->check->severity != y->check->severity) {
        return x->check->severity == MOLT_WRONG;
    }
    return x->check < y->check;
}

void doctor_sort(struct molt_doctor *doctor)
{
    for (uint32_t i = 1; i < doctor->finding_count; i++) {
        struct molt_doctor_finding one = doctor->finding[i];
        uint32_t k = i;
        for (; k > 0 && goes_before(&one, &doctor->finding[k - 1]); k--) {
            doctor->finding[k] = doctor->finding[k - 1];
        }
        doctor->finding[k] = one;
    }
}

int molt_doctor_target(struct molt_doctor *doctor, const struct molt_target *target,
                       struct molt_message *message)
{
    memset(doctor, 0, sizeof *doctor);
    struct doctor_work *work = calloc(1, sizeof *work);
    if (!work) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    work->doctor = doctor;
    work->target = target;
    int error = examine(work, message);
    free(work);
    doctor_sort(doctor);
    return error;
}
