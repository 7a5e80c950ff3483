#define _POSIX_C_SOURCE 200809L /* open_memstream */
#include "cli/svg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/svg_regions.h"
#include "molt/host/file.h"

#define WIDTH   880.0
#define LEFT    118.0 /* of the boxes */
#define BOX     400.0 /* their width */
#define TOP     156.0
#define STRIP_X 32.0
#define STRIP_Y 84.0
#define STRIP   (WIDTH - 2 * STRIP_X)

static const char *const classes[] = {"boot", "app", "files", "data", "unused"};

/* Paints its own page, so that it reads wherever it is put; dark where the reader's page is. */
static const char style[] =
    "<style>\n"
    "text{font-family:'Inter','Segoe UI','Helvetica Neue',Arial,'DejaVu Sans',sans-serif;"
    "font-size:13px;fill:#17212b}\n"
    ".mono{font-family:'JetBrains Mono','SFMono-Regular',Consolas,'DejaVu Sans Mono',monospace;"
    "font-size:12px}\n"
    ".muted{fill:#5c6b7a}.type{fill-opacity:.72}.pill{fill:#ffffff;font-size:11px;font-weight:600}."
    "title{font-size:20px;font-weight:600}.name{font-weight:600}\n"
    ".page{fill:#ffffff;stroke:#d9e0e7}.tick{stroke:#c3ccd5}.edge{fill:none;stroke:#ffffff}\n"
    ".boot{fill:#e8ddf7}.boot-used{fill:#cdb5ee}.boot-mark{fill:#7d4fc4}\n"
    ".app{fill:#d5f0e1}.app-used{fill:#93d9b4}.app-mark{fill:#1f9d61}\n"
    ".files{fill:#d6e8fb}.files-used{fill:#9fc9f3}.files-mark{fill:#2c7bd0}\n"
    ".data{fill:#fbeccb}.data-used{fill:#f3d58c}.data-mark{fill:#d0951a}\n"
    ".unused{fill:#f1f4f7}.unused-used{fill:#f1f4f7}.unused-mark{fill:#b4bfca}\n"
    "@media (prefers-color-scheme:dark){text{fill:#e8edf2}.muted{fill:#97a5b3}.pill{fill:#0d1a14}\n"
    ".page{fill:#12181f;stroke:#2a333d}.tick{stroke:#3d4955}.edge{stroke:#12181f}\n"
    ".boot{fill:#2b2040}.boot-used{fill:#4b3572}.boot-mark{fill:#a37ee6}\n"
    ".app{fill:#12332a}.app-used{fill:#1d6145}.app-mark{fill:#3ccf8a}\n"
    ".files{fill:#142c46}.files-used{fill:#1f5288}.files-mark{fill:#5fa8f5}\n"
    ".data{fill:#3a2d10}.data-used{fill:#6a5117}.data-mark{fill:#e6b345}\n"
    ".unused{fill:#1b232c}.unused-used{fill:#1b232c}.unused-mark{fill:#51606e}}\n"
    "</style>\n";

/* Text between tags or quotes: XML's five, no control characters, right UTF-8. */
static void escaped(FILE *out, const char *text, size_t most)
{
    const unsigned char *p = (const unsigned char *)text;
    for (size_t count = 0; *p && count < most; count++) {
        unsigned n = *p < 0x80 ? 1 : json_sequence(p);
        if (n == 0 || *p < ' ' || *p == 0x7F) {
            fputs("\xEF\xBF\xBD", out);
            n = 1;
        } else if (*p == '&' || *p == '<' || *p == '>' || *p == '"' || *p == '\'') {
            fprintf(out, "&#%u;", *p);
        } else {
            fwrite(p, 1, n, out);
        }
        p += n;
    }
    if (*p) {
        fputs("\xE2\x80\xA6", out);
    }
}

static void print_title(FILE *out, const struct molt_target *target)
{
    char size[16];
    const char *slash = strrchr(target->name, '/');
    fprintf(out, "<text class=\"title\" x=\"32\" y=\"44\">");
    escaped(out, slash && slash[1] ? slash + 1 : target->name, 64);
    fprintf(out, "</text>\n<text class=\"muted\" x=\"32\" y=\"67\">%s",
            molt_target_kind_name(target->kind));
    if (target->chip) {
        fprintf(out, " \xC2\xB7 %s", target->chip->name);
    }
    if (target->flash_size) {
        fprintf(out, " \xC2\xB7 %s of flash", cli_size(target->flash_size, size));
    }
    fputs("</text>\n", out);
}

/* All of the flash in one line, everything to scale. */
static void print_strip(FILE *out, const struct svg_map *map)
{
    double scale = map->end ? STRIP / (double)map->end : 0;
    fprintf(out,
            "<g id=\"strip\">\n<rect class=\"unused\" x=\"%.2f\" y=\"%.0f\" width=\"%.2f\" "
            "height=\"18\"/>\n",
            STRIP_X, STRIP_Y, STRIP);
    for (uint32_t i = 0; i < map->count; i++) {
        const struct svg_region *region = &map->region[i];
        const char *class = classes[region->class];
        uint64_t used = region->used < region->size ? region->used : region->size;
        if (region->class == SVG_UNUSED) {
            continue;
        }
        fprintf(out, "<rect class=\"%s\" x=\"%.2f\" y=\"%.0f\" width=\"%.2f\" height=\"18\"/>\n",
                used                        ? class
                : region->class == SVG_BOOT ? "boot-mark"
                                            : class,
                STRIP_X + (double)region->offset * scale, STRIP_Y, (double)region->size * scale);
        fprintf(out,
                "<rect class=\"%s-mark\" x=\"%.2f\" y=\"%.0f\" width=\"%.2f\" height=\"3\"/>\n",
                class, STRIP_X + (double)region->offset * scale, STRIP_Y + 15,
                (double)region->size * scale);
        if (used) {
            fprintf(out,
                    "<rect class=\"%s-mark\" x=\"%.2f\" y=\"%.0f\" width=\"%.2f\" "
                    "height=\"18\"/>\n",
                    class, STRIP_X + (double)region->offset * scale, STRIP_Y, (double)used * scale);
        }
    }
    for (int i = 0; i <= 4; i++) {
        char size[16];
        double x = STRIP_X + STRIP * i / 4;
        fprintf(out,
                "<line class=\"tick\" x1=\"%.2f\" y1=\"%.0f\" x2=\"%.2f\" y2=\"%.0f\"/>\n"
                "<text class=\"mono muted\" x=\"%.2f\" y=\"%.0f\" text-anchor=\"%s\">%s</text>\n",
                x, STRIP_Y + 18, x, STRIP_Y + 24, x, STRIP_Y + 38,
                i == 0   ? "start"
                : i == 4 ? "end"
                         : "middle",
                i ? cli_size(map->end * (uint64_t)i / 4, size) : "0");
    }
    fputs("</g>\n", out);
}

/* In two lines where there is room for them. */
static void print_note(FILE *out, const struct svg_region *region, double middle)
{
    const char *note = region->note, *fill = region->fill;
    bool two = note[0] && fill[0] && region->height >= 46;
    double x = LEFT + BOX + 94;
    fprintf(out, "<text class=\"muted\" x=\"%.0f\" y=\"%.2f\">", x, middle - (two ? 9 : 0));
    escaped(out, note, two || !fill[0] ? 40 : 26);
    if (two) {
        fprintf(out, "</text>\n<text class=\"muted\" x=\"%.0f\" y=\"%.2f\">%s", x, middle + 9,
                fill);
    } else {
        fprintf(out, "%s%s", note[0] && fill[0] ? ", " : "", fill);
    }
    fputs("</text>\n", out);
}

static void print_region(FILE *out, const struct svg_region *region, double y)
{
    char size[16];
    const char *class = classes[region->class];
    uint64_t used = region->used < region->size ? region->used : region->size;
    double middle = y + region->height / 2 + 4.5;
    fprintf(out,
            "<g class=\"region\">\n<rect class=\"%s\" x=\"%.0f\" y=\"%.2f\" width=\"%.0f\" "
            "height=\"%.2f\" data-offset=\"%llu\" data-size=\"%llu\" data-name=\"",
            class, LEFT, y, BOX, region->height, (unsigned long long)region->offset,
            (unsigned long long)region->size);
    escaped(out, region->class == SVG_UNUSED ? "" : region->name, 20);
    fputs("\"/>\n", out);
    if (used) {
        fprintf(out,
                "<rect class=\"%s-used\" x=\"%.0f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" "
                "data-used=\"%llu\"/>\n",
                class, LEFT, y, BOX * (double)used / (double)region->size, region->height,
                (unsigned long long)used);
    }
    fprintf(out,
            "<rect class=\"%s-mark\" x=\"%.0f\" y=\"%.2f\" width=\"5\" height=\"%.2f\"/>\n"
            "<line class=\"edge\" x1=\"%.0f\" y1=\"%.2f\" x2=\"%.0f\" y2=\"%.2f\"/>\n"
            "<text class=\"mono muted\" x=\"%.0f\" y=\"%.2f\" text-anchor=\"end\">0x%06llx</text>\n"
            "<text class=\"%s\" x=\"%.0f\" y=\"%.2f\">",
            class, LEFT, y, region->height, LEFT, y, LEFT + BOX, y, LEFT - 14, y + 10,
            (unsigned long long)region->offset, region->class == SVG_UNUSED ? "muted" : "name",
            LEFT + 18, middle);
    escaped(out, region->name, 20);
    fprintf(out, "</text>\n<text class=\"type\" x=\"%.0f\" y=\"%.2f\" text-anchor=\"end\">",
            LEFT + BOX - 14, middle);
    escaped(out, region->type, 24);
    fprintf(out,
            "</text>\n<text class=\"mono\" x=\"%.0f\" y=\"%.2f\" text-anchor=\"end\">%s</text>\n",
            LEFT + BOX + 76, middle, cli_size(region->size, size));
    if (region->boots) {
        double x = LEFT + 32 + 8.6 * (double)strlen(region->name);
        fprintf(out,
                "<rect class=\"app-mark\" x=\"%.2f\" y=\"%.2f\" width=\"78\" height=\"18\" "
                "rx=\"9\"/>\n<text class=\"pill\" x=\"%.2f\" y=\"%.2f\" "
                "text-anchor=\"middle\">boots next</text>\n",
                x, middle - 13.5, x + 39, middle - 0.5);
    }
    print_note(out, region, middle);
    fputs("</g>\n", out);
}

static void print_legend(FILE *out, const struct svg_map *map, double y)
{
    static const char *const words[] = {"boot", "application", "files", "data", "unused"};
    double x = STRIP_X;
    for (int i = 0; i < 5; i++) {
        fprintf(out,
                "<rect class=\"%s-mark\" x=\"%.0f\" y=\"%.2f\" width=\"12\" height=\"12\" "
                "rx=\"3\"/>\n<text class=\"muted\" x=\"%.0f\" y=\"%.2f\">%s</text>\n",
                classes[i], x, y - 10.5, x + 18, y, words[i]);
        x += 40 + 7.5 * (double)strlen(words[i]);
    }
    fprintf(
        out,
        "<text class=\"muted\" x=\"%.0f\" y=\"%.2f\" text-anchor=\"end\">darker: used%s</text>\n",
        WIDTH - STRIP_X, y, map->squeezed ? " \xC2\xB7 small boxes drawn higher" : "");
}

static void print_svg(FILE *out, const struct molt_target *target, const struct svg_map *map)
{
    double height = TOP, y = TOP;
    for (uint32_t i = 0; i < map->count; i++) {
        height += map->region[i].height;
    }
    height += 72;
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" "
            "height=\"%.0f\" role=\"img\">\n<title>Flash map of ",
            WIDTH, height, WIDTH, height);
    escaped(out, target->name, 200);
    fprintf(out,
            "</title>\n%s<rect class=\"page\" x=\"0.5\" y=\"0.5\" width=\"%.0f\" "
            "height=\"%.0f\" rx=\"10\"/>\n",
            style, WIDTH - 1, height - 1);
    print_title(out, target);
    print_strip(out, map);
    fputs("<g id=\"map\">\n", out);
    for (uint32_t i = 0; i < map->count; i++) {
        print_region(out, &map->region[i], y);
        y += map->region[i].height;
    }
    fprintf(out,
            "<text class=\"mono muted\" x=\"%.0f\" y=\"%.2f\" text-anchor=\"end\">0x%06llx</text>\n"
            "</g>\n",
            LEFT - 14, y + 4, (unsigned long long)map->end);
    print_legend(out, map, y + 44);
    fputs("</svg>\n", out);
}

int svg_write(const char *path, const struct molt_target *target, const struct molt_info *info,
              struct molt_message *message)
{
    char *text = NULL;
    size_t n = 0;
    if (target->table_error) {
        return molt_fail(message, MOLT_E_UNSUPPORTED,
                         "%s: has no partition table that can be read: there is no map to draw",
                         target->name);
    }
    struct svg_map *map = malloc(sizeof *map);
    FILE *out = map ? open_memstream(&text, &n) : NULL;
    if (!out) {
        free(map);
        return molt_fail(message, MOLT_E_NO_MEMORY, "%s: no memory for the picture", path);
    }
    svg_regions(map, target, info);
    print_svg(out, target, map);
    free(map);
    int error = fclose(out) == 0
                    ? MOLT_OK
                    : molt_fail(message, MOLT_E_NO_MEMORY, "%s: no memory for the picture", path);
    if (!error) {
        error = molt_file_write(path, text, n, 0666, MOLT_FILE_REPLACE, message);
    }
    free(text);
    return error;
}
