"""Single values of the settings, each with its own check, and what all sections share."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from monitor.facts import ModelName
from monitor.settings.addresses import host_name_problem, matching, network_problem, server_problem
from monitor.settings.units import Duration, Size


def unless(problem: Callable[[str], str]) -> AfterValidator:
    """Keep a text unless `problem` finds one with it."""

    def judged(text: str) -> str:
        why = problem(text)
        if why:
            raise PydanticCustomError("refused", "{why}", {"why": why})
        return text

    return AfterValidator(judged)


def _beside_the_file(value: object, info: ValidationInfo) -> Path:
    """Resolve against the directory of the settings file; the link at the end, if it is one, is left alone."""
    if not isinstance(value, str | Path) or not str(value):
        raise PydanticCustomError("path_type", "must be a path, as text")
    return Path((info.context or {}).get("base", ".")) / value


FilePath: TypeAlias = Annotated[Path, PlainValidator(_beside_the_file)]
ServerUrl: TypeAlias = Annotated[str, unless(server_problem)]
Host: TypeAlias = Annotated[str, unless(host_name_problem)]
NetworkText: TypeAlias = Annotated[str, unless(network_problem)]
Port: TypeAlias = Annotated[int, Field(ge=0, le=65_535)]  # 0 takes a free one

# A name becomes a metric label, a URL segment and part of a file name, hence no separators of any of them.
_NAME = unless(
    matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "1 to 64 letters, digits and . _ -, first a letter or digit")
)
Name: TypeAlias = Annotated[str, _NAME]
ModelKey: TypeAlias = Annotated[ModelName, _NAME]


def duration(text: str) -> Duration:
    """A default, as the file would say it."""
    return Duration.parse(text)


def size(text: str) -> Size:
    """A default, as the file would say it."""
    return Size.parse(text)


class Section(BaseModel):
    """What all sections share."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, protected_namespaces=())
