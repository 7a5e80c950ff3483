/*
 * Functions that gcc calls on its own. A module has neither a C library nor libgcc (and Debian's
 * libgcc for Xtensa has the wrong calling convention), so build-native.sh compiles in those of
 * these that the module lacks: it defines NEED_name for each. Only 32-bit operations here, lest a
 * helper call itself.
 */
#include <stddef.h>
#include <stdint.h>

union wide {
    uint64_t all;
    struct {
        uint32_t low, high;
    }; /* every target is little-endian */
};

#ifdef NEED_memcpy
void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    uint8_t *d = to;
    const uint8_t *s = from;
    while (n--)
        *d++ = *s++;
    return to;
}
#endif
#ifdef NEED_memmove
void *memmove(void *to, const void *from, size_t n)
{
    uint8_t *d = to;
    const uint8_t *s = from;
    if ((uintptr_t)d <= (uintptr_t)s)
        while (n--)
            *d++ = *s++;
    else
        while (n--)
            d[n] = s[n];
    return to;
}
#endif
#ifdef NEED_memset
void *memset(void *to, int byte, size_t n)
{
    uint8_t *d = to;
    while (n--)
        *d++ = (uint8_t)byte;
    return to;
}
#endif
#ifdef NEED_memcmp
int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;
    for (; n; n--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}
#endif
#ifdef NEED___bswapsi2
/* At -O0, because gcc would recognise the idiom and call this very function. */
__attribute__((optimize("O0"))) uint32_t __bswapsi2(uint32_t x)
{
    return x << 24 | (x & 0xff00) << 8 | (x >> 8 & 0xff00) | x >> 24;
}
#endif
#ifdef NEED___clzsi2
int __clzsi2(uint32_t x)
{
    int n = 0;
    for (int step = 16; step; step >>= 1)
        if (!(x >> (32 - step)))
            x <<= step, n += step;
    return n;
}
#endif
#ifdef NEED___ctzsi2
int __ctzsi2(uint32_t x)
{
    int n = 0;
    for (int step = 16; step; step >>= 1)
        if (!(x << (32 - step)))
            x >>= step, n += step;
    return n;
}
#endif
#if defined(NEED___ashldi3) || defined(NEED___aeabi_llsl)
uint64_t __ashldi3(uint64_t value, int n)
{
    union wide v = {value};
    if (n >= 32)
        v.high = v.low << (n - 32), v.low = 0;
    else if (n)
        v.high = v.high << n | v.low >> (32 - n), v.low <<= n;
    return v.all;
}
uint64_t __aeabi_llsl(uint64_t, int) __attribute__((alias("__ashldi3")));
#endif
#if defined(NEED___lshrdi3) || defined(NEED___aeabi_llsr)
uint64_t __lshrdi3(uint64_t value, int n)
{
    union wide v = {value};
    if (n >= 32)
        v.low = v.high >> (n - 32), v.high = 0;
    else if (n)
        v.low = v.low >> n | v.high << (32 - n), v.high >>= n;
    return v.all;
}
uint64_t __aeabi_llsr(uint64_t, int) __attribute__((alias("__lshrdi3")));
#endif
#if defined(NEED___ashrdi3) || defined(NEED___aeabi_lasr)
int64_t __ashrdi3(int64_t value, int n)
{
    union wide v = {(uint64_t)value};
    int32_t high = (int32_t)v.high;
    if (n >= 32)
        v.low = (uint32_t)(high >> (n - 32)), v.high = (uint32_t)(high >> 31);
    else if (n)
        v.low = v.low >> n | v.high << (32 - n), v.high = (uint32_t)(high >> n);
    return (int64_t)v.all;
}
int64_t __aeabi_lasr(int64_t, int) __attribute__((alias("__ashrdi3")));
#endif
#if defined(NEED___muldi3) || defined(NEED___aeabi_lmul)
uint64_t __muldi3(uint64_t a, uint64_t b)
{
    union wide x = {a}, y = {b}, r;
    uint32_t xl = x.low & 0xffff, xh = x.low >> 16, yl = y.low & 0xffff, yh = y.low >> 16;
    uint32_t ll = xl * yl, mid = xh * yl + (ll >> 16), mid2 = xl * yh + (mid & 0xffff);
    r.low = mid2 << 16 | (ll & 0xffff);
    r.high = xh * yh + (mid >> 16) + (mid2 >> 16) + x.high * y.low + x.low * y.high;
    return r.all;
}
uint64_t __aeabi_lmul(uint64_t, uint64_t) __attribute__((alias("__muldi3")));
#endif
#if defined(NEED___aeabi_uidiv) || defined(NEED___aeabi_uidivmod) || defined(NEED___aeabi_idiv) || \
    defined(NEED___aeabi_idivmod)
/* Quotient in r0, remainder in r1: the pair comes back as one 64-bit value. Division by zero gives
 * 0. */
uint64_t __aeabi_uidivmod(uint32_t a, uint32_t b)
{
    union wide r = {0};
    if (b == 0)
        return 0;
    for (int i = 31; i >= 0; i--) {
        uint32_t carry = r.high >> 31;
        r.high = r.high << 1 | (a >> i & 1);
        if (carry || r.high >= b)
            r.high -= b, r.low |= (uint32_t)1 << i;
    }
    return r.all;
}
uint32_t __aeabi_uidiv(uint32_t a, uint32_t b)
{
    return (uint32_t)__aeabi_uidivmod(a, b);
}
uint64_t __aeabi_idivmod(int32_t a, int32_t b)
{
    union wide r = {__aeabi_uidivmod(a < 0 ? 0 - (uint32_t)a : (uint32_t)a,
                                     b < 0 ? 0 - (uint32_t)b : (uint32_t)b)};
    if ((a ^ b) < 0)
        r.low = 0 - r.low;
    if (a < 0)
        r.high = 0 - r.high;
    return r.all;
}
int32_t __aeabi_idiv(int32_t a, int32_t b)
{
    return (int32_t)__aeabi_idivmod(a, b);
}
#endif
