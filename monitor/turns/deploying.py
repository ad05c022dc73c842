"""From the settings of a rollback target to the target itself."""

import secrets
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from monitor.alerts.alertmanager import basic, bearer
from monitor.clock import Clock
from monitor.rollback.targets.ahead import Ahead
from monitor.rollback.targets.calls import Caller, Credentials
from monitor.rollback.targets.cluster import service_account, trusting
from monitor.rollback.targets.command import CommandTarget
from monitor.rollback.targets.contract import Target
from monitor.rollback.targets.kserve import inference_service
from monitor.rollback.targets.kubernetes import deployment
from monitor.rollback.targets.mlflow import MlflowTarget
from monitor.rollback.targets.open_inference import OpenInferenceTarget
from monitor.rollback.targets.seals import Seals
from monitor.rollback.targets.staging import Pace, Staging
from monitor.rollback.targets.symlink import Link, SymlinkTarget
from monitor.rollback.targets.webhook import WebhookTarget
from monitor.settings import target_sections as sections
from monitor.settings.target_sections import ClusterObject
from monitor.wire.connect import tls_context
from monitor.wire.webhooks import load_keys

CREDENTIAL_BYTES_MAX = 64 * 1024
SEALED_READINGS = 2.0  # of the times between readings: one that comes late, or takes its time, loses no seal


def built(
    settings: sections.Target, reload: Callable[[], Awaitable[None]], clock: Clock, ahead: Ahead | None = None
) -> Target:
    """Make the target; `reload` tells the model server to load what is set, where the target itself does not.

    `ahead`: what `made_ahead` gave for it, where copies of its checkpoints are kept.
    """
    match settings:
        case sections.Symlink():
            ahead = ahead or made_ahead(settings, clock)
            return (
                SymlinkTarget(ahead.link, reload, ahead.staging)
                if ahead
                else SymlinkTarget(Link(settings.link), reload)
            )
        case sections.ModelRepository():
            caller = _caller(settings, "the model repository", _bearer(settings.bearer_file))
            return OpenInferenceTarget(caller, settings.load_within)
        case sections.RegistryAlias():
            caller = _caller(settings, "the model registry", _proof(settings))
            return MlflowTarget(caller, settings.name, settings.alias, reload)
        case sections.InferenceService():
            return inference_service(_cluster(settings), settings.namespace, settings.name, settings.section)
        case sections.Deployment():
            return deployment(_cluster(settings), settings.namespace, settings.name, settings.container, settings.env)
        case sections.DeploymentHook():
            caller = _caller(settings, "the deployment webhook")
            return WebhookTarget(caller, partial(load_keys, settings.secret_file), clock, message_id)
        case sections.Command():
            return CommandTarget(settings.argv, settings.timeout)


def made_ahead(settings: sections.Target | None, clock: Clock) -> Ahead | None:
    """Make what keeps copies beside the link, for the life of the daemon; None where the target installs none."""
    if not isinstance(settings, sections.Symlink) or not settings.stage:
        return None
    seals = Seals(clock, SEALED_READINGS * settings.reread_every)
    copies = {"copies_max": settings.staged_max, "rehash_max": settings.rehash_max}
    staging = Staging(settings.link.parent, **copies, seals=seals, name=settings.link.name)
    pace = Pace(settings.stage_rate, settings.reread_every, settings.stage_free_min) if settings.stage_ahead else None
    return Ahead(Link(settings.link, seals=seals), staging, clock, pace)


def message_id() -> str:
    """Return what no other message was named."""
    return f"rollback-{secrets.token_hex(12)}"


def _caller(
    settings: sections.ModelRepository | sections.RegistryAlias | sections.DeploymentHook,
    what: str,
    credentials: Credentials = dict,
) -> Caller:
    return Caller(settings.url, what, settings.timeout, credentials=credentials, tls=_trust(settings.ca_file))


def _cluster(settings: ClusterObject) -> Caller:
    account, trust = service_account(settings.token_file), trusting(settings.ca_file)
    return Caller(settings.url, "the Kubernetes API", settings.timeout, credentials=account, tls=trust)


def _trust(ca_file: Path | None) -> Callable[[], ssl.SSLContext]:
    return tls_context if ca_file is None else trusting(ca_file)


def _bearer(path: Path | None) -> Credentials:
    return dict if path is None else lambda: bearer(_text(path))


def _proof(settings: sections.RegistryAlias) -> Credentials:
    path = settings.basic_file
    return _bearer(settings.bearer_file) if path is None else lambda: basic(_text(path))


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(CREDENTIAL_BYTES_MAX).decode("ascii")
