/* The partition table and a bar map of the flash, as info and edit print them. */
#ifndef MOLT_CLI_MAP_H
#define MOLT_CLI_MAP_H

#include <stdint.h>
#include <stdio.h>

#include "cli/json.h"
#include "molt/espimage.h"
#include "molt/ptable.h"

/* Bytes of a partition that are known to be used; 0 = not known. */
struct map_use {
    uint32_t offset, used;
};

/* Columns of the terminal, $COLUMNS, or 80. */
unsigned map_width(void);

/* The rows with their marks, then the bar whose cells carry the mark of what covers most of them; a
 * capital letter where an image is. flash_size 0 = up to the last row's end. */
void map_print(FILE *out, const struct molt_chip *chip, const struct molt_ptable *table,
               uint32_t flash_size, const struct map_use *use, uint32_t use_count);

/* "app", "data", ...; "ota_0", "nvs", "fat", ... or a number. */
const char *map_type_name(uint8_t type, char text[8]);
const char *map_subtype_name(uint8_t type, uint8_t subtype, char text[8]);

/* {name, type, subtype, type_name, subtype_name (null: a number only), offset, size, flags}. */
void map_json_row(struct json_out *json, const char *key, const struct molt_partition *row);

#endif
