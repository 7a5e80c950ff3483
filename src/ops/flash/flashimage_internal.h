/* What the files of ops/flashimage share. */
#ifndef MOLT_OPS_FLASHIMAGE_INTERNAL_H
#define MOLT_OPS_FLASHIMAGE_INTERNAL_H

#include "molt/ops/flashimage.h"
#include "molt/ops/info.h"
#include "molt/ops/place.h"

#define FLASH_SECTOR 4096u
#define FLASH_HEAD   (4 * FLASH_SECTOR) /* without these MicroPython makes a new file system */

struct flash_work {
    struct molt_flashimage *job;
    const struct molt_target *image, *target;
    const struct molt_flash_request *request;
    struct molt_message *message;
    struct molt_info_image found; /* the image that was looked at last */
};

/* The image says what these sectors hold. */
void flash_name_sectors(struct molt_flashimage *job, uint32_t offset, uint32_t size);
void flash_clear(const struct flash_work *work, uint32_t offset, uint32_t size);

/* Bytes of [offset, offset + size) that the image file has. */
uint32_t flash_in_file(const struct flash_work *work, uint32_t offset, uint32_t size);
bool flash_image_blank(const struct flash_work *work, uint32_t offset, uint32_t size);

/* The flash as it will be, with the image's table: for molt_place_find. Copy; not to be closed. */
void flash_result(const struct flash_work *work, struct molt_target *result);

/* The content of that place of the target is to be kept. */
bool flash_is_kept(const struct flash_work *work, const struct molt_place *place);

/* Kept content goes to this row of the image's table: the rest of the plan leaves it alone. */
bool flash_takes_kept(const struct flash_work *work, const struct molt_partition *row);

/* What the target holds now in places that the new layout does not have, or the image replaces. */
void flash_plan_losses(struct flash_work *work);

/* The room behind the last partition, where the new layout has the files: nothing misread there. */
void flash_plan_behind(struct flash_work *work);

/* Carries over what is to be kept: into job->want. */
int flash_plan_keeps(struct flash_work *work);

#endif
