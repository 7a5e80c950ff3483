/* EXPECT: printf */
int printf(const char *format, ...);
int bad(int x);

int bad(int x)
{
    return printf("%d", x);
}
