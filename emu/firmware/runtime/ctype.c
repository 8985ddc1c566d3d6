/* ctype.h in the "C" locale. */
#include <ctype.h>

/* The header has some of these as macros too. */
#undef isalnum
#undef isalpha
#undef isdigit
#undef islower
#undef isupper
#undef isprint
#undef isgraph
#undef isspace
#undef isascii

static int in(int character, int low, int high)
{
    return (unsigned)character - (unsigned)low <= (unsigned)(high - low);
}

int isdigit(int c) { return in(c, '0', '9'); }
int islower(int c) { return in(c, 'a', 'z'); }
int isupper(int c) { return in(c, 'A', 'Z'); }
int isalpha(int c) { return islower(c) || isupper(c); }
int isalnum(int c) { return isalpha(c) || isdigit(c); }
int isprint(int c) { return in(c, 0x20, 0x7E); }
int isgraph(int c) { return in(c, 0x21, 0x7E); }
int iscntrl(int c) { return in(c, 0, 0x1F) || c == 0x7F; }
int isspace(int c) { return c == ' ' || in(c, '\t', '\r'); }
int isblank(int c) { return c == ' ' || c == '\t'; }
int ispunct(int c) { return isgraph(c) && !isalnum(c); }
int isxdigit(int c) { return isdigit(c) || in(c, 'a', 'f') || in(c, 'A', 'F'); }
int isascii(int c) { return in(c, 0, 0x7F); }
int tolower(int c) { return isupper(c) ? c + ('a' - 'A') : c; }
int toupper(int c) { return islower(c) ? c - ('a' - 'A') : c; }
