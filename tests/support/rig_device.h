/* A rig that runs a plain old image, and takes bundles of chosen images and files. */
#ifndef RIG_DEVICE_H
#define RIG_DEVICE_H

#include "rig_steps.h"

struct rig_device {
    struct rig rig;
    struct rig_version old;
    struct molt_bytes bundle; /* what is served */
    uint8_t *before;          /* see rig_device_remember; NULL = not yet */
};

/* options NULL: slots of 128 KB. */
void rig_device_start(struct rig_device *device, const struct rig_options *options);
void rig_device_finish(struct rig_device *device);

/* The flash as it is now, for comparisons. */
void rig_device_remember(struct rig_device *device);

/* A bundle of an image and these files, served from now on instead of the one before. */
void rig_device_serve(struct rig_device *device, uint32_t length, uint32_t seed,
                      const struct molt_pack_file *files, uint32_t count, uint32_t sequence,
                      enum molt_pack_codec codec);
void rig_device_install_and_confirm(struct rig_device *device);

/* The release that belongs to what runs holds these files. */
void rig_device_assert_files(struct rig_device *device, const struct molt_pack_file *files,
                             uint32_t count);

#define RIG_NOISE_SIZE 0x30000u
/* Bytes that do not deflate, the same ones each time. */
const uint8_t *rig_noise(void);

#endif
