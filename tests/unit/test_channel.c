#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "molt/manifest.h"
#include "molt/pack/publish.h"
#include "sample_bundle.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void sample(struct molt_channel *channel)
{
    memset(channel, 0, sizeof *channel);
    strcpy(channel->name, "stable");
    memset(channel->bundle, 0xB0, sizeof channel->bundle);
    channel->issued = 1800000000;
    channel->expires = 1900000000;
    channel->has_rollout = true;
    memset(channel->salt, 0x5A, sizeof channel->salt);
    channel->permille = 250;
    channel->not_before = 1800001000;
}

static uint8_t bytes[256];

static uint32_t encode(const struct molt_channel *channel)
{
    int n = molt_channel_write(channel, bytes, sizeof bytes);
    assert_true(n > 0);
    return (uint32_t)n;
}

static int parse(uint32_t n)
{
    struct molt_channel channel;
    struct molt_diag diag = {0};
    int result = molt_channel_parse(&channel, bytes, n, &diag);
    assert_int_equal(diag.error, result);
    return result;
}

static void test_round_trip(void **state)
{
    (void)state;
    struct molt_channel in, out;
    sample(&in);
    assert_int_equal(molt_channel_parse(&out, bytes, encode(&in), NULL), MOLT_OK);
    assert_memory_equal(&out, &in, sizeof in);
    in.has_rollout = false;
    in.expires = in.not_before = 0;
    in.permille = 0;
    memset(in.salt, 0, sizeof in.salt);
    assert_int_equal(molt_channel_parse(&out, bytes, encode(&in), NULL), MOLT_OK);
    assert_memory_equal(&out, &in, sizeof in);
}

static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        int result;
    } rows[] = {
        {"a6010102", "a6010202", MOLT_E_UNSUPPORTED},
        {"a6010102", "a6010002", MOLT_E_CHANNEL_MALFORMED},
        {"a6010102", "a502", MOLT_E_CHANNEL_MALFORMED}, /* no version */
        {"a6010102", "86010102", MOLT_E_CHANNEL_MALFORMED},
        {"a6010102", "a7010102", MOLT_E_CHANNEL_MALFORMED},
        {"a6010102", "a5010102", MOLT_E_CHANNEL_MALFORMED}, /* something behind */
        {"0266737461626c65", "0246737461626c65", MOLT_E_CHANNEL_MALFORMED},
        {"0266737461626c65", "0260", MOLT_E_CHANNEL_MALFORMED},
        {"0266737461626c65", "02662e7461626c65", MOLT_E_CHANNEL_MALFORMED}, /* .table */
        {"0266737461626c65", "0266737461622f65", MOLT_E_CHANNEL_MALFORMED}, /* stab/e */
        {"0266737461626c65", "0266737461620065", MOLT_E_CHANNEL_MALFORMED},
        {"0266737461626c65", "0d66737461626c65", MOLT_E_CHANNEL_MALFORMED},
        {"0266737461626c65",
         "0278216161616161616161616161616161616161616161616161616161616161616161616161616161",
         MOLT_E_CHANNEL_MALFORMED}, /* too long */
        {"035820b0", "035821b0b0", MOLT_E_CHANNEL_MALFORMED},
        {"035820b0", "037820b0", MOLT_E_CHANNEL_MALFORMED},
        {"041a6b49d200", "0400", MOLT_E_CHANNEL_MALFORMED},
        {"041a6b49d200", "041b000000006b49d200", MOLT_E_CHANNEL_MALFORMED},
        {"051a713fb300", "0500", MOLT_E_CHANNEL_MALFORMED},
        {"06a301505a", "06a30150", MOLT_E_CHANNEL_MALFORMED},
        {"06a301505a", "06a2505a", MOLT_E_CHANNEL_MALFORMED},
        {"06a301505a", "06a401505a", MOLT_E_CHANNEL_MALFORMED},
        {"06a301505a", "07a301505a", MOLT_E_CHANNEL_MALFORMED}, /* unknown key */
        {"06a301505a", "06835a", MOLT_E_CHANNEL_MALFORMED},
        {"0218fa", "021903e9", MOLT_E_CHANNEL_MALFORMED}, /* 1001 */
        {"0218fa", "0220", MOLT_E_CHANNEL_MALFORMED},
        {"0218fa", "0418fa", MOLT_E_CHANNEL_MALFORMED},
        {"031a6b49d5e8", "0300", MOLT_E_CHANNEL_MALFORMED},
        {"031a6b49d5e8", "041a6b49d5e8", MOLT_E_CHANNEL_MALFORMED},
    };
    struct molt_channel channel;
    sample(&channel);
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint32_t n = encode(&channel);
        assert_int_equal(parse(n), MOLT_OK);
        int result =
            parse((uint32_t)sample_patch(bytes, n, sizeof bytes, rows[i].from, rows[i].to));
        if (result != rows[i].result) {
            fail_msg("row %zu, %s to %s: %d", i, rows[i].from, rows[i].to, result);
        }
    }
    uint32_t n = encode(&channel);
    for (uint32_t cut = 0; cut < n; cut++) {
        assert_int_equal(parse(cut), MOLT_E_CHANNEL_MALFORMED);
        assert_int_equal(molt_channel_write(&channel, bytes, cut), MOLT_E_NO_SPACE);
        encode(&channel);
    }
}

static void test_missing(void **state)
{
    (void)state;
    struct molt_channel channel;
    sample(&channel);
    channel.permille = 1000;
    assert_int_equal(parse(encode(&channel)), MOLT_OK);
    uint32_t n = encode(&channel); /* without a digest */
    n = (uint32_t)sample_patch(bytes, n, sizeof bytes, "a6010102", "a5010102");
    n = (uint32_t)sample_patch(
        bytes, n, sizeof bytes,
        "035820b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0", "");
    assert_int_equal(parse(n), MOLT_E_CHANNEL_MALFORMED);
    n = encode(&channel); /* without issued */
    n = (uint32_t)sample_patch(bytes, n, sizeof bytes, "a6010102", "a5010102");
    n = (uint32_t)sample_patch(bytes, n, sizeof bytes, "041a6b49d200", "");
    assert_int_equal(parse(n), MOLT_E_CHANNEL_MALFORMED);
}

static void test_name(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "stable", "v1.2_x-Y", "0",
                                       "12345678901234567890123456789012"};
    static const char *const bad[] = {"",     ".",    "..",  ".a",
                                      "a/b",  "a b",  "a\n", "\303\274",
                                      "a%2f", "a\\b", "a:b", "123456789012345678901234567890123"};
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(molt_channel_name_ok(good[i]));
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(molt_channel_name_ok(bad[i]));
    }
}

static int check(const struct molt_channel *channel, uint64_t newest, uint64_t now)
{
    return molt_channel_check(channel, "stable", newest, now, (const uint8_t *)"device", 6);
}

static void test_check(void **state)
{
    (void)state;
    struct molt_channel c;
    sample(&c);
    c.has_rollout = false;
    assert_int_equal(check(&c, 0, 0), MOLT_OK);
    assert_int_equal(molt_channel_check(&c, "stabl", 0, 0, NULL, 0), MOLT_E_CHANNEL_NAME);
    assert_int_equal(molt_channel_check(&c, "stable2", 0, 0, NULL, 0), MOLT_E_CHANNEL_NAME);
    assert_int_equal(molt_channel_check(&c, "", 0, 0, NULL, 0), MOLT_E_CHANNEL_NAME);
    assert_int_equal(check(&c, c.issued, 0), MOLT_OK);
    assert_int_equal(check(&c, c.issued + 1, 0), MOLT_E_CHANNEL_OLD);
    assert_int_equal(check(&c, 0, c.expires), MOLT_OK);
    assert_int_equal(check(&c, 0, c.expires + 1), MOLT_E_CHANNEL_EXPIRED);
    /* A device without a clock still knows the newest signed time. */
    c.issued = 2000000000;
    assert_int_equal(check(&c, c.expires + 1, 0), MOLT_E_CHANNEL_EXPIRED);
    assert_int_equal(check(&c, c.expires + 1, 5), MOLT_E_CHANNEL_EXPIRED);
    c.expires = 0;
    assert_int_equal(check(&c, c.issued, UINT64_MAX), MOLT_OK);
}

static void test_rollout(void **state)
{
    (void)state;
    struct molt_channel c;
    sample(&c);
    c.permille = 1000;
    assert_int_equal(check(&c, 0, c.not_before), MOLT_OK);
    assert_int_equal(check(&c, 0, c.not_before - 1), MOLT_E_NOT_IN_ROLLOUT);
    assert_int_equal(check(&c, 0, 0), MOLT_OK); /* unknown time holds nothing back */
    c.permille = 0;
    assert_int_equal(check(&c, 0, 0), MOLT_E_NOT_IN_ROLLOUT);
    /* SHA-256(16 x 5A, "device") begins with 0x9420: wave 0x9420 * 1000 / 65536 = 578. */
    c.permille = 578;
    assert_int_equal(check(&c, 0, 0), MOLT_E_NOT_IN_ROLLOUT);
    c.permille = 579;
    assert_int_equal(check(&c, 0, 0), MOLT_OK);
}

/* About as many devices as said; who was in stays in when the number grows; another salt, others.
 */
static void test_waves(void **state)
{
    (void)state;
    struct molt_channel c, other;
    sample(&c);
    sample(&other);
    memset(other.salt, 0xA5, sizeof other.salt);
    int in = 0, both = 0;
    for (uint32_t id = 0; id < 10000; id++) {
        uint8_t device[6] = {0x24,       0x6F, 0x28, (uint8_t)(id >> 16), (uint8_t)(id >> 8),
                             (uint8_t)id};
        c.permille = 250;
        bool early = molt_channel_check(&c, "stable", 0, 0, device, 6) == MOLT_OK;
        other.permille = 250;
        in += early;
        both += early && molt_channel_check(&other, "stable", 0, 0, device, 6) == MOLT_OK;
        c.permille = 500;
        assert_true(!early || molt_channel_check(&c, "stable", 0, 0, device, 6) == MOLT_OK);
        c.permille = 1000;
        assert_int_equal(molt_channel_check(&c, "stable", 0, 0, device, 6), MOLT_OK);
    }
    assert_in_range(in, 2350, 2650);
    assert_in_range(both, 520, 730);
}

static int sign_nothing(void *context, const uint8_t digest[MOLT_SHA256_SIZE],
                        uint8_t signature[MOLT_P256_SIGNATURE_SIZE])
{
    (void)context;
    (void)digest;
    memset(signature, 1, MOLT_P256_SIGNATURE_SIZE);
    return MOLT_OK;
}

static void test_file(void **state)
{
    (void)state;
    const struct molt_signer signer = {.sign = sign_nothing};
    uint8_t file[MOLT_CHANNEL_FILE_MAX + 1] = {0};
    struct molt_channel in, out;
    struct molt_cose cose;
    struct molt_diag diag;
    char path[MOLT_TREE_PATH_MAX];
    sample(&in);
    memset(in.name, 'n', 32); /* the longest there can be */
    in.issued = in.expires = in.not_before = UINT64_MAX;
    int n = molt_channel_seal(file, &in, &signer);
    assert_true(n > 0);
    assert_int_equal(molt_channel_open(&out, &cose, file, (size_t)n, NULL), MOLT_OK);
    assert_memory_equal(&out, &in, sizeof in);
    assert_int_equal(molt_channel_open(&out, &cose, file, sizeof file, &diag),
                     MOLT_E_CHANNEL_MALFORMED);
    for (int cut = 0; cut < n; cut++) {
        assert_int_equal(molt_channel_open(&out, &cose, file, (size_t)cut, &diag),
                         MOLT_E_CHANNEL_MALFORMED);
        assert_int_equal(diag.error, MOLT_E_CHANNEL_MALFORMED);
    }
    /* A bundle's envelope is no channel. */
    int size = molt_cose_sign(file, sizeof file, MOLT_CONTENT_BUNDLE, bytes, encode(&in), &signer);
    assert_int_equal(molt_channel_open(&out, &cose, file, (size_t)size, NULL),
                     MOLT_E_CHANNEL_MALFORMED);
    molt_tree_channel_path(in.name, path);
    assert_string_equal(path, "channels/nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn");
    molt_tree_bundle_path(in.bundle, path);
    assert_string_equal(
        path, "bundles/b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0.molt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_missing),    cmocka_unit_test(test_name),
        cmocka_unit_test(test_check),      cmocka_unit_test(test_rollout),
        cmocka_unit_test(test_waves),      cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
