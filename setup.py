"""The packages of the distribution, and its page on the index; all else that a build needs is in pyproject.toml.

`recipes/` is edited at the top of the checkout and installed within hf_miwv, which pyproject.toml
cannot say beside a search for packages.
"""

import os
import re
from pathlib import Path

from setuptools import find_packages, setup

LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?!https?:|#)(?P<path>[^)]+)\)")


def index_page(readme: str, base: str) -> str:
    """Return README.md as the package index can show it, which has no other file of the checkout.

    Args:
        readme (`str`): The text of README.md.
        base (`str`): Where the checkout can be read, up to the revision, such as
            `https://github.com/NAME/REPOSITORY/raw/v0.1.0`; `""` where nobody has published it: links keep their
            text alone, and pictures go.

    Returns:
        `str`: The text, in which every link leads somewhere.
    """

    def reachable(link: re.Match[str]) -> str:
        if base:
            return f"{link['image']}[{link['text']}]({base.rstrip('/')}/{link['path']})"
        return "" if link["image"] else link["text"]

    return LINK.sub(reachable, readme)


setup(
    packages=[*find_packages(include=["hf_miwv*", "hf_lmt*"]), "hf_miwv.recipe_files"],
    package_dir={"hf_miwv.recipe_files": "recipes"},
    long_description=index_page(Path("README.md").read_text("utf-8"), os.environ.get("README_BASE_URL", "")),
    long_description_content_type="text/markdown",
)
