/* An instruction that ESP32-S2 lacks, as bytes: the check of the xtensawin object must refuse it.
 */
#include <stdint.h>

static __attribute__((used)) void zero_overhead_loop(void)
{
    __asm__ volatile(".byte 0x76, 0x82, 0x00"); /* loop a2 */
}
