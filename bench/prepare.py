"""Make a fresh world in a running sandbox, a folder with settings and an empty book for it, and press Export.

    python bench/prepare.py SANDBOX_URL FOLDER ITEMS SEED

Prints {"company_id", "api_key", "config", "job_id"}. A process of its own, so that the bench itself stays small: a
child's peak memory begins with its parent's.
"""

import asyncio
import json
import sys
import tomllib
from pathlib import Path

from tallybook import demo


async def prepare(url: str, folder: Path, items: int, seed: int) -> dict[str, str]:
    """Set the stage as `tallybook demo` does, and return what either program needs to find the job.

    Repeat: refused, the folder is there already.
    """
    place = demo.place(folder)
    sandbox = demo.Sandbox(url)
    try:
        world = await demo.prepare(place, sandbox, items=items, seed=seed)
        async with demo.books(place, sandbox, world, "book"):
            job_id = await demo.press_export(sandbox, only_failed=False)
    finally:
        await sandbox.aclose()
    settings = tomllib.loads(place.config.read_text("utf-8"))
    return {
        "company_id": settings["pleo"]["company_id"],
        "api_key": place.key.read_text("utf-8").strip(),
        "config": str(place.config),
        "job_id": job_id,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(prepare(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))))
