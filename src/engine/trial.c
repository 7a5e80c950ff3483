/* What happens to an update once it is installed: docs/spec/store.md, "What each phase means at a
 * boot". */
#include <string.h>

#include "engine/internal.h"

/* Everything that a decision looks at, read once. */
struct trial {
    const struct molt_engine_port *port;
    struct molt_update update;
    struct molt_otadata otadata;
    struct molt_otadata_situation situation;
    bool in_target;  /* the target of the update runs */
    bool files_only; /* the update changes no slot and no otadata */
};

static int look(struct trial *t, const struct molt_engine_port *port)
{
    const struct molt_device *device = &port->device;
    const struct molt_app_slot *running = molt_slot_by_number(device, device->running);
    t->port = port;
    int code = molt_update_load(port->store, &t->update);
    if (code < 0) {
        return code;
    }
    bool any = t->update.phase != MOLT_PHASE_NONE;
    t->files_only = any && t->update.from_offset == t->update.target_offset;
    if (!device->otadata_offset && !t->files_only) {
        return MOLT_E_OTADATA_NONE;
    }
    if (!running) {
        return MOLT_E_NOT_A_SLOT;
    }
    t->in_target = any && running->offset == t->update.target_offset;
    molt_situation_of(device, MOLT_OTADATA_NO_SLOT, &t->situation);
    return !device->otadata_offset
               ? MOLT_OK
               : molt_otadata_read(&t->otadata, port->flash, device->otadata_offset);
}

static int save_phase(struct trial *t, enum molt_phase phase)
{
    t->update.phase = (uint8_t)phase;
    return molt_update_save(t->port->store, &t->update);
}

static int carry_out(struct trial *t, molt_plan_maker *make)
{
    struct molt_otadata_plan plan;
    if (t->files_only) {
        return MOLT_OK;
    }
    int code = make(&t->otadata, &t->situation, &plan);
    if (code < 0) {
        return code;
    }
    molt_otadata_apply(&t->otadata, &plan);
    return molt_otadata_write_all(t->port, &plan);
}

/* Heals first: while the records name the target, it may come up later as if it were confirmed. */
static int fail(struct trial *t, int outcome)
{
    int code = carry_out(t, molt_otadata_plan_heal);
    if (code >= 0) {
        code = molt_failed_add(t->port->store, t->update.digest);
    }
    if (code < 0) {
        return code;
    }
    t->update.outcome = outcome;
    return save_phase(t, MOLT_PHASE_FAILED);
}

/* Writes the target's record again, after healing what the boot in between left behind. Counted,
 * for the target may not load any more. */
static int switch_again(struct trial *t)
{
    const struct molt_app_slot *target =
        molt_slot_by_offset(&t->port->device, t->update.target_offset);
    if (t->update.switches >= MOLT_SWITCHES_MAX || !target || t->files_only) {
        return fail(t, MOLT_E_BOOT_DISAGREES);
    }
    t->update.switches++;
    int code = molt_update_save(t->port->store, &t->update);
    if (code >= 0) {
        code = carry_out(t, molt_otadata_plan_heal);
    }
    t->situation.target = target->number;
    if (code >= 0) {
        code = carry_out(t, molt_otadata_plan_switch);
    }
    return code < 0 ? code : MOLT_TRIAL_RESTART;
}

/* The candidate becomes the release of its slot, in one put; none: that was done before. */
static int take_candidate(const struct trial *t)
{
    struct molt_release_binding bindings[MOLT_RELEASES_MAX], own;
    const struct molt_store *store = t->port->store;
    int count = molt_releases_load(store, bindings), kept = 0;
    bool found = false;
    for (int i = 0; i < count; i++) {
        if (bindings[i].slot_offset == MOLT_CANDIDATE) {
            own = bindings[i];
            found = true;
        } else if (bindings[i].slot_offset != t->update.target_offset) {
            bindings[kept++] = bindings[i];
        }
    }
    if (!found) {
        return count < 0 ? count : MOLT_OK;
    }
    own.slot_offset = t->update.target_offset;
    bindings[kept++] = own;
    return molt_releases_save(store, bindings, (uint32_t)kept);
}

static int finish_confirm(struct trial *t)
{
    struct molt_floor floor;
    int code = t->files_only ? take_candidate(t) : carry_out(t, molt_otadata_plan_confirm);
    if (code < 0) {
        return code;
    }
    code = molt_floor_load(t->port->store, &floor);
    if (code >= 0 && t->update.sequence > floor.sequence) {
        floor.sequence = t->update.sequence;
        code = molt_floor_save(t->port->store, &floor);
    }
    if (code < 0) {
        return code;
    }
    t->update.outcome = MOLT_OK;
    return save_phase(t, MOLT_PHASE_CONFIRMED);
}

/* No update is under way: the records name what runs, unless the bootloader had to fall back. */
static int agree(struct trial *t)
{
    struct molt_otadata_choice choice;
    if (!t->port->device.otadata_offset) {
        return MOLT_OK;
    }
    t->files_only = false; /* the records' turn */
    molt_chosen(&t->otadata, &t->situation, &choice);
    return choice.slot == t->situation.running ? MOLT_OK : carry_out(t, molt_otadata_plan_heal);
}

/* Out of the running slot. No record names the factory app: there a confirmed one of the slot that
 * ran before is made anew. */
static int plan_back(struct trial *t, struct molt_otadata_plan *plan)
{
    const struct molt_app_slot *from = molt_slot_by_offset(&t->port->device, t->update.from_offset);
    if (t->situation.running != MOLT_OTADATA_FACTORY || !t->in_target || !from ||
        from->number == MOLT_OTADATA_FACTORY) {
        return molt_otadata_plan_rollback(&t->otadata, &t->situation, plan);
    }
    t->situation.running = from->number;
    return molt_otadata_plan_heal(&t->otadata, &t->situation, plan);
}

/* These return an enum molt_trial_action, or an error. */
static int boot_in_target(struct trial *t)
{
    struct molt_otadata_plan plan;
    int code = MOLT_OK;
    switch ((enum molt_phase)t->update.phase) {
    case MOLT_PHASE_SWITCHING: t->update.boots = 1; return save_phase(t, MOLT_PHASE_TRIAL);
    case MOLT_PHASE_TRIAL:
        t->update.outcome = MOLT_E_UNCONFIRMED; /* what it will have failed with */
        code = save_phase(t, MOLT_PHASE_ROLLING_BACK);
        if (code < 0) {
            return code;
        }
        /* fall through */
    case MOLT_PHASE_ROLLING_BACK:
        code = plan_back(t, &plan);
        code = code < 0 ? code : molt_otadata_write_all(t->port, &plan);
        return code < 0 ? code : MOLT_TRIAL_RESTART;
    case MOLT_PHASE_CONFIRMING: return finish_confirm(t);
    case MOLT_PHASE_NONE:
    case MOLT_PHASE_INSTALLING:
    case MOLT_PHASE_CONFIRMED:
    case MOLT_PHASE_FAILED: break;
    }
    return agree(t);
}

static int boot_in_from(struct trial *t)
{
    switch ((enum molt_phase)t->update.phase) {
    case MOLT_PHASE_SWITCHING:
    case MOLT_PHASE_CONFIRMING: return switch_again(t);
    case MOLT_PHASE_TRIAL: return fail(t, MOLT_E_UNCONFIRMED);
    case MOLT_PHASE_ROLLING_BACK:
        return fail(t, t->update.outcome < 0 ? t->update.outcome : MOLT_E_CANCELLED);
    case MOLT_PHASE_NONE:
    case MOLT_PHASE_INSTALLING:
    case MOLT_PHASE_CONFIRMED:
    case MOLT_PHASE_FAILED: break;
    }
    return agree(t);
}

int molt_trial_boot(const struct molt_engine_port *port, enum molt_trial_action *action)
{
    struct trial t;
    *action = MOLT_TRIAL_RUN; /* after an error too: a restart would find the same again */
    int code = look(&t, port);
    if (code < 0) {
        return code == MOLT_E_OTADATA_NONE ? MOLT_OK : code;
    }
    /* Files alone need no restart: the same firmware goes on with the files that it had. */
    bool over = t.files_only &&
                (t.update.phase == MOLT_PHASE_TRIAL || t.update.phase == MOLT_PHASE_ROLLING_BACK);
    code = t.in_target && !over ? boot_in_target(&t) : boot_in_from(&t);
    if (code < 0) {
        return code;
    }
    *action = (enum molt_trial_action)code;
    return MOLT_OK;
}

int molt_trial_confirm(const struct molt_engine_port *port)
{
    struct trial t;
    struct molt_otadata_plan plan;
    int code = look(&t, port);
    if (code < 0) {
        return code;
    }
    plan.count = 0;
    if (port->device.otadata_offset) {
        code = molt_otadata_plan_confirm(&t.otadata, &t.situation, &plan);
        if (code < 0) {
            return code;
        }
    }
    /* Files whose switch waits for the restart have not run yet. */
    if (!t.in_target || t.update.phase < MOLT_PHASE_SWITCHING + t.files_only ||
        t.update.phase > MOLT_PHASE_ROLLING_BACK) {
        /* not one of ours: a firmware written by other means */
        return plan.count ? molt_otadata_write_all(port, &plan) : MOLT_E_NO_TRIAL;
    }
    t.update.switches = 0; /* they are counted anew should the confirm be cut */
    code = save_phase(&t, MOLT_PHASE_CONFIRMING);
    return code < 0 ? code : finish_confirm(&t);
}

int molt_trial_rollback(const struct molt_engine_port *port)
{
    struct trial t;
    struct molt_otadata_plan plan;
    int code = look(&t, port);
    if (code < 0) {
        return code == MOLT_E_OTADATA_NONE ? MOLT_E_NO_WAY_BACK : code;
    }
    if (t.files_only && t.in_target && t.update.phase <= MOLT_PHASE_ROLLING_BACK &&
        t.update.phase != MOLT_PHASE_CONFIRMING) {
        return save_phase(&t, MOLT_PHASE_ROLLING_BACK);
    }
    if (t.update.phase == MOLT_PHASE_INSTALLING || t.update.chunk != MOLT_NO_CHUNK ||
        (t.files_only && t.update.phase == MOLT_PHASE_CONFIRMING) || !port->device.otadata_offset) {
        return MOLT_E_NO_WAY_BACK; /* the other slot is being written, or there is none */
    }
    code = plan_back(&t, &plan);
    if (code < 0) {
        return code; /* nothing to return to: nothing is stored either */
    }
    if (t.in_target) {
        code = t.files_only ? molt_failed_add(port->store, t.update.digest)
                            : save_phase(&t, MOLT_PHASE_ROLLING_BACK);
        if (code < 0) {
            return code;
        }
    }
    return molt_otadata_write_all(port, &plan);
}
