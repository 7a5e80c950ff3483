/* The pack of a release: a list of its files and their bytes. */
#include <stdlib.h>
#include <string.h>

#include "core/manifest_keys.h"
#include "molt/cbor.h"
#include "pack/internal.h"

static int by_path(const void *a, const void *b)
{
    const struct molt_pack_file *const *left = a, *const *right = b;
    return strcmp((*left)->path, (*right)->path);
}

/* "a" and "a/b" cannot both be there. */
static bool is_folder_of(const char *path, const char *other)
{
    size_t n = strlen(path);
    return strncmp(path, other, n) == 0 && other[n] == '/';
}

static int check_paths(const struct molt_pack_file *const *file,
                       const struct molt_pack_input *input, struct molt_diag *diag)
{
    for (uint32_t i = 0; i < input->file_count; i++) {
        uint32_t index = (uint32_t)(file[i] - input->files);
        if (!molt_release_path_ok(file[i]->path)) {
            return molt_diag_at(diag, MOLT_E_RELEASE, "path that no release may hold", index);
        }
        if (strlen(file[i]->path) >= sizeof((struct molt_release_file *)0)->path) {
            return molt_diag_at(diag, MOLT_E_RELEASE, "path over 99 bytes", index);
        }
        if (i > 0 && strcmp(file[i - 1]->path, file[i]->path) == 0) {
            return molt_diag_at(diag, MOLT_E_RELEASE, "path given twice", index);
        }
        for (uint32_t k = i + 1; k < input->file_count; k++) {
            if (file[i]->policy < MOLT_KEEP_DELETE && is_folder_of(file[i]->path, file[k]->path)) {
                return molt_diag_at(diag, MOLT_E_RELEASE, "path that is a file and a folder",
                                    index);
            }
        }
        if (file[i]->policy >= MOLT_KEEP_DELETE && file[i]->size) {
            return molt_diag_at(diag, MOLT_E_RELEASE, "path to keep or delete with content", index);
        }
    }
    return MOLT_OK;
}

static void put_file(struct molt_cbor_writer *writer, const struct molt_pack_file *file)
{
    uint8_t digest[MOLT_SHA256_SIZE];
    molt_sha256_of(file->bytes, file->size, digest);
    molt_cbor_put_head(writer, MOLT_CBOR_MAP, file->policy ? 4 : 3);
    molt_cbor_put_uint(writer, RELEASE_PATH);
    molt_cbor_put_text(writer, file->path);
    molt_cbor_put_uint(writer, RELEASE_LENGTH);
    molt_cbor_put_uint(writer, file->size);
    molt_cbor_put_uint(writer, RELEASE_SHA256);
    molt_cbor_put_bytes(writer, digest, sizeof digest);
    if (file->policy) {
        molt_cbor_put_uint(writer, RELEASE_POLICY);
        molt_cbor_put_uint(writer, file->policy);
    }
}

static int assemble(struct molt_bytes *pack, uint32_t *list_size,
                    const struct molt_pack_file *const *file, uint32_t count,
                    struct molt_diag *diag)
{
    uint8_t list[MOLT_RELEASE_LIST_MAX];
    struct molt_cbor_writer writer = {list, list + sizeof list, false};
    uint64_t total = 0;
    molt_cbor_put_head(&writer, MOLT_CBOR_ARRAY, count);
    for (uint32_t i = 0; i < count; i++) {
        put_file(&writer, file[i]);
        total += file[i]->size;
    }
    if (writer.full) {
        return molt_diag_values(diag, MOLT_E_NO_SPACE, "release list: fewer files or shorter paths",
                                MOLT_DIAG_NONE, MOLT_RELEASE_LIST_MAX, count);
    }
    *list_size = (uint32_t)(writer.at - list);
    if (total > UINT32_MAX - *list_size) {
        return molt_diag_at(diag, MOLT_E_NO_SPACE, "release over 4 GB", MOLT_DIAG_NONE);
    }
    pack->size = *list_size + (size_t)total;
    pack->data = malloc(pack->size);
    if (!pack->data) {
        return molt_diag_at(diag, MOLT_E_NO_MEMORY, "release", MOLT_DIAG_NONE);
    }
    memcpy(pack->data, list, *list_size);
    size_t at = *list_size;
    for (uint32_t i = 0; i < count; i++) {
        if (file[i]->size) {
            memcpy(pack->data + at, file[i]->bytes, file[i]->size);
        }
        at += file[i]->size;
    }
    return MOLT_OK;
}

int pack_release(struct molt_bytes *pack, uint32_t *list_size, const struct molt_pack_input *input,
                 struct molt_diag *diag)
{
    uint32_t count = input->file_count;
    if (count == 0 || count > MOLT_BUNDLE_FILE_MAX) {
        return molt_diag_values(diag, MOLT_E_ARGUMENT, "number of files in the release",
                                MOLT_DIAG_NONE, MOLT_BUNDLE_FILE_MAX, count);
    }
    const struct molt_pack_file **file = malloc(count * sizeof *file);
    if (!file) {
        return molt_diag_at(diag, MOLT_E_NO_MEMORY, "release", MOLT_DIAG_NONE);
    }
    for (uint32_t i = 0; i < count; i++) {
        file[i] = &input->files[i];
    }
    qsort(file, count, sizeof *file, by_path);
    int error = check_paths(file, input, diag);
    if (!error) {
        error = assemble(pack, list_size, file, count, diag);
    }
    free(file);
    return error;
}

/* The .mpy header (MicroPython, py/persistentcode.h): 'M', version, then native architecture in
 * bits 2 to 6 and sub-version in bits 0 and 1. */
int pack_mpy_abi(uint16_t *abi, const struct molt_pack_input *input, struct molt_diag *diag)
{
    *abi = 0;
    for (uint32_t i = 0; i < input->file_count; i++) {
        const struct molt_pack_file *file = &input->files[i];
        size_t n = strlen(file->path);
        if (n < 4 || strcmp(file->path + n - 4, ".mpy") != 0) {
            continue;
        }
        if (file->size < 4 || file->bytes[0] != 'M') {
            return molt_diag_at(diag, MOLT_E_MPY_ABI, "file that is named .mpy and is none", i);
        }
        uint16_t version = (uint16_t)(file->bytes[1] << 8);
        if (input->mpy_abi && version != (input->mpy_abi & 0xFF00)) {
            return molt_diag_values(diag, MOLT_E_MPY_ABI, "version of the .mpy", i,
                                    input->mpy_abi >> 8, file->bytes[1]);
        }
        if ((file->bytes[2] >> 2 & 31) == 0) {
            continue; /* bytecode: any sub-version loads it */
        }
        uint16_t native = (uint16_t)(version | (file->bytes[2] & 3));
        if ((*abi && *abi != native) || (input->mpy_abi && input->mpy_abi != native)) {
            return molt_diag_values(diag, MOLT_E_MPY_ABI, "version of the native code in the .mpy",
                                    i, *abi ? *abi : input->mpy_abi, native);
        }
        *abi = native;
    }
    return MOLT_OK;
}
