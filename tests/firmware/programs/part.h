/* Registers of the two parts, as far as the programs use them.
 *
 * Sources: RM0385 (STM32F746) and RM0433 (STM32H743): memory map, chapters of the peripherals.
 */
#ifndef PART_H
#define PART_H

#include "core.h"

/* The same on both. */
#define TIM2 0x40000000u
#define TIM3 0x40000400u
#define TIM5 0x40000C00u
#define TIM6 0x40001000u
#define TIM_CR1(timer) REG((timer) + 0x00)
#define TIM_DIER(timer) REG((timer) + 0x0C)
#define TIM_SR(timer) REG((timer) + 0x10)
#define TIM_EGR(timer) REG((timer) + 0x14)
#define TIM_CCMR1(timer) REG((timer) + 0x18)
#define TIM_CCER(timer) REG((timer) + 0x20)
#define TIM_CNT(timer) REG((timer) + 0x24)
#define TIM_PSC(timer) REG((timer) + 0x28)
#define TIM_ARR(timer) REG((timer) + 0x2C)
#define TIM_CCR1(timer) REG((timer) + 0x34)
#define TIM_CR1_CEN (1u << 0)
#define TIM_CR1_URS (1u << 2)
#define TIM_CR1_OPM (1u << 3)
#define TIM_CR1_ARPE (1u << 7)
#define TIM_UIF (1u << 0) /* of SR, DIER and EGR */
#define TIM_CC1IF (1u << 1)
#define TIM2_IRQ 28
#define TIM3_IRQ 29
#define TIM5_IRQ 50
#define TIM6_IRQ 54

#define USART_CR1(port) REG((port) + 0x00)
#define USART_CR2(port) REG((port) + 0x04)
#define USART_CR3(port) REG((port) + 0x08)
#define USART_BRR(port) REG((port) + 0x0C)
#define USART_ISR(port) REG((port) + 0x1C)
#define USART_ICR(port) REG((port) + 0x20)
#define USART_RDR(port) REG((port) + 0x24)
#define USART_TDR(port) REG((port) + 0x28)
#define USART_CR1_UE (1u << 0)
#define USART_CR1_RE (1u << 2)
#define USART_CR1_TE (1u << 3)
#define USART_CR1_IDLEIE (1u << 4)
#define USART_CR1_RXNEIE (1u << 5)
#define USART_CR1_TCIE (1u << 6)
#define USART_CR1_TXEIE (1u << 7)
#define USART_CR3_DMAR (1u << 6)
#define USART_CR3_DMAT (1u << 7)
#define USART_ISR_ORE (1u << 3)
#define USART_ISR_IDLE (1u << 4)
#define USART_ISR_RXNE (1u << 5)
#define USART_ISR_TC (1u << 6)
#define USART_ISR_TXE (1u << 7)
#define USART_ISR_TEACK (1u << 21)
#define USART_ISR_REACK (1u << 22)

/* A DMA stream: 0x10 + 0x18 * number after its controller's start. */
#define DMA_LISR(dma) REG((dma) + 0x00)
#define DMA_HISR(dma) REG((dma) + 0x04)
#define DMA_LIFCR(dma) REG((dma) + 0x08)
#define DMA_HIFCR(dma) REG((dma) + 0x0C)
#define DMA_CR(dma, stream) REG((dma) + 0x10 + 0x18 * (stream))
#define DMA_NDTR(dma, stream) REG((dma) + 0x14 + 0x18 * (stream))
#define DMA_PAR(dma, stream) REG((dma) + 0x18 + 0x18 * (stream))
#define DMA_M0AR(dma, stream) REG((dma) + 0x1C + 0x18 * (stream))
#define DMA_FCR(dma, stream) REG((dma) + 0x24 + 0x18 * (stream))
#define DMA_CR_EN (1u << 0)
#define DMA_CR_TEIE (1u << 2)
#define DMA_CR_HTIE (1u << 3)
#define DMA_CR_TCIE (1u << 4)
#define DMA_CR_TO_PERIPHERAL (1u << 6)
#define DMA_CR_MEMORY_TO_MEMORY (2u << 6)
#define DMA_CR_CIRC (1u << 8)
#define DMA_CR_PINC (1u << 9)
#define DMA_CR_MINC (1u << 10)
#define DMA_CR_WORDS (2u << 11 | 2u << 13)
#define DMA_FCR_DMDIS (1u << 2)

#define GPIO_MODER(gpio) REG((gpio) + 0x00)
#define GPIO_IDR(gpio) REG((gpio) + 0x10)
#define GPIO_ODR(gpio) REG((gpio) + 0x14)
#define GPIO_BSRR(gpio) REG((gpio) + 0x18)
#define GPIO_AFRL(gpio) REG((gpio) + 0x20)
#define GPIO_AFRH(gpio) REG((gpio) + 0x24)

#define CRC_DR(crc) REG((crc) + 0x00)
#define CRC_CR(crc) REG((crc) + 0x08)
#define CRC_INIT(crc) REG((crc) + 0x10)
#define CRC_POL(crc) REG((crc) + 0x14)

#define RNG_CR(rng) REG((rng) + 0x00)
#define RNG_SR(rng) REG((rng) + 0x04)
#define RNG_DR(rng) REG((rng) + 0x08)

#define RTC_TR(rtc) REG((rtc) + 0x00)
#define RTC_DR(rtc) REG((rtc) + 0x04)
#define RTC_CR(rtc) REG((rtc) + 0x08)
#define RTC_ISR(rtc) REG((rtc) + 0x0C)
#define RTC_PRER(rtc) REG((rtc) + 0x10)
#define RTC_WPR(rtc) REG((rtc) + 0x24)
#define RTC_SSR(rtc) REG((rtc) + 0x28)

#ifdef STM32F746

#define CORE_HZ 216000000u
#define APB1_HZ 54000000u
#define APB2_HZ 108000000u
#define APB1_TIMER_HZ 108000000u /* twice the bus, as its divider is not 1 */

#define RCC 0x40023800u
#define RCC_CR REG(RCC + 0x00)
#define RCC_PLLCFGR REG(RCC + 0x04)
#define RCC_CFGR REG(RCC + 0x08)
#define RCC_AHB1ENR REG(RCC + 0x30)
#define RCC_AHB2ENR REG(RCC + 0x34)
#define RCC_APB1ENR REG(RCC + 0x40)
#define RCC_APB2ENR REG(RCC + 0x44)
#define RCC_BDCR REG(RCC + 0x70)
#define RCC_CSR REG(RCC + 0x74)
#define PWR_CR1 REG(0x40007000u)
#define PWR_CSR1 REG(0x40007004u)
#define FLASH_ACR REG(0x40023C00u)
#define FLASH_KEYR REG(0x40023C04u)
#define FLASH_SR REG(0x40023C0Cu)
#define FLASH_CR REG(0x40023C10u)

#define GPIOA 0x40020000u
#define GPIOB 0x40020400u
#define CONSOLE 0x40011000u /* USART1: the DISCO's virtual serial port */
#define CONSOLE_HZ APB2_HZ
#define CONSOLE_IRQ 37
#define CONSOLE_NAME "usart1"
#define DMA 0x40026400u /* DMA2 */
#define TX_STREAM 7
#define TX_STREAM_IRQ 70
#define RX_STREAM 2
#define RX_STREAM_IRQ 58
#define STREAM_CHANNEL (4u << 25)
#define COPY_STREAM 0
#define COPY_STREAM_IRQ 56
#define CRC_UNIT 0x40023000u
#define RNG_UNIT 0x50060800u
#define RTC_UNIT 0x40002800u
#define EXTI 0x40013C00u
#define EXTI_IMR REG(EXTI + 0x00)
#define EXTI_RTSR REG(EXTI + 0x08)
#define EXTI_FTSR REG(EXTI + 0x0C)
#define EXTI_SWIER REG(EXTI + 0x10)
#define EXTI_PR REG(EXTI + 0x14)
#define SYSCFG_EXTICR(n) REG(0x40013808u + 4u * (n))

#else /* STM32H743 */

#define CORE_HZ 480000000u
#define APB1_HZ 120000000u
#define APB1_TIMER_HZ 240000000u

#define RCC 0x58024400u
#define RCC_CR REG(RCC + 0x00)
#define RCC_CFGR REG(RCC + 0x10)
#define RCC_D1CFGR REG(RCC + 0x18)
#define RCC_D2CFGR REG(RCC + 0x1C)
#define RCC_D3CFGR REG(RCC + 0x20)
#define RCC_PLLCKSELR REG(RCC + 0x28)
#define RCC_PLLCFGR REG(RCC + 0x2C)
#define RCC_PLL1DIVR REG(RCC + 0x30)
#define RCC_BDCR REG(RCC + 0x70)
#define RCC_CSR REG(RCC + 0x74)
#define RCC_RSR REG(RCC + 0xD0)
#define RCC_AHB1ENR REG(RCC + 0xD8)
#define RCC_AHB2ENR REG(RCC + 0xDC)
#define RCC_AHB4ENR REG(RCC + 0xE0)
#define RCC_APB1LENR REG(RCC + 0xE8)
#define RCC_APB4ENR REG(RCC + 0xF4)
#define PWR_CR1 REG(0x58024800u)
#define PWR_CSR1 REG(0x58024804u)
#define PWR_CR3 REG(0x5802480Cu)
#define PWR_D3CR REG(0x58024818u)
#define SYSCFG_PWRCR REG(0x5800042Cu)
#define FLASH_ACR REG(0x52002000u)
#define FLASH_KEYR2 REG(0x52002104u)
#define FLASH_CR2 REG(0x5200210Cu)
#define FLASH_SR2 REG(0x52002110u)
#define FLASH_CCR2 REG(0x52002114u)

#define GPIOD 0x58020C00u
#define CONSOLE 0x40004800u /* USART3: the NUCLEO's virtual serial port */
#define CONSOLE_HZ APB1_HZ
#define CONSOLE_IRQ 39
#define CONSOLE_NAME "usart3"
#define DMA 0x40020000u /* DMA1 */
#define TX_STREAM 7
#define TX_STREAM_IRQ 47
#define RX_STREAM 2
#define RX_STREAM_IRQ 13
#define STREAM_CHANNEL 0u
#define COPY_STREAM 0
#define COPY_STREAM_IRQ 11
#define DMAMUX_CCR(channel) REG(0x40020800u + 4u * (channel))
#define DMAMUX_USART3_RX 45u
#define DMAMUX_USART3_TX 46u
#define CRC_UNIT 0x58024C00u
#define RNG_UNIT 0x48021800u
#define RTC_UNIT 0x58004000u
#define EXTI 0x58000000u
#define EXTI_RTSR REG(EXTI + 0x00)
#define EXTI_FTSR REG(EXTI + 0x04)
#define EXTI_SWIER REG(EXTI + 0x08)
#define EXTI_IMR REG(EXTI + 0x80)
#define EXTI_PR REG(EXTI + 0x88)
#define SYSCFG_EXTICR(n) REG(0x58000408u + 4u * (n))

#endif

#endif
