"""What pyproject.toml says of this release, by way of the installed package: its version and its repository."""

from importlib import metadata

try:
    _METADATA = metadata.metadata("ddpm_lite")
    __version__: str = _METADATA["Version"]
    URLS = dict(url.split(", ", 1) for url in _METADATA.get_all("Project-URL", []))  # {label of [project.urls]: address}
except metadata.PackageNotFoundError:  # run from a clone where it is not installed
    __version__, URLS = "not installed", {}
