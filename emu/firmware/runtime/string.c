/* string.h and strings.h beyond the mem functions. Plain loops: these are not where a model's time
 * goes, and short code is what flash wants. */
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void bzero(void *to, size_t size_bytes) { memset(to, 0, size_bytes); }
void bcopy(const void *from, void *to, size_t size_bytes) { memmove(to, from, size_bytes); }
char *index(const char *text, int character) { return strchr(text, character); }
char *rindex(const char *text, int character) { return strrchr(text, character); }
int ffs(int value) { return value ? __builtin_ctz((unsigned)value) + 1 : 0; }

size_t strlen(const char *text)
{
    const char *end = text;

    while (*end)
        ++end;
    return (size_t)(end - text);
}

size_t strnlen(const char *text, size_t limit)
{
    size_t length = 0;

    while (length < limit && text[length])
        ++length;
    return length;
}

char *stpcpy(char *restrict to, const char *restrict from)
{
    while ((*to = *from))
        ++to, ++from;
    return to;
}

char *strcpy(char *restrict to, const char *restrict from)
{
    stpcpy(to, from);
    return to;
}

char *stpncpy(char *restrict to, const char *restrict from, size_t limit)
{
    while (limit && (*to = *from))
        ++to, ++from, --limit;
    for (size_t index = 0; index < limit; ++index)
        to[index] = '\0';
    return to;
}

char *strncpy(char *restrict to, const char *restrict from, size_t limit)
{
    stpncpy(to, from, limit);
    return to;
}

size_t strlcpy(char *to, const char *from, size_t size_bytes)
{
    size_t length = strlen(from);

    if (size_bytes) {
        size_t kept = length < size_bytes ? length : size_bytes - 1;
        memcpy(to, from, kept);
        to[kept] = '\0';
    }
    return length;
}

char *strcat(char *restrict to, const char *restrict from)
{
    stpcpy(to + strlen(to), from);
    return to;
}

char *strncat(char *restrict to, const char *restrict from, size_t limit)
{
    char *end = to + strlen(to);
    size_t length = strnlen(from, limit);

    memcpy(end, from, length);
    end[length] = '\0';
    return to;
}

size_t strlcat(char *to, const char *from, size_t size_bytes)
{
    size_t length = strnlen(to, size_bytes);

    if (length == size_bytes)
        return length + strlen(from);
    return length + strlcpy(to + length, from, size_bytes - length);
}

int strcmp(const char *left, const char *right)
{
    while (*left && *left == *right)
        ++left, ++right;
    return (unsigned char)*left - (unsigned char)*right;
}

int strncmp(const char *left, const char *right, size_t limit)
{
    for (; limit; --limit, ++left, ++right)
        if (*left != *right || !*left)
            return (unsigned char)*left - (unsigned char)*right;
    return 0;
}

int strcasecmp(const char *left, const char *right)
{
    while (*left && tolower((unsigned char)*left) == tolower((unsigned char)*right))
        ++left, ++right;
    return tolower((unsigned char)*left) - tolower((unsigned char)*right);
}

int strncasecmp(const char *left, const char *right, size_t limit)
{
    for (; limit; --limit, ++left, ++right) {
        int difference = tolower((unsigned char)*left) - tolower((unsigned char)*right);
        if (difference || !*left)
            return difference;
    }
    return 0;
}

int strcoll(const char *left, const char *right)
{
    return strcmp(left, right);
}

char *strchrnul(const char *text, int character)
{
    while (*text && *text != (char)character)
        ++text;
    return (char *)text;
}

char *strchr(const char *text, int character)
{
    char *found = strchrnul(text, character);

    return *found == (char)character ? found : NULL;
}

char *strrchr(const char *text, int character)
{
    return memrchr(text, character, strlen(text) + 1);
}

size_t strcspn(const char *text, const char *stops)
{
    size_t length = 0;

    while (text[length] && !strchr(stops, text[length]))
        ++length;
    return length;
}

size_t strspn(const char *text, const char *accepted)
{
    size_t length = 0;

    while (text[length] && strchr(accepted, text[length]))
        ++length;
    return length;
}

char *strpbrk(const char *text, const char *stops)
{
    text += strcspn(text, stops);
    return *text ? (char *)text : NULL;
}

char *strstr(const char *text, const char *wanted)
{
    size_t length = strlen(wanted);

    if (!length)
        return (char *)text;
    for (; (text = strchr(text, *wanted)) != NULL; ++text)
        if (strncmp(text, wanted, length) == 0)
            return (char *)text;
    return NULL;
}

char *strtok_r(char *restrict text, const char *restrict stops, char **restrict rest)
{
    if (!text)
        text = *rest;
    if (!text)
        return NULL;
    text += strspn(text, stops);
    if (!*text)
        return *rest = NULL;
    char *end = text + strcspn(text, stops);
    *rest = *end ? end + 1 : NULL;
    *end = '\0';
    return text;
}

char *strtok(char *restrict text, const char *restrict stops)
{
    static char *rest;

    return strtok_r(text, stops, &rest);
}

char *strsep(char **rest, const char *stops)
{
    char *text = *rest;

    if (!text)
        return NULL;
    char *end = text + strcspn(text, stops);
    *rest = *end ? end + 1 : NULL;
    *end = '\0';
    return text;
}

char *strndup(const char *text, size_t limit)
{
    size_t length = strnlen(text, limit);
    char *copy = malloc(length + 1);

    if (copy) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

char *strdup(const char *text)
{
    return strndup(text, strlen(text));
}

char *strerror(int number)
{
    switch (number) {
    case 0:
        return "No error";
    case ENOMEM:
        return "Out of memory";
    case EINVAL:
        return "Invalid argument";
    case ERANGE:
        return "Result out of range";
    case EDOM:
        return "Argument out of domain";
    default:
        return "Unknown error";
    }
}
