/* dfu-util's option values. */
#include "cli/dfu_util.h"

#include <stdlib.h>
#include <string.h>

#define DETACH_DELAY_MS 5000u /* as in dfu-util */

/* A number as strtoul with base 0 takes it, all of the word, at most 32 bits. */
static bool parse_number(const char *text, size_t n, uint32_t *number)
{
    char word[24], *end;
    if (n == 0 || n >= sizeof word || text[0] < '0' || text[0] > '9') {
        return false;
    }
    memcpy(word, text, n);
    word[n] = 0;
    unsigned long long value = strtoull(word, &end, 0);
    *number = (uint32_t)value;
    return *end == 0 && value <= UINT32_MAX;
}

static bool take_word(struct dfu_util_words *words, const char *text, size_t n)
{
    const struct {
        const char *name;
        bool *given;
    } known[] = {{"leave", &words->leave},
                 {"mass-erase", &words->mass_erase},
                 {"unprotect", &words->unprotect},
                 {"will-reset", &words->will_reset},
                 {"force", &words->force}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strlen(known[i].name) == n && memcmp(known[i].name, text, n) == 0) {
            *known[i].given = true;
            return true;
        }
    }
    words->has_length = true;
    return parse_number(text, n, &words->length);
}

bool dfu_util_parse_words(const char *text, struct dfu_util_words *words, char wrong[64])
{
    *words = (struct dfu_util_words){.given = true};
    for (bool first = true;; first = false) {
        size_t n = strcspn(text, ":");
        bool right = true;
        if (n && first) {
            words->has_address = right = parse_number(text, n, &words->address);
        } else if (n) {
            right = take_word(words, text, n);
        }
        if (!right) {
            snprintf(wrong, 64, "%.*s", (int)(n < 63 ? n : 63), text);
            return false;
        }
        if (text[n] == 0) {
            return true;
        }
        text += n + 1;
    }
}

/* One half of a pair: hexadecimal, '*' any, '-' none, nothing: as fallback says. */
static bool parse_id(const char *text, size_t n, int32_t fallback, int32_t *id)
{
    char word[8], *end;
    if (n == 0 || (n == 1 && (*text == '*' || *text == '-'))) {
        *id = n == 0 ? fallback : *text == '*' ? MOLT_DFU_ANY : MOLT_DFU_NONE;
        return true;
    }
    if (n >= sizeof word || !strchr("0123456789abcdefABCDEF", *text)) {
        return false;
    }
    memcpy(word, text, n);
    word[n] = 0;
    unsigned long value = strtoul(word, &end, 16);
    *id = (int32_t)value;
    return *end == 0 && value <= 0xFFFF;
}

static bool parse_pair(const char *text, size_t n, struct molt_dfu_id fallback,
                       struct molt_dfu_id *pair)
{
    const char *colon = memchr(text, ':', n);
    size_t vendor = colon ? (size_t)(colon - text) : n;
    return parse_id(text, vendor, fallback.vendor, &pair->vendor) &&
           parse_id(colon ? colon + 1 : "", colon ? n - vendor - 1 : 0, fallback.product,
                    &pair->product);
}

bool dfu_util_parse_ids(const char *text, struct molt_dfu_choice *choice)
{
    const struct molt_dfu_id any = {MOLT_DFU_ANY, MOLT_DFU_ANY};
    size_t n = strcspn(text, ",");
    choice->has_id = true;
    if (text[n] == 0) {
        /* dfu-util takes any device in DFU mode then; whoever names one means it. */
        bool right = parse_pair(text, n, any, &choice->run_time);
        choice->dfu_mode = choice->run_time;
        return right;
    }
    if (n == 0) {
        choice->run_time = (struct molt_dfu_id){MOLT_DFU_NONE, MOLT_DFU_NONE};
        return parse_pair(text + 1, strlen(text + 1), any, &choice->dfu_mode);
    }
    return parse_pair(text, n, any, &choice->run_time) &&
           parse_pair(text + n + 1, strlen(text + n + 1), choice->run_time, &choice->dfu_mode);
}

static void parse_serial(const char *text, struct dfu_util *job)
{
    const char *comma = strchr(text, ','), *serial = comma ? comma + 1 : text;
    job->choice.has_serial = *serial != 0;
    snprintf(job->choice.serial, sizeof job->choice.serial, "%s", serial);
    snprintf(job->run_time_serial, sizeof job->run_time_serial, "%.*s",
             comma ? (int)(comma - text) : 0, text);
}

static int mode_of(char letter)
{
    static const struct {
        char letter;
        enum dfu_util_mode mode;
    } modes[] = {{'l', DFU_UTIL_LIST},
                 {'e', DFU_UTIL_DETACH},
                 {'U', DFU_UTIL_UPLOAD},
                 {'D', DFU_UTIL_DOWNLOAD},
                 {'V', DFU_UTIL_VERSION}};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (modes[i].letter == letter) {
            return (int)modes[i].mode;
        }
    }
    return -1;
}

/* Numbers: the option's letter, where its value goes. */
static bool take_number(struct dfu_util *job, char letter, const char *value, bool *right)
{
    uint32_t number;
    if (!strchr("EcintZ", letter)) {
        return false;
    }
    *right = parse_number(value, strlen(value), &number) && number <= INT32_MAX;
    switch (*right ? letter : 0) {
    case 'E': job->detach_ms = number < 86400 ? number * 1000 : 86400000; break;
    case 'c': job->choice.configuration = number ? (int32_t)number : MOLT_DFU_ANY; break;
    case 'i': job->choice.interface = (int32_t)number; break;
    case 'n': job->choice.devnum = (int32_t)number; break;
    case 't': job->transfer_size = number; break;
    case 'Z': job->expected_size = number; break;
    default: break;
    }
    return true;
}

/* By number, also hexadecimal, or by name. */
static bool take_alternate(struct dfu_util *job, const char *value)
{
    struct molt_message message;
    uint32_t number;
    char text[16];
    job->has_alternate = true;
    if (parse_number(value, strlen(value), &number)) {
        snprintf(text, sizeof text, "%u", number);
        value = text;
    }
    return molt_dfu_choice_alternate(&job->choice, value, &message) == MOLT_OK;
}

static bool take_text(struct dfu_util *job, char letter, const char *value, char wrong[64])
{
    switch (letter) {
    case 'd': return dfu_util_parse_ids(value, &job->choice);
    case 's': return dfu_util_parse_words(value, &job->words, wrong);
    case 'S': parse_serial(value, job); return true;
    case 'p':
        job->choice.has_path = true;
        snprintf(job->choice.path, sizeof job->choice.path, "%s", value);
        return true;
    case 'a': return take_alternate(job, value);
    case 'R': job->reset = true; return true;
    case 'w': job->wait_ms = UINT32_MAX; return true;
    case 'v': job->verbose++; return true;
    default: return true; /* --progress */
    }
}

/* The letter of a row; of a second name for the same option that of the first. */
static char letter_of(const struct cli_args *args, const char *name)
{
    static const char *const same[][2] = {
        {"configuration", "cfg"}, {"interface", "intf"}, {"altsetting", "alt"}};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        name = strcmp(name, same[i][0]) == 0 ? same[i][1] : name;
    }
    const struct cli_option *row = args->verb->options;
    while (row->name && strcmp(row->name, name) != 0) {
        row++;
    }
    return row->letter;
}

int dfu_util_parse(const struct cli_args *args, struct dfu_util *job)
{
    struct molt_message message;
    const char *target = args->operand_count ? args->operand[0] : "usb:";
    *job = (struct dfu_util){.detach_ms = DETACH_DELAY_MS};
    if (molt_dfu_choice_parse(&job->choice, target, &message) < 0) {
        cli_usage(args, "%s", message.text);
        return DFU_UTIL_USAGE;
    }
    for (int i = 0; i < args->option_count; i++) {
        const char *value = args->option[i].value ? args->option[i].value : "";
        char letter = letter_of(args, args->option[i].name), wrong[64];
        bool right = true;
        int mode = mode_of(letter);
        snprintf(wrong, sizeof wrong, "%s", value);
        if (mode >= 0) {
            job->mode = (enum dfu_util_mode)mode;
            job->file = value;
        } else if (!letter || !take_number(job, letter, value, &right)) {
            right = take_text(job, letter, value, wrong);
        }
        if (!right) {
            cli_usage(args, "--%s: '%s' is not understood", args->option[i].name, wrong);
            return DFU_UTIL_USAGE;
        }
    }
    if (job->mode == DFU_UTIL_NONE && !job->words.given) {
        cli_usage(args, "You need to specify one of -D or -U (or -l, -e, or -s with a command)");
        return DFU_UTIL_USAGE;
    }
    return CLI_OK;
}
