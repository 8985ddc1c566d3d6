"""Where the native hooks keep their numbers: the columns of every shared array.

The hooks are compiled functions that get one pointer, to an array of 64-bit words. Some words are
counters, some are addresses of other arrays. Python allocates them all and reads them back.
"""

from __future__ import annotations

from enum import IntEnum, auto


class Word(IntEnum):
    """Slots of the hook's own word array."""

    # Fixed before the run
    MODE = 0  # 0 none, 1 issue, 2 full
    HOOKED = auto()  # 1: data accesses come from memory hooks
    REGISTERS = auto()  # address of r0..r15 inside the emulator, 32 bits each
    EMU_STOP = auto()  # address of uc_emu_stop
    READ_BATCH = auto()  # address of uc_reg_read_batch when REGISTERS is only a copy, else 0
    BATCH_IDS = auto()
    BATCH_POINTERS = auto()
    SKIP_SYNC = auto()  # offset of a flag in the emulator that skips a slow restore, 0: unknown
    # Addresses of arrays
    PAGES = auto()  # int32 [2**18]: base in LOOKUP for each 16 KiB, -1 unknown
    LOOKUP = auto()  # int32: block number by half-word, -1 unknown
    BLOCKS = auto()  # int64 [n, Block]
    ROWS = auto()  # int32 [n, I_COLUMNS]
    USES = auto()
    DEFS = auto()
    NODES = auto()  # int64 [n, NODE_COLUMNS]
    GROUPS = auto()  # int64 [n, Grp]
    CLUSTERS = auto()  # int64 [n, Clu]
    ROW_STALLS = auto()  # int64 [n, 4]: dcache, flash, bus, misses, in 1/256 cycle
    SEQUENCE = auto()  # int32: row of the k-th access of a block (hooked mode)
    TRANSITIONS = auto()  # int64 [n, Tra]
    TRANSITION_HASH = auto()  # int32, 0 empty
    STATES = auto()  # int32 [n, S_COLUMNS]
    STATE_HASH = auto()
    LATENCY = auto()
    FP_BUSY = auto()
    SETTLED = auto()
    PARAMS = auto()
    ATTRIBUTES = auto()  # uint8 [2**20]: region number by 4 KiB page, 0 unmapped
    REGIONS = auto()  # int64 [n, Reg]
    ITAGS = auto()
    ISTAMPS = auto()
    DTAGS = auto()
    DSTAMPS = auto()
    DDIRTY = auto()
    BTAC = auto()  # int64 [entries, 4]
    ART = auto()  # int64 lines
    SHADOW = auto()  # int64 [depth, 3]
    DEEPEST = auto()  # int64 return addresses at the deepest stack
    FRAMES = auto()  # int64 [depth, Frm]
    MEASURED = auto()  # int64 [n, Mea]
    VALUES = auto()  # int64 scratch of the address program
    RECENT = auto()  # int64 [RECENT_BLOCKS, 2]: key and number of blocks met lately
    UNUSED = auto()  # arrays that only Python reads
    SCRATCH = auto()  # a state row and a detail row for the simulation
    TRACE = auto()  # address of the trace words, 0 when off
    # Capacities
    TRANSITION_CAPACITY = auto()
    STATE_CAPACITY = auto()
    TRANSITION_MASK = auto()
    STATE_MASK = auto()
    # Caches
    ICACHE_ON = auto()
    DCACHE_ON = auto()
    ISETS = auto()
    IWAYS = auto()
    DSETS = auto()
    DWAYS = auto()
    LRU = auto()
    RANDOM = auto()
    STAMP = auto()
    ICACHE_EPOCH = auto()
    ART_ON = auto()
    ART_LINES = auto()
    ART_PREFETCH = auto()
    ART_LAST = auto()
    FLASH_LAST = auto()  # last flash line fetched uncached
    FETCH_LINE_TICKS = auto()
    BTAC_MASK = auto()
    # Running state
    REASON = auto()
    WANTED_ADDRESS = auto()
    WANTED_SIZE = auto()
    FAULT_ROW = auto()
    PREVIOUS = auto()  # block number, -1 at the start
    FALLTHROUGH = auto()
    STATE = auto()
    TRANSITION = auto()  # of the current block
    CYCLES = auto()  # 1/256 cycle, up to and including the current block's issue
    ENTRY_CYCLES = auto()  # CYCLES when the current block began
    INSTRUCTIONS = auto()
    NEXT_STOP = auto()  # in CYCLES (in INSTRUCTIONS << 8 when MODE is 0)
    SKIP_EVENT = auto()
    STATE_COUNT = auto()
    TRANSITION_COUNT = auto()
    ACCESS_INDEX = auto()
    HOOKED_COUNT = auto()
    # Stack and calls
    STACK_LOWEST = auto()  # of the whole run
    STACK_FRAME_LOWEST = auto()  # since the innermost measured call began
    STACK_LIMIT = auto()  # 0: none
    SHADOW_DEPTH = auto()
    SHADOW_CAPACITY = auto()
    DEEPEST_DEPTH = auto()
    DEEPEST_ADDRESS = auto()
    FRAME_DEPTH = auto()
    FRAME_CAPACITY = auto()
    # Counters
    ICACHE_MISSES = auto()
    DCACHE_ACCESSES = auto()
    DCACHE_MISSES = auto()
    DCACHE_EVICTIONS = auto()
    BRANCHES = auto()
    MISPREDICTS = auto()
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
    PASS = 99  # let blocks run without accounting, to bring registers up to a fault


class Block(IntEnum):
    """Columns of a block. The first eight are what every execution reads."""

    KEY = 0  # address | size << 32
    FLAGS = auto()  # BlockFlag | end << 16 | measured index + 1 << 24
    PROGRAM = auto()  # first group | groups << 32
    EPOCH = auto()  # I-cache epoch at which all lines were present
    SHAPE = auto()  # instructions | -stack delta << 32
    NODES = auto()  # first micro-op | count << 32
    VARIANT = auto()  # flip mask | reference bit << 60
    BRANCH_ADDRESS = auto()
    TARGET = auto()
    FIRST_ROW = auto()
    LAST_ROW = auto()
    SEQUENCE = auto()
    FUNCTION = auto()
    EXECUTIONS = auto()
    BRANCH_TICKS = auto()
    ICACHE_TICKS = auto()
    FLASH_TICKS = auto()
    BUS_TICKS = auto()
    FETCH_LINES = auto()
    COUNT = 32


class BlockFlag(IntEnum):
    EVENT = 1  # Python wants to see every entry
    PREDICATED_END = 2  # the branch at the end sits in an IT block
    CALL = 4
    RETURN = 8
    BACKWARD = 16
    IN_CODE_CACHE = 32  # fetched through the I-cache
    FREE_FETCH = 64  # fetched from TCM: never waits
    ART = 128


class Tra(IntEnum):
    """Columns of a transition: (state, edge, block, variant) -> cycles and the next state."""

    CYCLES = 0  # whole cycles
    BRANCH = auto()  # of which charged to the branch before
    NEXT = auto()
    COUNT = auto()
    KEY = auto()
    VARIANT = auto()
    AFTER = auto()  # two guesses of what follows: (edge | block << 2, variant, transition)
    COLUMNS = 12


class Grp(IntEnum):
    """Columns of an access group: base = const + a * ka + b * kb."""

    A = 0
    KA = auto()
    B = auto()
    KB = auto()
    PREDICATE = auto()
    MASK = auto()  # which low bits of the base enter the variant
    SHIFT = auto()  # their place, -1 for none; bit 8 set: narrow stores
    CLUSTERS = auto()  # first | count << 32
    COLUMNS = 8


class Clu(IntEnum):
    """Columns of a cluster: accesses of one group that lie within one line's length."""

    LOW = 0
    HIGH = auto()
    STORE = auto()
    ACCESSES = auto()
    ROW = auto()
    COLUMNS = 8


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
    ART = auto()
    HOST = auto()  # host address of guest address 0, 0 when it is no memory
    START = auto()
    END = auto()
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
RECENT_BLOCKS = 4096
TICKS = 256  # fixed point: parts of a cycle
