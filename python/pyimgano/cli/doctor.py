"""``pyimgano doctor``: what is installed, what is missing and how to get it."""

import argparse
import json
import os
import platform
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pyimgano.cli import options
from pyimgano.errors import PyimganoError
from pyimgano.utils.optional_deps import install_hint, optional_import, requirements

PROG = "pyimgano doctor"
#: What a source folder, which has no metadata, needs.
_CORE = (
    "joblib",
    "numpy",
    "opencv-python-headless",
    "safetensors",
    "scikit-learn",
    "tqdm",
)
#: Packages whose import name is another.
_MODULES = {
    "opencv-python-headless": "cv2",
    "scikit-learn": "sklearn",
    "faiss-cpu": "faiss",
    "pi-heif": "pi_heif",
}


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = options.Parser(
        prog=PROG,
        description="Show what is installed, which extras are missing and how to get them, and"
        " what the kernels run on. Exit code 1 if something that is installed does not work.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def examine() -> dict[str, Any]:
    """Everything that the command shows, as plain data."""
    core, extras = requirements()
    problems: list[str] = []
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "pyimgano": _version("pyimgano"),
        "kernels": _kernels(problems),
        "core": _states(core or _CORE),
        "extras": {extra: _states(needed) for extra, needed in extras.items()},
        "problems": problems,
    }
    compiled = found["kernels"].get("version")
    if compiled and found["pyimgano"] and compiled != found["pyimgano"]:
        problems.append(
            f"the compiled kernels are version {compiled}, the package is {found['pyimgano']}:"
            " install pyimgano again, from where it came from"
        )
    problems += [f"{n}: {s['error']}" for n, s in found["core"].items() if s["error"]]
    for names in found["extras"].values():
        broken = [f"{n}: {s['error']}" for n, s in names.items() if s["installed"] and s["error"]]
        problems += [line for line in broken if line not in problems]
    return found


def _kernels(problems: list[str]) -> dict[str, Any]:
    """Version, instruction set and threads of the compiled part."""
    try:
        from pyimgano import kernels
        from pyimgano.errors import InvalidInputError
    except ImportError as error:
        problems.append(f"the compiled kernels do not import: {error}")
        return {}
    found: dict[str, Any] = {"version": kernels.version(), "cores": os.cpu_count()}
    asks: dict[str, Any] = {"simd": kernels.simd_level, "threads": kernels.n_threads}
    for name, ask in asks.items():
        try:
            found[name] = ask()
        except (PyimganoError, InvalidInputError, ValueError) as error:
            found[name] = None
            problems.append(str(error))
    return found


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _states(needed: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The state of each package of a list of requirements."""
    names = [re.split(r"[\s;<>=!~\[(]", line, maxsplit=1)[0] for line in needed]
    return {name: _state(name) for name in names}


def _state(package: str) -> dict[str, Any]:
    """Version of a package, and why it does not import."""
    found = _version(package)
    module, error = optional_import(_MODULES.get(package, package.replace("-", "_")))
    if module is not None:
        own = found or getattr(module, "__version__", None)
        return {"installed": True, "version": own and str(own), "error": None}
    why = "not installed"
    if found is not None:
        text = str(error).partition("\n")[0]
        why = f"is installed but fails to import: {type(error).__name__}: {text}"
    return {"installed": found is not None, "version": found, "error": why}


def _lines(found: dict[str, Any]) -> list[str]:
    kernels = found["kernels"]
    lines = [
        f"pyimgano   {found['pyimgano'] or kernels.get('version') or 'unknown'}",
        f"Python     {found['python']} on {found['system']}",
    ]
    if kernels:
        lines += [
            f"kernels    {kernels['version']}, instructions: {kernels['simd'] or 'see below'}",
            f"threads    {kernels['threads'] or 'see below'} of {kernels['cores']} cores"
            " (PYIMGANO_NUM_THREADS changes it)",
        ]
    lines += ["", "core"]
    lines += _packages(found["core"])
    for extra, packages in found["extras"].items():
        complete = all(state["error"] is None for state in packages.values())
        hint = "" if complete else f":  {install_hint(extra)}"
        lines += ["", f"{extra}{hint}", *_packages(packages)]
    if found["problems"]:
        lines += ["", "problems", *(f"  {text}" for text in found["problems"])]
    return lines


def _packages(packages: dict[str, dict[str, Any]]) -> list[str]:
    width = max(map(len, packages), default=0)
    return [
        f"  {name.ljust(width)}  {state['version'] or ''}"
        + (f" {'broken' if state['installed'] else 'missing'}" if state["error"] else "")
        for name, state in packages.items()
    ]


def _run(argv: Sequence[str] | None) -> int:
    args = build_parser().parse_args(argv)
    found = examine()
    print(json.dumps(found, indent=2) if args.json else "\n".join(_lines(found)))
    return options.FAILED if found["problems"] else options.OK


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return options.run(PROG, _run, argv)
