#include "rig_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testing.h"

void rig_device_start(struct rig_device *device, const struct rig_options *options)
{
    static const struct rig_options usual = {.slot_size = 0x20000};
    struct molt_pack_input input = {.board = "RIG", .sequence = 1};
    memset(device, 0, sizeof *device);
    rig_version_make(&device->old, 0x8000, 1, 0, false, &input);
    rig_init(&device->rig, options ? options : &usual, device->old.image, device->old.length);
    assert_int_equal(rig_start(&device->rig), MOLT_OK);
}

void rig_device_finish(struct rig_device *device)
{
    rig_free(&device->rig);
    rig_version_free(&device->old);
    molt_bytes_free(&device->bundle);
    free(device->before);
}

void rig_device_remember(struct rig_device *device)
{
    free(device->before);
    device->before = rig_snapshot(&device->rig);
}

void rig_device_serve(struct rig_device *device, uint32_t length, uint32_t seed,
                      const struct molt_pack_file *files, uint32_t count, uint32_t sequence,
                      enum molt_pack_codec codec)
{
    uint8_t *image = rig_image(length, seed, 0);
    struct molt_pack_input input = {.board = "RIG",
                                    .sequence = sequence,
                                    .app = image,
                                    .app_size = length,
                                    .files = count ? files : NULL,
                                    .file_count = count,
                                    .codec = codec};
    molt_bytes_free(&device->bundle);
    device->bundle = rig_serve_input(&device->rig, &input);
    free(image);
}

void rig_device_install_and_confirm(struct rig_device *device)
{
    assert_int_equal(rig_install(&device->rig, NULL), MOLT_DONE);
    assert_int_equal(rig_start(&device->rig), MOLT_OK);
    assert_int_equal(molt_trial_confirm(&device->rig.port), MOLT_OK);
}

void rig_device_assert_files(struct rig_device *device, const struct molt_pack_file *files,
                             uint32_t count)
{
    const struct molt_files *there = &device->rig.files;
    char directory[MOLT_RELEASE_DIR_SIZE], path[MOLT_PATH_MAX];
    assert_int_equal(rig_release(&device->rig, directory), 1);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *bytes = malloc(files[i].size + 1);
        assert_non_null(bytes);
        snprintf(path, sizeof path, "%s/%s", directory, files[i].path);
        int n = there->ops->read(there->context, path, 0, bytes, files[i].size + 1);
        assert_int_equal(n, files[i].size);
        assert_memory_equal(bytes, files[i].bytes, files[i].size);
        free(bytes);
    }
}

const uint8_t *rig_noise(void)
{
    static uint8_t noise[RIG_NOISE_SIZE];
    static bool made;
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof noise && !made; i++) {
        x = x * 1664525u + 1013904223u;
        noise[i] = (uint8_t)(x >> 24);
    }
    made = true;
    return noise;
}
