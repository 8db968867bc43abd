"""Where `celery -A cellblock_worker …` finds the application; importing this reads the environment."""

import os

from . import slot
from .app import create_app
from .execute import execute
from .settings import Settings

settings = Settings.from_env(os.environ)
app = create_app(settings, execute=execute, **slot.hooks(settings))
