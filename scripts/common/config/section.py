"""What every section of the config is made of."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


def _types_in(annotation: Any) -> set[Any]:
    """The plain types of which an annotation is made: ``int | None`` gives int and NoneType."""
    parts = get_args(annotation)
    return set().union(*map(_types_in, parts)) if parts else {annotation}


class Section(BaseModel):
    """A part of the config; an unknown key in it is an error."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_yes_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse ``true`` and ``false`` (also YAML's ``on`` and ``off``) for a number; else they would count
        as 1 and 0.
        """
        if isinstance(value, bool) and info.field_name is not None:
            meant = _types_in(cls.model_fields[info.field_name].annotation)
            if meant & {int, float} and bool not in meant:
                raise ValueError(f"{str(value).lower()} does not fit; it should be a number")
        return value


class Label(Section):
    """A name in the languages of figures and tables; a text alone is the name in each of them."""

    en: str = Field(description="In English.")
    zh: str = Field(description="In Chinese.")

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, handler(core)]}

    @model_validator(mode="before")
    @classmethod
    def _in_all_languages(cls, given: Any) -> Any:
        return {"en": given, "zh": given} if isinstance(given, str) else given
