/* Boot records, bundles, ESP8266 images. */
#include <stdio.h>
#include <string.h>

#include "host/esp8266.h"
#include "molt/host/blank.h"
#include "molt/manifest.h"
#include "molt/otadata.h"
#include "molt/pack/bundle.h"
#include "ops/info/identify_internal.h"

/* ---- otadata ---- */

/* Two sectors with a record each and nothing behind it; one record at least is right. */
bool identify_is_otadata(const uint8_t *bytes, uint32_t n)
{
    struct molt_otadata pair;
    if (n != MOLT_OTADATA_SIZE) {
        return false;
    }
    molt_otadata_parse(&pair, bytes, bytes + MOLT_OTADATA_SECTOR);
    for (uint32_t i = 0; i < 2; i++) {
        if (!molt_blank(bytes + i * MOLT_OTADATA_SECTOR + MOLT_OTADATA_RECORD_SIZE,
                        MOLT_OTADATA_SECTOR - MOLT_OTADATA_RECORD_SIZE)) {
            return false;
        }
    }
    return pair.record[0].crc_ok || pair.record[1].crc_ok;
}

static const char *state_name(uint32_t state)
{
    static const char *const names[] = {"NEW", "PENDING_VERIFY", "VALID", "INVALID", "ABORTED"};
    return state < 5 ? names[state] : state == MOLT_OTA_UNDEFINED ? "UNDEFINED" : "unknown";
}

static void record_facts(struct molt_identity *identity, const struct molt_otadata_record *record,
                         uint32_t i)
{
    identify_number(identity, "record", "record", MOLT_FACT_NUMBER, i);
    identify_number(identity, "blank", "blank", MOLT_FACT_BOOL, record->blank);
    identify_number(identity, "seq", "seq", MOLT_FACT_NUMBER, record->seq);
    identify_number(identity, "state", NULL, MOLT_FACT_NUMBER, record->state);
    identify_text(identity, "state_name", "state", "%s", state_name(record->state));
    identify_number(identity, "crc", "CRC", MOLT_FACT_HEX, record->crc);
    identify_number(identity, "crc_expected", NULL, MOLT_FACT_NUMBER,
                    molt_otadata_crc(record->seq));
    identify_number(identity, "crc_ok", "CRC right", MOLT_FACT_BOOL, record->crc_ok);
    identify_number(identity, "usable", "usable", MOLT_FACT_BOOL, record->usable);
    if (!record->blank && !record->crc_ok) {
        identify_finding(identity, MOLT_ODD,
                         "record %u has a wrong CRC, expected 0x%08x, found 0x%08x: the bootloader "
                         "passes it over",
                         i, molt_otadata_crc(record->seq), record->crc);
    }
}

int identify_otadata(struct molt_identity *identity, const struct identify_file *file,
                     struct molt_message *message)
{
    /* Which record decides does not depend on how many slots there are. */
    static const struct molt_otadata_facts facts = {2, false, true};
    struct molt_otadata pair;
    struct molt_otadata_choice choice;
    (void)message;
    identity->kind = MOLT_IDENTITY_OTADATA;
    molt_otadata_parse(&pair, file->bytes, file->bytes + MOLT_OTADATA_SECTOR);
    molt_otadata_choose(&pair, &facts, &choice);
    if (choice.record >= 0) {
        identify_number(identity, "decides", "decides", MOLT_FACT_NUMBER, (uint64_t)choice.record);
        identify_number(identity, "slot_of_two", NULL, MOLT_FACT_NUMBER, (uint64_t)choice.slot);
        identify_text(identity, "boots", "boots",
                      "of n slots number (%u - 1) modulo n; of two: ota_%d",
                      pair.record[choice.record].seq, choice.slot);
    } else {
        identify_nothing(identity, "decides");
        identify_nothing(identity, "slot_of_two");
        identify_text(identity, "boots", "boots", "factory, or ota_0 where there is none");
    }
    identify_list(identity, "records", "records");
    for (uint32_t i = 0; i < 2 && identify_row(identity, "records"); i++) {
        record_facts(identity, &pair.record[i], i);
    }
    return MOLT_OK;
}

/* ---- Bundle ---- */

int identify_bundle(struct molt_identity *identity, const struct identify_file *file,
                    struct molt_message *message)
{
    static const char *const roles[] = {"app", "file system", "release"};
    struct molt_bundle_view view;
    struct molt_diag diag;
    identity->kind = MOLT_IDENTITY_BUNDLE;
    if (molt_bundle_open(&view, file->bytes, file->size, &diag) != MOLT_OK) {
        return molt_fail_diag(message, file->name, &diag);
    }
    const struct molt_manifest *manifest = &view.manifest;
    const struct molt_chip *chip = molt_chip_by_id(manifest->chip_id);
    identify_number(identity, "sequence", "sequence", MOLT_FACT_NUMBER, manifest->sequence);
    identify_known(identity, "board", "board", manifest->board);
    if (manifest->chip_id == MOLT_CHIP_ANY) {
        identify_nothing(identity, "chip");
    } else {
        identify_known(identity, "chip", "chip", chip ? chip->name : "unknown here");
    }
    identify_number(identity, "slot_size", "slot of", MOLT_FACT_SIZE, manifest->slot_size);
    identify_number(identity, "issued", NULL, MOLT_FACT_NUMBER, manifest->issued);
    identify_number(identity, "expires", NULL, MOLT_FACT_NUMBER, manifest->expires);
    identify_list(identity, "payloads", "payloads");
    for (uint32_t i = 0; i < manifest->payload_count && identify_row(identity, "payloads"); i++) {
        const struct molt_payload *payload = &manifest->payload[i];
        identify_text(identity, "role", "role", "%s",
                      payload->role < 3 ? roles[payload->role] : "unknown");
        identify_known(identity, "name", "name", payload->name);
        identify_number(identity, "length", "size", MOLT_FACT_SIZE, payload->length);
        identify_number(identity, "chunks", "chunks", MOLT_FACT_NUMBER, payload->chunk_count);
    }
    identify_finding(identity, MOLT_ODD,
                     "signature and content are not checked here: 'molt bundle show --key FILE' "
                     "does");
    return MOLT_OK;
}

/* ---- ESP8266 ---- */

bool identify_is_esp8266(const uint8_t *bytes, uint32_t n)
{
    char text[80];
    return esp8266_image(bytes, n, text);
}

int identify_esp8266(struct molt_identity *identity, const struct identify_file *file,
                     struct molt_message *message)
{
    char text[80];
    (void)message;
    identity->kind = MOLT_IDENTITY_ESP8266;
    identify_text(identity, "chip", "chip", "esp8266");
    esp8266_image(file->bytes, file->size, text);
    identify_text(identity, "header", "header", "%s", text);
    identify_number(identity, "entry", NULL, MOLT_FACT_NUMBER,
                    (uint32_t)file->bytes[4] | (uint32_t)file->bytes[5] << 8 |
                        (uint32_t)file->bytes[6] << 16 | (uint32_t)file->bytes[7] << 24);
    identify_micropython(identity, file->bytes, file->size);
    identify_finding(identity, MOLT_ODD,
                     "images for the ESP8266 are told, but not supported: it has no slots and no "
                     "partition table");
    return MOLT_OK;
}
