"""The probe as a process of its own: it stands beside the services, as their users do."""

from postroom_runtime.service import Runtime
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.stores import Stores

from postroom_notifier.adapters.smtp import SmtpMailSender
from postroom_notifier.probe.desk import HttpDesk
from postroom_notifier.probe.prober import FOLLOWED, Prober
from postroom_notifier.probe.settings import ProbeSettings


class Probe:
    """What `postroom probe` runs; no service, so `postroom run all` does not start it."""

    name = "probe"
    needs_configuration = True

    def settings(self) -> RuntimeSettings:
        return ProbeSettings()

    async def prepare(self, stores: Stores) -> None:
        """Nothing is kept."""

    async def build(self, runtime: Runtime) -> None:
        settings = runtime.settings
        assert isinstance(settings, ProbeSettings)
        desk = HttpDesk(settings.probe_desk_url or settings.desk_url, settings.token)
        mail = SmtpMailSender(settings, runtime.tokens)
        runtime.on_stop(desk.close)
        runtime.on_stop(mail.close)
        prober = Prober(settings, runtime.configurations, mail, desk, runtime.clock, settings.keys())
        for topic in FOLLOWED:
            runtime.background(f"follow {topic.name}", lambda topic=topic: prober.follow(topic))  # type: ignore[misc]
        runtime.background("probe", prober.run)
