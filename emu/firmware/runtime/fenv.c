/* fenv.h over FPSCR: exception flags in bits 0 to 4, rounding mode in bits 22 and 23
 * (Armv7-M Architecture Reference Manual, ARM DDI 0403E, A2.5.3). The header's FE_ values are those
 * bits. Without an FPU there are no flags and one mode.
 */
#include <fenv.h>
#include <stdint.h>

#if EMU_HAS_FPU
static uint32_t get(void)
{
    uint32_t value;

    __asm__ volatile("vmrs %0, fpscr" : "=r"(value));
    return value;
}

static void set(uint32_t value)
{
    __asm__ volatile("vmsr fpscr, %0" ::"r"(value));
}

#define FLAGS (uint32_t)FE_ALL_EXCEPT
#define MODES (uint32_t)FE_TOWARDZERO /* both bits */
#else
static uint32_t get(void) { return 0; }
static void set(uint32_t value) { (void)value; }

#define FLAGS 0u
#define MODES 0u
#endif

int feclearexcept(int flags)
{
    set(get() & ~((uint32_t)flags & FLAGS));
    return 0;
}

int feraiseexcept(int flags)
{
    set(get() | ((uint32_t)flags & FLAGS));
    return 0;
}

int fetestexcept(int flags) { return (int)(get() & (uint32_t)flags & FLAGS); }
int fegetround(void) { return (int)(get() & MODES); }

int fesetround(int mode)
{
    if ((uint32_t)mode & ~MODES)
        return -1;
    set((get() & ~MODES) | (uint32_t)mode);
    return 0;
}

int fegetenv(fenv_t *environment)
{
    environment->__cw = get();
    return 0;
}

int fesetenv(const fenv_t *environment)
{
    set(environment == FE_DFL_ENV ? 0 : (uint32_t)environment->__cw);
    return 0;
}

int feholdexcept(fenv_t *environment)
{
    fegetenv(environment);
    return feclearexcept(FE_ALL_EXCEPT);
}

int feupdateenv(const fenv_t *environment)
{
    const int flags = fetestexcept(FE_ALL_EXCEPT);

    fesetenv(environment);
    return feraiseexcept(flags);
}
