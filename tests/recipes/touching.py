"""The change of the recipes "Add a stage" and "Add a job type": a tenant is touched, as the audit log records."""

import re

from tests.recipes import template
from tests.recipes import touching_files as files
from tests.recipes.tree import Tree


def add_stage(tree: Tree) -> None:
    """Add a stage to an existing job type: a suspension touches the tenant first."""
    _write_stage(tree, files.STAGE)
    tree.write("tests/stages/test_touching.py", files.STAGE_TEST)
    jobs = "functions/provisioning/jobs/suspend_project.py"
    first = '        Step(Stage.INITIALIZING, "Verify project"),\n'
    tree.replace(jobs, first, f"{first}{files.STEP}")
    machine = "statemachine/suspend_project.asl.yaml"
    state = _touch_state(tree.read(machine), "Resume services", "Suspend tenant access")
    following = "initializing, Next: Record failure}]\n    Next: "
    tree.replace(machine, f"{following}Suspend tenant access", f"{following}Touch tenant")
    tree.replace(machine, "  Suspend tenant access:\n", f"{state}  Suspend tenant access:\n")
    template.invoke_first(tree, "SuspendProject", "SuspendAccess", "TouchTenant")
    tree.write_permissions()


def add_job_type(tree: Tree) -> None:
    """Add a job type whose one new stage is that one."""
    _write_stage(tree, files.STAGE + files.FINISH)
    of_this_type = files.STAGE_TEST.replace("suspend_project", "touch_project").replace("SUSPEND", "TOUCH")
    tree.write("tests/stages/test_touching.py", of_this_type)
    template.add_function(
        tree, "FinishTouching", "stages.touching.finish_touching", "Gives the project its status back."
    )
    template.add_job_type(tree, "touch_project", ["VerifyProject", "TouchTenant", "FinishTouching", "RecordFailure"])
    tree.write("events/functions/finish_touching.json", files.EVENT)
    tree.write("events/touch_project.json", tree.read("events/suspend_project.json"))
    tree.write("functions/provisioning/jobs/touch_project.py", files.DECLARATION)
    registry = "functions/provisioning/jobs/registry.py"
    model = "from provisioning.jobs.suspend_project import SUSPEND_PROJECT\n"
    tree.replace(registry, model, f"{model}from provisioning.jobs.touch_project import TOUCH_PROJECT\n")
    tree.replace(registry, "        EXPORT_PROJECT,\n", "        EXPORT_PROJECT,\n        TOUCH_PROJECT,\n")
    tree.write("statemachine/touch_project.asl.yaml", _machine(tree.read("statemachine/suspend_project.asl.yaml")))
    waits = "}\nWAITS"
    tree.replace("tests/job_pairs.py", waits, f"{files.ROW}{waits}")
    tree.write("tests/executions/test_touch_project.py", files.JOB_TEST)
    tree.write("docs/operations.md", tree.read("docs/operations.md") + files.DOCUMENTATION)
    tree.write_permissions()
    tree.write_api_document()


def _write_stage(tree: Tree, code: str) -> None:
    tree.replace("functions/provisioning/stage.py", "    FINALIZING", '    TOUCHING = "touching"\n    FINALIZING')
    tree.write(files.STAGES_FILE, code)
    tree.write("functions/stages/touching.sql", files.QUERY)
    tree.write("events/functions/touch_tenant.json", files.EVENT)
    tree.replace("tests/test_imports.py", '    "upkeep.reconcile": ', f'{files.IMPORTS}    "upkeep.reconcile": ')
    template.add_function(tree, "TouchTenant", "stages.touching.touch_tenant", "Notes that a job came by the tenant.")


def _states(machine: str) -> dict[str, str]:
    """The text of every state of a machine, by name."""
    return {found[1]: found[0] for found in re.findall(r"(^  (\w[^:\n]*):\n(?:(?:    .*)?\n)*)", machine, re.MULTILINE)}


def _touch_state(machine: str, undone_by: str, following: str) -> str:
    """The state that touches the tenant, with the lines that every Task has."""
    model = _states(machine)["Suspend services"].replace("SuspendServices", "TouchTenant")
    model = re.sub(r"Comment: .*", "Comment: Notes that this job came by.", model)
    model = re.sub(r"ResultSelector: .*", "ResultSelector: {touched.$: $.Payload.touched}", model)
    model = model.replace("job_type.$: $.job_type, ", "").replace("$.services", "$.touched")
    model = model.replace("suspending_services, Next: Resume services", f"touching, Next: {undone_by}")
    return model.replace("  Suspend services:", "  Touch tenant:").replace("Next: Finalize", f"Next: {following}")


def _machine(model: str) -> str:
    """The machine of the new type: that of the model with other stages and other names of its ends."""
    states = _states(model)
    touch = _touch_state(model, "Record failure", "Finish touching")
    states["Finalize"] = (
        states["Finalize"].replace("  Finalize:", "  Finish touching:").replace("Finalize", "FinishTouching")
    )
    states["Finalize"] = states["Finalize"].replace("job_type.$: $.job_type, ", "")
    gone = {"Suspend services", "Resume services", "Restore tenant access"}
    kept = [touch if name == "Suspend tenant access" else text for name, text in states.items() if name not in gone]
    text = files.MACHINE + "".join(kept)
    for old, new in {
        "suspend_project": "touch_project",
        "Next: Suspend tenant access": "Next: Touch tenant",
        "Default: Resume services": "Default: Record failure",
        "Next: Resume services": "Next: Record failure",
        "Suspend or roll back?": "Touch or roll back?",
        "Suspended": "Touched",
        "Suspension failed": "Touching failed",
    }.items():
        text = text.replace(old, new)
    return text
