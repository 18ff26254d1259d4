"""The parent's side of the child processes: one for each library and thread count."""
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE, Popen

from libraries import environment

WORKER = Path(__file__).with_name("worker.py")


def load() -> float:
    """How many processes wanted a CPU in the last minute; 0 where the system does not tell."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else 0.0


class ChildError(Exception):
    """A child's answer is an error, or there is no answer because it died."""


class Child:
    """One library on one number of threads, and the case that it holds.

    It is stopped while it has nothing to do: threads of OpenMP and of ONNX Runtime spin for up to 70 ms after their
    work, on another's time.
    """

    def __init__(self, library: str, workers: str):
        self.case = None
        self.process = Popen([sys.executable, WORKER, library, workers], stdin=PIPE, stdout=PIPE, text=True, bufsize=1,
                             env=environment(library, workers))

    def _signal(self, name: str) -> None:
        if hasattr(signal, name):
            self.process.send_signal(getattr(signal, name))

    def ask(self, do: str, **request) -> dict:
        self._signal("SIGCONT")
        try:
            print(json.dumps({"do": do} | request), file=self.process.stdin)
            line = self.process.stdout.readline()
        except OSError:
            line = ""
        self._signal("SIGSTOP")
        if not line:
            raise ChildError(f"the process ended with code {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise ChildError(answer["error"])
        return answer

    def take(self, case) -> dict:
        """Give it a case unless it has it."""
        answer = {} if case is self.case else self.ask("take", suite=case.suite, columns=case.columns)
        self.case = case
        return answer

    def end(self) -> None:
        self._signal("SIGCONT")
        with suppress(OSError):    # it may have died
            self.process.stdin.close()
        self.process.wait()


class Children:
    """The processes, started when first asked for; a context manager that ends them."""

    def __init__(self):
        self.running: dict[tuple[str, str], Child] = {}
        self.versions: dict[str, str] = {}
        self.config: dict[str, str] = {}
        self.left_out: dict[str, str] = {}
        self.load = load()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in self.running.values():
            child.end()

    def get(self, library: str, workers: str) -> Child:
        """The process, a new one if there is none or it died."""
        child = self.running.get((library, workers))
        if child is None or child.process.poll() is not None:
            child = self.running[library, workers] = Child(library, workers)
            told = child.ask("hello")
            self.versions |= told["versions"]
            if library == "fastconv":
                self.config |= told["config"]
        return child

    def has(self, library: str, workers: str) -> bool:
        """Whether the library can be loaded; if not, it is left out, by name."""
        if library in self.left_out:
            return False
        try:
            self.get(library, workers)
        except ChildError as reason:
            self.left_out[library] = str(reason)
        return library not in self.left_out
