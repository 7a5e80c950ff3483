/* EXPECT: div */
unsigned long long bad(unsigned long long a, unsigned long long b);

unsigned long long bad(unsigned long long a, unsigned long long b)
{
    return a / b;
}
