/* EXPECT: .data */
int bad(void);
static int next = 7;

int bad(void)
{
    return next++;
}
