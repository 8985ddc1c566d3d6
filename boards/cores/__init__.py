"""Timing tables of cores as data; read by `emu.core`."""
