"""Whether the log is what was written: one walk over records and heads side by side, in constant memory.

    records  1 --- 2 --- 3 --- ... --- n          each intact, each naming the one before, none missing
    heads    ......^.................^            each signed by a trusted key, each met by the record it names
    anchors  ............^                        SEQ:DIGEST that somebody kept elsewhere, each met

What is found: any byte that was changed, a line deleted, inserted or moved, a file that is gone, a log that begins
later than a signed beginning allows, one that ends before a head or an anchor. What cannot be found without an anchor
newer than the cut: the newest records removed together with the heads behind them; and, for whoever holds the private
key, records forged anew from some place on. That is what anchors are for: Prometheus keeps one of every scrape, and
each notice carries one.

*Proven* is what lies between the first record and the last head or anchor that was met, as long as nothing was found.
Records behind it hang together, and nobody has signed them yet.

Cost: 2 us a record, and 0.15 ms a head (one in 1,000 records, or one every ten minutes).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from monitor.audit.files import log_files
from monitor.audit.heads import HEADS, Opens, SignedHead, Why, last_heads, read_heads
from monitor.audit.records import BEGINNING, LINE_BYTES_MAX, Skimmed, skim
from monitor.errors import Corrupt

FAULTS_MAX: Final = 20  # told; what comes after them is mostly their echo
TOLD_EVERY: Final = 1_000
ORPHANED: Final = b'"audit.torn"'


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head that was kept elsewhere."""

    seq: int
    digest: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not as it was written: in which file and line (from 1), and what."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}" if self.line else f"{self.file}: {self.what}"


@dataclass(slots=True)
class Proof:
    """What a walk found. Times are wall times of records."""

    first: int = 0  # seq; 0: there are no records
    last: int = 0
    records: int = 0
    since: float | None = None  # of the first record
    proven: int = 0  # everything from `first` to here is proven; 0: nothing is
    proven_at: float | None = None  # when the head that proves it was signed, or the anchored record was written
    heads: int = 0  # signed ones that were met
    keys: tuple[str, ...] = ()  # ids of the keys that signed them
    anchors: int = 0  # met
    torn: int = 0  # records of something that a crash left and that was set aside
    digest: str = ""  # of the last record
    faults: list[Fault] = field(default_factory=list)
    faults_more: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing was found and something is proven."""
        return not self.faults and self.proven > 0


@dataclass(slots=True)
class _Walk:
    """The state of one walk."""

    proof: Proof
    heads: Iterator[tuple[int, SignedHead | str]]
    anchors: list[Anchor]  # those not met yet, by seq
    place: tuple[str, int] = ("", 0)
    seq: int = 0
    digest: str = ""
    head: SignedHead | None = None  # the next to be met
    head_seq: int = -1  # of the last one read

    def fault(self, what: str, place: tuple[str, int] | None = None) -> None:
        if len(self.proof.faults) < FAULTS_MAX:
            self.proof.faults.append(Fault(*(place or self.place), what))
        else:
            self.proof.faults_more += 1

    # ---- heads

    def next_head(self) -> None:
        """Read on to the next head that can be believed."""
        self.head = None
        for number, found in self.heads:
            if isinstance(found, str):
                self.fault(found, (HEADS, number))
            elif found.seq <= self.head_seq or (found.why is Why.BEGINNING and number > 1):
                self.fault(f"a head of {found.seq} is out of its place", (HEADS, number))
            else:
                self.head, self.head_seq = found, found.seq
                return

    def begin(self, first: Skimmed | None) -> None:
        """Judge where the log begins, by the first record that was read."""
        self.next_head()
        self.seq, self.digest = BEGINNING.seq, BEGINNING.digest
        beginning = self.head
        dropped = beginning.seq if beginning is not None and beginning.why is Why.BEGINNING else 0
        if first is not None and 1 < first.seq <= dropped + 1:
            self.seq, self.digest = first.seq - 1, first.prev
        self.meet(0.0)

    def meet(self, time: float) -> None:
        """Hold what is said elsewhere of this place of the chain against it."""
        while self.head is not None and self.head.seq <= self.seq:
            if self.head.seq == self.seq:
                self.met(self.head)
            elif self.proof.records:
                self.fault(f"a head of {self.head.seq} names a record that is not there", (HEADS, 0))
            self.next_head()
        while self.anchors and self.anchors[0].seq <= self.seq:
            anchor = self.anchors.pop(0)
            if anchor.seq < self.seq:
                self.fault(f"the anchor {anchor.seq} lies before what is kept, or its record is gone", ("anchor", 0))
            elif anchor.digest != self.digest:
                self.fault(f"the record {anchor.seq} is another than the anchor names")
            else:
                self.proof.anchors += 1
                self.prove(time)

    def met(self, head: SignedHead) -> None:
        if head.digest != self.digest:
            self.fault(f"the record {head.seq} is another than its signed head names")
            return
        self.proof.heads += 1
        if head.key not in self.proof.keys:
            self.proof.keys = (*self.proof.keys, head.key)
        self.prove(head.time)

    def prove(self, at: float) -> None:
        if not self.proof.faults and self.proof.records:
            self.proof.proven, self.proof.proven_at = self.seq, at

    # ---- records

    def take(self, line: bytes) -> None:
        """The next line, with its newline."""
        found = skim(line[:-1]) if line.endswith(b"\n") else None
        if found is None:
            cut = (
                "has no end: torn by a crash, or cut" if not line.endswith(b"\n") else "was changed: its digest is off"
            )
            self.fault(cut)
            return
        proof = self.proof
        if not proof.records:
            proof.first, proof.since = found.seq, found.time
        if found.seq != self.seq + 1:
            self.fault(f"record {found.seq} stands where {self.seq + 1} should: records were removed, added or moved")
        elif found.prev != self.digest:
            self.fault(f"record {found.seq} does not follow the one before it")
        proof.records += 1
        proof.torn += bytes(found.kind) == ORPHANED
        self.seq, self.digest = found.seq, found.digest
        if self.seq >= self.next_stop():
            self.meet(found.time)

    def next_stop(self) -> int:
        stops = [each.seq for each in (self.head, *self.anchors[:1]) if each is not None]
        return min(stops, default=1 << 62)


def verify(
    directory: Path,
    opener: Opens,
    anchors: Sequence[Anchor] = (),
    told: Callable[[int], None] = lambda _bytes: None,
    *,
    files: Sequence[Path] | None = None,
    heads: Iterator[tuple[int, SignedHead | str]] | None = None,
) -> Proof:
    """Walk over the log; never raises for what it holds. Corrupt where a file cannot be read.

    `told` hears of the bytes read so far. `files`, `heads`: the newest only, for a look at the end of a long log.
    """
    partly = files is not None
    files = log_files(directory) if files is None else files
    heads = read_heads(directory / HEADS, opener) if heads is None else heads
    walk = _Walk(Proof(), heads, sorted(anchors, key=lambda each: each.seq))
    begun, size = False, 0
    for path in files:
        for number, line in enumerate(read_lines(path), 1):
            size += len(line)
            walk.place = path.name, number
            if not begun:
                _begin(walk, line, partly=partly)
                begun = True
            walk.take(line)
            if number % TOLD_EVERY == 0:
                told(size)
        told(size)
    if not begun:
        walk.begin(None)
    _end(walk)
    return walk.proof


def _begin(walk: _Walk, line: bytes, *, partly: bool) -> None:
    first = skim(line[:-1])
    walk.begin(first)
    if partly and first is not None:
        walk.seq, walk.digest = first.seq - 1, first.prev
        while walk.head is not None and walk.head.seq < walk.seq:
            walk.next_head()
        walk.meet(first.time)


def _end(walk: _Walk) -> None:
    proof = walk.proof
    proof.last, proof.digest = (walk.seq, walk.digest) if proof.records else (0, "")
    while walk.head is not None:
        walk.fault(f"a head names record {walk.head.seq}, and the log ends at {walk.seq}: records are gone", (HEADS, 0))
        walk.next_head()
    for anchor in walk.anchors:
        walk.fault(f"the log ends at {walk.seq}, before the anchor {anchor.seq}: records are gone", ("anchor", 0))
    walk.anchors = []


def read_lines(path: Path) -> Iterator[bytes]:
    """Lines with their newlines; one that is longer than any of ours comes in pieces, which are not intact."""
    try:
        with path.open("rb", buffering=1 << 20) as file:
            while line := file.readline(LINE_BYTES_MAX):
                yield line
    except OSError as error:
        raise Corrupt(str(path), 0, f"cannot be read: {error.strerror}") from error


def check_end(directory: Path, opener: Opens) -> tuple[Proof, SignedHead | None]:
    """Verify the newest signed heads and what was written behind them, from the beginning of the file they are in.

    With the newest head, if one can be believed. Corrupt.
    """
    heads = last_heads(directory / HEADS, opener)
    signed = [found for _, found in heads if isinstance(found, SignedHead)]
    newest = signed[-1] if signed else None
    files = log_files(directory)
    begins = [_first(path) for path in files]
    at = max((i for i, seq in enumerate(begins) if seq is None or seq <= (newest.seq if newest else 0)), default=0)
    return verify(directory, opener, files=files[at:], heads=iter(heads)), newest


def _first(path: Path) -> int | None:
    line = next(read_lines(path), b"")
    found = skim(line[:-1]) if line.endswith(b"\n") else None
    return found.seq if found else None
