"""`tocsin demo`: set the stage, play the story, say whether the loop closed."""

import json
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console

from monitor.demo import summary, view
from monitor.demo.gateway import MODEL
from monitor.demo.setting import set_up
from monitor.demo.stage import Stage
from monitor.demo.stream import Stream
from monitor.errors import Permanent, SettingsError

CLOSED: Final = 0
NOT_CLOSED: Final = 1
WIDTH: Final = 140  # of a log or pipe


def run_demo(*, keep: bool = False, state_dir: Path | None = None, console: Console | None = None) -> int:
    """Play the demo: 0 if the loop closed, 1 if it did not or could not be played.

    `state_dir` must not exist yet or be empty. Without one, a temporary directory holds everything and is removed at
    the end. With `keep` the servers run on until the command is interrupted.
    """
    console = console or Console(width=None if sys.stdout.isatty() else WIDTH)
    try:
        with _terminable(), _directory(state_dir) as directory, closing(Stage(directory)) as stage:
            return _play(stage, console, keep=keep)
    except (Permanent, SettingsError) as error:
        words = f"The demo cannot go on: {error}"
        console.print(words, style="bold red", highlight=False, markup=False, soft_wrap=True)
        return NOT_CLOSED


def _play(stage: Stage, console: Console, *, keep: bool) -> int:
    began = time.monotonic()
    with view.choose(console) as shown:
        story = set_up(stage, shown)
        chronicle = story.play()
    took_s = time.monotonic() - began
    console.print(summary.render(chronicle))
    console.print(f"{took_s:.0f} s in all, {chronicle.rows_per_s:,.0f} rows/s while playing", highlight=False)
    document = {**summary.document(chronicle), "took_s": took_s}
    (stage.directory / "summary.json").write_text(json.dumps(document, indent=1) + "\n")
    if keep:
        _stay(stage, story.stream, console)
    return CLOSED if chronicle.closed else NOT_CLOSED


def _stay(stage: Stage, stream: Stream, console: Console) -> None:
    """Leave everything running until the command is interrupted."""
    daemon, server = stream.gateway.daemon.url, stream.gateway.server.url
    for words in (
        f"daemon        {daemon}",
        f"metrics       {stage.metrics_url}",
        f"model server  {server}/v2/models/{MODEL}",
        f"files         {stage.directory}",
        f"a person's    export TOCSIN_TOKEN_FILE={stage.person_token}",
        f"              tocsin status --url {daemon}",
        f"              tocsin incidents list --url {daemon}",
        f'              tocsin rollback start {MODEL} --reason "v2 again" --url {daemon}',
        "Interrupt (Ctrl-C) to stop.",
    ):
        console.print(words, highlight=False, markup=False, soft_wrap=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("stopping")


@contextmanager
def _terminable() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that no server outlives the demo."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _directory(state_dir: Path | None) -> Iterator[Path]:
    """Hand out an empty directory; a temporary one is removed at the end."""
    if state_dir is None:
        with tempfile.TemporaryDirectory(prefix="tocsin-demo-") as name:
            yield Path(name)
        return
    if state_dir.exists() and any(state_dir.iterdir()):
        raise Permanent(f"{state_dir} is not empty: the demo starts from nothing")
    state_dir.mkdir(parents=True, exist_ok=True)
    yield state_dir.resolve()
