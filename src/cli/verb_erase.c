#include "cli/part_act.h"

static const struct cli_option options[] = {
    {"all", 'a', NULL, "all of the flash (of a dump or board)"},
    {"output", 'o', "FILE", "write the changed file there; the input stays as it is"},
    {"dry-run", 'n', NULL, "print the plan, write nothing"},
    {"force", 'f', NULL, "also files, settings, and the only app that boots"},
    {"json", 'j', NULL, "print one JSON object"},
    {0}};

static const char details[] =
    "NAME is a partition, bootloader, table, vfs, or OFFSET+SIZE. The plan names what is lost;\n"
    "files, settings and what keeps the device from booting need --force.\n"
    "\n"
    "  molt erase sim:bench otadata           the first slot, or factory, boots again\n"
    "  molt erase sim:bench --all --force     as a new chip\n"
    "\n" PART_JSON_HELP;

static int plan(struct cli_args *args, struct molt_part_job *job, const struct molt_target *target,
                struct molt_message *message)
{
    return molt_part_plan_erase(job, target, args->operand + 1, (uint32_t)args->operand_count - 1,
                                cli_has(args, "force"), message);
}

static int run(struct cli_args *args)
{
    if (cli_has(args, "all") != (args->operand_count == 1)) {
        return cli_usage(args, "expected names of partitions, or --all");
    }
    return part_act(args, plan);
}

extern const struct cli_verb cli_verb_erase;
const struct cli_verb cli_verb_erase = {
    "erase", "TARGET NAME...|--all", "erase partitions, or a whole flash", details, options, 1, -1,
    run};
