"""For the reference: constructors of records, which Griffe knows of dataclasses only, and links in docstrings."""

from collections.abc import Iterator

import griffe

from .names import linked_docstring

_RECORDS = ("eqx.Module", "NamedTuple")


class Signatures(griffe.Extension):
    """Gives records their constructor, shows the defaults of their fields, and links the names in docstrings."""

    def on_package(self, *, pkg: griffe.Module, **_) -> None:
        """Once the package is loaded."""
        lines = {
            class_.path: [*_ancestors(class_), class_] for class_ in _objects(pkg) if isinstance(class_, griffe.Class)
        }
        records = [
            line for line in lines.values() if any(str(base) in _RECORDS for each in line for base in each.bases)
        ]
        fields = {line[-1].path: _fields(line[-1]) for line in records}
        for line in records:
            record = line[-1]
            if "__init__" not in record.members:
                known = {name: field for each in line for name, field in fields.get(each.path, {}).items()}
                record.set_member("__init__", _constructor(record, known))
            for name, field in fields[record.path].items():
                attribute = record.members[name]
                assert isinstance(attribute, griffe.Attribute)
                attribute.value = field.default  # instead of `eqx.field(...)`
        for line in records:
            line[-1].bases = [base for base in line[-1].bases if str(base) not in _RECORDS]
        for found in _objects(pkg):
            if found.docstring is not None:
                arguments = (
                    {parameter.name for parameter in found.parameters} if isinstance(found, griffe.Function) else set()
                )
                found.docstring.value = linked_docstring(found.docstring.value, arguments | {found.name})


def _objects(parent: griffe.Module | griffe.Class) -> Iterator[griffe.Object]:
    yield parent
    for member in parent.members.values():
        if isinstance(member, griffe.Module | griffe.Class):
            yield from _objects(member)
        elif isinstance(member, griffe.Object):
            yield member


def _ancestors(class_: griffe.Class) -> list[griffe.Class]:
    """The classes of the package that it inherits from, the most distant first."""
    try:
        return class_.mro()[::-1]
    except ValueError:
        return []


def _fields(record: griffe.Class) -> dict[str, griffe.Parameter]:
    """The fields of a record in order, as parameters of its constructor."""
    found = {}
    for name, member in record.members.items():
        if not isinstance(member, griffe.Attribute) or member.annotation is None or "property" in member.labels:
            continue
        if any(word in str(member.annotation) for word in ("AbstractVar", "ClassVar")):
            continue
        default, given = member.value, {}
        if isinstance(default, griffe.ExprCall) and str(default.function) == "eqx.field":
            given = {each.name: each.value for each in default.arguments if isinstance(each, griffe.ExprKeyword)}
            default = given.get("default")
        if str(given.get("init")) == "False":
            continue
        keyword = str(given.get("kw_only")) == "True"
        kind = griffe.ParameterKind.keyword_only if keyword else griffe.ParameterKind.positional_or_keyword
        found[name] = griffe.Parameter(name, annotation=member.annotation, kind=kind, default=default)
    return found


def _constructor(record: griffe.Class, fields: dict[str, griffe.Parameter]) -> griffe.Function:
    keywords_last = sorted(fields.values(), key=lambda field: field.kind is griffe.ParameterKind.keyword_only)
    this = griffe.Parameter("self", kind=griffe.ParameterKind.positional_or_keyword)
    return griffe.Function("__init__", parent=record, parameters=griffe.Parameters(this, *keywords_last))
