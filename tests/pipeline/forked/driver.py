"""Runs commands in children of a process that has imported everything, and kills them where it is told to.

A line of stdin is a request, {"arguments", "folder", "log", "after", "at"}: the command is killed `after` so
many seconds, or just before it changes something in the folder for the `at`-th time; null: not at all. A line
of stdout is the answer, {"status", "seconds", "changes"}: exit code or, negative, signal; how long it took;
how many changes it was about to make. Nothing here has started jax's threads, so that it may fork.
"""

import contextlib
import json
import mmap
import os
import signal
import struct
import sys
import threading
import time

import recsys_cli.cli.lists
import recsys_cli.cli.views
import recsys_cli.stages.evaluate
import recsys_cli.stages.preprocess
import recsys_cli.stages.score
import recsys_cli.stages.train  # noqa: F401  (what a command would import)
from recsys_cli.cli.main import main

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CHANGES = {
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.truncate",
    "os.link",
    "os.symlink",
    "os.chmod",
}


class Changes:
    """Counts the changes that this process is about to make in a folder, where its parent sees the count."""

    def __init__(self, folder, shared, fatal):
        self.folder, self.shared, self.fatal = folder + os.sep, shared, fatal
        self.lock, self.count = threading.Lock(), 0

    def __call__(self, event, arguments):
        if event not in CHANGES and not (event == "open" and self.opens_for_writing(*arguments)):
            return
        if isinstance(arguments[0], (str, bytes, os.PathLike)) and not self.is_inside(event, arguments):
            return
        with self.lock:
            self.count += 1
            struct.pack_into("q", self.shared, 0, self.count)
            if self.count == self.fatal:
                os.kill(os.getpid(), signal.SIGKILL)

    @staticmethod
    def opens_for_writing(path, mode, flags):
        return isinstance(path, (str, bytes, os.PathLike)) and bool(flags & WRITING)

    def is_inside(self, event, arguments):
        """A name that is relative to an open folder comes from shutil.rmtree, which only outputs see."""
        named = os.fsdecode(arguments[0])
        relative_to_folder = event in {"os.remove", "os.rmdir"} and arguments[1] != -1
        return relative_to_folder or os.path.abspath(named).startswith(self.folder)


def run(request, shared):
    """The child's part: it does not return."""
    os.chdir(request["folder"])
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.addaudithook(Changes(request["folder"], shared, request["at"]))
    os._exit(main(request["arguments"]))


def answer(request):
    shared = mmap.mmap(-1, 8)
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        run(request, shared)
    if request["after"] is not None:
        threading.Timer(request["after"], kill, [child]).start()
    _, status = os.waitpid(child, 0)
    seconds = time.monotonic() - started
    return {
        "status": os.waitstatus_to_exitcode(status),
        "seconds": seconds,
        "changes": struct.unpack_from("q", shared, 0)[0],
    }


def kill(child):
    with contextlib.suppress(ProcessLookupError):  # it was quicker
        os.kill(child, signal.SIGKILL)


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()
