"""Cases of a suite side by side: processes that each run one after the other.

Results come in the order in which they are done, each with its place in the suite, so what is made
of them depends on neither the number of processes nor their speed.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from emu.errors import UsageError
from emu.measure.suite import Case
from emu.measure.validate import Conditions, run_case
from emu.measure.validation import CaseResult

OnCaseProgress = Callable[[str, int, int], None]  # id of the case, cycles, instructions


def run_cases(
    cases: Sequence[Case],
    conditions: Conditions,
    *,
    jobs: int,
    on_progress: OnCaseProgress | None = None,
) -> Iterator[tuple[int, CaseResult]]:
    """Run cases, `jobs` at a time, and give each result with its position in `cases`.

    An exception in the caller, Ctrl-C too, ends the processes; what was given before stays good.

    Raises:
        UsageError: a process died, as it does when memory is short.
    """
    if jobs == 1 or len(cases) < 2:
        for position, case in enumerate(cases):
            yield position, run_case(case, conditions, _progress_of(case, on_progress))
        return
    workers: list[_Worker] = []
    try:
        workers += (_Worker(conditions) for _ in range(min(jobs, len(cases))))
        yield from _share(cases, workers, on_progress)
    finally:
        for worker in workers:
            worker.end()


def _share(
    cases: Sequence[Case], workers: Sequence[_Worker], on_progress: OnCaseProgress | None
) -> Iterator[tuple[int, CaseResult]]:
    waiting = list(enumerate(cases))[::-1]
    busy: dict[Connection, tuple[_Worker, int]] = {}
    for worker in workers:
        position, case = waiting.pop()
        worker.start(case)
        busy[worker.pipe] = worker, position
    while busy:
        for ready in wait(list(busy)):
            assert isinstance(ready, Connection)
            worker, position = busy[ready]
            message = worker.receive(cases[position])
            if isinstance(message, CaseResult):
                del busy[ready]
                if waiting:
                    following, case = waiting.pop()
                    worker.start(case)
                    busy[ready] = worker, following
                yield position, message
            elif on_progress is not None:
                on_progress(cases[position].id, *message)


def _progress_of(
    case: Case, on_progress: OnCaseProgress | None
) -> Callable[[int, int], None] | None:
    if on_progress is None:
        return None
    return lambda cycles, instructions: on_progress(case.id, cycles, instructions)


class _Worker:
    """A process of ours that runs one case at a time."""

    def __init__(self, conditions: Conditions) -> None:
        # Spawned: a fork would copy locks and threads of the native code in use.
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self._process: BaseProcess = context.Process(
            target=_serve, args=(other, conditions), daemon=True
        )
        self._process.start()
        other.close()

    def start(self, case: Case) -> None:
        self.pipe.send(case)

    def receive(self, case: Case) -> CaseResult | tuple[int, int]:
        try:
            message: CaseResult | tuple[int, int] = self.pipe.recv()
        except EOFError as problem:
            self._process.join()
            raise UsageError(
                f"The process that ran case '{case.id}' died with exit code "
                f"{self._process.exitcode}. Run fewer side by side: --jobs 1."
            ) from problem
        return message

    def end(self) -> None:
        self._process.terminate()
        self._process.join()
        self.pipe.close()


def _serve(pipe: Connection, conditions: Conditions) -> None:
    # Ctrl-C goes to every process of the terminal; the first one decides and ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, BrokenPipeError):
        while True:
            case: Case = pipe.recv()
            pipe.send(run_case(case, conditions, lambda cycles, count: pipe.send((cycles, count))))
