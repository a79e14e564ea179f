"""What a printed command does: look, change something, or change something and make others wait."""

import re

_LOCKS = re.compile(
    r"""\bVACUUM\ \(FULL
      | \bCLUSTER\b
      | \bREINDEX\b(?!.*\bCONCURRENTLY\b)
      | \bCREATE\ (?:UNIQUE\ )?INDEX\b(?!\ CONCURRENTLY)
      | \bALTER\ TABLE\b(?!.*\ (?:SET|RESET)\ \()""",
    re.VERBOSE,
)
_CHANGES = re.compile(
    r"""(?:\bactions/\w+\.py|\bopsproof\ do\ \w+)\b.*\ --apply
      | \bpsql\b.*(?:\b(?:ALTER|CREATE|VACUUM|DROP|GRANT|REVOKE)\ |\\password|pg_drop_|pg_terminate_)
      | \bopsproof\ schedule\ (?:install|run)\b
      | \bpm2\ (?:restart|resurrect|save|set|update|install|delete|start|reloadLogs)\b
      | \bdocker\ (?:update|restart|start)\b
      | \bredis-cli\b.*\ bgsave
      | \brabbitmqctl\ (?:delete|purge)
      | \bsystemctl\ (?:--user\ )?(?:restart|start|reload|enable|disable|daemon-reload|kill|thaw|reboot)\b
      | ^(?:sudo\ )?(?:chmod|chown|mount)\b""",
    re.VERBOSE,
)
_LOOKS = re.compile(
    r"""\b(?:psql|curl|journalctl|timedatectl|pgrep|ss|ps|du|df|ls|find|tail|grep|zcat)\ ?
      | \btimedatectl$
      | (?:\bactions/\w+\.py|\bopsproof\ do\ \w+)\b
      | \bopsproof\ privileges\b
      | \bpm2\ (?:list|describe|logs)\b
      | \bdocker\ (?:ps|logs|stats|port|inspect)\b
      | \bredis-cli\b.*\ (?:info|ping|client\ list|--memkeys)\b
      | \brabbitmqctl\ list_
      | \brabbitmq-diagnostics\ (?:status|alarms)\b
      | \brabbitmq-streams\ list_
      | \bsystemctl\ (?:--user\ )?(?:--failed|list-|show|status)
      | \bpgbackrest\b.*\ info$""",
    re.VERBOSE,
)


def changes(command: str) -> bool:
    """Whether the command is known to change something."""
    return bool(_LOCKS.search(command) or _CHANGES.search(command))


def kind(command: str) -> str:
    """``looks``, ``changes`` or ``locks``; a command that is not known to look counts as a change."""
    if _LOCKS.search(command):
        return "locks"
    return "looks" if _LOOKS.search(command) and not changes(command) else "changes"
