#include <stdio.h>

#include "cli/json.h"
#include "cli/map.h"
#include "cli/print_identity.h"
#include "cli/print_info.h"
#include "molt/uf2.h"

static void json_plain(struct json_out *json, const char *key, const char *text)
{
    char plain[64];
    snprintf(plain, sizeof plain, "%s", text);
    molt_info_plain(plain);
    json_text(json, key, plain[0] ? plain : NULL);
}

static void json_known(struct json_out *json, const char *key, uint32_t number)
{
    if (number) {
        json_number(json, key, number);
    } else {
        json_nothing(json, key);
    }
}

static void json_segments(struct json_out *json, const struct molt_image *image)
{
    json_open(json, "segments", '[');
    for (uint32_t i = 0; i < image->header.segment_count; i++) {
        const struct molt_image_segment *segment = &image->segment[i];
        json_open(json, NULL, '{');
        json_number(json, "load_address", segment->load_address);
        json_number(json, "offset", segment->offset);
        json_number(json, "length", segment->length);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void json_readable(struct json_out *json, const struct molt_info_image *found)
{
    const struct molt_image *image = &found->image;
    const struct molt_image_header *header = &image->header;
    const struct molt_chip *chip = molt_chip_by_id(header->chip_id);
    static const char *const modes[] = {"qio", "qout", "dio", "dout", "fast", "slow"};
    char sha256[65];
    for (int i = 0; i < 32; i++) {
        snprintf(sha256 + 2 * i, 3, "%02x", image->sha256[i]);
    }
    json_number(json, "length", image->length);
    json_segments(json, image);
    json_number(json, "checksum", image->checksum_stored);
    json_number(json, "checksum_computed", image->checksum_computed);
    json_bool(json, "checksum_ok", image->checksum_ok);
    json_text(json, "sha256", sha256);
    json_bool(json, "hash_appended", header->hash_appended);
    json_bool(json, "sha256_ok", image->hash_ok);
    json_number(json, "chip_id", header->chip_id);
    json_known(json, "flash_size", molt_flash_size_of_nibble(header->flash_size_nibble));
    json_text(json, "flash_freq",
              chip ? molt_chip_flash_freq(chip, header->flash_freq_nibble) : NULL);
    json_text(json, "flash_mode", header->spi_mode < 6 ? modes[header->spi_mode] : NULL);
    json_number(json, "entry", header->entry);
    json_number(json, "min_rev_full", header->min_rev_full);
    json_number(json, "max_rev_full", header->max_rev_full);
    json_plain(json, "idf_version",
               image->app.present ? image->app.idf_version : image->bootloader_idf);
    json_plain(json, "version", image->app.version);
    json_plain(json, "project", image->app.project);
    json_plain(json, "build_date", image->app.date);
    json_plain(json, "build_time", image->app.time);
    json_plain(json, "micropython", found->micropython);
    json_plain(json, "micropython_date", found->micropython_date);
    json_fraction(json, "share", found->room ? (double)image->length / found->room : 0);
}

static void json_image(struct json_out *json, const char *key, const struct molt_info_image *found)
{
    json_open(json, key, '{');
    json_plain(json, "partition", found->label);
    json_number(json, "offset", found->offset);
    json_number(json, "room", found->room);
    json_bool(json, "empty", found->empty || found->outside);
    json_number(json, "error", found->error);
    json_text(json, "message", found->error ? molt_strerror(found->error) : NULL);
    if (found->readable) {
        json_readable(json, found);
    }
    json_close(json, '}');
}

static void json_table(struct json_out *json, const struct molt_info *info,
                       const struct molt_target *target)
{
    if (target->table_error) {
        json_nothing(json, "table");
        return;
    }
    json_open(json, "table", '{');
    json_bool(json, "md5", target->table.has_md5);
    json_number(json, "error", info->table_error);
    json_open(json, "partitions", '[');
    for (uint32_t i = 0; i < target->table.count; i++) {
        map_json_row(json, NULL, &target->table.row[i]);
    }
    json_close(json, ']');
    json_close(json, '}');
}

static void json_container(struct json_out *json, const struct molt_target *target)
{
    const struct molt_uf2_family *family = molt_uf2_family_by_id(target->uf2_family);
    bool uf2 = target->container == MOLT_CONTAINER_UF2;
    json_text(json, "container", uf2 ? "UF2" : NULL);
    json_text(json, "uf2_family", uf2 && family ? family->name : NULL);
}

static void json_boot(struct json_out *json, const struct molt_info_boot *boot)
{
    if (!boot->known) {
        json_nothing(json, "boots_next");
        return;
    }
    json_open(json, "boots_next", '{');
    json_text(json, "partition", boot->label[0] ? boot->label : NULL);
    if (boot->record < 0) {
        json_nothing(json, "record");
        json_nothing(json, "seq");
        json_nothing(json, "state");
    } else {
        json_number(json, "record", boot->record);
        json_number(json, "seq", boot->seq);
        json_number(json, "state", boot->state);
    }
    json_close(json, '}');
}

static void json_files(struct json_out *json, const struct molt_info_files *files)
{
    const struct molt_fs_space *space = &files->space;
    uint32_t used = space->used < space->total ? space->used : space->total;
    json_open(json, NULL, '{');
    json_plain(json, "partition", files->label);
    json_number(json, "offset", files->offset);
    json_number(json, "size", files->size);
    json_text(json, "file_system", files->facts.variant);
    json_number(json, "block_size", files->facts.block_size);
    json_number(json, "block_count", files->facts.block_count);
    json_number(json, "error", files->error);
    if (files->error) {
        json_nothing(json, "used");
        json_nothing(json, "free");
    } else {
        json_number(json, "used", (int64_t)used * space->block_size);
        json_number(json, "free", (int64_t)(space->total - used) * space->block_size);
    }
    json_close(json, '}');
}

void cli_print_info_json(const struct molt_info *info, const struct molt_target *target)
{
    struct json_out json = {.out = stdout};
    json_open(&json, NULL, '{');
    json_text(&json, "kind", molt_target_kind_name(target->kind));
    json_text(&json, "target", target->name);
    json_container(&json, target);
    json_text(&json, "chip", target->chip ? target->chip->name : NULL);
    if (target->chip) {
        json_number(&json, "chip_id", target->chip->chip_id);
    } else {
        json_nothing(&json, "chip_id");
    }
    json_known(&json, "file_size", target->file_size);
    json_known(&json, "flash_size", target->flash_size);
    json_known(&json, "header_flash_size", target->header_flash_size);
    if (info->has_bootloader) {
        json_image(&json, "bootloader", &info->bootloader);
    } else {
        json_nothing(&json, "bootloader");
    }
    json_table(&json, info, target);
    json_boot(&json, &info->boot);
    json_open(&json, "apps", '[');
    for (uint32_t i = 0; i < info->app_count; i++) {
        json_image(&json, NULL, &info->app[i]);
    }
    json_close(&json, ']');
    json_open(&json, "file_systems", '[');
    for (uint32_t i = 0; i < info->files_count; i++) {
        json_files(&json, &info->files[i]);
    }
    json_close(&json, ']');
    cli_json_findings(&json, info->finding, info->finding_count, info->wrong);
    json_close(&json, '}');
}
