"""The configuration of a private Dovecot 2.3. Source: https://doc.dovecot.org/2.3/."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from postroom_local.mail import MailUser
from postroom_local.ports import LOOPBACK

_CONFIG = """\
# Written by postroom_local; private to one run.
base_dir = {data}/run
state_dir = {data}/run
log_path = /dev/stderr
protocols = imap
listen = {host}
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
login_trusted_networks = {host}
mail_location = maildir:{data}/mail/%u
mail_uid = {owner}
mail_gid = {group}
first_valid_uid = 1
first_valid_gid = 1
# Tests and fault runs open many sessions for one account, and log in again at once after a crash.
mail_max_userip_connections = 1000
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {data}/users
}}
userdb {{
  driver = static
  args = uid={owner} gid={group} home={data}/mail/%u
}}
service imap-login {{
  # One process for all log-ins instead of one per connection.
  service_count = 0
  process_min_avail = 1
  {chroot}
  inet_listener imap {{
    address = {host}
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  {chroot}
}}
{identity}
"""
# An ordinary user may neither change root nor become the users that Debian made for Dovecot.
_ORDINARY = """\
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
service stats {{
  chroot =
}}
"""


def render_config(data_dir: Path, port: int, *, owner: str, group: str, run_as: str | None) -> str:
    """Return `dovecot.conf` for mail owned by `owner` and `group`; `run_as` is None when root starts it."""
    return _CONFIG.format(
        data=data_dir,
        host=LOOPBACK,
        port=port,
        owner=owner,
        group=group,
        chroot="chroot =" if run_as else "",
        identity=_ORDINARY.format(user=run_as, group=group) if run_as else "",
    )


def render_users(users: Sequence[MailUser]) -> str:
    """Return the password file; passwords are in clear, for this run on loopback only. No colon may be in them."""
    return "".join(f"{user.address}:{{PLAIN}}{user.password}::::::\n" for user in users)
