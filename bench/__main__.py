"""`python -m bench`: run the workloads, print the table, write `bench/results/`."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from bench import plot, report
from bench.contestants import ALL
from bench.plan import FULL, QUICK
from bench.report import print_progress
from bench.session import Bench, with_options
from bench.tools import RUN, ToolMissing, node_folder, python_program
from bench.workloads import far_database, idle, latency, other_tasks, reads, real_steps, throughput, topics, waiting

#: workloads of every contestant, measured in interleaved rounds on one engine
ROUNDS = {"A": latency.run, "B": throughput.run}
#: workloads that start their own engine and contestants
OWN: dict[str, list[Callable[[Bench], None]]] = {
    "C": [waiting.run],
    "D": [reads.run, other_tasks.run, topics.run],
    "E": [idle.run],
    "F": [real_steps.run],
    "G": [far_database.run],
}


def main() -> int:
    """Run the benchmark; exit code 0 if every workload was measured."""
    options = parse()
    plan = with_options(
        QUICK if options.quick else FULL,
        workloads=options.only,
        contestants=options.contestants,
        rounds=options.rounds,
        clients=options.clients,
        warm=options.warm,
    )
    install(plan.contestants)
    begun = time.monotonic()
    now = datetime.now(UTC)
    bench = Bench(plan, RUN / f"run-{now:%Y%m%dT%H%M%S}")
    about = {"machine": report.machine(), "command": " ".join(["python -m bench", *sys.argv[1:]])}
    failed = []
    if wanted := [letter for letter in ROUNDS if letter in plan.workloads]:
        failed += attempt(",".join(wanted), partial(rounds, bench, wanted))
    for letter in (letter for letter in OWN if letter in plan.workloads):
        for run in OWN[letter]:
            failed += attempt(letter, partial(run, bench))
    about["seconds"] = round(time.monotonic() - begun)
    name = options.name or ("quick" if options.quick else f"{now:%Y-%m-%dT%H%M%S}")
    print(report.table(bench.samples))
    path = report.write(bench.samples, name, about)
    print(f"\n{about['seconds']} s; {path}{plot.draw(path)}")
    if failed:
        print_progress(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def install(contestants: tuple[str, ...]) -> None:
    """Install the contestants' tools before anything is measured. A missing tool is reported when it is used."""
    with suppress(ToolMissing):
        python_program()
    if {"js", "js-tuned"} & set(contestants):
        with suppress(ToolMissing):
            node_folder()


def attempt(letters: str, run: Callable[[], None]) -> list[str]:
    """Run workloads. If they fail, print why and return their letters: the other workloads go on."""
    try:
        run()
    except Exception:
        print_progress(f"{letters} failed:\n{traceback.format_exc()}")
        return [letters]
    return []


def rounds(bench: Bench, letters: list[str]) -> None:
    """Run workloads A and B: every contestant in turn, several times."""
    plan = bench.plan
    with bench.engine() as engine:
        for number in range(1, plan.rounds + 1):
            # In turn forwards and backwards: the engine is colder for contestants that come early in a round.
            for name in plan.contestants[:: 1 if number % 2 else -1]:
                if name in plan.few_rounds and number > plan.slow_rounds:
                    continue
                print_progress(f"round {number} of {plan.rounds}: {name}")
                with bench.running(name, engine) as contestant:
                    for letter in letters:
                        if contestant is not None:
                            ROUNDS[letter](bench, engine, contestant, number)


def parse() -> argparse.Namespace:
    """Read the command line."""

    def names(text: str) -> tuple[str, ...]:
        return tuple(text.split(","))

    def numbers(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in text.split(","))

    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a reduced run of at most 4 minutes")
    parser.add_argument("--only", type=names, help=f"workloads, for example A,B; of {','.join(report.TITLES)}")
    parser.add_argument("--contestants", type=names, help=f"of {','.join(ALL)}")
    parser.add_argument("--rounds", type=int, help="rounds of A, B and F")
    parser.add_argument("--clients", type=numbers, help="numbers of clients in B, for example 16,64")
    parser.add_argument("--warm", type=int, help="processes that warm the engine up")
    parser.add_argument("--name", help="name of the file below bench/results; by default the time, or `quick`")
    options = parser.parse_args()
    for letter in options.only or ():
        if letter not in report.TITLES:
            parser.error(f"--only: there is no workload {letter!r}; choose from {','.join(report.TITLES)}")
    for name in options.contestants or ():
        if name not in ALL:
            parser.error(f"--contestants: there is no contestant {name!r}; choose from {','.join(ALL)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
