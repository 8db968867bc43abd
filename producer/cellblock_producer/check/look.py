"""The check of a piece of code, in whichever language."""

from collections.abc import Collection, Iterator
from typing import Final

from ..job import MAX_CODE_BYTES
from ..kinds import Language, Mode
from .finding import Finding, FindingKind, in_order

PACKAGES: Final = {
    Language.PYTHON3: frozenset({"jinja2", "markupsafe", "tzdata"}),
    Language.NODEJS: frozenset[str](),
}
"""What the default runtimes have beside the libraries of their languages, by the names that are imported."""


def check(
    code: str,
    language: Language,
    mode: Mode = Mode.MAIN,
    *,
    inputs: Collection[str] | None = None,
    packages: Collection[str] | None = None,
) -> tuple[Finding, ...]:
    """What a cell would say to `code`, by line; empty where nothing was found, which is no promise.

    `inputs` are the names that main will be called with, where they are known. `packages` are the modules
    that the runtime has beside its language's own library; None means those of the default runtime.
    It takes any text and returns: at most MAX_FINDINGS, in time that grows about as the code does.
    Raises CheckUnavailable where the language's parser is not installed.
    """
    try:
        size = len(code.encode())
    except UnicodeEncodeError:
        return (_whole(FindingKind.SYNTAX_ERROR, "unicode", "the code is not valid Unicode"),)
    if size > MAX_CODE_BYTES:
        return (
            _whole(FindingKind.REFUSED, "size", "code is larger than 1 MiB, the most that a job may have"),
        )
    available = PACKAGES[language] if packages is None else packages
    return in_order(_findings(code, language, mode, inputs, available))


def _findings(
    code: str, language: Language, mode: Mode, inputs: Collection[str] | None, packages: Collection[str]
) -> Iterator[Finding]:
    # Imported here: each language's part costs time to load, and JavaScript's needs what may be missing.
    as_main = mode is Mode.MAIN
    if language is Language.PYTHON3:
        from .python import check_python

        return check_python(code, as_main=as_main, inputs=inputs, packages=packages)
    from .javascript import check_javascript

    return check_javascript(code, as_main=as_main, packages=packages)


def _whole(kind: FindingKind, what: str, message: str) -> Finding:
    return Finding(kind=kind, what=what, line=1, column=1, message=message, certain=True)
