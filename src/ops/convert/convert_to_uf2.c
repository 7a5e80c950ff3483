#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/ops/identify.h"
#include "molt/uf2.h"
#include "ops/convert/convert_internal.h"
#include "ops/info/identify_internal.h"

#define RP2_FLASH_MAX (16u << 20)

/* What goes into the blocks, and for whom. */
struct content {
    const uint8_t *bytes;
    uint32_t size, base;
    bool has_family;
    uint32_t family;
};

/* ---- Families ---- */

static int named_family(const struct molt_convert_request *request, uint32_t *id,
                        struct molt_message *message)
{
    const struct molt_uf2_family *row = molt_uf2_family_by_name(request->family);
    char *end;
    *id = row ? row->id : (uint32_t)strtoul(request->family, &end, 0);
    if (!row && (request->family[0] != '0' || *end || end == request->family + 1)) {
        return molt_fail(
            message, MOLT_E_ARGUMENT,
            "%s: no such family of UF2 files, expected a name such as ESP32S3, RP2040, "
            "STM32F4, or a number",
            request->family);
    }
    return MOLT_OK;
}

/* The family for an ESP32's image; one that is given has to be the chip's own. */
static int esp_family(struct content *content, const struct molt_convert_request *request,
                      const struct molt_chip *chip, struct molt_message *message)
{
    const struct molt_uf2_family *own = molt_uf2_family_of_chip(chip->name);
    content->has_family = true;
    if (!request->family && !own) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "%s: is for %s, for which no family of UF2 files is known: give one with "
                         "--family",
                         request->input, chip->name);
    }
    if (!request->family) {
        content->family = own->id;
        return MOLT_OK;
    }
    int error = named_family(request, &content->family, message);
    const struct molt_uf2_family *given = molt_uf2_family_by_id(content->family);
    if (!error && given && given != own && !request->force) {
        return molt_fail(message, MOLT_E_IMAGE_CHIP,
                         "%s: is for %s, expected an image for family %s: no board of that family "
                         "starts it",
                         request->input, chip->name, given->name);
    }
    return error;
}

/* ---- What to take ---- */

/* The app that boots next, else the first that would. */
static const struct molt_info_image *choose_app(const struct molt_info *info)
{
    const struct molt_info_image *first = NULL;
    for (uint32_t i = 0; i < info->app_count; i++) {
        const struct molt_info_image *app = &info->app[i];
        if (!app->readable || app->error) {
            continue;
        }
        if (info->boot.known && strcmp(app->label, info->boot.label) == 0) {
            return app;
        }
        first = first ? first : app;
    }
    return first;
}

static int take_app(struct molt_converted *converted, struct content *content,
                    const struct molt_convert_request *request, const struct molt_target *target,
                    const uint8_t *flash, const struct molt_info *info,
                    struct molt_message *message)
{
    bool bare = target->kind == MOLT_TARGET_APP;
    const struct molt_info_image *app = bare ? &info->app[0] : choose_app(info);
    if (!app) {
        return molt_fail(message, MOLT_E_NOT_FOUND,
                         "%s: no app in it would boot ('molt info' tells why); --whole takes "
                         "everything",
                         request->input);
    }
    int error = convert_complain(converted, request, app, message);
    if (error) {
        return error;
    }
    uint32_t length = app->readable ? app->image.length : target->file_size;
    content->bytes = flash + app->offset;
    content->size = length;
    content->base = 0;
    snprintf(converted->what, sizeof converted->what, "app");
    if (!bare) {
        molt_plan_add(&converted->plan, MOLT_STEP_NOTE, app->offset, length, "app",
                      "taken from partition %s of the %s", app->label,
                      molt_target_kind_name(target->kind));
    }
    if (!request->has_base) {
        molt_plan_add(&converted->plan, MOLT_STEP_NOTE, 0, 0, "TinyUF2",
                      "writes it to the start of an app's slot; other boot loaders may count "
                      "addresses from the flash's start: --base says so");
    }
    return MOLT_OK;
}

/* flash: the target's bytes from offset 0 on. */
static int take_flash(struct molt_converted *converted, struct content *content,
                      const struct molt_convert_request *request, const struct molt_target *target,
                      const uint8_t *flash, struct molt_message *message)
{
    struct molt_info *info = malloc(sizeof *info);
    if (!info) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    int error = molt_info_gather(info, target, message);
    if (!error) {
        error = esp_family(content, request, target->chip, message);
    }
    if (!error && (target->kind == MOLT_TARGET_APP || !request->whole)) {
        error = take_app(converted, content, request, target, flash, info, message);
    } else if (!error) {
        content->bytes = flash + target->base;
        content->size = target->flash.size - target->base;
        content->base = target->base;
        snprintf(converted->what, sizeof converted->what, "firmware");
        if (info->wrong && !request->force) {
            error = molt_fail(message, MOLT_E_VERIFY,
                              "%s: something is wrong with it, 'molt info' tells what; --force "
                              "converts it as it is",
                              request->input);
        }
        molt_plan_add(&converted->plan, MOLT_STEP_NOTE, 0, 0, "flash",
                      "at flash offsets, as esptool takes it; TinyUF2 takes an app only");
    }
    free(info);
    return error;
}

/* The processor that the image definition names (RP2350 data sheet, 5.9.3.1). */
static uint32_t rp2350_family(const uint8_t *bytes, uint32_t n)
{
    static const uint8_t mark[] = {0xD3, 0xDE, 0xFF, 0xFF, 0x42, 0x01};
    const char *riscv = "RP2350_RISCV", *arm = "RP2350_ARM_S";
    for (uint32_t at = 0; at < 4096 && n - at >= 8; at += 4) {
        if (memcmp(bytes + at, mark, sizeof mark) == 0) {
            bool is_riscv = (bytes[at + 7] & 7) == 1;
            return molt_uf2_family_by_name(is_riscv ? riscv : arm)->id;
        }
    }
    return molt_uf2_family_by_name(arm)->id;
}

static int take_rp2(struct molt_converted *converted, struct content *content,
                    const struct molt_convert_request *request, const uint8_t *bytes, uint32_t n,
                    struct molt_message *message)
{
    const char *chip = identify_rp2_chip(bytes, n);
    bool small = strcmp(chip, "RP2040") == 0;
    content->bytes = bytes;
    content->size = n;
    content->base = MOLT_UF2_RP2_FLASH;
    content->has_family = true;
    content->family = small ? MOLT_UF2_RP2040 : rp2350_family(bytes, n);
    snprintf(converted->what, sizeof converted->what, "flash");
    if (!request->family) {
        return MOLT_OK;
    }
    int error = named_family(request, &content->family, message);
    const struct molt_uf2_family *given = error ? NULL : molt_uf2_family_by_id(content->family);
    if (given && !request->force &&
        (given->use != MOLT_UF2_RP2 ||
         (given->id != MOLT_UF2_RP2_ABSOLUTE && small != (given->id == MOLT_UF2_RP2040)))) {
        return molt_fail(message, MOLT_E_IMAGE_CHIP,
                         "%s: is a flash image for an %s, expected one for family %s: no board of "
                         "that family starts it",
                         request->input, chip, given->name);
    }
    return error;
}

/* Bytes of which nothing is known: who wants them says for whom and where to. */
static int take_bytes(struct molt_converted *converted, struct content *content,
                      const struct molt_convert_request *request, const uint8_t *bytes, uint32_t n,
                      struct molt_message *message)
{
    int error = named_family(request, &content->family, message);
    const struct molt_uf2_family *given = error ? NULL : molt_uf2_family_by_id(content->family);
    bool boots = given && ((given->use == MOLT_UF2_ESP && request->base == 0) ||
                           (given->use == MOLT_UF2_RP2 && request->base == MOLT_UF2_RP2_FLASH));
    if (boots && !request->force) {
        return molt_fail(message, MOLT_E_FORMAT,
                         "%s: is no image that a board of family %s would start from 0x%x; --force "
                         "converts it as it is",
                         request->input, given->name, request->base);
    }
    content->bytes = bytes;
    content->size = n;
    content->has_family = true;
    snprintf(converted->what, sizeof converted->what, "bytes");
    return error;
}

/* ---- Blocks ---- */

static int check_place(const struct content *content, const struct molt_convert_request *request,
                       struct molt_message *message)
{
    const struct molt_uf2_family *family = molt_uf2_family_by_id(content->family);
    uint32_t low = 0, room = 0x80000000u;
    if (content->base % MOLT_UF2_PAYLOAD) {
        return molt_fail(
            message, MOLT_E_ALIGNMENT,
            "--base 0x%x: expected a multiple of %u, the size of a UF2 block's payload",
            content->base, MOLT_UF2_PAYLOAD);
    }
    if (family && family->use == MOLT_UF2_RP2) {
        low = MOLT_UF2_RP2_FLASH;
        room = RP2_FLASH_MAX;
    } else if (family && family->use == MOLT_UF2_ESP) {
        room = 128u << 20;
    } else {
        low = content->base;
    }
    if (content->base < low || content->base - low > room ||
        content->size > room - (content->base - low) ||
        content->size > 0xFFFFFF00u - content->base) {
        return molt_fail(message, MOLT_E_RANGE,
                         "%s: 0x%x bytes at 0x%x leave the flash of family %s (0x%x to 0x%x)",
                         request->input, content->size, content->base,
                         family ? family->name : "that is given", low, low + room);
    }
    return MOLT_OK;
}

static int make_blocks(struct molt_converted *converted, const struct content *content,
                       const struct molt_convert_request *request, struct molt_message *message)
{
    uint32_t count = (content->size + MOLT_UF2_PAYLOAD - 1) / MOLT_UF2_PAYLOAD;
    converted->bytes = malloc((size_t)count * MOLT_UF2_BLOCK);
    if (!converted->bytes) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "%s: no memory for %u blocks", request->input,
                         count);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint8_t payload[MOLT_UF2_PAYLOAD] = {0};
        uint32_t at = i * MOLT_UF2_PAYLOAD, left = content->size - at;
        memcpy(payload, content->bytes + at, left < sizeof payload ? left : sizeof payload);
        const struct molt_uf2_block block = {MOLT_UF2_FAMILY, content->base + at, sizeof payload, i,
                                             count,           content->family,    payload};
        molt_uf2_write(converted->bytes + (size_t)i * MOLT_UF2_BLOCK, &block);
    }
    const struct molt_uf2_family *family = molt_uf2_family_by_id(content->family);
    if (family) {
        snprintf(converted->family, sizeof converted->family, "%s", family->name);
    } else {
        snprintf(converted->family, sizeof converted->family, "0x%08x", content->family);
    }
    converted->size = count * MOLT_UF2_BLOCK;
    converted->base = content->base;
    converted->length = content->size;
    converted->to_uf2 = true;
    molt_plan_add(&converted->plan, MOLT_STEP_WRITE, content->base, content->size, converted->what,
                  "%u blocks of %u bytes for family %s", count, MOLT_UF2_PAYLOAD,
                  converted->family);
    return MOLT_OK;
}

static int finish(struct molt_converted *converted, struct content *content,
                  const struct molt_convert_request *request, struct molt_message *message)
{
    if (request->has_base) {
        content->base = request->base;
    }
    int error = check_place(content, request, message);
    return error ? error : make_blocks(converted, content, request, message);
}

/* A target, when it is one, which has its bytes itself; what it is not tells the message. */
static int from_target(struct molt_converted *converted, struct content *content,
                       const struct molt_convert_request *request, uint8_t **bytes, uint32_t n,
                       struct molt_message *message)
{
    bool said = request->family && request->has_base;
    struct molt_target *target = malloc(sizeof *target);
    if (!target) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    int error = molt_target_open(target, request->input, message);
    if (!error && (target->kind == MOLT_TARGET_APP || target->kind == MOLT_TARGET_FIRMWARE ||
                   target->kind == MOLT_TARGET_DUMP)) {
        free(*bytes);
        *bytes = NULL;
        error = take_flash(converted, content, request, target, target->bytes, message);
    } else if (said && (!error || error == MOLT_E_FORMAT)) {
        error = take_bytes(converted, content, request, *bytes, n, message);
    } else if (!error) {
        error = molt_fail(message, MOLT_E_ARGUMENT,
                          "%s: is %s, expected an app image, a firmware file or a flash image; "
                          "--family and --base say where its bytes go",
                          request->input, molt_target_kind_words(target->kind));
    }
    if (!error) {
        error = finish(converted, content, request, message);
    }
    molt_target_close(target, NULL);
    free(target);
    return error;
}

int convert_board(struct molt_converted *converted, const struct molt_convert_request *request,
                  struct molt_message *message)
{
    struct content content = {0};
    uint8_t *flash = NULL;
    struct molt_target *target = malloc(sizeof *target);
    if (!target) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    int error = molt_target_open(target, request->input, message);
    if (!error && (flash = malloc(target->flash.size)) == NULL) {
        error = molt_fail(message, MOLT_E_NO_MEMORY, "%s: no memory for its flash", request->input);
    }
    if (!error && molt_flash_read(&target->flash, 0, flash, target->flash.size) != MOLT_OK) {
        error = molt_fail(message, MOLT_E_IO, "%s: cannot read its flash", request->input);
    }
    if (!error) {
        error = take_flash(converted, &content, request, target, flash, message);
    }
    if (!error) {
        error = finish(converted, &content, request, message);
    }
    molt_target_close(target, NULL);
    free(flash);
    free(target);
    return error;
}

int convert_to_uf2(struct molt_converted *converted, const struct molt_convert_request *request,
                   uint8_t **bytes, uint32_t n, struct molt_message *message)
{
    struct content content = {0};
    struct molt_identity *identity = malloc(sizeof *identity);
    if (!identity) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    int error = molt_identify(identity, request->input, message);
    enum molt_identity_kind kind = identity->kind;
    free(identity);
    if (error) {
        return error;
    }
    if (kind == MOLT_IDENTITY_FLASH) {
        return from_target(converted, &content, request, bytes, n, message);
    }
    if (kind != MOLT_IDENTITY_RP2) {
        bool apart =
            kind == MOLT_IDENTITY_DFU || kind == MOLT_IDENTITY_ELF || kind == MOLT_IDENTITY_HEX;
        return molt_fail(message, MOLT_E_FORMAT,
                         "%s: is of kind '%s', expected an app image, a firmware file, a flash "
                         "image or a UF2 file%s",
                         request->input, molt_identity_name(kind),
                         apart ? "; 'molt dfu unpack' makes a raw file of it" : "");
    }
    error = take_rp2(converted, &content, request, *bytes, n, message);
    return error ? error : finish(converted, &content, request, message);
}
