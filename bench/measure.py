"""One case: every method checked, then all timed in turns."""
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from cases import SUITES, Case
from children import Child, ChildError, Children
from methods import METHODS, Method

REFEREE = ("scipy", "1")
ANY = "any"     # in place of the thread count, for what has no threads
PAUSE = 0.01    # where processes cannot be stopped, threads spin for some milliseconds before they sleep


@dataclass(frozen=True)
class Effort:
    """How long to measure: turns, seconds a turn, and the seconds after which a slow method has had its share."""

    rounds: int
    seconds: float
    share: float


@dataclass(frozen=True)
class Way:
    """A method on one number of threads."""

    name: str
    method: Method
    workers: str

    @property
    def process(self) -> tuple[str, str]:
        return self.method.library, self.workers

    @property
    def key(self) -> str:
        """The thread count in the results."""
        return self.workers if self.method.threaded else ANY

    def __str__(self) -> str:
        return f"{self.name}, workers {self.key}"


@dataclass(eq=False)
class Run:
    """A way that was found right: its process, its best time, and the time that it took in all."""

    way: Way
    child: Child
    best: float = float("inf")
    spent: float = 0.0

    def turn(self, seconds: float) -> None:
        answer = self.child.ask("time", method=self.way.name, seconds=seconds)
        self.best = min(self.best, answer["seconds"])
        self.spent += answer["spent"]


def thread_counts(suite: str, workers: list[str]) -> list[str]:
    return list(SUITES[suite].workers) or workers


def ways(suite: str, workers: list[str]) -> list[Way]:
    """All that a suite times, those of a process together. What has no threads goes into the first count's process."""
    counts = thread_counts(suite, workers)
    found = [Way(name, method, count) for name, method in METHODS[suite].items()
             for count in (counts if method.threaded else counts[:1])]
    return sorted(found, key=lambda way: way.process)


def _refer(children: Children, case: Case, path: str) -> float:
    """Have the referee's result written to a file; return the multiply-adds of the case."""
    referee = children.get(*REFEREE)
    referee.case = None
    products = referee.take(case)["products"]
    referee.ask("refer", path=path)
    return products


def _check(children: Children, case: Case, way: Way, path: str) -> Run:
    child = children.get(*way.process)
    child.take(case)
    child.ask("check", method=way.name, path=path)
    return Run(way, child)


def _checked(children: Children, case: Case, found: list[Way], row: dict) -> list[Run]:
    """The ways whose result is right; the others' errors go to the row."""
    runs = []
    with TemporaryDirectory() as folder:
        path = str(Path(folder, "reference.npy"))
        try:
            products = row["products"] = _refer(children, case, path)
        except ChildError as error:
            row["errors"]["reference"] = str(error)
            return []
        for way in found:
            if refusal := way.method.refuses(case.columns, products):
                row["skipped"][way.name] = refusal
                continue
            try:
                runs.append(_check(children, case, way, path))
            except ChildError as error:
                row["errors"][str(way)] = str(error)
    return runs


def _turns(runs: list[Run], effort: Effort, row: dict) -> None:
    """Time all in turns; the minimum of what each got."""
    previous = None
    for _ in range(effort.rounds):
        for run in [run for run in runs if run.spent < effort.share]:
            if run.child is not previous:
                time.sleep(PAUSE)
            previous = run.child
            try:
                run.turn(effort.seconds)
            except ChildError as error:
                row["errors"][str(run.way)] = str(error)
                run.best, run.spent = float("inf"), float("inf")


def measure(children: Children, case: Case, found: list[Way], effort: Effort) -> dict:
    """The row of a case: columns, multiply-adds, seconds by method and thread count, what was not run, what failed."""
    row = {"case": case.columns, "first": case.first, "products": 0, "seconds": {}, "skipped": {}, "errors": {}}
    runs = _checked(children, case, found, row)
    _turns(runs, effort, row)
    for run in runs:
        if run.best < float("inf"):
            row["seconds"].setdefault(run.way.name, {})[run.way.key] = run.best
    return row
