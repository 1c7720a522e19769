"""Writes the modules of an adopted package: schemas, steps, and a test of each way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from service.adoption.sketch import ProcessSketch, StepSketch
from service.adoption.trials import Trial, example_of

#: longest line of the written code, in characters
WIDTH = 120
INVALID_INPUT = "VALIDATION_ERROR"


def schemas(processes: Iterable[ProcessSketch]) -> str:
    """The module `schemas`."""
    parts = ['"""What the diagram shows of the variables. Complete the types and the fields."""']
    parts += ["from __future__ import annotations", "from marshmallow import Schema, fields"]
    for process in processes:
        if process.form:
            parts.append(_schema(f"{_class(process.diagram.key)}Start", "The variables of a start.", _start(process)))
        for step in process.steps:
            if step.inputs:
                fields = {name: _field(kind, "required=True, allow_none=True") for name, kind in step.inputs.items()}
                parts.append(_schema(f"{_class(step.function)}Input", f"What {step.name} gets.", fields))
            if step.outputs:
                fields = {name: _field(kind, "required=True") for name, kind in step.outputs.items()}
                parts.append(_schema(f"{_class(step.function)}Output", f"What {step.name} returns.", fields))
    return "\n\n\n".join(["\n\n".join(parts[:3]), *parts[3:]]) + "\n"


def steps(processes: list[ProcessSketch], package: str) -> str:
    """The module `steps`."""
    body: list[str] = []
    for process in processes:
        body.append(_definition(process, variable_of(process, processes)))
        body += [_step(step, process, variable_of(process, processes)) for step in process.steps]
    head = ['"""The steps of the diagram. Replace each `NotImplementedError` by the work of the step."""']
    head.append("from __future__ import annotations")
    if any(process.steps for process in processes):
        head.append("from typing import Any")
    imports = ["from camunda_bridge import define_process"]
    if "schemas." in "".join(body):
        imports.append(f"from {package} import schemas")
    return "\n\n".join([*head, "\n".join(sorted(imports))]) + "\n\n" + "\n\n\n".join(body) + "\n"


def tests(process: ProcessSketch, variable: str, package: str, found: list[Trial]) -> str:
    """The module with a test of each way of a process."""
    body = [_test(number, process, variable, trial) for number, trial in enumerate(found, start=1)]
    bridge = ["from camunda_bridge import BusinessRuleError"] if any(trial.error for trial in found) else []
    imports = [*bridge, f"from {package}.steps import {variable}", "from testkit.run import ProcessRun"]
    head = [
        f'"""Each way through {process.diagram.key}, with results in place of the handlers."""',
        "from __future__ import annotations",
        "from collections.abc import Callable\nfrom typing import Any",
        "\n".join(sorted(imports)),
        f"START: dict[str, Any] = {_literal(_start_values(process))}",
    ]
    return "\n\n".join(head) + "\n\n\n" + "\n\n\n".join(body) + "\n"


def variable_of(process: ProcessSketch, processes: list[ProcessSketch]) -> str:
    """The name of the module's variable for a process."""
    if len(processes) == 1:
        return "process"
    return re.sub(r"\W+", "_", process.diagram.key).strip("_").lower() or "process"


def _definition(process: ProcessSketch, variable: str) -> str:
    file = process.file
    key, name = process.diagram.key, " ".join(process.diagram.root.name.split())
    options = [_literal(key)]
    if file != f"{key.replace('-', '_')}.bpmn":
        options.append(f"bpmn={_literal(file)}")
    if process.form:
        options.append(f"start_schema=schemas.{_class(key)}Start")
    if values := _start_values(process):
        options.append(f"example={_literal(values)}")
    if name and name != key:
        options.append(f"process_name={_literal(name)}")
    return f"{variable} = define_process({_joined(options)})"


def _step(step: StepSketch, process: ProcessSketch, variable: str) -> str:
    default = f"{process.diagram.key}.{step.name}"
    options = [_literal(step.name)]
    if step.topic != default:
        options.append(f"topic={_literal(step.topic)}")
    notes = []
    if step.inputs:
        schema = f"input_schema=schemas.{_class(step.function)}Input"
        if process.diagram.catches(step.elements[0].id, INVALID_INPUT):
            options.append(schema)
        else:
            notes.append(f"Add {schema} when an event catches {INVALID_INPUT}.")
    if step.outputs:
        options.append(f"output_schema=schemas.{_class(step.function)}Output")
    if step.is_local:
        options.append('scope="local"')
    elements = ", ".join(f"`{node.id}`" for node in step.elements)
    title = next((" ".join(node.name.split()) for node in step.elements if node.name), step.name)
    lines = [f'"""{_sentence(title)}', "", f"Elements: {elements}."]
    if step.inputs:
        lines.append(f"Input mappings: {', '.join(step.inputs)}.")
    codes = [code for code in step.codes if code]
    if codes:
        lines.append(f"Errors that the diagram catches: {', '.join(codes)} (`raise BusinessRuleError(code, message)`).")
    if "" in step.codes:
        lines.append("The diagram catches every other error code.")
    lines += [*notes, '"""']
    doc = "\n".join(f"    {line}".rstrip() for text in lines for line in _wrapped(text))
    return (
        f"@{variable}.step({_joined(options)})\n"
        f"def {step.function}(given: dict[str, Any]) -> dict[str, Any]:\n"
        f"{doc}\n"
        f"    raise NotImplementedError({_literal(step.name)})"
    )


def _test(number: int, process: ProcessSketch, variable: str, trial: Trial) -> str:
    ends = {"ok": "ends at", "error": "ends in an error at", "waiting": "waits at"}.get(trial.status)
    what = f"{ends} {trial.last}" if ends else "runs its first steps"
    if trial.error is not None:
        what = f"{trial.error[0].name} raises {trial.error[1]}: {what}"
    stubs: dict[str, str] = {}
    for step in process.steps:
        if step.name in trial.steps or not trial.is_certain:
            outputs = {name: trial.values.get(name, example_of(kind)) for name, kind in step.outputs.items()}
            stubs[step.name] = _literal(outputs)
            if trial.error is not None and trial.error[0] is step:
                stubs[step.name] = f'BusinessRuleError({_literal(trial.error[1])}, "an error")'
    values = {name: value for name, value in trial.values.items() if name in process.start}
    start = "START" if not values else f"{{**START, {_literal(values)[1:]}"
    replaced = "".join(f"        {_literal(name)}: {stub},\n" for name, stub in stubs.items())
    lines = [
        f"def test_way_{number}(run_process: Callable[..., ProcessRun]) -> None:",
        *(f"    {line}" for line in _wrapped(f'"""{_sentence(what)}"""')),
        f"    replace: dict[str, Any] = {{\n{replaced}    }}" if stubs else "    replace: dict[str, Any] = {}",
        f"    run = run_process({variable}, {start}, replace=replace)",
    ]
    if trial.status:
        lines.append(f"    assert run.status == {_literal(trial.status)}, run")
        place = "run.waiting_at" if trial.status == "waiting" else "run.path"
        lines.append(f"    assert {_literal(trial.last)} in {place}, run")
    if trial.is_certain:
        ran, expected = ("sorted(run.steps)", sorted(trial.steps)) if trial.is_parallel else ("run.steps", trial.steps)
        lines.append(f"    assert {ran} == {_literal(expected)}, run")
    elif trial.is_parallel:
        # An error ends the other branches, whatever step they have reached.
        certain = trial.steps[:1] if trial.error is None else [trial.error[0].name]
        lines.append(f"    assert set({_literal(certain)}) <= set(run.steps), run")
    else:
        lines.append(f"    steps = {_literal(trial.steps)}")
        lines.append("    # What comes then is not read from the diagram: a script, a called process, a listener.")
        lines.append("    assert run.steps[: len(steps)] == steps, run")
    return "\n".join(lines)


def _start(process: ProcessSketch) -> dict[str, str]:
    names = [name for name in process.start if name in process.form]
    return {name: _field(process.start[name], "required=True" if name in process.required else "") for name in names}


def _start_values(process: ProcessSketch) -> dict[str, Any]:
    return {name: example_of(kind) for name, kind in process.start.items()}


def _schema(name: str, doc: str, fields: dict[str, str]) -> str:
    plain = all(field.isidentifier() for field in fields)
    if plain:
        lines = [f"    {field} = {value}" for field, value in fields.items()]
        return f'class {name}(Schema):\n    """{_sentence(doc)}"""\n\n' + "\n".join(lines)
    items = "".join(f"        {_literal(field)}: {value},\n" for field, value in fields.items())
    return f"{name} = Schema.from_dict(\n    {{\n{items}    }},\n    name={_literal(name)},\n)"


def _field(kind: str, options: str) -> str:
    inner = ["fields.Raw()"] if kind == "List" else []
    return f"fields.{kind}({', '.join([*inner, *filter(None, [options])])})"


def _class(name: str) -> str:
    found = "".join(part[:1].upper() + part[1:] for part in re.split(r"\W+|_", name) if part)
    return f"P{found}" if not found or found[0].isdigit() else found


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    text = text.replace("\\", "/").replace('"', "'")
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _literal(value: Any) -> str:
    """A value as Python source, with double quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_literal(key)}: {_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_literal, value)) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _joined(options: list[str]) -> str:
    line = ", ".join(options)
    return line if len(line) < WIDTH - 30 else "\n    " + ",\n    ".join(options) + ",\n"


def _wrapped(text: str) -> Iterator[str]:
    line = ""
    for word in text.split(" "):
        if line and len(line) + len(word) > WIDTH - 6:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line
