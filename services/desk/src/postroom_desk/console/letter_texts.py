"""What mail with a link says, in the language of its reader."""

from postroom_contracts.configuration import Agent, Configuration

from postroom_desk.console.texts import LANGUAGES, texts
from postroom_desk.identity.letters import lasts_hours
from postroom_desk.identity.links import Purpose

_DAY_HOURS = 24


def letter_text(
    agent: Agent, configuration: Configuration, purpose: Purpose, way: str, asked_in: str
) -> tuple[str, str]:
    """Return subject and text. `asked_in`: the language of the page on which it was asked for, or nothing."""
    say = texts(language_for(agent, configuration, asked_in))
    hours = lasts_hours(purpose)
    lasts = say("letter.days", n=hours // _DAY_HOURS) if hours > _DAY_HOURS else say("letter.hours", n=hours)
    company = configuration.company.name
    subject = say(f"letter.{purpose}.subject", company=company)
    body = say(f"letter.{purpose}.text", name=agent.first_name, company=company, link=way, lasts=lasts)
    return subject, body


def language_for(agent: Agent, configuration: Configuration, asked_in: str) -> str:
    """Return the first language that we speak of: the person's, that of the page, the company's."""
    wishes = [*agent.languages, asked_in, configuration.company.language]
    spoken = (wish.replace("_", "-").split("-")[0].lower() for wish in wishes)
    return next((wish for wish in spoken if wish in LANGUAGES), "en")
