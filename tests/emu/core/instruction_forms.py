"""Every form of instruction that C compilers emit for this core, as assembly, by chapter.

A form is one line of the golden file; `it; x; y` makes one line an instruction. `{a,b}` in a form
stands for one form with each. Registers are chosen so that sources and destinations differ.
"""

from __future__ import annotations

import itertools
import re

_CHAPTERS: dict[str, str] = {
    "Move": """
        movs r0, #1
        mov r0, r1
        mov r0, r9
        mov r10, r1
        mov r0, sp
        movs r0, r1
        {mov.w,movs.w} r8, #1
        mov.w r0, #0xab00ab00
        mov.w r0, #0x00ab00ab
        mov.w r0, #0xabababab
        mov.w r0, #0x3f800000
        mov.w r0, #0x1fe
        movw r0, #0x1234
        movt r0, #0x1234
        mov.w r8, r9
        mvns r0, r1
        mvn.w r0, r9
        mvn.w r0, #1
        mvn.w r0, #0xff00
        mvn.w r0, r1, lsl #3
    """,
    "Add and subtract": """
        {adds,subs} r0, r1, #3
        {adds,subs} r0, #200
        {adds,subs} r0, r1, r2
        add r0, r9
        add r8, r1
        add r0, sp, #16
        {add,sub} sp, #16
        {add.w,sub.w} sp, sp, #0x400
        add.w r7, sp, #0x208
        adr.w r0, #8
        adr r0, #12
        adr.w r0, #0x404
        {add.w,adds.w,sub.w,subs.w,rsb,rsbs.w} r0, r1, r9
        {add.w,adds.w,sub.w,subs.w,rsb} r8, r1, #5
        {add.w,sub.w,rsb} r0, r1, #0xff00ff00
        {add.w,sub.w,rsb} r0, r1, #0x12000
        {addw,subw} r0, r1, #0x7ff
        {add.w,sub.w,rsb} r0, r1, r2, lsl #2
        {add.w,sub.w,rsb} r0, r1, r2, lsr #31
        {add.w,sub.w,rsb} r0, r1, r2, asr #16
        {add.w,sub.w,rsb} r0, r1, r2, ror #8
        add.w r0, r1, r2, rrx
        {adcs,sbcs} r0, r1
        {adc.w,adcs.w,sbc.w,sbcs.w} r0, r1, r9
        {adc,sbc} r0, r1, #5
        {adc,sbc} r0, r1, #0x12000
        {adc.w,sbc.w} r0, r1, r2, lsl #1
        rsbs r0, r1, #0
    """,
    "Logic": """
        {ands,eors,orrs,bics} r0, r1
        {and.w,ands.w,eor.w,eors.w,orr.w,orrs.w,bic.w,bics.w,orn,orns} r0, r1, r9
        {and,eor,orr,bic,orn} r0, r1, #1
        {and,eor,orr,bic,orn} r0, r1, #0x00ff00ff
        {and,ands,eor,orr,bic,orn} r0, r1, #0x1fe00
        {and.w,eor.w,orr.w,bic.w,orn} r0, r1, r2, lsl #7
        {and.w,orr.w,eor.w} r0, r1, r2, lsr #32
        {and.w,orr.w,eor.w} r0, r1, r2, asr #3
        {and.w,orr.w,eor.w} r0, r1, r2, ror #9
    """,
    "Compare": """
        {cmp,cmn,tst} r0, r1
        cmp r0, #200
        cmp r0, r9
        {cmp.w,cmn.w,tst.w,teq.w} r8, r9
        {cmp.w,cmn.w,tst.w,teq.w} r8, #1
        {cmp.w,cmn.w,tst.w,teq.w} r0, #0x1000
        {cmp.w,cmn.w,tst.w,teq.w} r0, r1, lsl #2
        {cmp.w,tst.w} r0, r1, asr #31
    """,
    "Shift": """
        {lsls,lsrs,asrs} r0, r1, #5
        {lsls,lsrs,asrs,rors} r0, r1
        {lsl.w,lsls.w,lsr.w,lsrs.w,asr.w,asrs.w,ror.w,rors.w} r8, r1, #5
        {lsl.w,lsls.w,lsr.w,lsrs.w,asr.w,asrs.w,ror.w,rors.w} r0, r1, r9
        {rrx,rrxs} r0, r1
    """,
    "Bit fields, extension, reversal": """
        {ubfx,sbfx} r0, r1, #4, #8
        bfi r0, r1, #4, #8
        bfc r0, #4, #8
        {uxtb,uxth,sxtb,sxth} r0, r1
        {uxtb.w,uxth.w,sxtb.w,sxth.w} r8, r9
        {uxtb.w,uxth.w,sxtb.w,sxth.w,uxtb16,sxtb16} r0, r1, ror #8
        {uxtb16,sxtb16} r0, r1
        {uxtab,uxtah,sxtab,sxtah,uxtab16,sxtab16} r0, r1, r2
        {uxtab,uxtah,sxtab,sxtah,uxtab16,sxtab16} r0, r1, r2, ror #16
        {rev,rev16,revsh} r0, r1
        {rev.w,rev16.w,revsh.w,rbit,clz} r0, r9
        pkhbt r0, r1, r2
        pkhbt r0, r1, r2, lsl #16
        pkhtb r0, r1, r2, asr #16
    """,
    "Parallel and saturating": """
        {sadd8,sadd16,ssub8,ssub16,sasx,ssax} r0, r1, r2
        {uadd8,uadd16,usub8,usub16,uasx,usax} r0, r1, r2
        {qadd8,qadd16,qsub8,qsub16,qasx,qsax} r0, r1, r2
        {uqadd8,uqadd16,uqsub8,uqsub16,uqasx,uqsax} r0, r1, r2
        {shadd8,shadd16,shsub8,shsub16,shasx,shsax} r0, r1, r2
        {uhadd8,uhadd16,uhsub8,uhsub16,uhasx,uhsax} r0, r1, r2
        {qadd,qsub,qdadd,qdsub} r0, r1, r2
        {ssat,usat} r0, #8, r1
        {ssat,usat} r0, #8, r1, lsl #2
        {ssat,usat} r0, #8, r1, asr #7
        {ssat16,usat16} r0, #8, r1
        sel r0, r1, r2
        usad8 r0, r1, r2
        usada8 r0, r1, r2, r3
    """,
    "Multiply and divide": """
        muls r0, r1, r0
        mul r0, r1, r9
        {mla,mls} r0, r1, r2, r3
        {smull,umull} r0, r1, r2, r3
        {smlal,umlal,umaal} r0, r1, r2, r3
        {smulbb,smulbt,smultb,smultt,smulwb,smulwt} r0, r1, r2
        {smlabb,smlabt,smlatb,smlatt,smlawb,smlawt} r0, r1, r2, r3
        {smlalbb,smlalbt,smlaltb,smlaltt} r0, r1, r2, r3
        {smuad,smuadx,smusd,smusdx} r0, r1, r2
        {smlad,smladx,smlsd,smlsdx} r0, r1, r2, r3
        {smlald,smlaldx,smlsld,smlsldx} r0, r1, r2, r3
        {smmul,smmulr} r0, r1, r2
        {smmla,smmlar,smmls,smmlsr} r0, r1, r2, r3
        {sdiv,udiv} r0, r1, r2
    """,
    "Load": """
        {ldr,ldrb,ldrh,ldrsb,ldrsh} r0, [r1, r2]
        {ldr,ldrb,ldrh} r0, [r1]
        ldr r0, [r1, #124]
        ldrb r0, [r1, #31]
        ldrh r0, [r1, #62]
        ldr r0, [sp, #16]
        ldr r0, [pc, #16]
        {ldr.w,ldrb.w,ldrh.w,ldrsb.w,ldrsh.w} r8, [r9]
        {ldr.w,ldrb.w,ldrh.w,ldrsb.w,ldrsh.w} r0, [r1, #0x7fc]
        {ldr,ldrb,ldrh,ldrsb,ldrsh} r0, [r1, #-4]
        {ldr,ldrb,ldrh,ldrsb,ldrsh} r0, [r1, #8]!
        {ldr,ldrb,ldrh,ldrsb,ldrsh} r0, [r1, #-8]!
        {ldr,ldrb,ldrh,ldrsb,ldrsh} r0, [r1], #4
        {ldr,ldrb,ldrh,ldrsb,ldrsh} r0, [r1], #-4
        {ldr.w,ldrb.w,ldrh.w,ldrsb.w,ldrsh.w} r0, [r1, r2]
        {ldr.w,ldrb.w,ldrh.w,ldrsb.w,ldrsh.w} r0, [r1, r2, lsl #2]
        {ldr.w,ldrb.w,ldrh.w,ldrsb.w,ldrsh.w} r0, [pc, #32]
        ldr.w r0, [pc, #-32]
        {ldrt,ldrbt,ldrht,ldrsbt,ldrsht} r0, [r1, #4]
        ldrd r0, r1, [r2]
        ldrd r0, r1, [r2, #-16]
        ldrd r0, r1, [r2, #16]!
        ldrd r0, r1, [r2], #8
        ldrd r0, r1, [pc, #16]
        {ldrexb,ldrexh} r0, [r1]
        ldrex r0, [r1, #4]
        pld [r0, #16]
        pld [r0, r1, lsl #1]
        pli [r0, #16]
    """,
    "Store": """
        {str,strb,strh} r0, [r1, r2]
        {str,strb,strh} r0, [r1]
        str r0, [r1, #124]
        strb r0, [r1, #31]
        strh r0, [r1, #62]
        str r0, [sp, #16]
        {str.w,strb.w,strh.w} r8, [r9]
        {str.w,strb.w,strh.w} r0, [r1, #0x7fc]
        {str,strb,strh} r0, [r1, #-4]
        {str,strb,strh} r0, [r1, #8]!
        {str,strb,strh} r0, [r1], #4
        {str,strb,strh} r0, [r1], #-4
        {str.w,strb.w,strh.w} r0, [r1, r2, lsl #3]
        {strt,strbt,strht} r0, [r1, #4]
        strd r0, r1, [r2]
        strd r0, r1, [r2, #-16]
        strd r0, r1, [r2, #16]!
        strd r0, r1, [r2], #8
        {strexb,strexh} r0, r1, [r2]
        strex r0, r1, [r2, #4]
        clrex
    """,
    "Load and store multiple": """
        push {r4}
        push {r4, lr}
        push {r4, r5, r6, r7, lr}
        push.w {r8}
        push.w {r4, r5, r6, r7, r8, r9, r10, r11, lr}
        pop {r4}
        pop {r4, r5}
        pop {r4, pc}
        pop {r4, r5, r6, r7, pc}
        pop.w {r8}
        ldr pc, [sp], #4
        pop.w {r4, r5, r6, r7, r8, r9, r10, r11, lr}
        pop.w {r4, r5, r6, r7, r8, r9, r10, r11, pc}
        ldm r0!, {r1}
        ldm r0!, {r1, r2}
        ldm r0, {r0, r1, r2}
        ldm r0!, {r1, r2, r3, r4}
        ldm.w r0, {r1, r2, r3, r8, r9}
        ldm.w r0!, {r1, r2, r3, r8, r9, r10}
        ldm.w r0, {r1, pc}
        ldmdb r0, {r1, r2}
        ldmdb r0!, {r1, r2, r3}
        stm r0!, {r1}
        stm r0!, {r1, r2}
        stm r0!, {r1, r2, r3}
        stm r0!, {r1, r2, r3, r4}
        stm.w r0, {r1, r2, r3, r8}
        stm.w r0!, {r1, r2, r3, r8, r9}
        stmdb r0, {r1, r2}
        stmdb r0!, {r1, r2, r3}
    """,
    "Branch": """
        b #40
        b #-40
        b.w #4000
        {beq,bne,bhs,blo,bmi,bpl,bvs,bvc,bhi,bls,bge,blt,bgt,ble} #-40
        {beq.w,bne.w,blt.w} #4000
        {cbz,cbnz} r0, #40
        bl #4000
        blx r3
        bx r3
        bx lr
        mov pc, r3
        ldr.w pc, [r0, r1, lsl #2]
        ldr.w pc, [r0, #4]
        tbb [pc, r0]
        tbh [pc, r0, lsl #1]
        tbb [r1, r0]
    """,
    "Conditional execution": """
        it eq; moveq r0, r1
        it ne; addne r0, r1
        ite lt; movlt r0, #1; movge r0, #0
        itt gt; ldrgt r0, [r1]; addgt r0, #1
        itte hi; subhi r0, r1, r2; strhi r0, [r3]; movls r0, #0
        itttt mi; lslmi r0, r1, #2; eormi.w r0, r0, r2; mulmi r0, r1, r0; strmi r0, [r3], #4
        it cs; smladcs r0, r1, r2, r3
        it pl; ldmpl r0!, {r1, r2, r3, r4}
        it eq; beq.w #4000
        it eq; bxeq lr
        it ne; popne {r4, pc}
        it ge; vaddge.f32 s0, s1, s2
        it lt; vmovlt.f32 s0, s1
        it ls; addls pc, r3
    """,
    "System": """
        nop
        nop.w
        {sev,wfe,wfi,yield}
        {dsb,dmb,isb} sy
        cpsid i
        cpsie i
        cpsid f
        {mrs} r0, {primask,basepri,control,faultmask,ipsr,msp,psp,apsr}
        {msr} {primask,basepri,control,faultmask,msp,psp}, r0
        msr apsr_nzcvq, r0
        svc #1
        bkpt #0xab
        udf #1
        udf.w #1
    """,
    "Floating point, single": """
        {vadd.f32,vsub.f32,vmul.f32,vnmul.f32,vdiv.f32,vmaxnm.f32,vminnm.f32} s0, s1, s2
        {vfma.f32,vfms.f32,vfnma.f32,vfnms.f32,vmla.f32,vmls.f32,vnmla.f32,vnmls.f32} s0, s1, s2
        {vabs.f32,vneg.f32,vsqrt.f32} s0, s1
        {vcmp.f32,vcmpe.f32} s0, s1
        {vcmp.f32,vcmpe.f32} s0, #0
        vmrs apsr_nzcv, fpscr
        vmrs r0, fpscr
        vmsr fpscr, r0
        {vcvt.s32.f32,vcvt.u32.f32,vcvtr.s32.f32,vcvt.f32.s32,vcvt.f32.u32} s0, s1
        {vcvta.s32.f32,vcvtm.s32.f32,vcvtn.u32.f32,vcvtp.s32.f32} s0, s1
        {vcvt.s32.f32,vcvt.f32.s32} s0, s0, #16
        {vcvtb.f32.f16,vcvtt.f16.f32} s0, s1
        {vrinta.f32,vrintm.f32,vrintn.f32,vrintp.f32,vrintz.f32,vrintr.f32,vrintx.f32} s0, s1
        {vseleq.f32,vselge.f32,vselgt.f32,vselvs.f32} s0, s1, s2
        vmov.f32 s0, s1
        vmov.f32 s0, #1.0
        vmov s0, r1
        vmov r1, s0
        vmov s0, s1, r2, r3
        vmov r2, r3, s0, s1
        vldr s0, [r0]
        vldr s0, [r0, #-8]
        vldr s0, [pc, #16]
        vstr s0, [r0, #8]
        vldm r0, {s0, s1, s2}
        vldm r0!, {s0, s1, s2, s3}
        vldmdb r0!, {s0, s1}
        vstm r0, {s0, s1, s2, s3}
        vstm r0!, {s0, s1, s2}
        vstmdb r0!, {s0, s1}
        {vpush,vpop} {s16, s17}
    """,
    "Floating point, double": """
        {vadd.f64,vsub.f64,vmul.f64,vnmul.f64,vdiv.f64,vmaxnm.f64,vminnm.f64} d0, d1, d2
        {vfma.f64,vfms.f64,vfnma.f64,vfnms.f64,vmla.f64,vmls.f64,vnmla.f64,vnmls.f64} d0, d1, d2
        {vabs.f64,vneg.f64,vsqrt.f64} d0, d1
        {vcmp.f64,vcmpe.f64} d0, d1
        vcmp.f64 d0, #0
        {vcvt.s32.f64,vcvt.u32.f64,vcvt.f32.f64} s0, d1
        {vcvt.f64.s32,vcvt.f64.u32,vcvt.f64.f32} d0, s2
        {vrinta.f64,vrintz.f64} d0, d1
        {vseleq.f64,vselgt.f64} d0, d1, d2
        vmov.f64 d0, d1
        vmov.f64 d0, #1.0
        vmov d0, r1, r2
        vmov r1, r2, d0
        vmov.32 d0[0], r1
        vmov.32 d0[1], r1
        vmov.32 r1, d0[1]
        vldr d0, [r0]
        vldr d0, [pc, #16]
        vstr d0, [r0, #8]
        vldm r0!, {d0, d1, d2}
        vstm r0, {d0, d1}
        {vpush,vpop} {d8, d9, d10, d11}
    """,
}
_CHOICE = re.compile(r"\{([a-z0-9.]+(?:,[a-z0-9.]+)*)\}")


def _expand(form: str) -> list[str]:
    """A form with each of its choices. Register lists have spaces after commas, choices none."""
    parts = _CHOICE.split(form)
    choices = [
        _alternatives(part) if position % 2 else [part] for position, part in enumerate(parts)
    ]
    return ["".join(chosen) for chosen in itertools.product(*choices)]


def _alternatives(part: str) -> list[str]:
    names = part.split(",")
    is_list = len(names) == 1 and names[0] not in ("mrs", "msr")
    return [f"{{{part}}}"] if is_list else names


def forms() -> list[tuple[str, str]]:
    """`(chapter, assembly)` of every form."""
    return [
        (chapter, form)
        for chapter, text in _CHAPTERS.items()
        for line in text.strip().splitlines()
        for form in _expand(line.strip())
    ]
