"""Break images in every way that comes to mind and run them: `emu` must neither crash nor hang.

    python -m ci.fuzz_images [--count 20000] [--seed 1] [--jobs 2] [--folder DIR] [--only NUMBER]

Each mutant is a number; the same seed and number give the same image. Workers run `emu run` in
process; one that crashes or hangs takes only itself along, and its mutant is an offender like one
that ends in a traceback, with a wrong exit code or too slowly. Offenders are kept in the folder,
with the command that shows them again. Results are kept as well, so a run that was stopped goes on
where it was. Ends with 1 when there are offenders.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import io
import json
import multiprocessing
import os
import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

from ci.fuzz.corpus import Seed, build_corpus
from ci.fuzz.mutations import Mutant, make_mutant

_HANG_S = 60.0  # of wall time on a busy machine; a mutant takes some 50 ms
_SLOW_S = 20.0  # of processor time
_MEMORY_BYTES = 12 * 1024**3  # of address space: numba and the page tables take a few of it


@dataclass(frozen=True)
class Result:
    """How one mutant ended. `offence` is empty when it ended as it should."""

    number: int
    how: str
    ending: str
    exit_code: int | None
    processor_s: float
    offence: str = ""


def run_mutant(mutant: Mutant, number: int, folder: Path) -> Result:
    """Run one as the command line does, and judge it.

    A refusal is one sentence and code 2; a report has code 0, or 4 when the firmware did not end
    well. Anything else is an offence.
    """
    path = folder / f"mutant{mutant.suffix}"
    path.write_bytes(mutant.data)
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    start = time.process_time()
    code, err = _emu(["run", str(path), *mutant.options, "--json", str(report)])
    seconds = time.process_time() - start
    ending = "refused"
    offence = ""
    if report.exists():
        written = json.loads(report.read_text("utf-8"))
        fault = written["fault"]
        ending = f"fault: {fault['kind']}" if fault else written["outcome"]
        if (code == 0) != (written["error"] is None) or code not in (0, 4):
            offence = f"exit code {code} for outcome {written['outcome']}"
    elif code != 2:
        offence = f"exit code {code} without a report"
    elif not re.search(r"mutant|--(base|measure|entry|from|to)\b", err):
        offence = "refused, but not for its image: " + " ".join(err.split())[:300]
    if "defect of emu" in err or "Traceback" in err:
        offence = "defect: " + " ".join(err.split())[:300]
    elif code != 0 and not re.search(r"^emu: .*\S", err, re.MULTILINE):
        offence = offence or "no sentence"
    if not offence and seconds > _SLOW_S:
        offence = f"took {seconds:.0f} s"
    return Result(number, mutant.how, ending, code, round(seconds, 3), offence)


def _emu(arguments: Sequence[str]) -> tuple[int, str]:
    from emu.cli.main import run_command

    err = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
        code = run_command(arguments)
    return code, err.getvalue()


def _work(corpus: Sequence[Seed], seed: int, folder: Path, line: Connection) -> None:
    """A worker: numbers in, results out, until there are no more."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    with (folder / "crash.txt").open("w") as crash:
        faulthandler.enable(crash)
        with contextlib.suppress(EOFError, BrokenPipeError):  # when the parent was stopped
            while (number := line.recv()) is not None:
                line.send(run_mutant(make_mutant(corpus, seed, number), number, folder))


@dataclass
class _Worker:
    """A process, the mutant that it is at, and since when."""

    process: multiprocessing.process.BaseProcess
    line: Connection
    folder: Path
    number: int | None = None
    since: float = 0.0

    @classmethod
    def start(cls, corpus: Sequence[Seed], seed: int, folder: Path) -> _Worker:
        folder.mkdir(parents=True, exist_ok=True)
        ours, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=_work, args=(corpus, seed, folder, theirs), daemon=True)
        process.start()
        theirs.close()
        return cls(process, ours, folder)

    def give(self, number: int | None) -> None:
        self.number, self.since = number, time.monotonic()
        with contextlib.suppress(BrokenPipeError):
            self.line.send(number)

    def collect(self) -> Result | None:
        """What it has to say: a result, that it is gone, or None while it works."""
        assert self.number is not None
        try:
            if self.line.poll():
                result = self.line.recv()
                assert isinstance(result, Result)
                return result
        except EOFError:
            self.process.join()
            crash = (self.folder / "crash.txt").read_text("utf-8", "replace")
            what = f"crash: the process ended with {self.process.exitcode}; {crash[:600]}"
            return Result(self.number, "", "crash", self.process.exitcode, 0.0, what)
        if time.monotonic() - self.since > _HANG_S:
            self.process.kill()
            self.process.join()
            return Result(self.number, "", "hang", None, _HANG_S, f"hang: {_HANG_S:.0f} s")
        return None


def fuzz(
    numbers: Iterator[int], corpus: Sequence[Seed], seed: int, jobs: int, folder: Path
) -> Iterator[Result]:
    """Results as they come. A worker that crashed or hung is replaced."""
    # What is compiled once a machine would make the first mutants look as if they hung.
    whole = corpus[0]
    run_mutant(Mutant(whole.suffix, whole.data, ("--board", whole.board), whole.name), -1, folder)
    workers = [_Worker.start(corpus, seed, folder / f"worker{job}") for job in range(jobs)]
    for worker in workers:
        worker.give(next(numbers, None))
    while busy := [worker for worker in workers if worker.number is not None]:
        wait([worker.line for worker in busy], timeout=1.0)
        for worker in busy:
            result = worker.collect()
            if result is None:
                continue
            if result.ending in ("crash", "hang"):
                fresh = _Worker.start(corpus, seed, worker.folder)
                worker.process, worker.line = fresh.process, fresh.line
            worker.give(next(numbers, None))
            yield result
    for worker in workers:
        worker.process.join()


def main() -> int:
    """Entry point; the result is the exit code."""
    parser = argparse.ArgumentParser(description="Run broken images: no crash, no hang.")
    parser.add_argument("--count", type=int, default=20_000, help="mutants (20000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2))
    parser.add_argument("--folder", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--only", type=int, help="one mutant, in this process, with its output")
    given = parser.parse_args()
    folder: Path = given.folder
    folder.mkdir(parents=True, exist_ok=True)
    corpus = build_corpus()
    if given.only is not None:
        mutant = make_mutant(corpus, given.seed, given.only)
        result = run_mutant(mutant, given.only, folder)
        print(" ".join(("emu run", str(folder / f"mutant{mutant.suffix}"), *mutant.options)))
        print(result)
        return int(bool(result.offence))

    kept = folder / f"results-{given.seed}.jsonl"
    results = _kept_results(kept)
    numbers = iter([number for number in range(given.count) if number not in results])
    start, ran = time.monotonic(), 0
    with kept.open("a", encoding="utf-8") as file:
        for result in fuzz(numbers, corpus, given.seed, given.jobs, folder):
            results[result.number] = result
            file.write(json.dumps(asdict(result)) + "\n")
            ran += 1
            if result.offence:
                file.flush()
                _keep(make_mutant(corpus, given.seed, result.number), result, folder)
            if ran % 200 == 0:
                speed = ran / (time.monotonic() - start)
                offenders = sum(bool(item.offence) for item in results.values())
                print(f"{len(results)} of {given.count}, {speed:.1f}/s, {offenders} offenders")
                sys.stdout.flush()
    return _summary(results)


def _kept_results(path: Path) -> dict[int, Result]:
    if not path.exists():
        return {}
    lines = path.read_text("utf-8").splitlines()
    found = [Result(**json.loads(line)) for line in lines if line.endswith("}")]
    return {result.number: result for result in found}


def _keep(mutant: Mutant, result: Result, folder: Path) -> None:
    path = folder / f"offender-{result.number}{mutant.suffix}"
    path.write_bytes(mutant.data)
    command = " ".join(("emu run", path.name, *mutant.options))
    path.with_suffix(".txt").write_text(f"{command}\n{mutant.how}\n{result.offence}\n", "utf-8")
    print(f"offender {result.number}: {mutant.how}: {result.offence[:200]}")


def _summary(results: dict[int, Result]) -> int:
    for ending, count in Counter(result.ending for result in results.values()).most_common():
        print(f"{count:7d}  {ending}")
    slowest = max(results.values(), key=lambda result: result.processor_s, default=None)
    if slowest is not None:
        print(f"slowest: {slowest.number}, {slowest.processor_s} s of processor time")
    offenders = [result for result in results.values() if result.offence]
    print(f"{len(results)} mutants, {len(offenders)} offenders")
    return int(bool(offenders))


if __name__ == "__main__":
    raise SystemExit(main())
