/* The regions of a flash map, in the order of their offsets. */
#ifndef MOLT_CLI_SVG_REGIONS_H
#define MOLT_CLI_SVG_REGIONS_H

#include "molt/ops/info.h"

enum svg_class { SVG_BOOT = 0, SVG_APP, SVG_FILES, SVG_DATA, SVG_UNUSED };

struct svg_region {
    enum svg_class class;
    uint64_t offset, size, used; /* used 0 = not known, or nothing */
    char name[20], type[24];
    char note[48], fill[24]; /* what is in it, how much of it is taken */
    bool boots;              /* next */
    double height;           /* of its box */
};

/* Rows, what lies below them, and each gap between. */
#define SVG_REGIONS (2 * (MOLT_PTABLE_MAX_ROWS + 3) + 1)

struct svg_map {
    uint64_t end; /* of the flash, or of the last row where that is not known */
    uint32_t count;
    struct svg_region region[SVG_REGIONS];
    double scale;  /* pixels a byte, of the boxes that are to scale */
    bool squeezed; /* some are drawn higher than that */
};

#define SVG_LEAST_HEIGHT 30.0

void svg_regions(struct svg_map *map, const struct molt_target *target,
                 const struct molt_info *info);

#endif
