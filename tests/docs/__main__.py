"""`make docs`: writes docs/settings.md anew."""

from tests.docs.settings_page import PAGE, page

PAGE.write_text(page(), encoding="utf-8")
