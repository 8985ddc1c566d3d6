"""Models of a microcontroller's peripherals: plain Python objects that know no emulator."""
