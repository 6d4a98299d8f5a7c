"""One target under atheris (libFuzzer), guided by the coverage of ``gateway``; ends when its time is up.

Usage: python -m tests.fuzz.guided TARGET SECONDS CORPUS_DIRECTORY FINDINGS_PREFIX
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["gateway"], enable_loader_override=False):
    from tests.fuzz.stages import silence_logs
    from tests.fuzz.targets import TARGETS

SLOW_SECONDS = 20
MEMORY_LIMIT_MIB = 2048


def main(name: str, seconds: str, corpus: str, prefix: str) -> None:
    """Fuzz a target; does not return."""
    target = TARGETS[name]
    directory = Path(corpus)
    directory.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.seeds()):
        (directory / f"seed-{number}").write_bytes(data)
    options: dict[str, object] = {
        "max_total_time": seconds,
        "max_len": target.limit_bytes,
        "timeout": SLOW_SECONDS,
        "rss_limit_mb": MEMORY_LIMIT_MIB,
        "artifact_prefix": prefix,
        "print_final_stats": 1,
        "verbosity": 0,
    }
    if target.words:
        escaped = ("".join(f"\\x{byte:02x}" for byte in word) for word in target.words)
        words = directory.with_suffix(".dict")
        words.write_text("".join(f'"{word}"\n' for word in escaped))
        options["dict"] = str(words)
    flags = [f"-{key}={value}" for key, value in options.items()]
    atheris.Setup([sys.argv[0], *flags, corpus], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    silence_logs()
    main(*sys.argv[1:])
