#include "cli/map.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"
#include "molt/ops/info.h"

#define TABLE_SECTOR 0x1000u

const char *map_type_name(uint8_t type, char text[8])
{
    const char *name = molt_partition_type_name(type);
    snprintf(text, 8, "0x%02x", type);
    return name ? name : text;
}

const char *map_subtype_name(uint8_t type, uint8_t subtype, char text[8])
{
    const char *name = molt_partition_subtype_name(type, subtype);
    snprintf(text, 8, "0x%02x", subtype);
    return name ? name : text;
}

void map_json_row(struct json_out *json, const char *key, const struct molt_partition *row)
{
    json_open(json, key, '{');
    json_text(json, "name", row->label);
    json_number(json, "type", row->type);
    json_number(json, "subtype", row->subtype);
    json_text(json, "type_name", molt_partition_type_name(row->type));
    json_text(json, "subtype_name", molt_partition_subtype_name(row->type, row->subtype));
    json_number(json, "offset", row->offset);
    json_number(json, "size", row->size);
    json_number(json, "flags", row->flags);
    json_close(json, '}');
}

unsigned map_width(void)
{
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col;
    }
    int n = columns ? atoi(columns) : 0;
    return n > 0 && n < 10000 ? (unsigned)n : 80;
}

/* What the bar shows: rows of the table and what lies below them. */
struct span {
    uint64_t low, high, used;
    char mark;
    const char *colour;
};

#define SPANS (MOLT_PTABLE_MAX_ROWS + 2)

static char mark_of(uint32_t row)
{
    return row < 26 ? (char)('a' + row) : row < 36 ? (char)('0' + row - 26) : '+';
}

static const char *colour_of(const struct molt_partition *row)
{
    if (row->type == MOLT_PARTITION_APP) {
        return "\033[32m";
    }
    return row->subtype >= 0x80 ? "\033[36m" : "\033[33m";
}

static uint32_t collect(struct span *span, const struct molt_chip *chip,
                        const struct molt_ptable *table, const struct map_use *use,
                        uint32_t use_count)
{
    uint32_t count = 0;
    if (chip) {
        span[count++] =
            (struct span){chip->bootloader_offset, MOLT_PTABLE_OFFSET, 0, '^', "\033[35m"};
    }
    span[count++] =
        (struct span){MOLT_PTABLE_OFFSET, MOLT_PTABLE_OFFSET + TABLE_SECTOR, 0, '^', "\033[35m"};
    for (uint32_t i = 0; i < table->count; i++) {
        const struct molt_partition *row = &table->row[i];
        struct span *next = &span[count++];
        *next = (struct span){row->offset, (uint64_t)row->offset + row->size, 0, mark_of(i),
                              colour_of(row)};
        for (uint32_t k = 0; k < use_count; k++) {
            if (use[k].offset == row->offset && row->type == MOLT_PARTITION_APP) {
                next->used = next->low + use[k].used;
            }
        }
    }
    return count;
}

static void print_bar(FILE *out, const struct span *span, uint32_t count, uint64_t size)
{
    unsigned width = map_width();
    unsigned cells = width > 14 ? width - 4 : 10;
    bool colour = cli_colour();
    fputs("  [", out);
    for (unsigned c = 0; c < cells; c++) {
        uint64_t low = size * c / cells, high = size * (c + 1) / cells, most = 0;
        const struct span *found = NULL;
        for (uint32_t i = 0; i < count; i++) {
            uint64_t from = span[i].low > low ? span[i].low : low;
            uint64_t to = span[i].high < high ? span[i].high : high;
            if (from < to && to - from > most) {
                most = to - from;
                found = &span[i];
            }
        }
        char mark = found ? found->mark : '.';
        if (found && found->used > low && mark >= 'a' && mark <= 'z') {
            mark = (char)(mark - 'a' + 'A');
        }
        if (colour && found) {
            fprintf(out, "%s%c\033[0m", found->colour, mark);
        } else {
            fputc(mark, out);
        }
    }
    fputs("]\n", out);
}

static void print_row(FILE *out, const struct molt_partition *row, uint32_t i)
{
    char type[8], subtype[8], size[16], label[17];
    memcpy(label, row->label, sizeof label);
    molt_info_plain(label);
    fprintf(out, "  %c  %-16s %-5s %-8s 0x%06x  0x%06x  %9s%s%s\n", mark_of(i), label,
            map_type_name(row->type, type), map_subtype_name(row->type, row->subtype, subtype),
            row->offset, row->size, cli_size(row->size, size), row->flags & 1 ? " encrypted" : "",
            row->flags & 2 ? " read-only" : "");
}

void map_print(FILE *out, const struct molt_chip *chip, const struct molt_ptable *table,
               uint32_t flash_size, const struct map_use *use, uint32_t use_count)
{
    struct span span[SPANS];
    uint64_t size = flash_size;
    fprintf(out, "     %-16s %-5s %-8s %-8s  %-8s  %9s\n", "name", "type", "subtype", "offset",
            "size", "");
    for (uint32_t i = 0; i < table->count; i++) {
        print_row(out, &table->row[i], i);
        uint64_t end = (uint64_t)table->row[i].offset + table->row[i].size;
        if (!flash_size && end > size) {
            size = end;
        }
    }
    if (size) {
        print_bar(out, span, collect(span, chip, table, use, use_count), size);
    }
}
