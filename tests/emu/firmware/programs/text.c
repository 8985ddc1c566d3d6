/* string.h and ctype.h. */
#include "checks.h"

int main(void) {
    char t[40], *rest;
    CHECK(strlen("") == 0 && strlen("abc") == 3 && strnlen("abcdef", 4) == 4);
    CHECK(strcmp("a", "b") < 0 && strcmp("b", "a") > 0 && strcmp("ab", "ab") == 0);
    CHECK(strcmp("a", "ab") < 0 && strncmp("abx", "aby", 2) == 0 && strncmp("abx", "aby", 3) < 0);
    CHECK(strcmp("\x80", "\x01") > 0);
    CHECK(strcasecmp("HeLLo", "hEllO") == 0 && strncasecmp("ABc", "abD", 2) == 0);
    CHECK(strcmp(strcpy(t, "one"), "one") == 0 && strcmp(strcat(t, "two"), "onetwo") == 0);
    CHECK(strcmp(strncat(t, "three", 2), "onetwoth") == 0);
    memset(t, 'x', 10);
    CHECK(strncpy(t, "ab", 5) == t && t[2] == 0 && t[4] == 0 && t[5] == 'x');
    strncpy(t, "abcdef", 3);
    CHECK(t[2] == 'c' && t[3] == 0);
    CHECK(strchr("abc", 'b')[0] == 'b' && strchr("abc", 'z') == NULL && *strchr("abc", 0) == 0);
    CHECK(strcmp(strrchr("a/b/c", '/'), "/c") == 0);
    CHECK(strcmp(strstr("one two", "two"), "two") == 0 && strstr("abc", "abd") == NULL);
    CHECK(strcmp(strstr("abc", ""), "abc") == 0 && strcmp(strstr("aaab", "aab"), "aab") == 0);
    CHECK(strspn("aabbc", "ab") == 4 && strcspn("abc,d", ",") == 3 && *strpbrk("abc,d", ";,") == ',');
    strcpy(t, "  a, b ,,c");
    CHECK(strcmp(strtok_r(t, " ,", &rest), "a") == 0 && strcmp(strtok_r(NULL, " ,", &rest), "b") == 0);
    CHECK(strcmp(strtok_r(NULL, " ,", &rest), "c") == 0 && strtok_r(NULL, " ,", &rest) == NULL);
    char *copy = strdup("copied");
    CHECK(copy && strcmp(copy, "copied") == 0);
    free(copy);
    for (int c = 0; c < 128; ++c) {
        int upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z', digit = c >= '0' && c <= '9';
        CHECK(!!isupper(c) == upper && !!islower(c) == lower && !!isdigit(c) == digit);
        CHECK(!!isalnum(c) == (upper | lower | digit) && !!isprint(c) == (c >= 32 && c < 127));
        CHECK(!!isspace(c) == (c == ' ' || (c >= 9 && c <= 13)) && !!iscntrl(c) == (c < 32 || c == 127));
        CHECK(!!ispunct(c) == (c > 32 && c < 127 && !(upper | lower | digit)));
        CHECK(toupper(c) == (lower ? c - 32 : c) && tolower(c) == (upper ? c + 32 : c));
    }
    return 0;
}
