"""`bin/lab`: the lab's command line."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from lab import instances, machine, netns
from lab.api import Lab
from lab.errors import LabError
from lab.shell import say
from lab.vm.guest import Guest, wanted


def parser() -> argparse.ArgumentParser:
    main = argparse.ArgumentParser(prog="lab", description="A data centre of real Linux machines on this computer.")
    main.add_argument("--lab", default="", metavar="ID", help="which lab (default: $LAB_ID, else 'weft')")
    sub = main.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = sub.add_parser("up", help="start every node; what runs already is left alone")
    up.add_argument("--topology", default="default", metavar="NAME|FILE", help="the shape of the lab")
    up.add_argument("--suite", default="", help="the nodes' Debian release, over the topology's")
    up.add_argument("--fresh-images", action="store_true", help="without router images that earlier labs built")
    sub.add_parser("down", help="remove machines, namespaces, mounts and state; also after a crash")
    sub.add_parser("status", help="nodes, pids, addresses, instances").add_argument("--json", action="store_true")
    run = sub.add_parser("exec", help="run a command, or a shell, in a node, an instance or a VPC router")
    run.add_argument("name", metavar="NODE|INSTANCE|ROUTER")
    run.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- CMD")
    control = sub.add_parser("run", help="run a command on the controller, inside the lab's network")
    control.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- CMD")
    guests = sub.add_parser("instances", help="the guests on the hypervisors")
    what = guests.add_subparsers(dest="what", required=True)
    apply = what.add_parser("apply", help="make them exactly what a JSON file says ('-' for stdin)")
    apply.add_argument("file")
    apply.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="until every card has a lease")
    what.add_parser("list", help="print them as JSON")
    reboot = sub.add_parser("reboot", help="restart a node and wait until it is up")
    reboot.add_argument("name", metavar="NODE")
    reboot.add_argument("--hard", action="store_true", help="cut its power instead of asking")
    vm = sub.add_parser("guest", help="the machine with a kernel of Debian's (LAB_KERNEL=debian)")
    act = vm.add_subparsers(dest="what", required=True)
    act.add_parser("up", help="boot it, and bring its copy of this checkout up to date")
    act.add_parser("down", help="switch it off; what is in it is gone")
    act.add_parser("status", help="print how it is")
    again = act.add_parser("reboot", help="reboot it with all its labs, and wait until their nodes are up")
    again.add_argument("--hard", action="store_true", help="cut its power instead of asking")
    inside = act.add_parser("exec", help="run a command, or a shell, in its copy of this checkout")
    inside.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- CMD")
    return main


def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser().parse_args(arguments)
    try:
        if options.command == "guest":
            return guest(options)
        if wanted():
            return forward(options, arguments)
        return dispatch(Lab(options.lab), options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 1


def dispatch(lab: Lab, options: argparse.Namespace) -> int:
    match options.command:
        case "up":
            lab.up(options.topology, options.suite, options.fresh_images)
        case "down":
            lab.down()
        case "status":
            return status(lab, options.json)
        case "exec":
            return execute(lab, options.name, without_dashes(options.argv))
        case "run":
            return control(lab, without_dashes(options.argv))
        case "instances":
            guests(lab, options)
        case "reboot":
            say(f"{options.name} is up again after {lab.reboot(options.name, options.hard):.1f} s")
    return 0


def guest(options: argparse.Namespace) -> int:
    vm = Guest()
    match options.what:
        case "up":
            vm.up()
        case "down":
            vm.down()
        case "status":
            print(vm.status())
        case "reboot":
            say(f"the guest and its labs are up again after {vm.reboot(options.hard):.1f} s")
        case "exec":
            vm.up()
            vm.become(without_dashes(options.argv) or ["/bin/bash"])
    return 0


def forward(options: argparse.Namespace, arguments: list[str]) -> int:
    """Run this very command in the guest."""
    vm = Guest()
    vm.up()
    if options.command == "instances" and options.what == "apply" and options.file != "-":
        # The file is on this computer.
        arguments = ["-" if word == options.file else word for word in arguments]
        try:
            with open(options.file) as wanted:
                os.dup2(wanted.fileno(), 0)
        except OSError as error:
            raise LabError(f"The instances in '{options.file}' cannot be read: {error}.") from error
    vm.become(["bin/lab", *arguments])
    return 0


def without_dashes(argv: list[str]) -> list[str]:
    return argv[1:] if argv[:1] == ["--"] else argv


def execute(lab: Lab, name: str, command: list[str]) -> int:
    """Become the command: stdin, stdout, signals and the exit status are then its own."""
    command = command or ["/bin/bash"]
    if name not in lab.topology.nodes:
        name, command = inside(lab, name, command)
    argv = lab.argv(name, command)
    sys.stdout.flush()
    os.execvpe(argv[0], argv, machine.environment())


def inside(lab: Lab, name: str, command: list[str]) -> tuple[str, list[str]]:
    """The node and the call that run a command in an instance or in a VPC's router."""
    if any(name in (one.name, f"{one.tenant}/{one.name}") for one in lab.instances()):
        found = lab.instance(name)
        return found.host, found.argv(command)
    node, prefix = lab.router(name)
    return node, [*prefix, *command]


def control(lab: Lab, command: list[str]) -> int:
    if not netns.exists(lab.paths):
        raise LabError(f"The lab '{lab.id}' is down; 'bin/lab --lab {lab.id} up' starts it.")
    try:
        return lab.controller(command or ["/bin/bash"]).returncode
    except subprocess.SubprocessError as error:
        raise LabError(f"The command could not be run: {error}.") from error


def guests(lab: Lab, options: argparse.Namespace) -> None:
    if options.what == "list":
        found = [json.loads(instances.on_host(lab, node.name, "list")) for node in lab.topology.with_role("hypervisor")]
        print(json.dumps([one for part in found for one in part], indent=2))
        return
    try:
        text = sys.stdin.read() if options.file == "-" else Path(options.file).read_text()
        wanted = json.loads(text)
    except (OSError, ValueError) as error:
        raise LabError(f"The instances in '{options.file}' cannot be read: {error}.") from error
    if not isinstance(wanted, list):
        raise LabError(f"'{options.file}' must hold a JSON list of instances.")
    for what, names in lab.apply_instances(wanted, options.wait).items():
        if names:
            say(f"{what}: {', '.join(names)}")


def status(lab: Lab, as_json: bool) -> int:
    """Print what runs. The exit status says whether all of it does."""
    if not lab.paths.topology.exists():
        raise LabError(f"The lab '{lab.id}' is down; 'bin/lab --lab {lab.id} up' starts it.", 3)
    rows = lab.status()
    if as_json:
        print(json.dumps({"lab": lab.id, "nodes": [asdict(row) for row in rows]}, indent=2))
    else:
        print(f"lab {lab.id}  namespace {lab.paths.netns}  state {lab.paths.state}")
        for row in rows:
            print(f"{row.name:9} {row.role:11} {row.state:9} pid {row.pid:<8} {' '.join(row.addresses)}")
            for guest in row.instances:
                shown = " ".join(guest["addresses_now"]) or "no address yet"
                print(f"  {guest['tenant'] + '/' + guest['name']:30} {shown}")
    return 0 if all(row.pid for row in rows) else 3
