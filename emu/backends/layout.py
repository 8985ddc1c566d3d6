"""Where the native hooks keep their numbers: the columns of every shared array.

The hooks are compiled functions that get one pointer, to an array of 64-bit words. Some words are
counters, some are addresses of other arrays. Python allocates them all and reads them back.
"""

from __future__ import annotations

from enum import IntEnum, auto


class Word(IntEnum):
    """Slots of the hook's own word array."""

    # Read or written at every block: few cache lines of the host
    MODE = 0  # 0 none, 1 issue, 2 full
    NEXT_STOP = auto()  # in CYCLES
    CYCLES = auto()  # 1/256 cycle, the current block's issue included; instructions without timing
    INSTRUCTIONS = auto()
    PREVIOUS = auto()  # block number, -1 at the start
    FALLTHROUGH = auto()
    STATE = auto()
    TRANSITION = auto()  # of the current block
    STALL = auto()  # what the current block waits for memory, in ticks; not for hooked accesses
    REGISTERS = auto()  # address of r0..r15 inside the emulator, 32 bits each
    LAST_STOP = auto()  # the real limit, where NEXT_STOP only makes the hook look
    READ_BATCH = auto()  # address of uc_reg_read_batch when REGISTERS is only a copy, else 0
    REASON = auto()
    PAGES = auto()  # int32 [2**18]: base in LOOKUP for each 16 KiB, -1 unknown
    LOOKUP = auto()  # int32: block number by half-word, -1 unknown
    BLOCKS = auto()  # int64 [n, Block]
    TRANSITIONS = auto()  # int64 [n, Tra]
    STACK_LOWEST = auto()  # of the whole run
    STACK_FRAME_LOWEST = auto()  # since the innermost measured call began
    BTAC = auto()  # int64 [entries, 2]
    BTAC_MASK = auto()
    ACCESS_INDEX = auto()
    SHADOW = auto()  # int64 [depth, 3]
    SHADOW_DEPTH = auto()
    FRAME_DEPTH = auto()
    ICACHE_EPOCH = auto()
    ILRU = auto()  # 1: replace the line unused for longest, 0: pseudo-random
    DLRU = auto()
    HOOKED = auto()  # 1: data accesses come from memory hooks
    ICACHE_ON = auto()
    GROUPS = auto()  # int64 [n, Grp]
    CLUSTERS = auto()  # int64 [n, Clu]
    VALUES = auto()  # int64 scratch of the address program
    REGIONS = auto()  # int64 [n, Reg]
    ATTRIBUTES = auto()  # uint8 [2**20] by 4 KiB page: region number and PLACE_ flags, 0 unmapped
    DTAGS = auto()
    DSETS = auto()
    DWAYS = auto()
    DCACHE_ON = auto()
    FAST_DATA = auto()  # 1: the D-cache is on, has four ways and no order of use to keep
    DCACHE_ACCESSES = auto()
    NODES = auto()  # int64 [n, NODE_COLUMNS]
    # Fixed before the run
    EMU_STOP = auto()  # address of uc_emu_stop
    BATCH_IDS = auto()
    BATCH_POINTERS = auto()
    DIVIDE_TRAP = auto()  # 1: a zero divisor stops the run
    WATCH_MASKS = auto()  # 1: an exception waits for PRIMASK, BASEPRI or FAULTMASK to fall
    SKIP_SYNC = auto()  # offset of a flag in the emulator that skips a slow restore, 0: unknown
    # Addresses of arrays
    COLD_BLOCKS = auto()  # int64 [n, Cold]
    ROWS = auto()  # int32 [n, I_COLUMNS]
    USES = auto()
    DEFS = auto()
    ROW_STALLS = auto()  # int64 [n, 4]: dcache, flash, bus, misses, in 1/256 cycle
    SEQUENCE = auto()  # int32: row of the k-th access of a block (hooked mode)
    TRANSITION_HASH = auto()  # int32, 0 empty
    STATES = auto()  # int32 [n, S_COLUMNS]
    STATE_HASH = auto()
    LATENCY = auto()
    FP_BUSY = auto()
    SETTLED = auto()
    PARAMS = auto()
    ITAGS = auto()
    ISTAMPS = auto()
    DSTAMPS = auto()
    DDIRTY = auto()
    ART = auto()  # int64 lines
    DEEPEST = auto()  # int64 return addresses at the deepest stack
    FRAMES = auto()  # int64 [depth, Frm]
    MEASURED = auto()  # int64 [n, Mea]
    SCRATCH = auto()  # a state row and a detail row for the simulation
    TRACE = auto()  # address of the trace words, 0 when off
    # Capacities
    TRANSITION_CAPACITY = auto()
    STATE_CAPACITY = auto()
    TRANSITION_MASK = auto()
    STATE_MASK = auto()
    # Caches
    ISETS = auto()
    IWAYS = auto()
    RANDOM = auto()
    STAMP = auto()
    ART_ON = auto()
    ART_LINES = auto()
    ART_PREFETCH = auto()
    ART_LAST = auto()
    FLASH_LAST = auto()  # last flash line fetched uncached
    # Running state
    WANTED_ADDRESS = auto()
    WANTED_SIZE = auto()
    FAULT_ROW = auto()
    SKIP_EVENT = auto()
    SKIP_STACKS = auto()
    FINISHING = auto()  # 1 until the rest of the block has begun
    STATE_COUNT = auto()
    TRANSITION_COUNT = auto()
    HOOKED_COUNT = auto()
    # Stack and calls
    STACK_LIMIT = auto()  # 0: none
    SHADOW_CAPACITY = auto()
    CALLS_LOST = auto()  # calls deeper than the shadow stack
    DEEPEST_DEPTH = auto()
    DEEPEST_ADDRESS = auto()
    FRAME_CAPACITY = auto()
    # Counters
    ICACHE_MISSES = auto()
    DCACHE_MISSES = auto()
    DCACHE_EVICTIONS = auto()
    COUNT = auto()


class Reason(IntEnum):
    """Why the hook stopped the emulator."""

    NONE = 0
    NEW_BLOCK = 1
    BUDGET = 2
    EVENT = 3
    STACK_OVERFLOW = 4
    UNALIGNED = 5
    DIVIDE_BY_ZERO = 6
    EVEN_BRANCH = 7
    MASKS_CHANGED = 9  # an exception was waiting for that
    STACK_CHANGED = 10  # msr to a stack pointer or CONTROL
    RESUME = 8  # Python changed something the emulator stumbled over
    FINISH = 98  # let the rest of a block run without accounting, and stop at the next one
    PASS = 99  # let blocks run without accounting, to bring registers up to a fault


class Block(IntEnum):
    """Columns of a block that every execution reads: one cache line of the host."""

    KEY = 0  # address | size << 32
    FLAGS = auto()  # BlockFlag | end << 16 | register of bx, else 15 << 20 | measured + 1 << 24
    SHAPE = auto()  # instructions | last instruction's bytes << 16 | -stack delta << 32
    PROGRAM = auto()  # first group | groups << 32
    NODES = auto()  # first micro-op | count << 32 | value of a computed stack pointer << 48
    FLIP = auto()  # variant bits that are flipped together
    EPOCH = auto()  # I-cache epoch at which all lines were present
    EXECUTIONS = auto()  # counted only without timing
    COLUMNS = 8


class Cold(IntEnum):
    """Columns of a block that are read or written seldom."""

    FIRST_ROW = 0
    LAST_ROW = auto()
    SEQUENCE = auto()
    FUNCTION = auto()
    BRANCH_TICKS = auto()
    ICACHE_TICKS = auto()
    FLASH_TICKS = auto()
    BUS_TICKS = auto()
    COLUMNS = 8


class BlockFlag(IntEnum):
    EVENT = 1  # Python wants to see every entry
    PREDICATED_END = 2  # the branch at the end sits in an IT block
    MASKS = 4  # ends in cps or msr of an interrupt mask
    STACKS = 8  # ends in msr of CONTROL, MSP or PSP
    BACKWARD = 16
    IN_CODE_CACHE = 32  # fetched through the I-cache
    FREE_FETCH = 64  # fetched from TCM: never waits
    ART = 128
    STACK = 512  # moves the stack pointer down
    STACK_PROBE = 2048  # computes a stack pointer within the block
    STACK_ODD = 1024  # leaves the stack pointer where only the next block can tell
    TABLE_BRANCH = 256  # tbb, tbh: an indirect jump that never returns


class Tra(IntEnum):
    """Columns of a transition, (state, edge, block, variant) -> cycles and the next state.

    The two guesses of what follows hold `edge | block << 2 | transition << 32` and the variant.
    """

    RESULT = 0  # cycles | cycles charged to the branch before << 24 | next state << 32
    COUNT = auto()
    GUESS = auto()
    GUESS_VARIANT = auto()
    OTHER = auto()
    OTHER_VARIANT = auto()
    KEY = auto()
    VARIANT = auto()
    COLUMNS = 8


class Grp(IntEnum):
    """Columns of an access group: base = a * ka + b * kb."""

    WHAT = 0  # a | b << 8 (GROUP_NONE: none) | GROUP_ flags | place in the variant << 24
    KA = auto()
    KB = auto()
    PREDICATE = auto()
    MASK = auto()  # which low bits of the base enter the variant
    CLUSTERS = auto()  # first | count << 32
    LOW = auto()  # offset of the first cluster
    COLUMNS = 8


GROUP_NONE = 0xFF
GROUP_PLAIN = (
    1 << 16
)  # the base is a register, always accessed, and timing asks for none of its bits
GROUP_VARIANT = 1 << 17
GROUP_NARROW = 1 << 18  # stores bytes or half-words
GROUP_PREDICATED = 1 << 19
GROUP_ABSOLUTE = 1 << 20


class Clu(IntEnum):
    """Columns of a cluster: accesses of one group that lie within one line's length."""

    WHERE = 0  # low | bytes - 1 << 32 | is store << 40 | accesses << 48
    ROW = auto()
    COLUMNS = 2


class Reg(IntEnum):
    """Columns of a memory region, costs in 1/256 cycle."""

    CACHEABLE = 0
    DFILL = auto()
    IFILL = auto()
    STORE_MISS = auto()
    EVICTION = auto()
    UNCACHED_READ = auto()
    UNCACHED_WRITE = auto()
    FREE = auto()  # TCM: no cost at all
    NARROW_RMW = auto()
    FLASH = auto()
    HOST = auto()  # host address of guest address 0, 0 when it is no memory
    FETCH_CHUNK = auto()
    FETCH_LINE = auto()
    COLUMNS = 16


class Frm(IntEnum):
    """Columns of an active measured call."""

    INDEX = 0
    DEPTH = auto()
    CYCLES = auto()
    INSTRUCTIONS = auto()
    STACK = auto()
    OUTER_LOWEST = auto()
    COLUMNS = 8


class Mea(IntEnum):
    """Columns of a measured function's totals; cycles in 1/256."""

    CALLS = 0
    COLD_CYCLES = auto()
    COLD_INSTRUCTIONS = auto()
    WARM = auto()
    WARM_CYCLES = auto()
    WARM_MIN = auto()
    WARM_MAX = auto()
    WARM_INSTRUCTIONS = auto()
    STACK_PEAK = auto()
    COLUMNS = 16


NODE_COLUMNS = 8
TICKS = 256  # fixed point: parts of a cycle

PLACE_REGION, PLACE_CACHEABLE, PLACE_FREE = 0x3F, 0x40, 0x80
