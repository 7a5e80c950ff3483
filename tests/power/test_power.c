/*
 * Power cuts at every operation of flash and store, four ways each, in every part of an update's
 * life. The judge is the boot model and hashes that were computed before the run: a whole, verified
 * image boots with the files that belong to it, and a rerun converges.
 *
 * MOLT_POWER_EVERY=n takes only every n-th operation (for builds with sanitizers, which are slow).
 * MOLT_POWER_PART=k/n takes only every n-th scenario from the k-th on (for several processes).
 * MOLT_SOAK=1 adds a second cut, at every operation of the recovery from each first one (thinned by
 * MOLT_SOAK_STEP).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rig_bundle.h"
#include "scenarios.h"
#include "testing.h"

static const char *const ways[] = {"", "before", "after", "torn", "torn otherwise"};

struct run {
    const struct scenario *s;
    struct rig base, rig;
    uint32_t *erases; /* per sector */
    uint64_t cuts;
};

static bool whole(struct rig *rig)
{
    return rig_runs(rig, &old_version) || rig_runs(rig, &new_version) ||
           rig_runs(rig, &next_version);
}

/* What a person needs to repeat a failure. */
static void explain(const struct run *run, uint64_t n, int way, const char *what)
{
    print_error("%s: operation %llu, cut %s: %s; boot: %s\n", run->s->name, (unsigned long long)n,
                ways[way], what, run->rig.boot.why);
    print_error("  runs old %d new %d next %d\n", rig_runs((struct rig *)&run->rig, &old_version),
                rig_runs((struct rig *)&run->rig, &new_version),
                rig_runs((struct rig *)&run->rig, &next_version));
}

/* Erases of the app slots so far. */
static uint64_t slot_erases(const struct run *run)
{
    uint64_t n = 0;
    for (uint32_t at = RIG_SLOT_0; at < run->rig.vfs_offset; at += MOLT_NOR_SECTOR) {
        n += run->erases[at / MOLT_NOR_SECTOR];
    }
    return n;
}

/* The device as prepare left it, with its erases counted from zero. */
static void rewind_to_base(struct run *run)
{
    rig_copy(&run->rig, &run->base);
    memset(run->erases, 0, RIG_FLASH_SIZE / MOLT_NOR_SECTOR * sizeof *run->erases);
    run->rig.nor.sector_erases = run->erases;
    if (run->s->path->live) { /* the application runs already: mount and store, no boot */
        assert_int_equal(rig_resume(&run->rig), MOLT_OK);
    }
}

/* Three power-ups after a cut; each must boot something whole with its own files. */
static void boots_three_times(struct run *run, uint64_t n, int way)
{
    for (int i = 0; i < 3; i++) {
        molt_nor_power_up(&run->rig.nor);
        int code = rig_start(&run->rig);
        if (code != MOLT_OK || !whole(&run->rig)) {
            explain(run, n, way, code == MOLT_OK ? "not whole" : molt_strerror(code));
            fail();
        }
    }
}

static void converges(struct run *run, uint64_t n, int way)
{
    molt_nor_power_up(&run->rig.nor);
    int code = run->s->path->rerun(&run->rig);
    if (code != MOLT_OK) {
        explain(run, n, way, molt_strerror(code));
        fail();
    }
    if (run->rig.nor.off || rig_start(&run->rig) != MOLT_OK ||
        !rig_runs(&run->rig, run->s->path->wanted)) {
        explain(run, n, way, "does not converge");
        fail();
    }
}

/* A positive number from the environment, or the default. */
static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    uint64_t n = text ? strtoull(text, NULL, 10) : 0;
    return n ? n : otherwise;
}

/* Second cuts while recovering from one first cut. */
static void second_cuts(struct run *run, uint64_t n, int way)
{
    uint64_t step = setting("MOLT_SOAK_STEP", 7);
    for (uint64_t m = 1 + n % step;; m += step) {
        rewind_to_base(run);
        run->rig.nor.cut_at = run->rig.nor.operations + n;
        run->rig.nor.cut = (enum molt_cut)way;
        run->s->path->act(&run->rig);
        molt_nor_power_up(&run->rig.nor);
        run->rig.nor.cut_at = run->rig.nor.operations + m;
        run->rig.nor.cut = (enum molt_cut)(1 + (n + m) % 4);
        int code = run->s->path->rerun(&run->rig);
        if (code == MOLT_OK && !run->rig.nor.off) {
            return; /* behind the last operation of the recovery */
        }
        boots_three_times(run, n, way);
        converges(run, n, way);
        run->cuts++;
    }
}

static void one_cut(struct run *run, uint64_t n, int way, uint64_t clean_erases)
{
    rewind_to_base(run);
    run->rig.nor.cut_at = run->rig.nor.operations + n;
    run->rig.nor.cut = (enum molt_cut)way;
    run->rig.nor.random = n * 4 + (uint64_t)way;
    int code = run->s->path->act(&run->rig);
    if (code != MOLT_E_POWER && !run->rig.nor.off) {
        explain(run, n, way, "the cut was not noticed");
        fail();
    }
    boots_three_times(run, n, way);
    converges(run, n, way);
    uint64_t allowed = clean_erases + 16; /* one chunk more for the cut */
    if (slot_erases(run) > allowed) {
        print_error("%s: operation %llu, cut %s: %llu sector erases, allowed %llu\n", run->s->name,
                    (unsigned long long)n, ways[way], (unsigned long long)slot_erases(run),
                    (unsigned long long)allowed);
        fail();
    }
    run->cuts++;
    if (getenv("MOLT_SOAK")) {
        second_cuts(run, n, way);
    }
}

static void make_versions(const struct scenario *s)
{
    struct molt_pack_input more = {
        .codec = s->codec, .slot_size = s->options.slot_size, .board = "RIG"};
    rig_version_make(&old_version, s->length, 1, 0, false, &more);
    more.sequence = 2;
    if (s->kind == FILES || s->kind == FILES_FIRST) {
        rig_version_files(&new_version, &old_version, 2, &more);
    } else if (s->kind == UNSIGNED_FIRST) {
        rig_version_unsigned(&new_version, s->length, 2, 0, NULL);
    } else {
        rig_version_make(&new_version, s->length, 2, 0, s->release, &more);
    }
    more.sequence = s->kind == FILES_BESIDE ? 2 : 3;
    if (s->kind == FILES || s->kind == FILES_LAST || s->kind == FILES_BESIDE) {
        rig_version_files(&next_version, s->kind == FILES_LAST ? &new_version : &old_version, 3,
                          &more);
        return;
    }
    if (s->kind == UNSIGNED_LAST || s->kind == UNSIGNED_BESIDE) {
        rig_version_unsigned(&next_version, s->length, s->new_changed ? 1 : 3, s->new_changed,
                             s->kind == UNSIGNED_LAST ? &new_version : NULL);
        return;
    }
    /* next shares most blocks with what stands in the slot it goes to */
    rig_version_make(&next_version, s->length, s->new_changed ? 1 : 3, s->new_changed, s->release,
                     &more);
}

static uint64_t total_cuts;

static void sweep_one(const struct scenario *s, uint64_t every)
{
    struct run run = {.s = s};
    make_versions(s);
    rig_init(&run.base, &s->options, old_version.image, old_version.length);
    rig_init(&run.rig, &s->options, old_version.image, old_version.length);
    run.erases = calloc(RIG_FLASH_SIZE / MOLT_NOR_SECTOR, sizeof *run.erases);
    assert_non_null(run.erases);
    assert_int_equal(s->path->prepare ? s->path->prepare(&run.base) : rig_start(&run.base),
                     MOLT_OK);
    rig_suspend(&run.base);

    rewind_to_base(&run);
    uint64_t before = run.rig.nor.operations;
    assert_int_equal(s->path->act(&run.rig), MOLT_OK);
    uint64_t operations = run.rig.nor.operations - before, erases = slot_erases(&run);
    assert_int_equal(rig_start(&run.rig), MOLT_OK);
    if (!rig_runs(&run.rig, s->path->wanted)) {
        explain(&run, 0, 0, "the uncut run does not get there");
        fail();
    }
    assert_true(operations > 0);
    for (uint64_t n = 1; n <= operations; n += every) {
        for (int way = MOLT_CUT_BEFORE; way <= MOLT_CUT_TORN_OTHER; way++) {
            one_cut(&run, n, way, erases);
        }
    }
    print_message("%s, slot of %u KB, image of %u bytes: %llu operations, %llu cuts\n", s->name,
                  s->options.slot_size / 1024, s->length, (unsigned long long)operations,
                  (unsigned long long)run.cuts);
    total_cuts += run.cuts;
    rig_free(&run.base);
    rig_free(&run.rig);
    free(run.erases);
    rig_version_free(&old_version);
    rig_version_free(&new_version);
    rig_version_free(&next_version);
}

/* Each scenario in its own slot size, and in slots that the image fills to the last sector: there
   every third operation, every one in the long run. */
static void sweep(void **state)
{
    const struct scenario *s = *state;
    struct scenario filled = *s;
    uint64_t every = setting("MOLT_POWER_EVERY", 1);
    sweep_one(s, every);
    filled.options.slot_size = filled.length = s->options.slot_size == MIDDLE ? SMALL : MIDDLE;
    sweep_one(&filled, getenv("MOLT_SOAK") ? every : 3 * every);
}

int main(int argc, char **argv)
{
    enum { COUNT = sizeof scenarios / sizeof scenarios[0] };
    struct CMUnitTest tests[COUNT];
    size_t count = 0, part = 0, parts = 1;
    const char *text = getenv("MOLT_POWER_PART");
    if (text && (sscanf(text, "%zu/%zu", &part, &parts) != 2 || part >= parts)) {
        fprintf(stderr, "MOLT_POWER_PART: expected k/n, found '%s'\n", text);
        return 2;
    }
    for (size_t i = part; i < COUNT; i += parts) {
        if (argc < 2 || strstr(scenarios[i].name, argv[1])) {
            tests[count++] = (struct CMUnitTest){scenarios[i].name, sweep, NULL, NULL,
                                                 (void *)(uintptr_t)&scenarios[i]};
        }
    }
    int failed = _cmocka_run_group_tests("power", tests, count, NULL, NULL);
    printf("%llu power cuts, 3 boots and a rerun after each\n", (unsigned long long)total_cuts);
    return failed || total_cuts == 0;
}
