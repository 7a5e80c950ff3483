/* DFU, UF2 and RP2 images: what boards take over USB. */
#include <stdlib.h>
#include <string.h>

#include "molt/dfufile.h"
#include "molt/host/file.h"
#include "molt/host/uf2_file.h"
#include "ops/info/identify_internal.h"

/* ---- DFU ---- */

static void suffix_facts(struct molt_identity *identity, const struct molt_dfu_suffix *suffix,
                         bool has_suffix)
{
    if (!has_suffix) {
        identify_finding(identity, MOLT_WRONG,
                         "there is no DFU suffix at its end: the file is not whole, or no tool for "
                         "DFU made it; fetch it again");
        for (int i = 0; i < 5; i++) {
            static const char *const keys[] = {"vendor", "product", "device", "crc", "crc_ok"};
            identify_nothing(identity, keys[i]);
        }
        return;
    }
    identify_number(identity, "vendor", "vendor", MOLT_FACT_HEX, suffix->vendor);
    identify_number(identity, "product", "product", MOLT_FACT_HEX, suffix->product);
    identify_number(identity, "device", "device", MOLT_FACT_HEX, suffix->device);
    identify_number(identity, "crc", "CRC", MOLT_FACT_HEX, suffix->crc);
    identify_number(identity, "crc_ok", "CRC right", MOLT_FACT_BOOL,
                    suffix->crc == suffix->crc_computed);
    if (suffix->crc != suffix->crc_computed) {
        identify_finding(identity, MOLT_WRONG,
                         "wrong CRC, expected 0x%08x, found 0x%08x: the file was changed or "
                         "damaged; fetch it again",
                         suffix->crc_computed, suffix->crc);
    }
}

static int elements(struct molt_identity *identity, struct molt_dfuse *dfuse,
                    struct molt_diag *diag)
{
    struct molt_dfuse_target target;
    struct molt_dfuse_element element;
    int more;
    identify_list(identity, "elements", "elements");
    while ((more = molt_dfuse_next_target(dfuse, &target, diag)) == 1) {
        while ((more = molt_dfuse_next_element(dfuse, &element, diag)) == 1) {
            if (!identify_row(identity, "elements")) {
                return MOLT_OK;
            }
            identify_number(identity, "alternate", "alternate", MOLT_FACT_NUMBER, target.alternate);
            identify_known(identity, "target", "target", target.name);
            identify_number(identity, "address", "address", MOLT_FACT_HEX, element.address);
            identify_number(identity, "size", "size", MOLT_FACT_SIZE, element.size);
            identify_number(identity, "offset", NULL, MOLT_FACT_NUMBER, element.offset);
        }
        if (more < 0) {
            return more;
        }
    }
    return more;
}

int identify_dfu(struct molt_identity *identity, const struct identify_file *file,
                 struct molt_message *message)
{
    struct molt_dfu_suffix suffix;
    struct molt_dfuse dfuse;
    struct molt_diag diag = {0};
    (void)message;
    identity->kind = MOLT_IDENTITY_DFU;
    bool has = molt_dfu_parse_suffix(&suffix, file->bytes, file->size, &diag) == MOLT_OK;
    uint32_t end = has ? file->size - suffix.length : file->size;
    bool dfuse_file = file->size >= 5 && memcmp(file->bytes, "DfuSe", 5) == 0;
    identify_text(identity, "format", "format", dfuse_file ? "DfuSe" : "DFU 1.1");
    suffix_facts(identity, &suffix, has);
    identify_micropython(identity, file->bytes, file->size);
    if (!dfuse_file) {
        identify_number(identity, "image_size", "image", MOLT_FACT_SIZE, end);
        identify_list(identity, "elements", "elements");
        return MOLT_OK;
    }
    int error = molt_dfuse_begin(&dfuse, file->bytes, file->size, end, &diag);
    identify_number(identity, "image_size", "image", MOLT_FACT_SIZE, dfuse.image_size);
    if (!error) {
        error = elements(identity, &dfuse, &diag);
    } else {
        identify_list(identity, "elements", "elements");
    }
    if (error) {
        struct molt_message why = {0};
        molt_fail_diag(&why, "DfuSe image", &diag);
        identify_finding(identity, MOLT_WRONG, "%.300s: fetch the file again", why.text);
    }
    return MOLT_OK;
}

/* ---- RP2 ---- */

/* CRC-32 as the RP2040's boot ROM computes it over its first 252 bytes: not reflected, start
 * FFFFFFFF, no last inversion (RP2040 data sheet, 2.8.1.3.1). */
static uint32_t boot2_crc(const uint8_t *bytes)
{
    uint32_t crc = 0xFFFFFFFFu;
    for (uint32_t i = 0; i < 252; i++) {
        crc ^= (uint32_t)bytes[i] << 24;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 0x80000000u ? crc << 1 ^ 0x04C11DB7u : crc << 1;
        }
    }
    return crc;
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* RP2350: a block list within the first 4 KB begins and ends with marks (data sheet, 5.9.1). */
static bool has_block(const uint8_t *bytes, uint32_t n)
{
    bool begun = false;
    for (uint32_t at = 0; at < 4096 && n - at >= 4; at += 4) {
        uint32_t word = get32(bytes + at);
        begun = begun || word == 0xFFFFDED3u;
        if (begun && word == 0xAB123579u) {
            return true;
        }
    }
    return false;
}

const char *identify_rp2_chip(const uint8_t *bytes, uint32_t n)
{
    bool other = n > 256 && get32(bytes) != 0xFFFFFFFFu && get32(bytes) != 0;
    if (!other) {
        return NULL;
    }
    return get32(bytes + 252) == boot2_crc(bytes) ? "RP2040"
           : has_block(bytes, n)                  ? "RP2350"
                                                  : NULL;
}

static void rp2_facts(struct molt_identity *identity, const uint8_t *bytes, uint32_t n)
{
    const char *chip = identify_rp2_chip(bytes, n);
    identity->kind = MOLT_IDENTITY_RP2;
    identify_known(identity, "chip", "chip", chip ? chip : "");
    identify_micropython(identity, bytes, n);
    if (!chip) {
        identify_finding(identity, MOLT_ODD,
                         "it begins neither with a second stage for an RP2040 (its CRC is wrong) "
                         "nor with an image definition for an RP2350: a boot ROM would not start "
                         "it, if it is to start at all");
    }
}

int identify_rp2(struct molt_identity *identity, const struct identify_file *file,
                 struct molt_message *message)
{
    (void)message;
    identify_nothing(identity, "container");
    rp2_facts(identity, file->bytes, file->size);
    return MOLT_OK;
}

/* ---- UF2 ---- */

static void uf2_parts(struct molt_identity *identity, const struct molt_uf2_facts *facts)
{
    identify_list(identity, "parts", "what it writes");
    for (uint32_t i = 0; i < facts->part_count && identify_row(identity, "families"); i++) {
        const struct molt_uf2_part *part = &facts->part[i];
        const struct molt_uf2_family *family = molt_uf2_family_by_id(part->family);
        char number[12];
        identify_text(identity, "family", "family", "%s", molt_uf2_part_name(part, number));
        if (part->has_family) {
            identify_number(identity, "family_id", NULL, MOLT_FACT_NUMBER, part->family);
        } else {
            identify_nothing(identity, "family_id");
        }
        identify_known(identity, "chips", "chips", part->has_family && family ? family->text : "");
        identify_number(identity, "address", "address", MOLT_FACT_HEX, part->low);
        identify_number(identity, "end", "end", MOLT_FACT_HEX, part->high);
        identify_number(identity, "bytes", "bytes", MOLT_FACT_SIZE, part->bytes);
        identify_number(identity, "blocks", "blocks", MOLT_FACT_NUMBER, part->blocks);
        identify_number(identity, "blocks_expected", NULL, MOLT_FACT_NUMBER, part->expected);
        if (part->blocks < part->expected) {
            identify_finding(identity, MOLT_WRONG,
                             "%u of the %u blocks for %s are there: the file is not whole, fetch "
                             "it again",
                             part->blocks, part->expected, molt_uf2_part_name(part, number));
        }
    }
}

static void uf2_findings(struct molt_identity *identity, const struct molt_uf2_facts *facts)
{
    if (facts->tail) {
        identify_finding(identity, MOLT_WRONG,
                         "%u bytes behind the last whole block: the file is not whole, fetch it "
                         "again",
                         facts->tail);
    }
    if (facts->skipped) {
        identify_finding(identity, MOLT_ODD, "%u units of 512 bytes are no UF2 blocks: skipped",
                         facts->skipped);
    }
    if (facts->md5_wrong) {
        identify_finding(identity, MOLT_WRONG,
                         "%u blocks have a wrong MD5: the file is damaged, fetch it again",
                         facts->md5_wrong);
    }
}

/* The bytes of the only part, or NULL. */
static uint8_t *flat_bytes(const struct molt_uf2_facts *facts, const struct identify_file *file,
                           uint32_t *n)
{
    const struct molt_uf2_part *part = &facts->part[0];
    *n = part->high - part->low;
    if (facts->part_count == 0 || *n > 128u << 20) {
        return NULL;
    }
    uint8_t *bytes = malloc(*n);
    if (bytes) {
        memset(bytes, 0xFF, *n);
        molt_uf2_flatten(bytes, part->low, *n, file->bytes, file->size, part);
    }
    return bytes;
}

/* An ESP32's that is whole: what it writes is told by the target. Otherwise why it is none. */
static bool is_flash(const struct molt_uf2_facts *facts, const struct identify_file *file,
                     struct molt_message *why)
{
    const struct molt_uf2_part *part = &facts->part[0];
    const struct molt_uf2_family *family = molt_uf2_family_by_id(part->family);
    struct molt_target *target;
    if (facts->part_count != 1 || (part->has_family && (!family || family->use != MOLT_UF2_ESP)) ||
        (target = malloc(sizeof *target)) == NULL) {
        return false;
    }
    bool opened = molt_target_open(target, file->name, why) == MOLT_OK;
    molt_target_close(target, NULL);
    free(target);
    return opened;
}

int identify_uf2(struct molt_identity *identity, const struct identify_file *file,
                 struct molt_message *message)
{
    struct molt_uf2_facts facts;
    struct molt_diag diag;
    struct molt_message why = {0};
    if (molt_uf2_survey(&facts, file->bytes, file->size, &diag) != MOLT_OK) {
        return molt_fail_diag(message, file->name, &diag);
    }
    if (is_flash(&facts, file, &why)) {
        return MOLT_OK;
    }
    identity->kind = MOLT_IDENTITY_UF2;
    const struct molt_uf2_family *family =
        facts.part_count ? molt_uf2_family_by_id(facts.part[0].family) : NULL;
    uint32_t n;
    uint8_t *bytes = flat_bytes(&facts, file, &n);
    identify_text(identity, "container", "container", "UF2");
    if (bytes && family && family->use == MOLT_UF2_RP2 && facts.part[0].low == MOLT_UF2_RP2_FLASH) {
        rp2_facts(identity, bytes, n);
    } else {
        identify_nothing(identity, "chip");
        identify_micropython(identity, bytes ? bytes : file->bytes, bytes ? n : 0);
    }
    free(bytes);
    identify_known(identity, "version", "version", facts.version);
    identify_known(identity, "device", "device", facts.device);
    identify_number(identity, "comment_blocks", facts.comments ? "comments" : NULL,
                    MOLT_FACT_NUMBER, facts.comments);
    identify_number(identity, "file_blocks", facts.files ? "files' blocks" : NULL, MOLT_FACT_NUMBER,
                    facts.files);
    identify_number(identity, "ignored_blocks", NULL, MOLT_FACT_NUMBER, facts.ignored);
    uf2_parts(identity, &facts);
    uf2_findings(identity, &facts);
    if (identity->finding_count == 0 && family && family->use == MOLT_UF2_ESP) {
        identify_finding(identity, MOLT_ODD, "what it writes is no flash that Molt knows: %.300s",
                         why.text);
    }
    return MOLT_OK;
}
