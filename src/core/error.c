#include "molt/error.h"

#include <stddef.h>

/* One row an error; the device's build leaves the texts out by not linking this file. */
static const struct {
    int error;
    const char *text;
} texts[] = {
    {MOLT_OK, "done"},
    {MOLT_DONE, "nothing left to do"},
    {MOLT_AGAIN, "nothing available now"},
    {MOLT_E_ARGUMENT, "wrong argument"},
    {MOLT_E_IO, "input or output failed"},
    {MOLT_E_NO_SPACE, "no space left"},
    {MOLT_E_NOT_FOUND, "not found"},
    {MOLT_E_EXISTS, "exists already"},
    {MOLT_E_BUSY, "in use by another process"},
    {MOLT_E_RANGE, "outside of the flash"},
    {MOLT_E_ALIGNMENT, "not aligned to the flash"},
    {MOLT_E_VERIFY, "read back differs from what was written"},
    {MOLT_E_TRUNCATED, "ends too early"},
    {MOLT_E_FORMAT, "malformed"},
    {MOLT_E_UNSUPPORTED, "not supported"},
    {MOLT_E_CANCELLED, "cancelled"},
    {MOLT_E_TIMEOUT, "timed out"},
    {MOLT_E_NO_MEMORY, "out of memory"},
    {MOLT_E_POWER, "power was cut"},
    {MOLT_E_PERMISSION, "not permitted"},
    {MOLT_E_NOT_ERASED, "programming bits that are not erased"},
    {MOLT_E_STORE, "damaged store record, or one of another version"},
    {MOLT_E_IMAGE_MAGIC, "not an ESP32 image"},
    {MOLT_E_IMAGE_CHIP, "image for another chip"},
    {MOLT_E_IMAGE_REVISION, "image needs another chip revision"},
    {MOLT_E_IMAGE_SEGMENTS, "malformed image segments"},
    {MOLT_E_IMAGE_CHECKSUM, "wrong image checksum"},
    {MOLT_E_IMAGE_HASH, "wrong SHA-256 of the image"},
    {MOLT_E_IMAGE_TOO_LARGE, "image larger than its slot"},
    {MOLT_E_IMAGE_MERGED, "merged firmware where an app image is expected"},
    {MOLT_E_IMAGE_LOAD_ADDRESS, "image loads where no bootloader starts it"},
    {MOLT_E_IMAGE_TRUNCATED, "image ends too early"},
    {MOLT_E_TABLE_MAGIC, "no partition table"},
    {MOLT_E_TABLE_MD5, "wrong MD5 of the partition table"},
    {MOLT_E_TABLE_OVERLAP, "partitions overlap"},
    {MOLT_E_TABLE_WRAP, "partition passes 4 GB"},
    {MOLT_E_TABLE_FLASH_SIZE, "partition ends behind the end of the flash"},
    {MOLT_E_TABLE_NAME, "wrong partition name"},
    {MOLT_E_TABLE_ALIGNMENT, "partition not aligned"},
    {MOLT_E_TABLE_SLOTS, "app slots and otadata do not fit together"},
    {MOLT_E_TABLE_FULL, "too many partitions"},
    {MOLT_E_TABLE_ROW, "wrong partition row"},
    {MOLT_E_OTADATA_NONE, "no otadata partition"},
    {MOLT_E_NO_SECOND_SLOT, "no second app slot to install to"},
    {MOLT_E_UNCONFIRMED, "the running firmware is not confirmed yet"},
    {MOLT_E_BOOT_DISAGREES, "the running slot is not the one that otadata names"},
    {MOLT_E_NO_WAY_BACK, "no other whole firmware to return to"},
    {MOLT_E_NO_TRIAL, "no trial is under way"},
    {MOLT_E_NOT_A_SLOT, "not a bootable partition"},
    {MOLT_E_BUNDLE_MAGIC, "not a Molt bundle"},
    {MOLT_E_BUNDLE_MALFORMED, "malformed bundle"},
    {MOLT_E_BUNDLE_TRUNCATED, "bundle ends too early"},
    {MOLT_E_KEY_UNKNOWN, "signed by a key that is not trusted here"},
    {MOLT_E_SIGNATURE, "wrong signature"},
    {MOLT_E_EXPIRED, "bundle has expired"},
    {MOLT_E_DOWNGRADE, "bundle is older than what was confirmed here"},
    {MOLT_E_FAILED_BEFORE, "bundle failed its trial here before"},
    {MOLT_E_BOARD, "bundle for another board"},
    {MOLT_E_CHIP, "bundle for another chip"},
    {MOLT_E_SLOT_TOO_SMALL, "bundle needs a larger slot"},
    {MOLT_E_CHUNK_HASH, "chunk has a wrong SHA-256"},
    {MOLT_E_CHUNK_DECODE, "chunk cannot be decoded"},
    {MOLT_E_MPY_ABI, "files need another .mpy version"},
    {MOLT_E_BOOTLOADER_OLD, "bootloader is too old"},
    {MOLT_E_RELEASE, "malformed release"},
    {MOLT_E_CHANNEL_MALFORMED, "malformed channel"},
    {MOLT_E_CHANNEL_OLD, "channel is older than one seen before"},
    {MOLT_E_CHANNEL_EXPIRED, "channel has expired"},
    {MOLT_E_CHANNEL_NAME, "channel of another name"},
    {MOLT_E_NOT_IN_ROLLOUT, "this device is not in the rollout yet"},
    {MOLT_E_SOURCE_CHANGED, "the bundle changed during the download"},
    {MOLT_E_INSTALLED, "bundle is installed already"},
    {MOLT_E_HTTP_STATUS, "unexpected HTTP status"},
    {MOLT_E_HTTP_RANGE, "server does not serve ranges"},
    {MOLT_E_CONNECT, "cannot connect"},
    {MOLT_E_TLS, "TLS refused the server"},
    {MOLT_E_STALLED, "transfer stalled"},
    {MOLT_E_URL, "wrong URL"},
};

const char *molt_strerror(int error)
{
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].error == error) {
            return texts[i].text;
        }
    }
    return "unknown error";
}
