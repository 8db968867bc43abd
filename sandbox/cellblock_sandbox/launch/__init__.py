"""What happens between fork and exec of a zygote: this package runs alone, in a bare interpreter.

It is started as `python -I -S -B` with only this folder's parent on its path, confines itself step by
step, and becomes the runtime's interpreter by exec. It imports the standard library and nothing else.
"""
