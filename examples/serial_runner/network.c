/* The network is that of examples/digits, compiled here: a folder is one program. */
#include "../digits/kernels.c"
#include "../digits/model.c"
#include "../digits/weights.c"
