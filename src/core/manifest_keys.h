/* The integer keys of the signed maps, for parsers and producers. docs/spec/bundle.md, channel.md.
 */
#ifndef MOLT_CORE_MANIFEST_KEYS_H
#define MOLT_CORE_MANIFEST_KEYS_H

enum molt_manifest_key {
    MANIFEST_VERSION = 1,
    MANIFEST_SEQUENCE = 2,
    MANIFEST_BOARD = 3,
    MANIFEST_CHIP = 4,
    MANIFEST_SLOT_SIZE = 5,
    MANIFEST_BOOTLOADER = 6,
    MANIFEST_MPY_ABI = 7,
    MANIFEST_INFO = 8,
    MANIFEST_PAYLOADS = 9,
    MANIFEST_ISSUED = 10,
    MANIFEST_EXPIRES = 11,
    MANIFEST_DOWNGRADE = 12
};

enum molt_payload_key {
    PAYLOAD_ROLE = 1,
    PAYLOAD_NAME = 2,
    PAYLOAD_LENGTH = 3,
    PAYLOAD_SHA256 = 4,
    PAYLOAD_BASE = 5,
    PAYLOAD_MPY_ABI = 6,
    PAYLOAD_CHUNK_LOG2 = 7,
    PAYLOAD_INDEX = 8,
    PAYLOAD_LIST_SIZE = 9,
    PAYLOAD_LIST_SHA256 = 10
};

enum molt_release_key {
    RELEASE_PATH = 1,
    RELEASE_LENGTH = 2,
    RELEASE_SHA256 = 3,
    RELEASE_POLICY = 4
};

enum molt_channel_key {
    CHANNEL_VERSION = 1,
    CHANNEL_NAME = 2,
    CHANNEL_BUNDLE = 3,
    CHANNEL_ISSUED = 4,
    CHANNEL_EXPIRES = 5,
    CHANNEL_ROLLOUT = 6
};

enum molt_rollout_key { ROLLOUT_SALT = 1, ROLLOUT_PERMILLE = 2, ROLLOUT_NOT_BEFORE = 3 };

#endif
