"""Where `celery -A cellblock_worker …` finds the application; importing this reads the environment."""

import os

from . import slot
from .app import create_app
from .execute import execute
from .settings import Settings

app = create_app(
    Settings.from_env(os.environ),
    execute=execute,
    check=slot.check,
    warm_up=slot.open,
    prepare=slot.prepare,
    cool_down=slot.close,
)
