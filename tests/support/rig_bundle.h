/* Bundles for the rig, and what must be found on the device when they run. */
#ifndef RIG_BUNDLE_H
#define RIG_BUNDLE_H

#include "molt/pack/bundle.h"
#include "rig.h"

#define RIG_FILES 3

/* One version of the product: an image, its release, and the bundle that carries both. */
struct rig_version {
    uint8_t *image;
    uint32_t length;
    uint8_t sha256[32]; /* of the whole image */
    bool has_release;
    char text[RIG_FILES][9000];
    struct molt_pack_file file[RIG_FILES];
    uint32_t files_seed; /* of the files' texts */
    char directory[MOLT_RELEASE_DIR_SIZE];
    uint8_t list[MOLT_RELEASE_LIST_MAX]; /* as it must stand in the directory */
    uint32_t list_size;
    struct molt_bytes bundle;
    bool unsigned_image; /* bundle is the image itself */
};

/* seed also makes the files' texts. Input options beyond app and files are taken from `more` (may
 * be NULL). */
void rig_version_make(struct rig_version *version, uint32_t length, uint32_t seed, uint32_t changed,
                      bool release, const struct molt_pack_input *more);
/* Files alone, to run on the image of `on`. */
void rig_version_files(struct rig_version *version, const struct rig_version *on, uint32_t seed,
                       const struct molt_pack_input *more);
/* An image that nobody signed, which goes on with the files of `on` (NULL: none). */
void rig_version_unsigned(struct rig_version *version, uint32_t length, uint32_t seed,
                          uint32_t changed, const struct rig_version *on);
void rig_version_free(struct rig_version *version);

/* Serves it, as what it is. */
void rig_serve_version(struct rig *rig, const struct rig_version *version);

/* Do the files that belong to what runs agree with this version's? */
bool rig_has_files(struct rig *rig, const struct rig_version *version);

/* Does the device run this version whole, and with its own files? true / false. */
bool rig_runs(struct rig *rig, const struct rig_version *version);

#endif
