#include "molt/espimage.h"

#include <string.h>

#include "core/bytes.h"

#define IMAGE_MAGIC 0xE9
#define APP_MAGIC   0xABCD5432u

int molt_image_parse_header(struct molt_image_header *header, const uint8_t *bytes,
                            struct molt_diag *diag)
{
    if (bytes[0] != IMAGE_MAGIC) {
        return molt_diag_values(diag, MOLT_E_IMAGE_MAGIC, "first byte", 0, IMAGE_MAGIC, bytes[0]);
    }
    header->segment_count = bytes[1];
    header->spi_mode = bytes[2];
    header->flash_size_nibble = bytes[3] >> 4;
    header->flash_freq_nibble = bytes[3] & 15;
    header->entry = molt_get_le32(bytes + 4);
    header->chip_id = molt_get_le16(bytes + 12);
    header->min_rev = bytes[14];
    header->min_rev_full = molt_get_le16(bytes + 15);
    header->max_rev_full = molt_get_le16(bytes + 17);
    header->hash_appended = bytes[23] != 0; /* as the bootloader takes it */
    if (header->segment_count == 0 || header->segment_count > MOLT_IMAGE_MAX_SEGMENTS) {
        return molt_diag_values(diag, MOLT_E_IMAGE_SEGMENTS, "number of segments", 1,
                                MOLT_IMAGE_MAX_SEGMENTS, header->segment_count);
    }
    return MOLT_OK;
}

/* A field without NUL when it is full. */
static void copy_text(char *text, const uint8_t *bytes, uint32_t n)
{
    memcpy(text, bytes, n);
    text[n] = 0;
}

void molt_image_parse_descriptor(struct molt_app_descriptor *app, const uint8_t *bytes)
{
    memset(app, 0, sizeof *app);
    if (molt_get_le32(bytes) != APP_MAGIC) {
        return;
    }
    app->present = true;
    app->secure_version = molt_get_le32(bytes + 4);
    copy_text(app->version, bytes + 16, 32);
    copy_text(app->project, bytes + 48, 32);
    copy_text(app->time, bytes + 80, 16);
    copy_text(app->date, bytes + 96, 16);
    copy_text(app->idf_version, bytes + 112, 32);
    memcpy(app->elf_sha256, bytes + 144, 32);
    app->min_block_rev = molt_get_le16(bytes + 176);
    app->max_block_rev = molt_get_le16(bytes + 178);
    app->mmu_page_log2 = bytes[180];
}
