"""Chips as data, one file a part number; read by `emu.boardfile`."""
