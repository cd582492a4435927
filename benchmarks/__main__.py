"""./dev bench [NAME ...] [--json] [--quick] [--size N] [--list]"""

import argparse
import importlib
import inspect
import pkgutil

import msgspec

from . import machine, programs
from .result import Result, table


def main() -> None:
    """Runs the named benchmarks, or all that need nothing from outside."""
    names = [module.name for module in pkgutil.iter_modules(programs.__path__)]
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="; ".join(names))
    parser.add_argument("--json", action="store_true", help="one JSON line a benchmark")
    parser.add_argument("--quick", action="store_true", help="a tenth of the size: to try it")
    parser.add_argument("--size", type=int, help="how many, where that can be said")
    parser.add_argument("--list", action="store_true", help="say what there is, and end")
    asked = parser.parse_args()
    for unknown in set(asked.names) - set(names):
        parser.error(f"{unknown}: no such benchmark; there are {', '.join(names)}")
    if not asked.json:
        print(" · ".join(machine.described().values()), end="\n\n")
    for name in asked.names or names:
        program = importlib.import_module(f"{programs.__name__}.{name}")
        if asked.list:
            print(f"{name:12} {program.ABOUT}")
            continue
        try:
            takes = inspect.signature(program.run).parameters
            size = {"size": asked.size} if asked.size and "size" in takes else {}
            lines, notes = program.run(quick=asked.quick, **size)
        except programs.Needs as missing:
            print(f"{name}: not run: {missing}\n")
            continue
        result = Result(name=name, about=program.ABOUT, lines=lines, notes=notes)
        if asked.json:
            whole = {**msgspec.to_builtins(result), "machine": machine.described()}
            print(msgspec.json.encode(whole).decode(), flush=True)
        else:
            print(table(result), flush=True)


if __name__ == "__main__":
    main()
