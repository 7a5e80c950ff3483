/* EXPECT: malloc */
void *malloc(unsigned long n);
void *bad(void);

void *bad(void)
{
    return malloc(16);
}
