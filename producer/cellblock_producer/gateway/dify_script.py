"""Dify's scripts: what Dify puts around the code of an author, as far as it matters here; pure functions.

// declare main function          in older versions
...the author's code...
var output_obj = main(inputs_obj)
var output_json = JSON.stringify(output_obj)         the tail: with an async main it prints {}
var result = `<<RESULT>>${output_json}<<RESULT>>`
console.log(result)
"""

import re
from typing import Final

from ..kinds import Language

_HEAD: Final = re.compile(r"\A\s*(?:#|//) declare main function[^\n]*\n")
_TAIL: Final = re.compile(
    r"^(?:(?:var|let|const) )?(?P<json>\w+) = JSON\.stringify\((?P<output>\w+)\);?\s+"
    r"(?:(?:var|let|const) )?(?P<text>\w+) = `<<RESULT>>\$\{(?P=json)\}<<RESULT>>`;?\s+"
    r"console\.log\((?P=text)\);?\s*\Z",
    re.MULTILINE,
)
# A value is printed where the tail would have printed it, a promise when it is settled.
# It begins with a semicolon, since what stands before it need not end with one.
_AWAITING: Final = """\
;(function (output) {{
    const print = (value) => console.log(`<<RESULT>>${{JSON.stringify(value)}}<<RESULT>>`)
    if (output && typeof output.then === 'function') output.then(print)
    else print(output)
}})({output})
"""
_TAIL_LENGTH: Final = 400


def prepare(code: str, language: Language) -> str:
    """Return the script to run for what Dify sent.

    The head goes, so that lines count as the author counts them; a JavaScript tail awaits what main returned.
    What is not recognised stays as it is.
    """
    code = _HEAD.sub("", code, count=1)
    if language is not Language.NODEJS:
        return code
    start = max(0, len(code) - _TAIL_LENGTH)
    tail = _TAIL.search(code, start)
    return code if tail is None else code[: tail.start()] + _AWAITING.format(output=tail["output"])
