"""Settings: `/settings`, a page per section of the configuration, and its history."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from postroom_contracts.configuration import Configuration, ConfigurationApplied
from postroom_runtime.configuration_file import Problem as Fault

from postroom_desk.api.auth import PartsOf
from postroom_desk.api.problems import Problem, not_found
from postroom_desk.api.told import tell
from postroom_desk.configuration_writer import ConfigurationWriter, VersionConflictError
from postroom_desk.console.pages import render
from postroom_desk.console.viewer import Viewer, page_needs
from postroom_desk.domain.permissions import Operation
from postroom_desk.identity.administration import LastAdminError
from postroom_desk.parts import Parts
from postroom_desk.settings_text import SECTIONS, SectionFaultError, difference, section_yaml, with_section

router = APIRouter(include_in_schema=False)
Reads = Annotated[Viewer, Depends(page_needs(Operation.READ_SETTINGS))]
Changes = Annotated[Viewer, Depends(page_needs(Operation.CHANGE_SETTINGS))]
MAX_TEXT = 2_000_000
PAGE = 50


def _writer(parts: Parts) -> ConfigurationWriter:
    """Raises Problem 503 where the configuration cannot be written."""
    if parts.writer is None:
        raise Problem(503, "unavailable", "Not available", "the configuration cannot be read or written here")
    return parts.writer


async def _latest(parts: Parts) -> ConfigurationApplied:
    latest = await _writer(parts).store.latest()
    if latest is None:
        raise not_found("there is no configuration yet")
    return latest


def _known(section: str) -> str:
    if section not in SECTIONS:
        raise not_found("the configuration has no such section")
    return section


@router.get("/settings")
async def sections(request: Request, viewer: Reads, parts: PartsOf) -> Response:
    """What there is, and how much of it."""
    latest = await _latest(parts)
    values = [(name, getattr(latest.configuration, name)) for name in SECTIONS]
    rows = [(name, len(value) if isinstance(value, list) else None) for name, value in values]
    title = viewer.texts("settings.title")
    return render(request, parts, viewer, "settings.html", title=title, rows=rows, latest=latest)


@router.get("/settings/history")
async def history(
    request: Request, viewer: Reads, parts: PartsOf, before: Annotated[int | None, Query(ge=1)] = None
) -> Response:
    """Every version, with what it changed."""
    found = await _writer(parts).store.history(before, PAGE + 1)
    rows = [(v, _changed(v, found[n + 1] if n + 1 < len(found) else None)) for n, v in enumerate(found[:PAGE])]
    following = found[PAGE - 1].configuration_version if len(found) > PAGE else None
    title = viewer.texts("settings.history")
    return render(request, parts, viewer, "settings_history.html", title=title, rows=rows, following=following)


def _changed(version: ConfigurationApplied, before: ConfigurationApplied | None) -> list[str]:
    return [] if before is None else difference(before.configuration, version.configuration)


@router.post("/settings/history/{version}/restore")
async def restore(version: int, request: Request, viewer: Changes, parts: PartsOf) -> Response:
    """Make an earlier version the newest: a new version with its content, so that nothing of the history is lost."""
    wanted = await _writer(parts).store.at(version)
    if wanted is None:
        raise not_found("there is no such version")
    latest = await _latest(parts)
    if locked := await _locked_out(parts, viewer, latest.configuration, wanted.configuration):
        raise Problem(409, "last-admin", "Nobody could manage people any more", locked.message)
    await _apply(request, viewer, parts, wanted.configuration, latest.configuration_version, "restore")
    return RedirectResponse("/settings/history", 303)


@router.get("/settings/{section}")
async def section(section: str, request: Request, viewer: Reads, parts: PartsOf) -> Response:
    latest = await _latest(parts)
    text = section_yaml(latest.configuration, _known(section))
    return _edited(request, viewer, parts, section, text or f"{section}:\n", latest.configuration_version)


@router.post("/settings/{section}")
async def change(
    section: str,
    request: Request,
    viewer: Changes,
    parts: PartsOf,
    text: Annotated[str, Form(max_length=MAX_TEXT)],
    version: Annotated[int, Form(ge=0)],
    step: Annotated[Literal["look", "apply"], Form()] = "look",
) -> Response:
    """Check, show the difference, and with `step=apply` make it so: in all services within five seconds."""
    latest = await _latest(parts)
    try:
        wanted = with_section(latest.configuration, _known(section), text)
    except SectionFaultError as error:
        return _edited(request, viewer, parts, section, text, version, status=422, faults=list(error.problems))
    if locked := await _locked_out(parts, viewer, latest.configuration, wanted):
        return _edited(request, viewer, parts, section, text, version, status=409, faults=[locked])
    lines = difference(latest.configuration, wanted)
    if latest.configuration_version != version:
        return _edited(
            request,
            viewer,
            parts,
            section,
            text,
            latest.configuration_version,
            status=409,
            lines=lines,
            overtaken=latest,
        )
    if step == "look" or not lines:
        return _edited(request, viewer, parts, section, text, version, lines=lines, looked=True)
    try:
        await _apply(request, viewer, parts, wanted, version, section)
    except VersionConflictError:
        newer = await _latest(parts)
        number = newer.configuration_version
        return _edited(request, viewer, parts, section, text, number, status=409, lines=lines, overtaken=newer)
    return RedirectResponse(f"/settings/{section}?done=1", 303)


async def _locked_out(parts: Parts, viewer: Viewer, before: Configuration, after: Configuration) -> Fault | None:
    """Return the fault of a change after which no admin could log in."""
    try:
        (await parts.identity.administration.keeper())(before, after)
    except LastAdminError:
        return Fault("settings", None, "agents", viewer.texts("people.fault.last_admin"))
    return None


async def _apply(
    request: Request, viewer: Viewer, parts: Parts, wanted: Configuration, version: int, what: str
) -> None:
    principal = viewer.signed_in.principal
    who = principal.agent_id or principal.name
    number, _ = await _writer(parts).apply(wanted, applied_by=f"desk: {who}", expected_version=version)
    await tell(
        request, "settings-changed", person=principal.agent_id, about=str(number), section=what, by=principal.name
    )


def _edited(
    request: Request,
    viewer: Viewer,
    parts: Parts,
    section: str,
    text: str,
    version: int,
    *,
    status: int = 200,
    faults: list[Fault] | None = None,
    lines: list[str] | None = None,
    looked: bool = False,
    overtaken: ConfigurationApplied | None = None,
) -> Response:
    return render(
        request,
        parts,
        viewer,
        "settings_section.html",
        status,
        title=f"{viewer.texts('settings.title')}: {section}",
        section=section,
        text=text,
        version=version,
        faults=faults or [],
        lines=lines or [],
        looked=looked,
        overtaken=overtaken,
        done=request.query_params.get("done") == "1" and request.method == "GET",
        may_change=viewer.may(Operation.CHANGE_SETTINGS.value),
    )
