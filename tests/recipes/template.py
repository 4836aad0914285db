"""Changes of template.yaml and of monitoring.yaml: what is alike in all of a kind is taken from a neighbour."""

import re

from tests.recipes.tree import Tree

TEMPLATE = "template.yaml"
MONITORING = "monitoring.yaml"
MODEL = "SuspendProject"
"""The job type that a new one is modelled on."""


def add_function(tree: Tree, stem: str, handler: str, description: str) -> None:
    """Add a function that reads the control plane only, after the last stage."""
    text = tree.read(TEMPLATE)
    last = re.findall(r"^  (\w+)Function:\n(?:    .*\n)+?      Handler: stages\.", text, re.MULTILINE)[-1]
    function = _block(text, "RecordFailureFunction").replace("RecordFailure", stem)
    function = re.sub(r"(?m)^      Description: .*", f'      Description: "{description}"', function)
    function = re.sub(r"Handler: .*", f"Handler: {handler}", function)
    role = _block(text, "RecordFailureRole").replace("RecordFailure", stem)
    text = text.replace(_block(text, f"{last}Role"), f"{_block(text, f'{last}Role')}\n{function}{role}")
    # What the alarms and the widgets of all functions read.
    text = text.replace(f"!Ref {last}Function]]", f"!Ref {last}Function, !Ref {stem}Function]]")
    # What is probed before it gets traffic, and may be.
    text = text.replace(f"!Ref {last}Function.Version]", f"!Ref {last}Function.Version, !Ref {stem}Function.Version]")
    probed = f'!Sub "${{{last}Function.Arn}}:*"'
    text = text.replace(f"{probed}]", f"{probed},\n                  {probed.replace(last, stem)}]")
    text = text.replace(f"!GetAtt {last}Function.Arn]", f"!GetAtt {last}Function.Arn, !GetAtt {stem}Function.Arn]")
    more = re.sub(r"up to (\d+) times", lambda found: f"up to {int(found[1]) + 1} times", text, count=1)
    tree.write(TEMPLATE, more)
    _watch(tree)
    _count_connections(tree)


def _watch(tree: Tree) -> None:
    """Add the metrics of the last function in StageFunctions to the last alarms on errors and on throttles."""
    text = tree.read(MONITORING)
    metrics = re.findall(r"(?m)^        - {Id: m\d+, .*\n.*\n.*!Ref StageFunctions\]}\]}}}\n", text)
    for metric in {one for one in metrics if re.search(rf"Id: m{_highest(metrics)},", one)}:
        new = re.sub(r"(?<=Id: m)\d+|(?<=!Select \[)\d+", str(_highest(metrics) + 1), metric)
        text = text.replace(metric, metric + new)
    tree.write(MONITORING, text)


def _highest(metrics: list[str]) -> int:
    return max(int(number) for one in metrics for number in re.findall(r"Id: m(\d+)", one))


def _count_connections(tree: Tree) -> None:
    """Count a stage that keeps a connection to the control plane only, with the default and with the maximum."""
    text = tree.read("docs/operations.md")
    more = {r"reserves (\d+) concurrent": 5, r"defaults and up to (\d+)": 50, r"quota of\s+at\s+least (\d+)": 5}
    more |= {r"control plane \| (\d+)": 5, r"control plane \| \d+ \| (\d+)": 10}
    for pattern, by in more.items():
        (found,) = re.finditer(pattern, text)
        text = f"{text[: found.start(1)]}{int(found[1]) + by}{text[found.end(1) :]}"
    tree.write("docs/operations.md", text)


def invoke_first(tree: Tree, job_type: str, before: str, stem: str) -> None:
    """Have a job type's state machine invoke a function, before the one that came after "Verify project"."""
    text = tree.read(TEMPLATE)
    machine, role = _block(text, f"{job_type}StateMachine"), _block(text, f"{job_type}Role")
    given = f"        {before}FunctionArn: !Ref {before}Function.Version\n"
    allowed = f'!Sub "${{{before}Function.Arn}}:*"'
    text = text.replace(machine, machine.replace(given, given.replace(before, stem) + given))
    text = text.replace(role, role.replace(allowed, f"{allowed.replace(before, stem)}, {allowed}"))
    tree.write(TEMPLATE, text)


def add_job_type(tree: Tree, job_type: str, functions: list[str]) -> None:
    """Add a job type's state machine, which invokes these functions, its output, its alarms and its widgets."""
    stem = "".join(word.capitalize() for word in job_type.split("_"))
    _add_state_machine(tree, job_type, stem, functions)
    _add_monitoring(tree, job_type, stem)


def _add_state_machine(tree: Tree, job_type: str, stem: str, functions: list[str]) -> None:
    text = tree.read(TEMPLATE)

    def alike(resource: str) -> str:
        return _alike(_block(text, f"{MODEL}{resource}"), job_type, stem)

    given = "".join(f"        {name}FunctionArn: !Ref {name}Function.Version\n" for name in functions)
    machine = re.sub(r"(?:        \w+FunctionArn: .*\n)+", given, alike("StateMachine"))
    allowed = ",\n".join(f'                  !Sub "${{{name}Function.Arn}}:*"' for name in functions)
    role = re.sub(r"(?:                  !Sub \"\$\{\w+Function\.Arn\}.*\n)+", f"{allowed}]\n", alike("Role"))
    output = f"  {stem}StateMachineArn:\n    Description: The alias of {job_type}.\n    Value: !Ref {stem}Alias\n"

    last_role = _block(text, "ExportProjectRole")
    text = text.replace(last_role, f"{last_role}\n{machine}{alike('Version')}{alike('Alias')}{role}")
    text = text.replace("!Ref ExportProjectStateMachine]", f"!Ref ExportProjectStateMachine, !Ref {stem}StateMachine]")
    for asked in ('!Sub "${ExportProjectStateMachine}:live"', '!Sub "${ExportProjectStateMachine}:*"'):
        text = text.replace(f"{asked}]", f"{asked}, {asked.replace('ExportProject', stem)}]")
    # What the HTTP API may ask about and stop.
    text = text.replace(
        '-export-project:*"]', f'-export-project:*",\n{_execution(text).replace("export-project", _dashed(job_type))}]'
    )
    text = text.replace("!Ref ExportProjectVersion]", f"!Ref ExportProjectVersion, !Ref {stem}Version]")
    told = f"        {MODEL}StateMachine: !Ref {MODEL}StateMachine\n"
    text = text.replace(told, f"{told}{told.replace(MODEL, stem)}")
    tree.write(TEMPLATE, text.replace("\nOutputs:\n", f"\nOutputs:\n{output}"))


def _add_monitoring(tree: Tree, job_type: str, stem: str) -> None:
    text = tree.read(MONITORING)
    endings = ("FailedExecutionsAlarm", "StoppedExecutionsAlarm", "SlowJobsAlarm", "RollbackIncompleteAlarm")
    alarms = "".join(_alike(_block(text, f"{MODEL}{ending}"), job_type, stem) for ending in endings)
    listed = "".join(f'"${{{stem}{ending}.Arn}}", ' for ending in endings)
    for line in re.findall(rf"(?m)^  {MODEL}\w+: {{.*\n", text):
        text = text.replace(line, f"{line}{line.replace(MODEL, stem)}")
    text = text.replace("  RetriesAlarm:\n", f"{alarms}  RetriesAlarm:\n", 1)
    text = text.replace('"${RetriesAlarm.Arn}"', f'{listed}"${{RetriesAlarm.Arn}}"')
    text = text.replace(
        "!Ref ExportProjectStateMachine]\n", f"!Ref ExportProjectStateMachine, !Ref {stem}StateMachine]\n", 1
    )
    tree.write(
        MONITORING,
        text.replace('            {"type": "alarm"', f'{_widgets(text, job_type, stem)}            {{"type": "alarm"'),
    )


def _execution(text: str) -> str:
    """The last execution in the list of those that the HTTP API may ask about."""
    return str(re.findall(r'^( +!Sub ".*-export-project:\*")\]$', text, re.MULTILINE)[0])


def _dashed(job_type: str) -> str:
    return job_type.replace("_", "-")


def _alike(model: str, job_type: str, stem: str) -> str:
    """The text of the model for another job type."""
    text = model.replace(MODEL, stem).replace("suspend-project", job_type.replace("_", "-"))
    return text.replace("suspend_project", job_type)


def _widgets(text: str, job_type: str, stem: str) -> str:
    """The two widgets of the model for another job type, below all others."""
    (widgets,) = re.findall(
        r'            \{"type": "metric", "x": 0, "y": 6,.*?(?=            \{"type": "metric", "x": 0, "y": 12,)',
        text,
        re.DOTALL,
    )
    return _alike(str(widgets), job_type, stem).replace('"y": 6,', '"y": 100,')


def _block(text: str, resource: str) -> str:
    """A resource, with the comments and empty lines in it."""
    (found,) = re.findall(rf"^  {resource}:\n(?:    .*\n)+", text, re.MULTILINE)
    return str(found)
