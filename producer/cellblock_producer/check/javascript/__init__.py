from .look import check_javascript

__all__ = ["check_javascript"]
