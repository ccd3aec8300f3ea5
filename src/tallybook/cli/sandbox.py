"""`tallybook sandbox`: a faithful local Pleo to build and test against."""

import json
import os
import signal
import sqlite3
import sys
import threading
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tallybook.errors import TallybookError

if TYPE_CHECKING:
    from tallybook.sandbox.server import SandboxAddress

app = typer.Typer(help="A faithful local Pleo to build and test against.", no_args_is_help=True)


class World(StrEnum):
    """What the sandbox holds at first."""

    DEMO = "demo"
    EMPTY = "empty"


class Profile(StrEnum):
    """Which of Pleo's pages on the event body the sandbox follows."""

    REFERENCE = "reference"
    GUIDE = "guide"


@app.callback()
def _sandbox() -> None:
    """Keep `serve` a command of its own."""


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 8089,
    data: Annotated[
        Path | None, typer.Option(help="Keep the sandbox's state in this file.", show_default=False)
    ] = None,
    world: Annotated[World, typer.Option(help="What it holds at first.")] = World.DEMO,
    profile: Annotated[
        Profile, typer.Option(help="`reference` asks for jobId, `guide` takes exportJobId alone.")
    ] = Profile.GUIDE,
    as_json: Annotated[bool, typer.Option("--json", help="Say where it is as one JSON line.")] = False,
    stop_with_stdin: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Serve the sandbox until Ctrl-C."""
    from tallybook.sandbox import server  # noqa: PLC0415 - a web framework that no other command should wait for

    def ready(address: "SandboxAddress") -> None:
        if as_json:
            told = {
                "url": address.url,
                "companyId": address.company_id,
                "apiKey": address.api_key,
                "accessToken": address.access_token,
            }
            typer.echo(json.dumps(told))
        else:
            typer.echo(
                f"A local Pleo is running at {address.url}; Ctrl-C ends it.\n"
                f"  company       {address.company_id}\n"
                f"  API key       {address.api_key}\n"
                f"  access token  {address.access_token}\n"
                f"Its export page, to click:     {address.url}/\n"
                f"Press its Export button:       curl -X POST {address.url}/_sandbox/exports\n"
                f"Everything it can be told to:  {address.url}/openapi.json"
            )
        sys.stdout.flush()

    if stop_with_stdin:
        threading.Thread(target=_stop_with_stdin, daemon=True).start()
    # The server hands the signal that ended it on to whoever listened before: so the state is closed in order.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        server.serve(port=port, data=data, world=world.value, profile=profile.value, ready=ready)
    except OSError as error:
        raise TallybookError(f"the sandbox cannot listen on port {port}: {error.strerror}; try --port 0") from error
    except sqlite3.Error as error:
        raise TallybookError(
            f"the sandbox cannot keep its state in {data}: {error}; name another --data file"
        ) from error


def _stop_with_stdin() -> None:
    """End with whoever holds the other end of stdin, also when that one is killed."""
    while os.read(0, 1024):  # not through sys.stdin, whose lock a thread may not hold when the interpreter ends
        pass
    os.kill(os.getpid(), signal.SIGINT)
