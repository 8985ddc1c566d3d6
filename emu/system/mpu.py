"""The memory protection unit at 0xE000_ED90 [ARMv7-M B3.5]: who may do what, and what is cached."""

from __future__ import annotations

from dataclasses import dataclass

MPU_TYPE, MPU_CTRL, MPU_RNR, MPU_RBAR, MPU_RASR = (
    0xE000ED90, 0xE000ED94, 0xE000ED98, 0xE000ED9C, 0xE000EDA0,
)  # fmt: skip
_LAST_ALIAS = 0xE000EDB8
_ENABLE, _HFNMIENA, _PRIVDEFENA = 1, 2, 4
# AP field to (privileged may read, may write, unprivileged may read, may write) [B3.5.9 table].
_RIGHTS = {
    0: (False, False, False, False),
    1: (True, True, False, False),
    2: (True, True, True, False),
    3: (True, True, True, True),
    5: (True, False, False, False),
    6: (True, False, True, False),
    7: (True, False, True, False),
}


@dataclass(frozen=True)
class Attributes:
    """What the MPU, or the default memory map, says of an address."""

    may_read: bool
    may_write: bool
    may_execute: bool
    cacheable: bool


@dataclass(frozen=True)
class MpuRegion:
    """An enabled region, decoded. Addresses are bytes; `disabled` holds its subregions' bits."""

    start: int
    size_bytes: int
    disabled: int
    access: int  # AP
    execute_never: bool
    cacheable: bool

    def covers(self, address: int) -> bool:
        offset = address - self.start
        if not 0 <= offset < self.size_bytes:
            return False
        return self.size_bytes < 256 or not self.disabled >> (offset * 8 // self.size_bytes) & 1

    def stretches(self) -> list[tuple[int, int]]:
        """`[start, end)` of the parts that its subregions leave enabled."""
        if self.size_bytes < 256 or not self.disabled:
            return [(self.start, self.start + self.size_bytes)]
        step = self.size_bytes // 8
        return [
            (self.start + n * step, self.start + (n + 1) * step)
            for n in range(8)
            if not self.disabled >> n & 1
        ]

    def rights(self, *, privileged: bool) -> tuple[bool, bool]:
        """May read, may write."""
        rights = _RIGHTS.get(self.access, (False, False, False, False))
        return (rights[0], rights[1]) if privileged else (rights[2], rights[3])


def _is_cacheable(rasr: int) -> bool:
    """From TEX, C, B and S [B3.5.9]. This core does not cache shareable memory [TRM-M7 5.2.2]."""
    tex, c, b, s = rasr >> 19 & 7, rasr >> 17 & 1, rasr >> 16 & 1, rasr >> 18 & 1
    normal_cached = (tex == 0 and c == 1) or (tex == 1 and c == 1 and b == 1) or bool(tex & 4)
    if tex & 4:  # inner policy in C and B: 0 is not cached
        normal_cached = (c, b) != (0, 0)
    return normal_cached and not s


class Mpu:
    """Registers and decoded regions. `version` counts changes, so that others can follow."""

    def __init__(self, regions_count: int) -> None:
        self.regions_count = regions_count
        self.reset()

    def reset(self) -> None:
        self.control = 0
        self._number = 0
        self._bases = [0] * self.regions_count
        self._sizes = [0] * self.regions_count  # RASR
        self.version = 0

    @staticmethod
    def claims(address: int) -> bool:
        return MPU_TYPE <= address <= _LAST_ALIAS

    @property
    def enabled(self) -> bool:
        return bool(self.control & _ENABLE)

    @property
    def background(self) -> bool:
        """Whether privileged code may use the default memory map outside every region."""
        return bool(self.control & _PRIVDEFENA)

    @property
    def in_hard_fault(self) -> bool:
        return bool(self.control & _HFNMIENA)

    def read(self, address: int) -> int:
        if address == MPU_TYPE:
            return self.regions_count << 8
        if address == MPU_CTRL:
            return self.control
        if address == MPU_RNR:
            return self._number
        if self._number >= self.regions_count:
            return 0
        if (address - MPU_RBAR) % 8 == 0:
            return self._bases[self._number] | self._number
        return self._sizes[self._number]

    def write(self, address: int, value: int) -> None:
        if address == MPU_CTRL:
            self.control = value & 7
        elif address == MPU_RNR:
            self._number = value & 0xFF
            return
        elif address > MPU_RNR and (address - MPU_RBAR) % 8 == 0:
            if value & 1 << 4:
                self._number = value & 15
            if self._number < self.regions_count:
                self._bases[self._number] = value & ~0x1F
        elif address > MPU_RNR and self._number < self.regions_count:
            self._sizes[self._number] = value & 0x173FFF3F
        self.version += 1

    def regions(self) -> list[MpuRegion]:
        """Enabled regions, lowest number first: a later one wins where they overlap."""
        found = []
        for base, rasr in zip(self._bases, self._sizes, strict=True):
            exponent = (rasr >> 1 & 31) + 1
            if not rasr & 1 or exponent < 5:
                continue
            size = 1 << exponent
            found.append(
                MpuRegion(
                    start=base & ~(size - 1),
                    size_bytes=size,
                    disabled=rasr >> 8 & 0xFF,
                    access=rasr >> 24 & 7,
                    execute_never=bool(rasr >> 28 & 1),
                    cacheable=_is_cacheable(rasr),
                )
            )
        return found

    def region_of(self, address: int) -> MpuRegion | None:
        return next((item for item in reversed(self.regions()) if item.covers(address)), None)

    def permits(self, address: int, *, write: bool, execute: bool, privileged: bool) -> bool:
        """Whether an access passes, the MPU being enabled."""
        region = self.region_of(address)
        if region is None:
            return privileged and self.background
        may_read, may_write = region.rights(privileged=privileged)
        if execute:
            return may_read and not region.execute_never
        return may_write if write else may_read
