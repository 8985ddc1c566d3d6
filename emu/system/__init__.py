"""The core around the CPU, which Unicorn lacks: exceptions, SysTick, MPU. Plain Python."""
