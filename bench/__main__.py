"""`python -m bench`: run the workloads, print the table, write `bench/results/`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from bench import plot, report
from bench.contestants import ALL
from bench.plan import FULL, QUICK, SLOW_RATE
from bench.report import say
from bench.session import Bench, with_options
from bench.tools import RUN
from bench.workloads import idle, latency, throughput
from dev.children import ChildError

#: workloads of every contestant, measured in interleaved rounds on one engine
ROUNDS = {"A": latency.run, "B": throughput.run}
#: workloads that start what they need themselves
OWN: dict[str, Callable[[Bench], None]] = {"E": idle.run}


def main() -> int:
    """Run; 0 when everything that was asked for was measured."""
    options = parse()
    plan = with_options(
        QUICK if options.quick else FULL,
        workloads=options.only,
        contestants=options.contestants,
        rounds=options.rounds,
        clients=options.clients,
        warm=options.warm,
    )
    begun = time.monotonic()
    now = datetime.now(UTC)
    bench = Bench(plan, RUN / f"run-{now:%Y%m%dT%H%M%S}")
    about = {"machine": report.machine(), "command": " ".join(["python -m bench", *sys.argv[1:]])}
    failed = False
    try:
        if wanted := [letter for letter in ROUNDS if letter in plan.workloads]:
            rounds(bench, wanted)
        for letter, run in OWN.items():
            if letter in plan.workloads:
                run(bench)
    except (ChildError, KeyboardInterrupt) as error:
        failed = True
        say(f"stopped: {type(error).__name__}: {error}")
    about["seconds"] = round(time.monotonic() - begun)
    name = options.name or ("quick" if options.quick else f"{now:%Y-%m-%dT%H%M%S}")
    print(report.table(bench.samples))
    path = report.write(bench.samples, name, about)
    print(f"\n{about['seconds']} s; {path}{plot.draw(path)}")
    return 1 if failed else 0


def rounds(bench: Bench, letters: list[str]) -> None:
    """Workloads A and B: every contestant in turn, several times."""
    plan = bench.plan
    with bench.engine() as engine:
        for number in range(1, plan.rounds + 1):
            for name in plan.contestants:
                if ALL[name].least_rate < SLOW_RATE and number > plan.slow_rounds:
                    continue
                say(f"round {number} of {plan.rounds}: {name}")
                with bench.running(name, engine) as contestant:
                    for letter in letters:
                        if contestant is not None:
                            ROUNDS[letter](bench, engine, contestant, number)


def parse() -> argparse.Namespace:
    """The command line."""

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
            parser.error(f"there is no workload {letter!r}")
    for name in options.contestants or ():
        if name not in ALL:
            parser.error(f"there is no contestant {name!r}")
    return options


if __name__ == "__main__":
    sys.exit(main())
