/* The UART by polling: flags, time on the wire, an echo. The script's other side says "ping". */
#include "check.h"
#include "uart.h"

int main(void)
{
    clocks_to_top();
    cycle_counter_start();
    uart_open();
    check("RM USART", "transmitter and receiver acknowledge", uart_stuck_at, 0);
    check("RM USART", "idle: TXE and TC are set",
          USART_ISR(CONSOLE) & (USART_ISR_TXE | USART_ISR_TC), USART_ISR_TXE | USART_ISR_TC);

    uint32_t before = DWT_CYCCNT;
    uart_print("0123456789abcdef\n");
    uint32_t took = DWT_CYCCNT - before;
    check_between("RM USART", "17 characters take 170 bits", took, CHARACTER_CYCLES * 17 - 2000,
                  CHARACTER_CYCLES * 17 + CHARACTER_CYCLES / 5);

    USART_TDR(CONSOLE) = '.';
    while (!(USART_ISR(CONSOLE) & USART_ISR_TXE))
        ;
    USART_TDR(CONSOLE) = '\n'; /* waits behind the first one */
    check("RM USART", "TXE is clear while a character waits", USART_ISR(CONSOLE) & USART_ISR_TXE,
          0);
    check("RM USART", "TC is clear meanwhile", USART_ISR(CONSOLE) & USART_ISR_TC, 0);
    while (!(USART_ISR(CONSOLE) & USART_ISR_TC))
        ;

    check("RM USART", "nothing was received so far", USART_ISR(CONSOLE) & USART_ISR_RXNE, 0);
    uart_print("ready\n");
    char line[16];
    unsigned length = 0;
    uint32_t first = 0, last = 0;
    do {
        while (!(USART_ISR(CONSOLE) & USART_ISR_RXNE))
            ;
        last = DWT_CYCCNT;
        if (length == 0)
            first = last;
        line[length] = (char)USART_RDR(CONSOLE);
    } while (line[length++] != '\n' && length < 15);
    line[length] = 0;
    check("RM USART", "reading RDR clears RXNE", USART_ISR(CONSOLE) & USART_ISR_RXNE, 0);
    check("RM USART", "five characters came", length, 5);
    check_between("RM USART", "one every ten bits", last - first, CHARACTER_CYCLES * 4 - 2000,
                  CHARACTER_CYCLES * 4 + 2000);
    uart_print("echo ");
    uart_print(line);

    /* Nobody reads: the second character overruns the first. */
    uart_print("again\n");
    while (!(USART_ISR(CONSOLE) & USART_ISR_ORE))
        ;
    check("RM USART", "an overrun keeps the first character", USART_RDR(CONSOLE), 'x');
    USART_ICR(CONSOLE) = USART_ISR_ORE;
    check("RM USART", "ICR clears ORE", USART_ISR(CONSOLE) & USART_ISR_ORE, 0);
    uart_print("bye\n");
    return checks_done();
}
