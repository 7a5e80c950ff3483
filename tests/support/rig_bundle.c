#include "rig_bundle.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void make_files(struct rig_version *v, uint32_t seed)
{
    static const char *const paths[RIG_FILES] = {"main.py", "lib/helper.py", "data/table.bin"};
    static const uint32_t sizes[RIG_FILES] = {300, 5000, 8999};
    for (uint32_t i = 0; i < RIG_FILES; i++) {
        for (uint32_t k = 0; k < sizes[i]; k++) {
            v->text[i][k] = (char)('a' + (k * (seed + 3) + k / 97 + i) % 26);
        }
        v->file[i] = (struct molt_pack_file){paths[i], (const uint8_t *)v->text[i], sizes[i],
                                             MOLT_KEEP_REPLACE};
    }
}

static void take_image(struct rig_version *v, const uint8_t *image, uint32_t length)
{
    v->image = malloc(length);
    assert_non_null(v->image);
    memcpy(v->image, image, length);
    v->length = length;
    molt_sha256_of(image, length, v->sha256);
}

static void build(struct rig_version *version, struct molt_pack_input *input)
{
    struct molt_diag diag = {0};
    struct molt_bundle_view view;
    if (version->has_release) {
        make_files(version, version->files_seed);
        input->files = version->file;
        input->file_count = RIG_FILES;
    }
    int code = molt_bundle_build(&version->bundle, input, &rig_signer, NULL, &diag);
    if (code < 0) {
        print_error("bundle: %s (%s)\n", molt_strerror(code), diag.what ? diag.what : "-");
    }
    assert_int_equal(code, MOLT_OK);
    if (version->has_release) {
        assert_int_equal(molt_bundle_open(&view, version->bundle.data, version->bundle.size, NULL),
                         MOLT_OK);
        const struct molt_payload *pack = molt_manifest_payload(&view.manifest, MOLT_ROLE_RELEASE);
        molt_release_directory(pack->sha256, version->directory);
        struct molt_bytes content = {0};
        assert_int_equal(molt_bundle_decode(&view, pack, &content, NULL), MOLT_OK);
        version->list_size = pack->list_size;
        memcpy(version->list, content.data, pack->list_size);
        molt_bytes_free(&content);
    }
}

void rig_version_make(struct rig_version *version, uint32_t length, uint32_t seed, uint32_t changed,
                      bool release, const struct molt_pack_input *more)
{
    struct molt_pack_input input = more ? *more : (struct molt_pack_input){0};
    memset(version, 0, sizeof *version);
    version->image = rig_image(length, seed, changed);
    version->length = length;
    molt_sha256_of(version->image, length, version->sha256);
    input.app = version->image;
    input.app_size = length;
    input.sequence = input.sequence ? input.sequence : seed;
    version->has_release = release;
    version->files_seed = seed + changed;
    build(version, &input);
}

void rig_version_files(struct rig_version *version, const struct rig_version *on, uint32_t seed,
                       const struct molt_pack_input *more)
{
    struct molt_pack_input input = more ? *more : (struct molt_pack_input){0};
    memset(version, 0, sizeof *version);
    take_image(version, on->image, on->length);
    input.app = NULL;
    input.app_size = input.slot_size = 0;
    input.sequence = input.sequence ? input.sequence : seed;
    version->has_release = true;
    version->files_seed = seed;
    build(version, &input);
}

void rig_version_unsigned(struct rig_version *version, uint32_t length, uint32_t seed,
                          uint32_t changed, const struct rig_version *on)
{
    uint8_t *image = rig_image(length, seed, changed);
    memset(version, 0, sizeof *version);
    take_image(version, image, length);
    version->unsigned_image = true;
    version->bundle.data = image;
    version->bundle.size = length;
    if (on && on->has_release) {
        version->has_release = true;
        make_files(version, on->files_seed);
        memcpy(version->directory, on->directory, sizeof version->directory);
        memcpy(version->list, on->list, sizeof version->list);
        version->list_size = on->list_size;
    }
}

void rig_serve_version(struct rig *rig, const struct rig_version *version)
{
    rig_serve(rig, version->bundle.data, (uint32_t)version->bundle.size);
    rig->port.image = version->unsigned_image ? version->length : 0;
}

void rig_version_free(struct rig_version *version)
{
    free(version->image);
    molt_bytes_free(&version->bundle);
}

bool rig_has_files(struct rig *rig, const struct rig_version *version)
{
    char directory[MOLT_RELEASE_DIR_SIZE], path[MOLT_PATH_MAX];
    static uint8_t bytes[10000];
    int bound = rig_release(rig, directory);
    if (bound != (version->has_release ? 1 : 0) ||
        (bound == 1 && strcmp(directory, version->directory) != 0)) {
        return false;
    }
    if (version->has_release) {
        snprintf(path, sizeof path, "%s/%s", directory, MOLT_RELEASE_LIST);
        int n = rig->files.ops->read(rig->files.context, path, 0, bytes, sizeof bytes);
        if (n != (int)version->list_size || memcmp(bytes, version->list, (size_t)n) != 0) {
            return false;
        }
    }
    for (int i = 0; version->has_release && i < RIG_FILES; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, version->file[i].path);
        int n = rig->files.ops->read(rig->files.context, path, 0, bytes, sizeof bytes);
        if (n != (int)version->file[i].size ||
            memcmp(bytes, version->file[i].bytes, (size_t)n) != 0) {
            return false;
        }
    }
    return true;
}

bool rig_runs(struct rig *rig, const struct rig_version *version)
{
    return rig->boot.result == MOLT_BOOT_RUNS &&
           memcmp(rig->boot.image_sha256, version->sha256, 32) == 0 &&
           (rig->options.no_files || rig_has_files(rig, version));
}
