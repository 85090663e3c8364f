"""The packages of the distribution; all else that a build needs to know is in pyproject.toml.

`recipes/` is edited at the top of the checkout and installed within hf_miwv, which pyproject.toml
cannot say beside a search for packages.
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["hf_miwv*", "hf_lmt*"]), "hf_miwv.recipe_files"],
    package_dir={"hf_miwv.recipe_files": "recipes"},
)
