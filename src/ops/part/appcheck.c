#include "ops/part/appcheck.h"

#include <stdio.h>
#include <string.h>

struct molt_image_rules appcheck_rules(const struct molt_target *target, uint32_t slot_offset)
{
    struct molt_image_rules rules = {0, 0xFFFF, 0xFF, slot_offset};
    rules.chip_id = target->chip ? target->chip->chip_id : 0xFFFF;
    if (target->board) {
        const struct molt_bootmodel_facts *facts = &target->board->facts.boot;
        rules.max_min_rev_full = facts->legacy_revision ? 0xFFFF : facts->revision;
        rules.max_min_rev = facts->legacy_revision ? (uint8_t)(facts->revision / 100) : 0xFF;
    }
    return rules;
}

int appcheck_fail(const struct molt_info_image *found, const char *file, const char *kind,
                  struct molt_message *message)
{
    char thing[200];
    struct molt_diag diag = found->diag;
    if (found->empty || found->outside) {
        return molt_fail(message, MOLT_E_IMAGE_MAGIC, "%s: no %s at 0x%x, expected one", file, kind,
                         found->offset);
    }
    snprintf(thing, sizeof thing, "%.120s: %s at 0x%x", file, kind, found->offset);
    diag.error = found->error;
    return molt_fail_diag(message, thing, &diag);
}

int appcheck_read(struct molt_info_image *found, const struct molt_flash *flash, uint32_t offset,
                  uint32_t room, const char *file, const char *kind,
                  const struct molt_target *target, uint32_t slot_offset,
                  struct molt_message *message)
{
    struct molt_image_rules rules = appcheck_rules(target, slot_offset);
    memset(found, 0, sizeof *found);
    molt_info_read_image(found, flash, offset, room, NULL);
    if (!found->readable) {
        return appcheck_fail(found, file, kind, message);
    }
    /* All of it again, in the order in which a bootloader looks: another chip before a wrong hash.
     */
    found->error = molt_image_check(&found->image, &rules, &found->diag);
    return found->error ? appcheck_fail(found, file, kind, message) : MOLT_OK;
}

void appcheck_words(struct molt_info_image *found, const struct molt_flash *flash, char *text,
                    size_t size)
{
    const struct molt_app_descriptor *app = &found->image.app;
    text[0] = 0;
    molt_info_find_micropython(found, flash);
    if (found->micropython[0]) {
        snprintf(text, size, "MicroPython %s of %s", found->micropython, found->micropython_date);
    } else if (app->present) {
        snprintf(text, size, "%s %s, ESP-IDF %s", app->project[0] ? app->project : "unnamed",
                 app->version, app->idf_version);
    } else {
        snprintf(text, size, "an app without descriptor");
    }
    molt_info_plain(text);
}
