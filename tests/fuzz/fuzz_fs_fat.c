/* Any bytes as a FAT volume, zeros behind: it is probed, mounted, walked, checked and written to.
 */
#include <stdlib.h>
#include <string.h>

#include "fs_fuzz.h"

#define SIZE (16u * 4096u)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size - 1 > SIZE) {
        return 0;
    }
    uint8_t *image = calloc(1, SIZE);
    if (!image) {
        abort();
    }
    memcpy(image, data + 1, size - 1);
    fs_fuzz(image, SIZE, data[0]);
    free(image);
    return 0;
}
