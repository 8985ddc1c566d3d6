/* setjmp and longjmp: the registers that a call preserves (AAPCS32 6.1.1 and 6.1.2). */
    .syntax unified
    .thumb
    .text

    .section .text.setjmp, "ax", %progbits
    .global setjmp
    .type setjmp, %function
    .global _setjmp
    .type _setjmp, %function
    .thumb_func
setjmp:
    .thumb_func
_setjmp:
    mov     ip, sp
    stmia   r0!, {r4-r11, ip, lr}
#if EMU_HAS_FPU
    vstmia  r0!, {d8-d15}
#endif
    movs    r0, #0
    bx      lr
    .size setjmp, . - setjmp
    .size _setjmp, . - _setjmp

    .section .text.longjmp, "ax", %progbits
    .global longjmp
    .type longjmp, %function
    .global _longjmp
    .type _longjmp, %function
    .thumb_func
longjmp:
    .thumb_func
_longjmp:
    ldmia   r0!, {r4-r11, ip, lr}
    mov     sp, ip
#if EMU_HAS_FPU
    vldmia  r0!, {d8-d15}
#endif
    movs    r0, r1
    it      eq
    moveq   r0, #1          /* longjmp(env, 0) returns 1 (C11 7.13.2.1) */
    bx      lr
    .size longjmp, . - longjmp
    .size _longjmp, . - _longjmp
