#define _DEFAULT_SOURCE /* TIOCGWINSZ, clock_gettime */
#include "cli/progress.h"

#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

/* Between two lines that are not the last of a phase. */
#define JSON_EVERY_MS 100
#define DRAW_EVERY_MS 50
/* Before that a rate is noise. */
#define RATE_AFTER_MS   500
#define LONGEST_WAIT_MS (24u * 3600u * 1000u)
#define BAR_MOST        25
#define BAR_LEAST       8

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool cli_progress_parse(const char *text, enum cli_progress_mode *mode)
{
    static const char *const names[] = {"auto", "json", "none"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) == 0) {
            *mode = (enum cli_progress_mode)i;
            return true;
        }
    }
    return false;
}

/* ---- Numbers ---- */

/* What is counted: see molt/progress.h. */
static const char *unit_of(const struct cli_phase *phase)
{
    return strstr(phase->what, "files") ? "files" : strcmp(phase->what, "wait") ? "bytes" : "ms";
}

static bool in_bytes(const struct cli_phase *phase)
{
    return *unit_of(phase) == 'b';
}

/* Units a second, and milliseconds to the end; false = not known. Doubles: what is reported may be
 * any number. */
static bool rate_of(const struct cli_phase *phase, double *rate)
{
    if (phase->spent_ms < RATE_AFTER_MS || phase->done <= phase->first) {
        return false;
    }
    *rate = (double)(phase->done - phase->first) * 1000 / (double)phase->spent_ms;
    return true;
}

static bool left_of(const struct cli_phase *phase, double *left_ms)
{
    double rate;
    if (phase->total < phase->done || phase->total == 0 || !rate_of(phase, &rate)) {
        return false;
    }
    *left_ms = (double)(phase->total - phase->done) * 1000 / rate;
    return *left_ms < 1e9; /* in eleven days it is no prediction */
}

/* ---- The terminal ---- */

static unsigned columns_now(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col) {
        return size.ws_col;
    }
    return 80;
}

/* Appends as much of the piece as there is when it fits; a line is never cut in a piece. */
static void add(char *text, unsigned most, const char *piece)
{
    size_t n = strlen(text);
    if (n + strlen(piece) <= most) {
        memcpy(text + n, piece, strlen(piece) + 1);
    }
}

static void amount_of(const struct cli_phase *phase, char text[48])
{
    bool known = phase->total != 0;
    char size[2][16];
    if (phase->done == 0 && !known) {
        text[0] = 0; /* nothing is counted: "leave" */
        return;
    }
    if (in_bytes(phase)) {
        snprintf(text, 48, "  %s%s%s", cli_size(phase->done, size[0]), known ? " of " : "",
                 known ? cli_size(phase->total, size[1]) : "");
        return;
    }
    unsigned scale = *unit_of(phase) == 'm' ? 1000 : 1; /* ms are shown as seconds */
    unsigned long long done = phase->done / scale, total = phase->total / scale;
    snprintf(text, 48, known ? "  %llu%s of %llu%s" : "  %llu%s", done, scale == 1 ? "" : " s",
             total, scale == 1 ? "" : " s");
}

static void bar_of(const struct cli_phase *phase, size_t room, char bar[BAR_MOST + 5])
{
    bar[0] = 0;
    size_t cells = room < BAR_MOST + 4 ? room - 4 : BAR_MOST; /* "  [" and "]" */
    if (phase->total == 0 || room < BAR_LEAST + 4) {
        return;
    }
    double share = (double)phase->done / (double)phase->total;
    size_t full = share >= 1 ? cells : (size_t)(share * (double)cells);
    memcpy(bar, "  [", 3);
    memset(bar + 3, '#', full);
    memset(bar + 3 + full, '.', cells - full);
    memcpy(bar + 3 + cells, "]", 2);
}

void cli_progress_line(const struct cli_phase *phase, unsigned columns, char *text, unsigned room)
{
    char size[16], head[48], bytes[48], rate[32] = "", left[32] = "", bar[BAR_MOST + 5];
    unsigned most = columns < room ? columns : room - 1;
    double number;
    if (phase->total) {
        double percent = (double)phase->done * 100 / (double)phase->total;
        snprintf(head, sizeof head, "%-9s %3u%%", phase->what,
                 percent < 100 ? (unsigned)percent : 100);
    } else {
        snprintf(head, sizeof head, "%-9s", phase->what);
    }
    amount_of(phase, bytes);
    if (in_bytes(phase) && rate_of(phase, &number)) {
        snprintf(rate, sizeof rate, "  %s/s", cli_size(number < 1e18 ? (uint64_t)number : 0, size));
    }
    if (in_bytes(phase) && left_of(phase, &number)) {
        unsigned long long s = (unsigned long long)(number / 1000 + 0.5);
        snprintf(left, sizeof left, s < 3600 ? "  %llu:%02llu left" : "  %llu h %02llu min left",
                 s < 3600 ? s / 60 : s / 3600, s < 3600 ? s % 60 : s / 60 % 60);
    }
    /* A narrow terminal loses the bar, then rate, time left and bytes, in this order. */
    size_t taken = strlen(head) + strlen(bytes) + strlen(rate) + strlen(left);
    bar_of(phase, taken < most ? most - taken : 0, bar);
    if (taken > most) {
        taken -= strlen(rate);
        rate[0] = 0;
    }
    if (taken > most) {
        left[0] = 0;
    }
    snprintf(text, most + 1, "%s", head);
    add(text, most, bar);
    add(text, most, bytes);
    add(text, most, rate);
    add(text, most, left);
}

static void draw(struct cli_progress *state, const struct cli_phase *phase)
{
    char line[160];
    unsigned columns = columns_now();
    /* The last column stays free: some terminals go on to the next line once it is taken. */
    cli_progress_line(phase, columns > 1 ? columns - 1 : 1, line, sizeof line);
    fprintf(stderr, "\r\033[K%s", line);
    fflush(stderr);
    state->drawn = true;
}

/* ---- JSON ---- */

static void print_json(const struct cli_phase *phase)
{
    char total[24] = "null", rate[32] = "null", left[32] = "null";
    double number;
    if (phase->total) {
        snprintf(total, sizeof total, "%llu", (unsigned long long)phase->total);
    }
    if (rate_of(phase, &number)) {
        snprintf(rate, sizeof rate, "%.0f", number);
    }
    if (left_of(phase, &number)) {
        snprintf(left, sizeof left, "%.0f", number);
    }
    fprintf(stderr,
            "{\"progress\":\"%s\",\"unit\":\"%s\",\"done\":%llu,\"total\":%s,\"elapsed_ms\":%llu,"
            "\"rate\":%s,\"left_ms\":%s}\n",
            phase->what, unit_of(phase), (unsigned long long)phase->done, total,
            (unsigned long long)phase->spent_ms, rate, left);
    fflush(stderr);
}

/* ---- Reports ---- */

static void tell(struct cli_progress *state, struct cli_phase *phase)
{
    if (state->mode == CLI_PROGRESS_JSON) {
        print_json(phase);
    } else {
        draw(state, phase);
    }
    phase->untold = false;
}

/* The phase of that name; a new one for a new name. When all are taken, the last is taken over. */
static struct cli_phase *phase_of(struct cli_progress *state, const char *what)
{
    for (unsigned i = 0; i < state->count; i++) {
        if (strncmp(state->phase[i].what, what, sizeof state->phase[i].what - 1) == 0) {
            return &state->phase[i];
        }
    }
    struct cli_phase *phase = &state->phase[CLI_PROGRESS_PHASES - 1];
    if (state->count < CLI_PROGRESS_PHASES) {
        phase = &state->phase[state->count++];
    } else if (phase->untold && state->mode == CLI_PROGRESS_JSON) {
        tell(state, phase);
    }
    *phase = (struct cli_phase){.done = UINT64_MAX};
    snprintf(phase->what, sizeof phase->what, "%s", what);
    return phase;
}

static int report(void *context, const char *what, uint64_t done, uint64_t total)
{
    struct cli_progress *state = context;
    uint64_t now = now_ms();
    struct cli_phase *before = state->count ? &state->phase[state->current] : NULL;
    struct cli_phase *phase = phase_of(state, what);
    bool begins = done < phase->done;
    if (begins) { /* also the same word again, as for the next of several partitions */
        if (phase->untold && state->mode == CLI_PROGRESS_JSON) {
            tell(state, phase);
        }
        phase->first = done;
        phase->spent_ms = 0;
    }
    /* Some report what is to be done next, some what was done: the time belongs to who worked. */
    if (before) {
        struct cli_phase *worked = !begins && done > phase->done ? phase : before;
        worked->spent_ms += now - state->reported_ms;
    }
    if (*unit_of(phase) == 'm' && total > LONGEST_WAIT_MS) {
        total = 0; /* until the user gives up */
    }
    bool ended = total && done >= total && (begins || phase->done < done || phase->untold);
    phase->done = done;
    phase->total = total;
    phase->untold = true;
    state->current = (unsigned)(phase - state->phase);
    state->reported_ms = now;
    unsigned every = state->mode == CLI_PROGRESS_JSON ? JSON_EVERY_MS : DRAW_EVERY_MS;
    if (ended || state->told_ms == 0 || now - state->told_ms >= every) {
        state->told_ms = now;
        tell(state, phase);
    }
    return 0;
}

static int say_nothing(void *context, const char *what, uint64_t done, uint64_t total)
{
    (void)context;
    (void)what;
    (void)done;
    (void)total;
    return 0;
}

void cli_progress_start(const struct cli_args *args, struct molt_progress *progress)
{
    struct cli_progress *state = args->progress;
    bool told = state->mode == CLI_PROGRESS_JSON ||
                (state->mode == CLI_PROGRESS_AUTO && isatty(STDERR_FILENO));
    *state = (struct cli_progress){.mode = state->mode};
    progress->report = told ? report : say_nothing;
    progress->context = state;
    if (state->mode == CLI_PROGRESS_JSON) {
        /* Who reads the progress may go away; what is being written is finished all the same. */
        signal(SIGPIPE, SIG_IGN);
    }
}

void cli_progress_end(const struct cli_args *args)
{
    struct cli_progress *state = args->progress;
    if (state->mode == CLI_PROGRESS_JSON) {
        for (unsigned i = 0; i < state->count; i++) {
            if (state->phase[i].untold) {
                tell(state, &state->phase[i]);
            }
        }
    } else if (state->drawn) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
    state->count = 0;
    state->drawn = false;
}
