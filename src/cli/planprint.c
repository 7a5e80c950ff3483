#include "cli/planprint.h"

#include "cli/cli.h"
#include "cli/process.h"

void plan_print(FILE *out, const struct molt_plan *plan)
{
    fprintf(out, "plan:\n");
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct molt_step *step = &plan->step[i];
        char size[16];
        const char *kind = molt_step_kind_name(step->kind);
        bool loud = step->kind == MOLT_STEP_LOSE && cli_colour();
        fprintf(out, "  %s%-5s%s  %-12s  ", loud ? "\033[31m" : "", kind, loud ? "\033[0m" : "",
                step->what);
        if (step->size) {
            fprintf(out, "0x%0*x  %9s  ", step->offset > 0xFFFFFF ? 8 : 6, step->offset,
                    cli_size(step->size, size));
        } else {
            fprintf(out, "%8s  %9s  ", "", "");
        }
        process_print_safe(out, step->why); /* may have names of a device's files */
        fputc('\n', out);
    }
    if (plan->count == 0) {
        fprintf(out, "  nothing to do\n");
    }
}

void plan_json(struct json_out *json, const struct molt_plan *plan)
{
    json_open(json, "plan", '[');
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct molt_step *step = &plan->step[i];
        json_open(json, NULL, '{');
        json_text(json, "kind", molt_step_kind_name(step->kind));
        json_text(json, "what", step->what);
        if (step->size) {
            json_number(json, "offset", step->offset);
            json_number(json, "size", step->size);
        } else {
            json_nothing(json, "offset");
            json_nothing(json, "size");
        }
        json_text(json, "why", step->why);
        json_close(json, '}');
    }
    json_close(json, ']');
}
