"""make bench: one command, one run; its tables on the terminal, its figures as JSON and Markdown."""

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.run import Options

UNPUBLISHED = Path(__file__).resolve().parents[1] / ".bench"
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (a directory of a random name is made in it)
MEMORY = _SHARED_MEMORY if _SHARED_MEMORY.is_dir() else None
ROOM_GB, ROOM_GB_PER_ROUND, ROOM_GB_PER_TENANT = 1.5, 0.16, 0.009
"""The WAL and the pool; what a round's databases take until they are dropped; a tenant that stays."""

ROUNDS, AGAINST_ROUNDS = 20, 4

DISK_GB_PER_ROUND = 0.7
"""On a disk nothing is dropped before the end."""


def main() -> int:
    """Measure, write the results and return 0 when every goal that gates is met, 1 otherwise."""
    # Here, because every environment imports this module again: it shall not bring the stack into a process without.
    from bench import against, documents, goals, report, run

    options = _options(run.Options())
    # A run that is told to end stops its servers and removes its databases first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if options.publish and options.memory is None:
        sys.exit("The documents quote databases in memory: --publish needs them.")
    # In a comparison, what each run makes on the disk stays beside that of the others.
    rounds = against.ROUNDS if options.against else options.rounds
    if problems := _problems(options, rounds, 2 * options.rounds * rounds if options.against else rounds):
        sys.exit("; ".join(problems) + ". --memory and --disk name other directories, --growth fewer tenants.")
    if options.against:
        # The ratios are for people to judge.
        document = against.compare(options, options.against)
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "against.md").write_text(document)
        print(f"{document}\nThis is in {options.output / 'against.md'}.")
        return 0
    results = run.measure(options, f'make bench BENCH="{" ".join(sys.argv[1:])}"' if sys.argv[1:] else "make bench")
    if options.publish:
        documents.publish(results)
    else:
        documents.write(results, options.output)
    print(report.goals_table(results), report.comparison_table(results), sep="\n\n")
    written = documents.BENCHMARKS if options.publish else options.output / "results.md"
    print(f"\nEverything is in {written}.")
    if "memory" not in results:
        print("No file system in memory was measured, and its goals gate. --memory names a directory on one.")
    return 0 if goals.passed(goals.judge(results)) else 1


def _problems(options: "Options", in_memory: int, on_disk: int) -> list[str]:
    """Return what keeps the directories from holding the databases of so many rounds."""
    from bench import machine

    grown = ROOM_GB + DISK_GB_PER_ROUND * on_disk + ROOM_GB_PER_TENANT * options.growth
    found = [machine.problem(options.disk, in_memory=False, gigabytes=grown)]
    if options.memory is not None:
        room = ROOM_GB + ROOM_GB_PER_ROUND * in_memory
        found.append(machine.problem(options.memory, in_memory=True, gigabytes=room))
    return [problem for problem in found if problem]


def _options(options: "Options") -> "Options":
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, help="measurements of each thing, in turn (20); turns of --against (4)")
    parser.add_argument("--growth", type=int, default=1000, help="existing tenants, 8 MB of disk each")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32], help="jobs at once")
    parser.add_argument("--memory", type=Path, default=MEMORY, help="a tmpfs")
    parser.add_argument("--disk", type=Path, default=UNPUBLISHED, help="a directory on a disk")
    parser.add_argument("--output", type=Path, default=UNPUBLISHED, help="a directory for the results")
    parser.add_argument(
        "--publish", action="store_true", help="into bench/results/, docs/benchmarks.md and README instead"
    )
    parser.add_argument(
        "--against",
        metavar="COMMIT",
        help="compare the work tree with a commit instead: short runs of both trees in turn, each a process of its own,"
        " without growth and with two jobs at once; medians and ratios",
    )
    parser.parse_args(namespace=options)
    if options.against and options.publish:
        parser.error("--publish is for a whole run, not for --against")
    if options.against:
        options.growth = 0
    options.rounds = options.rounds or (AGAINST_ROUNDS if options.against else ROUNDS)
    return options


if __name__ == "__main__":
    sys.exit(main())
