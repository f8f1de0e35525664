"""The repository's address, if it has a public one, and where it lets readers run the notebooks without installing anything."""

import re

from ..machine.release import URLS


def address(given: str | None = None) -> str | None:
    """The repository's address: the given one, else `Repository` of [project.urls] in pyproject.toml, else None.

    ValueError for an address of another form than https://github.com/OWNER/NAME.
    """
    if given is None:
        given = URLS.get("Repository")
    if given is not None and not re.fullmatch(r"https://github\.com/[\w-]+/(?!\.\.?$)(?!.*\.git$)[\w.-]+", given, re.ASCII):
        raise ValueError(f"The repository {given!r} must have the form https://github.com/OWNER/NAME.")
    return given


def services(repository: str | None, notebook: str) -> dict[str, str]:
    """{service: address} of where a notebook of the repository's folder `notebooks` can be run; empty without a repository."""
    if repository is None:
        return {}
    project = repository.removeprefix("https://github.com/")
    return {
        "Colab": f"https://colab.research.google.com/github/{project}/blob/main/notebooks/{notebook}.ipynb",
        "Binder": f"https://mybinder.org/v2/gh/{project}/HEAD?labpath=notebooks/{notebook}.ipynb",
        "Codespaces": f"https://codespaces.new/{project}",
    }
