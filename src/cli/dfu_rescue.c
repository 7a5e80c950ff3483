#include "cli/dfu_rescue.h"

#include <stdlib.h>

#include "molt/host/file.h"
#include "molt/ops/dfu_image.h"

char *dfu_save_rescue(const struct cli_args *args, const struct molt_dfu_write *job)
{
    static const char names[] = "molt-rescue-%08x%s.dfu";
    struct molt_message message;
    struct molt_dfu_form form = {
        .kind = MOLT_DFU_IMAGE_DFUSE, .vendor = 0xFFFF, .product = 0xFFFF, .device = 0xFFFF};
    uint32_t count, n;
    uint8_t *bytes = NULL;
    const struct molt_dfu_rescue *rescue = molt_dfu_write_rescue(job, &count);
    struct molt_dfu_element *element = count ? calloc(count, sizeof *element) : NULL;
    char *name = element ? malloc(64) : NULL;
    int error = name ? MOLT_OK : MOLT_E_NO_MEMORY;
    for (uint32_t i = 0; !error && i < count; i++) {
        element[i] = (struct molt_dfu_element){.address = rescue[i].address,
                                               .size = rescue[i].size,
                                               .bytes = rescue[i].bytes,
                                               .alternate = rescue[i].alternate,
                                               .has_alternate = true,
                                               .target_name = ""};
    }
    if (!error) {
        error = molt_dfu_render(element, count, &form, &bytes, &n, &message);
    }
    for (unsigned i = 0; !error && i < 100; i++) {
        char number[8] = "";
        if (i) {
            snprintf(number, sizeof number, "-%u", i);
        }
        snprintf(name, 64, names, rescue[0].address, number);
        error = molt_file_write(name, bytes, n, 0666, MOLT_FILE_KEEP, &message);
        if (error != MOLT_E_EXISTS) {
            break;
        }
        error = MOLT_OK;
    }
    free(bytes);
    free(element);
    if (!error) {
        fprintf(stderr,
                "molt %s: what the device held besides the file in the sector that was being "
                "written is in %s; when the device is in DFU mode again: molt dfu write %s\n",
                args->verb->name, name, name);
        return name;
    }
    if (count) {
        cli_fail(args, &message);
    }
    free(name);
    return NULL;
}
