/* An app that is about to be written to a slot, checked as the bootloader of the target would. */
#ifndef MOLT_OPS_APPCHECK_H
#define MOLT_OPS_APPCHECK_H

#include <stdint.h>

#include "molt/flash.h"
#include "molt/host/message.h"
#include "molt/host/target.h"
#include "molt/ops/info.h"

/* The rules of this target's bootloader for an app at slot_offset; a file's revision is not known.
 */
struct molt_image_rules appcheck_rules(const struct molt_target *target, uint32_t slot_offset);

/* "FILE: KIND at 0x...: what is wrong", from what molt_info_read_image left. */
int appcheck_fail(const struct molt_info_image *found, const char *file, const char *kind,
                  struct molt_message *message);

/* Reads [offset, offset + room) of flash: a whole, right app that starts at slot_offset of target.
 * found tells what it is, also after an error. */
int appcheck_read(struct molt_info_image *found, const struct molt_flash *flash, uint32_t offset,
                  uint32_t room, const char *file, const char *kind,
                  const struct molt_target *target, uint32_t slot_offset,
                  struct molt_message *message);

/* "MicroPython v1.23.0 of 2024-06-02", "project 1.2, ESP-IDF v5.0", "": what the app says it is. */
void appcheck_words(struct molt_info_image *found, const struct molt_flash *flash, char *text,
                    size_t size);

#endif
