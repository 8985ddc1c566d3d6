"""Registers and bits of timers [RM0385, RM0433: TIMx registers]."""

from __future__ import annotations

CR1, CR2, SMCR, DIER, SR, EGR, CCMR1, CCMR2, CCER = range(0x00, 0x24, 4)
CNT, PSC, ARR, RCR, CCR1, CCR2, CCR3, CCR4, BDTR, DCR, DMAR, OR = range(0x24, 0x54, 4)
CCMR3, CCR5, CCR6, AF1, AF2, TISEL = range(0x54, 0x6C, 4)
COMPARES = (CCR1, CCR2, CCR3, CCR4, CCR5, CCR6)

CEN, UDIS, URS, OPM, DIR, ARPE, UIFREMAP = 1, 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 7, 1 << 11
CCDS = 1 << 3  # CR2: compare DMA requests come with the update
UIF, CC1IF, COMIF, TIF, BIF = 1, 1 << 1, 1 << 5, 1 << 6, 1 << 7  # SR; DIER and EGR alike
COMPARE_FLAGS = 0b1111 << 1
UDE, CC1DE, COMDE, TDE = 1 << 8, 1 << 9, 1 << 13, 1 << 14  # DIER
DMA_ENABLES = UDE | 0b1111 << 9
MOE = 1 << 15  # BDTR
CC_FLAGS = (1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 16, 1 << 17)  # CC5IF and CC6IF sit apart

TRGO_RESET, TRGO_ENABLE, TRGO_UPDATE, TRGO_COMPARE_PULSE, TRGO_REFERENCE = range(5)
SLAVE_OFF, SLAVE_RESET, SLAVE_GATED, SLAVE_TRIGGER, SLAVE_CLOCK = 0, 4, 5, 6, 7
SLAVE_RESET_TRIGGER = 8

# The counter starts one tick of its clock after CEN [RM0385 TIM counter: "1 clock cycle after"].
START_TICKS = 1
