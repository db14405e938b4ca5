import pytest

# Otherwise a helper's failed assertion would not show the values it compared.
pytest.register_assert_rewrite("tests.store.telling", "tests.store.harm")
