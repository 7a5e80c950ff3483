#include "cli/print_bundle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "cli/cli.h"
#include "cli/hex.h"
#include "cli/when.h"

static const char *const role_name[] = {"app", "file system", "release"};
static const char *const codec_name[] = {"raw", "deflate", "delta"};
static const char *const policy_name[] = {"replace", "if changed", "delete", "keep folder"};
static const char *const signature_name[] = {"not checked", "right", "wrong", "unknown key"};

/* Bytes of a payload's chunks in the bundle, and how many chunks each codec has. */
static uint32_t encoded_size(const struct molt_manifest *manifest,
                             const struct molt_payload *payload, uint32_t codecs[3])
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < payload->chunk_count; i++) {
        const struct molt_chunk *chunk = &manifest->chunk[payload->first_chunk + i];
        codecs[chunk->codec]++;
        total += chunk->encoded_size;
    }
    return total;
}

static void print_signature(const struct molt_bundle_report *report)
{
    char id[2 * MOLT_KEY_ID_SIZE + 1] = "(none named)";
    if (report->has_key_id) {
        cli_hex(report->key_id, sizeof report->key_id, id);
    }
    switch (report->signature) {
    case MOLT_SIGNATURE_UNCHECKED:
        printf("signature   not checked, by key %s: give that key with --key\n", id);
        break;
    case MOLT_SIGNATURE_RIGHT: printf("signature   right, by key %s\n", id); break;
    case MOLT_SIGNATURE_WRONG: printf("signature   WRONG, said to be by key %s\n", id); break;
    case MOLT_SIGNATURE_KEY_UNKNOWN:
        printf("signature   by key %s, which is NOT the key given\n", id);
        break;
    }
}

static void print_needs(const struct molt_manifest *manifest)
{
    char size[16];
    const struct molt_chip *chip = molt_chip_by_id(manifest->chip_id);
    if (manifest->payload_count == 1 && manifest->payload[0].role == MOLT_ROLE_RELEASE) {
        printf("brings      files only: they run on the firmware that is there\n");
    }
    printf("board       %s\n", manifest->board[0] ? manifest->board : "any");
    if (manifest->chip_id == MOLT_CHIP_ANY) {
        printf("chip        any\n");
    } else {
        printf("chip        %s (id %u)\n", chip ? chip->name : "unknown here", manifest->chip_id);
    }
    if (manifest->slot_size) {
        printf("slot        of %s or more\n", cli_size(manifest->slot_size, size));
    }
    if (manifest->min_bootloader) {
        uint32_t v = manifest->min_bootloader;
        printf("bootloader  ESP-IDF %u.%u.%u or later\n", v >> 16, v >> 8 & 255, v & 255);
    } else {
        printf("bootloader  any\n");
    }
    if (manifest->mpy_abi) {
        printf(".mpy        %u.%u\n", manifest->mpy_abi >> 8, manifest->mpy_abi & 255u);
    }
}

static void print_times(const struct molt_manifest *manifest)
{
    char text[32];
    printf("sequence    %" PRIu32 "%s\n", manifest->sequence,
           manifest->allow_downgrade ? ", may replace a newer one" : "");
    printf("issued      %s\n", manifest->issued ? cli_when(manifest->issued, text) : "not said");
    printf("expires     %s\n", manifest->expires ? cli_when(manifest->expires, text) : "never");
}

static void print_files(const struct molt_payload *payload, const struct molt_bytes *content)
{
    struct molt_release_reader reader;
    struct molt_release_file file;
    char size[16];
    if (molt_release_start(&reader, content->data, payload->list_size, payload->length)) {
        return;
    }
    while (molt_release_next(&reader, &file) == MOLT_OK) {
        printf("    %-40s %10s%s%s\n", file.path, cli_size(file.length, size),
               file.policy ? "  " : "", file.policy ? policy_name[file.policy] : "");
    }
}

static void print_payload(const struct molt_bundle_report *report, uint32_t index)
{
    const struct molt_manifest *manifest = &report->view.manifest;
    const struct molt_payload *payload = &manifest->payload[index];
    char hex[2 * MOLT_SHA256_SIZE + 1], size[16], packed[16], chunk[16];
    uint32_t codecs[3] = {0};
    uint32_t encoded = encoded_size(manifest, payload, codecs);
    printf("\n%s '%s': %s, %s in the bundle (%.1f %% saved)\n", role_name[payload->role],
           payload->name, cli_size(payload->length, size), cli_size(encoded, packed),
           100.0 - 100.0 * encoded / payload->length);
    printf("  SHA-256   %s\n", cli_hex(payload->sha256, sizeof payload->sha256, hex));
    printf("  chunks    %u of %s:", payload->chunk_count,
           cli_size((uint64_t)1 << payload->chunk_log2, chunk));
    for (int codec = 0, first = 1; codec < 3; codec++) {
        if (codecs[codec]) {
            printf("%s %u %s", first ? "" : ",", codecs[codec], codec_name[codec]);
            first = 0;
        }
    }
    printf("\n");
    if (payload->has_base) {
        printf("  needs     %s\n", cli_hex(payload->base_sha256, sizeof payload->sha256, hex));
    }
    if (payload->mpy_abi) {
        printf("  .mpy      native code for %u.%u\n", payload->mpy_abi >> 8,
               payload->mpy_abi & 255u);
    }
    if (report->content_error[index]) {
        const struct molt_diag *diag = &report->content_diag[index];
        printf("  BROKEN    %s%s%s at 0x%x\n", molt_strerror(diag->error), diag->what ? ": " : "",
               diag->what ? diag->what : "", diag->offset);
    } else if (payload->role == MOLT_ROLE_RELEASE) {
        print_files(payload, &report->content[index]);
    }
}

void cli_print_bundle(const char *path, const struct molt_bundle_report *report)
{
    const struct molt_manifest *manifest = &report->view.manifest;
    char hex[2 * MOLT_SHA256_SIZE + 1], size[16];
    printf("bundle      %s, %s\n", path, cli_size(report->view.size, size));
    printf("digest      %s\n", cli_hex(manifest->digest, sizeof manifest->digest, hex));
    print_signature(report);
    print_times(manifest);
    print_needs(manifest);
    if (manifest->info) {
        printf("info        "); /* signed is not harmless: no control characters to a terminal */
        for (uint32_t i = 15; i < manifest->info_size - 1; i++) {
            uint8_t c = manifest->info[i];
            putchar(c < ' ' || c > '~' ? '?' : c);
        }
        printf("\n");
    }
    for (uint32_t i = 0; i < manifest->payload_count; i++) {
        print_payload(report, i);
    }
}

static json_t *files_json(const struct molt_payload *payload, const struct molt_bytes *content)
{
    struct molt_release_reader reader;
    struct molt_release_file file;
    char hex[2 * MOLT_SHA256_SIZE + 1];
    json_t *list = json_array();
    if (molt_release_start(&reader, content->data, payload->list_size, payload->length)) {
        return list;
    }
    while (molt_release_next(&reader, &file) == MOLT_OK) {
        json_array_append_new(list, json_pack("{ss sI ss ss}", "path", file.path, "length",
                                              (json_int_t)file.length, "sha256",
                                              cli_hex(file.sha256, sizeof file.sha256, hex),
                                              "policy", policy_name[file.policy]));
    }
    return list;
}

static json_t *payload_json(const struct molt_bundle_report *report, uint32_t index)
{
    const struct molt_manifest *manifest = &report->view.manifest;
    const struct molt_payload *payload = &manifest->payload[index];
    char hex[2 * MOLT_SHA256_SIZE + 1];
    uint32_t codecs[3] = {0};
    uint32_t encoded = encoded_size(manifest, payload, codecs);
    json_t *chunks = json_array();
    for (uint32_t i = 0; i < payload->chunk_count; i++) {
        const struct molt_chunk *chunk = &manifest->chunk[payload->first_chunk + i];
        json_array_append_new(chunks,
                              json_pack("{ss sI ss}", "codec", codec_name[chunk->codec],
                                        "encoded_length", (json_int_t)chunk->encoded_size, "sha256",
                                        cli_hex(chunk->sha256, sizeof chunk->sha256, hex)));
    }
    json_t *object =
        json_pack("{ss ss sI sI ss sI so}", "role", role_name[payload->role], "name", payload->name,
                  "length", (json_int_t)payload->length, "encoded_length", (json_int_t)encoded,
                  "sha256", cli_hex(payload->sha256, sizeof payload->sha256, hex), "chunk_size",
                  (json_int_t)1 << payload->chunk_log2, "chunks", chunks);
    if (payload->has_base) {
        json_object_set_new(object, "base_sha256",
                            json_string(cli_hex(payload->base_sha256, MOLT_SHA256_SIZE, hex)));
    }
    json_object_set_new(object, "mpy_abi", json_integer(payload->mpy_abi));
    int error = report->content_error[index];
    json_object_set_new(object, "error", error ? json_string(molt_strerror(error)) : json_null());
    if (!error && payload->role == MOLT_ROLE_RELEASE) {
        json_object_set_new(object, "files", files_json(payload, &report->content[index]));
    }
    return object;
}

void cli_print_bundle_json(const char *path, const struct molt_bundle_report *report)
{
    const struct molt_manifest *manifest = &report->view.manifest;
    char digest[2 * MOLT_SHA256_SIZE + 1], id[2 * MOLT_KEY_ID_SIZE + 1] = "";
    json_t *payloads = json_array();
    for (uint32_t i = 0; i < manifest->payload_count; i++) {
        json_array_append_new(payloads, payload_json(report, i));
    }
    if (report->has_key_id) {
        cli_hex(report->key_id, sizeof report->key_id, id);
    }
    json_t *file = json_string(path); /* NULL when it is not UTF-8 */
    json_t *object =
        json_pack("{so sI ss ss ss sI ss si sI sI si sI sI sb so}", "file",
                  file ? file : json_null(), "length", (json_int_t)report->view.size, "digest",
                  cli_hex(manifest->digest, sizeof manifest->digest, digest), "key_id", id,
                  "signature", signature_name[report->signature], "sequence",
                  (json_int_t)manifest->sequence, "board", manifest->board, "chip_id",
                  manifest->chip_id == MOLT_CHIP_ANY ? -1 : (int)manifest->chip_id, "slot_size",
                  (json_int_t)manifest->slot_size, "min_bootloader",
                  (json_int_t)manifest->min_bootloader, "mpy_abi", (int)manifest->mpy_abi, "issued",
                  (json_int_t)manifest->issued, "expires", (json_int_t)manifest->expires,
                  "allow_downgrade", (int)manifest->allow_downgrade, "payloads", payloads);
    if (manifest->info) {
        json_object_set_new(object, "info",
                            json_stringn((const char *)manifest->info, manifest->info_size - 1));
    }
    json_dumpf(object, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(object);
}
