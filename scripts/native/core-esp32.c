/*
 * Description of the Xtensa core for Debian's gcc-xtensa-lx106 and binutils-xtensa-lx106.
 *
 * Both load the shared object that XTENSA_GNU_CONFIG names. Its values are what ESP32 (LX6),
 * ESP32-S2 and ESP32-S3 (LX7) have in common, so one object file suits all three:
 * an option is 1 only if all three cores have it. What S2 lacks (loops, MAC16, booleans,
 * FPU, S32C1I) stays 0.
 *
 * The structures come from xtensa-dynconfig.h of binutils-source; gcc 13 knows v1 to v3 of the
 * same layout, binutils 2.44 also v4. The instruction table (symbol xtensa_modules) is
 * bfd/xtensa-modules.c of binutils-source, linked in by setup.sh.
 */

/* ABI and byte order. */
#define XCHAL_HAVE_BE       0
#define XTHAL_ABI_WINDOWED  0
#define XTHAL_ABI_CALL0     1
#define XSHAL_ABI           XTHAL_ABI_WINDOWED
#define XCHAL_HAVE_WINDOWED 1
#define XCHAL_NUM_AREGS     64

/* Literals: PC-relative l32r only, in sections of their own (mpy_ld wants .literal). */
#define XCHAL_HAVE_L32R                  1
#define XCHAL_HAVE_CONST16               0
#define XSHAL_USE_ABSOLUTE_LITERALS      0
#define XSHAL_HAVE_TEXT_SECTION_LITERALS 1

/* Integer instructions that all three cores have. */
#define XCHAL_HAVE_DENSITY      1
#define XCHAL_HAVE_ABS          1
#define XCHAL_HAVE_ADDX         1
#define XCHAL_HAVE_NSA          1
#define XCHAL_HAVE_MINMAX       1
#define XCHAL_HAVE_SEXT         1
#define XCHAL_HAVE_CLAMPS       1
#define XCHAL_HAVE_MUL16        1
#define XCHAL_HAVE_MUL32        1
#define XCHAL_HAVE_MUL32_HIGH   1
#define XCHAL_HAVE_DIV32        1
#define XCHAL_HAVE_RELEASE_SYNC 1
#define XCHAL_HAVE_THREADPTR    1

/* Left out: missing on at least one of the three. */
#define XCHAL_HAVE_LOOPS              0
#define XCHAL_HAVE_MAC16              0
#define XCHAL_HAVE_BOOLEANS           0
#define XCHAL_HAVE_S32C1I             0
#define XCHAL_HAVE_EXCLUSIVE          0
#define XCHAL_HAVE_DEPBITS            0
#define XCHAL_HAVE_WIDE_BRANCHES      0
#define XCHAL_HAVE_PREDICTED_BRANCHES 0
#define XCHAL_HAVE_XEA3               0

/* No floating point unit: float arithmetic becomes calls, which mpy_ld then refuses. */
#define XCHAL_HAVE_FP         0
#define XCHAL_HAVE_FP_DIV     0
#define XCHAL_HAVE_FP_RECIP   0
#define XCHAL_HAVE_FP_SQRT    0
#define XCHAL_HAVE_FP_RSQRT   0
#define XCHAL_HAVE_FP_POSTINC 0
#define XCHAL_HAVE_DFP        0
#define XCHAL_HAVE_DFP_DIV    0
#define XCHAL_HAVE_DFP_RECIP  0
#define XCHAL_HAVE_DFP_SQRT   0
#define XCHAL_HAVE_DFP_RSQRT  0

/* Memory system: no level-1 cache inside the core, no MMU, 4-byte fetch. */
#define XCHAL_ICACHE_SIZE           0
#define XCHAL_DCACHE_SIZE           0
#define XCHAL_ICACHE_LINESIZE       4
#define XCHAL_DCACHE_LINESIZE       4
#define XCHAL_ICACHE_LINEWIDTH      2
#define XCHAL_DCACHE_LINEWIDTH      2
#define XCHAL_DCACHE_IS_WRITEBACK   0
#define XCHAL_HAVE_MMU              0
#define XCHAL_MMU_MIN_PTE_PAGE_SIZE 1
#define XCHAL_MAX_INSTRUCTION_SIZE  3
#define XCHAL_INST_FETCH_WIDTH      4
#define XCHAL_DATA_WIDTH            4

/* Treated as faulting, so that the compiler never makes an unaligned access by itself. */
#define XCHAL_UNALIGNED_LOAD_EXCEPTION  1
#define XCHAL_UNALIGNED_STORE_EXCEPTION 1
#define XCHAL_UNALIGNED_LOAD_HW         0
#define XCHAL_UNALIGNED_STORE_HW        0

/* Debug unit and hardware generation; no influence on the code of a module. */
#define XCHAL_HAVE_DEBUG      1
#define XCHAL_NUM_IBREAK      2
#define XCHAL_NUM_DBREAK      2
#define XCHAL_DEBUGLEVEL      6
#define XCHAL_M_STAGE         0
#define XTENSA_MARCH_EARLIEST 260003
#define XTENSA_MARCH_LATEST   270012

#define XTENSA_CONFIG_DEFINITION
#include "xtensa-dynconfig.h"

/* gcc loads only plug-ins that declare themselves GPL-compatible. */
int plugin_is_GPL_compatible = 1;

/* xtensa_config_v1 to _v4. */
XTENSA_CONFIG_INSTANCE_LIST;

/* The same values as preprocessor definitions: gcc predefines each as __NAME=value. */
#undef XTENSA_CONFIG_ENTRY
#define SPELL(value)              #value
#define XTENSA_CONFIG_ENTRY(name) "__" #name "=" SPELL(name)
const char *const xtensa_config_strings[] = {XTENSA_CONFIG_ENTRY_LIST, 0};
