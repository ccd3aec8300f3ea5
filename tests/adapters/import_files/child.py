"""A process that hands everything over, in a fork of its own for each line of its input, and kills it when told.

A line is a book, a folder, and n: the fork kills itself at the n-th thing it does to the folder (0 never). The answer
is how often it touched the folder, or "killed".
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from tallybook.adapters.datev import open_datev
from tests.adapters.datev.section import section
from tests.adapters.import_files.company import COMPANY, Make

EVENTS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree", "os.listdir", "os.scandir"}


async def hand_over(book: str, folder: str, kill_at: int) -> int:
    touched = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal touched
        if event in EVENTS and folder in str(arguments[0]):
            touched += 1
            if touched == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    books = open_datev(section(Path(book), Path(folder)))
    sys.addaudithook(watch)
    found = await books.find([entry.key for entry in Make().every_shape()])
    await books.settle(list(found.values()))
    await books.finish(COMPANY, "job of the child")
    await books.aclose()
    return touched


for line in sys.stdin:
    told_book, told_folder, told_kill_at = line.split()
    reading, writing = os.pipe()
    if (fork := os.fork()) == 0:
        os.write(writing, str(asyncio.run(hand_over(told_book, told_folder, int(told_kill_at)))).encode())
        os._exit(0)
    os.close(writing)
    _, status = os.waitpid(fork, 0)
    said = os.read(reading, 100).decode()
    os.close(reading)
    sys.stdout.write(("killed" if os.WIFSIGNALED(status) else said or "failed") + "\n")
    sys.stdout.flush()
