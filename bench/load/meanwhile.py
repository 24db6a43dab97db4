"""What goes on while something else is measured."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def busy_process() -> Iterator[None]:
    """Which takes one core."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()


@contextmanager
def repeating(work: Callable[[], object], every_s: float) -> Iterator[None]:
    """One after the other, so many seconds after the one before, meanwhile."""
    done = threading.Event()

    def repeat() -> None:
        while not done.wait(every_s):
            work()

    with ThreadPoolExecutor(1) as pool:
        repetition = pool.submit(repeat)
        try:
            yield
        finally:
            done.set()
        repetition.result()
