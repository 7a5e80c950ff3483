#include "cli/cli.h"
#include "cli/hex.h"
#include "molt/host/crypto.h"

static void print_key(const uint8_t public_key[MOLT_P256_PUBLIC_SIZE])
{
    uint8_t id[MOLT_KEY_ID_SIZE];
    char text[2 * MOLT_P256_PUBLIC_SIZE + 1];
    molt_key_id(public_key, id);
    printf("id          %s\n", cli_hex(id, sizeof id, text));
    printf("public key  %s\n", cli_hex(public_key, MOLT_P256_PUBLIC_SIZE, text));
}

static int run_new(struct cli_args *args)
{
    struct molt_message message;
    uint8_t public_key[MOLT_P256_PUBLIC_SIZE];
    const char *path = args->operand[0];
    if (molt_key_generate(path, public_key, &message) < 0) {
        return cli_fail(args, &message);
    }
    print_key(public_key);
    printf("private     %s (keep it secret, keep a copy: without it no update is possible)\n",
           path);
    printf("public      %s.pub (goes to the devices)\n", path);
    return CLI_OK;
}

static int run_show(struct cli_args *args)
{
    struct molt_message message;
    uint8_t public_key[MOLT_P256_PUBLIC_SIZE];
    if (molt_public_key_read(args->operand[0], public_key, &message) < 0) {
        return cli_fail(args, &message);
    }
    print_key(public_key);
    return CLI_OK;
}

extern const struct cli_verb cli_verb_key_new;
const struct cli_verb cli_verb_key_new = {
    "key new",
    "FILE",
    "make a key that signs bundles or channels",
    "Makes an ECDSA P-256 key: FILE is the private half (PEM, readable by you alone), FILE.pub "
    "the\n"
    "public half, which the devices are given. Neither is ever overwritten.\n"
    "\n"
    "Keep one key for bundles offline, another for channels where you publish.",
    NULL,
    1,
    1,
    run_new};

extern const struct cli_verb cli_verb_key_show;
const struct cli_verb cli_verb_key_show = {
    "key show",
    "FILE",
    "print the id and the public half of a key",
    "FILE is a private or a public key in PEM format. The id is what bundles and channels name\n"
    "their key by: the first 8 bytes of the SHA-256 of the 64 bytes of the public key (x, y).",
    NULL,
    1,
    1,
    run_show};
