"""Which services of an instance answer whom: for tests of filters, where most should not."""

from __future__ import annotations

from collections.abc import Mapping

from checks.cloud import LINE_PORT, SILENCE, Cloud, Question, tcp, udp, who
from checks.instances import ROW, TELNET


def all_of(address: str) -> dict[str, Question]:
    """A line to each service of an instance; the long ones come in fragments."""
    long = "x" * 3000
    return {
        "line": tcp(address),
        "telnet": tcp(address, TELNET),
        "udp": udp(address),
        "datagram": udp(address, ROW[0]),
        "second": udp(address, ROW[1]),
        "fragments": udp(address, ROW[0], long),
        "udp fragments": udp(address, LINE_PORT, long),
    }


EVERYTHING = set(all_of(""))


def answered(cloud: Cloud, asker: str, questions: Mapping[str, Question]) -> set[str]:
    """Which of these are answered; each waits as long as for what should not be."""
    answers = cloud.ask(asker, [(*question[:4], SILENCE) for question in questions.values()])
    return {name for name, told in zip(questions, answers, strict=True) if not who(told).startswith(("!", "nobody"))}


def stamps(cloud: Cloud, asker: str, target: str) -> bool:
    """Whether an ICMP timestamp request is answered."""
    return "Host is up" in cloud.read(asker, f"nmap -n -sn -PP --disable-arp-ping --max-retries 1 {target}")
