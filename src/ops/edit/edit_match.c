/* Which row of a new table goes on with which old partition: by name, then by what it is for. */
#include <string.h>

#include "ops/edit/edit_work.h"

struct match {
    struct edit_row row[EDIT_PLACES]; /* as they were */
    int count;
    bool taken[EDIT_PLACES];
};

typedef bool same(const struct molt_partition *a, const struct molt_partition *b);

static bool same_name(const struct molt_partition *a, const struct molt_partition *b)
{
    return edit_class_of(a) == edit_class_of(b) && strcmp(a->label, b->label) == 0;
}

static bool same_kind(const struct molt_partition *a, const struct molt_partition *b)
{
    return a->type == b->type && a->subtype == b->subtype;
}

static bool both_files(const struct molt_partition *a, const struct molt_partition *b)
{
    return edit_class_of(a) == EDIT_FILES && edit_class_of(b) == EDIT_FILES;
}

static void match_by(struct edit_work *work, struct match *was, same *alike)
{
    for (int i = 0; i < work->count; i++) {
        for (int k = 0; work->row[i].origin == EDIT_NONE && k < was->count; k++) {
            if (!was->taken[k] && was->row[k].origin != EDIT_NONE &&
                alike(&work->row[i].p, &was->row[k].p)) {
                work->row[i].origin = was->row[k].origin;
                was->taken[k] = true;
            }
        }
    }
}

/* factory, else ota_0, else the first app: what boots without a record. */
static int first_app(const struct edit_work *work)
{
    int found = EDIT_NONE;
    for (int i = 0; i < work->count; i++) {
        const struct molt_partition *row = &work->row[i].p;
        if (row->type != MOLT_PARTITION_APP) {
            continue;
        }
        if (row->subtype == MOLT_APP_FACTORY) {
            return i;
        }
        if (found == EDIT_NONE || row->subtype == MOLT_APP_OTA_0) {
            found = i;
        }
    }
    return found;
}

/* What boots now has to be somewhere, before any other app. */
static void place_app(struct edit_work *work)
{
    int first = first_app(work);
    for (int i = 0; i < work->count; i++) {
        if (work->row[i].origin == work->boots) {
            return;
        }
    }
    if (first != EDIT_NONE) {
        work->row[first].origin = work->boots;
    }
}

void edit_match(struct edit_work *work, const struct molt_ptable *table)
{
    struct match was = {.count = work->count};
    int last = work->old_count - 1;
    bool behind = last >= 0 && work->old[last].behind;
    for (int i = 0; i < was.count; i++) {
        was.row[i] = work->row[i];
        behind = behind && work->row[i].origin != last;
    }
    if (behind) {
        was.row[was.count].p = work->old[last].p;
        was.row[was.count++].origin = last;
    }
    work->count = (int)table->count;
    work->has_md5 = table->has_md5;
    for (int i = 0; i < work->count; i++) {
        memset(&work->row[i], 0, sizeof work->row[i]);
        work->row[i].p = table->row[i];
        work->row[i].origin = EDIT_NONE;
    }
    match_by(work, &was, same_name);
    match_by(work, &was, same_kind);
    match_by(work, &was, both_files);
    place_app(work);
}
