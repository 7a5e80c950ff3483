/* EXPECT: .bss */
int bad(void);

int bad(void)
{
    static int calls;
    return ++calls;
}
