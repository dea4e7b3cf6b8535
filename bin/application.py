"""What the binaries share: help, one clear line and status 2 for bad input, the log on the terminal."""

import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import NoReturn

from kd_tf.tensorflow_line import import_tensorflow_quietly

# Its notes would bury a one-line message.
import_tensorflow_quietly()

from absl import app, flags
from absl import logging as absl_logging

from kd_tf.errors import InputError, RunStopped

FAULT, BAD_INPUT = 1, 2


def run(main: Callable[[], None], module: ModuleType, *, required: tuple[str, ...] = ()) -> None:
    """Parses the flags and calls `main`.

    Args:
      main: takes nothing; what it raises as `InputError` becomes one line on standard error and exit status 2.
      module: the binary's own; its docstring is the manual, its key flags are those that `--help` lists.
      required: names of flags that must be given.
    """
    if {"--help", "-help", "-h", "--helpshort"} & set(sys.argv[1:]):
        print(f"{module.__doc__.strip()}\n\nflags:\n{_flag_help(module)}")
        return
    flags.mark_flags_as_required(required)
    app.run(lambda argv: _guarded(main, module, argv), flags_parser=_parse)


def _parse(argv: list[str]) -> list[str]:
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        return _refuse(str(error))


def _guarded(main: Callable[[], None], module: ModuleType, argv: list[str]) -> None:
    foreign = _foreign_flags(module)
    if foreign:
        _refuse(f"--{foreign[0]} has no effect on this program; --help lists its flags")
    if len(argv) > 1:
        _refuse(f"unexpected argument {argv[1]!r}; flags look like --name=value")
    _log_to_terminal()
    try:
        main()
    except InputError as error:
        _refuse(str(error))
    except RunStopped as error:
        _leave(str(error), error.exit_status)
    except KeyboardInterrupt:
        _leave("interrupted", 128 + signal.SIGINT)
    except Exception:
        traceback.print_exc()
        _end(FAULT)


def _foreign_flags(module: ModuleType) -> list[str]:
    """Flags that were given and belong to other binaries: importing a module defines all of its flags."""
    key = {flag.name for flag in flags.FLAGS.get_key_flags_for_module(module)}
    ours = [flag for name, found in flags.FLAGS.flags_by_module_dict().items() if name.startswith("kd_tf.flags") for flag in found]
    return sorted(flag.name for flag in ours if flag.present and flag.name not in key)


def _refuse(message: str) -> NoReturn:
    _leave(message, BAD_INPUT)


def _leave(message: str, status: int) -> NoReturn:
    line = " ".join(message.split())
    print(f"{os.path.basename(sys.argv[0])}: {line}", file=sys.stderr)
    _end(status)


def _end(status: int) -> NoReturn:
    """Without the interpreter's own end, which may wait for ever for the threads that were reading images."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _log_to_terminal() -> None:
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    absl_logging.set_verbosity(absl_logging.ERROR)
    logger = logging.getLogger("kd_tf")
    logger.setLevel(logging.INFO)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger.addHandler(handler)
    logger.propagate = False


def _flag_help(module: ModuleType) -> str:
    lines = []
    for flag in sorted(flags.FLAGS.get_key_flags_for_module(module), key=lambda flag: flag.name):
        choices = f" One of {', '.join(flag.parser.enum_values)}." if hasattr(flag.parser, "enum_values") else ""
        default = "" if flag.default is None else f" Default: {flag.default_as_str.strip(chr(39))}."
        lines.append(f"  --{flag.name}\n      {flag.help.strip()}{choices}{default}")
    return "\n".join(lines)
