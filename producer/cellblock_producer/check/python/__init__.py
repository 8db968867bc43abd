from .look import check_python

__all__ = ["check_python"]
