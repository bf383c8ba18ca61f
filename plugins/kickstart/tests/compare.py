#!/usr/bin/env python3
"""Compares this reader with pykickstart on the .ks files below the given directories.

    python3 compare.py DUMP DIRECTORY...        DUMP: the built example `dump`

Needs pykickstart in the Python that runs it (`pip install pykickstart`, or PYTHONPATH). What is
compared, each as one claim: every command with its line and words, whether its name is known,
whether one of its options is not; every section with its line, words, options and body; every
package, group and exclusion; every include. The parts of the dialect that only MIC2 has are set
aside, and so are commands whose options newer or older versions have: a name counts as known to
pykickstart when any of its versions knows it. Prints the exceptions and the agreement, and fails
below 99 %. Directories in IMG_KICKSTARTS (separated by `:`) are compared as well.
"""
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")

from pykickstart import version as versions  # noqa: E402
from pykickstart.errors import KickstartError  # noqa: E402
from pykickstart.parser import KickstartParser  # noqa: E402
from pykickstart.sections import NullSection  # noqa: E402

GOAL = 99.0
MIC_SECTIONS = ("%prepackages", "%attachment", "%pack")
MIC_COMMANDS = {"desktop"}
MIC_OPTIONS = {
    "repo": {
        "--debuginfo", "--disable", "--gpgkey", "--nocache", "--passwd", "--priority",
        "--proxypasswd", "--proxyuser", "--save", "--source", "--ssl_verify", "--user",
    },
    "part": {"--align", "--extoptions", "--part-type", "--uuid"},
    "partition": {"--align", "--extoptions", "--part-type", "--uuid"},
    "btrfs": {"--quota", "--snapshot", "--base"},
    "bootloader": {"--menus", "--ptable"},
}
# Commands whose parser pykickstart dropped entirely: any option passes there.
OLD = versions.F7


class Recorder(KickstartParser):
    """Notes every command and header it meets instead of acting on it."""

    def __init__(self, handler):
        super().__init__(handler, followIncludes=False, errorsAreFatal=False,
                         missingIncludeIsFatal=False)
        self.commands, self.headers, self.bodies, self.includes = [], [], [], []
        for name in MIC_SECTIONS:
            self.registerSection(NullSection(handler, sectionOpen=name))
        for section in self._sections.values():
            self._watch(section)

    def _watch(self, section):
        header, line = section.handleHeader, section.handleLine

        def on_header(lineno, args):
            self.headers.append((lineno, list(args)))
            self.bodies.append("")
            return header(lineno, args)

        def on_line(text):
            self.bodies[-1] += text
            return line(text)

        section.handleHeader, section.handleLine = on_header, on_line

    def handleCommand(self, lineno, args):
        self.commands.append((lineno, list(args)))

    def _handleInclude(self, f):
        self.includes.append(f)


def quiet(call):
    """Runs `call` with standard error closed: the parser prints what it tolerates."""
    saved, devnull = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)
    try:
        return call()
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(devnull)


def record(text, version=versions.DEVEL):
    """What pykickstart reads, and what stopped it."""
    recorder = Recorder(versions.makeVersion(version))
    try:
        quiet(lambda: recorder.readKickstartFromString(text))
    except (KickstartError, ValueError, IndexError) as stopped:
        if "does not end with" in str(stopped) and version != OLD:
            return record(text, OLD)
        return recorder, str(stopped)
    return recorder, None


HANDLERS = [versions.makeVersion(v) for v in sorted(set(versions.versionMap.values()))]


def verdict(words):
    """`unknown`, `option` or `fine`, by the friendliest of all versions."""
    found = set()
    for handler in HANDLERS:
        if words[0] not in handler.commands:
            found.add("unknown")
            continue
        try:
            handler.dispatcher(words, 1)
            found.add("fine")
        except (KickstartError, ValueError, IndexError, TypeError, AttributeError) as refused:
            message = str(refused)
            unknown = "unrecognized arguments" in message and "--" in message.split("arguments", 1)[1]
            missing = "expected" in message and "argument" in message
            explicit = "ignored explicit argument" in message
            found.add("option" if unknown or missing or explicit else "fine")
        if "fine" in found:
            return "fine"
    return "option" if "option" in found else "unknown"


def mic_only(words):
    """Whether only MIC2 knows the command or one of its options."""
    extras = MIC_OPTIONS.get(words[0], set())
    return words[0] in MIC_COMMANDS or any(w.split("=")[0] in extras for w in words[1:])


def package_sets(entries):
    """What remains after every line of %packages, by pykickstart's rules."""
    add, remove, groups, no_groups, environment = set(), set(), [], [], None
    for kind, name, _ in entries:
        if kind == "add":
            add.add(name)
            remove -= add
        elif kind == "remove":
            add.discard(name)
            remove.add(name)
        elif kind == "group":
            groups += [] if name in groups else [name]
        elif kind == "remove-group":
            groups = [g for g in groups if g != name]
            no_groups.append(name)
        elif kind == "environment":
            environment = name
        elif environment == name:
            environment = None
    return {
        "packages": add, "excluded": remove, "groups": set(groups),
        "excluded groups": set(no_groups), "environment": {environment} - {None},
    }


def their_sets(recorder):
    packages = recorder.handler.packages
    return {
        "packages": set(packages.packageList), "excluded": set(packages.excludedList),
        "groups": {g.name for g in packages.groupList},
        "excluded groups": {g.name.strip() for g in packages.excludedGroupList},
        "environment": {packages.environment} - {None},
    }


def fault_lines(ours):
    """Lines on which this reader finds an option at fault."""
    marks = ("unknown option", "has no value", "takes no value", "is short for several")
    return {line for _, line, message, _ in ours["diagnostics"] if any(m in message for m in marks)}


class Tally:
    """Claims agreed on, and those that were not."""

    def __init__(self):
        self.agreed, self.aside, self.exceptions = 0, 0, []

    def claim(self, where, ours, theirs):
        if ours == theirs:
            self.agreed += 1
        else:
            self.exceptions.append(f"{where}: here {ours!r}, pykickstart {theirs!r}")

    def both(self, where, ours, theirs):
        """One claim for each member of either list."""
        for item in ours:
            self.claim(f"{where} {item}", True, item in theirs)
        for item in theirs:
            if item not in ours:
                self.claim(f"{where} {item}", False, True)

    @property
    def percent(self):
        total = self.agreed + len(self.exceptions)
        return 100.0 * self.agreed / total if total else 100.0


def compare(path, dump, tally):
    text = path.read_bytes().decode("utf-8", "replace")
    output = subprocess.run([dump, path], capture_output=True, check=True).stdout
    ours = json.loads(output)
    recorder, stopped = record(text)
    if stopped:
        # pykickstart reads no further; this reader has to say that something is wrong.
        errors = [d for d in ours["diagnostics"] if d[0] == "error"]
        tally.claim(f"{path.name} stopped ({stopped.splitlines()[0]})", bool(errors), True)
        last = max([0] + [c[0] for c in recorder.commands] + [h[0] for h in recorder.headers])
        ours["commands"] = [c for c in ours["commands"] if c["line"] <= last]
        ours["sections"] = [s for s in ours["sections"] if s["line"] <= last]
    commands(path.name, ours, recorder, tally)
    sections(path.name, ours, recorder, stopped, tally)
    if not stopped:
        theirs = their_sets(recorder)
        for what, names in package_sets(ours["packages"]).items():
            tally.both(f"{path.name} {what}", names, theirs[what])
        includes = [i[1] for i in ours["includes"] if i[0] == "%include"]
        tally.both(f"{path.name} include", includes, recorder.includes)


def commands(name, ours, recorder, tally):
    mine = [(c["line"], c["words"]) for c in ours["commands"]]
    tally.both(f"{name} command", mine, recorder.commands)
    faults = fault_lines(ours)
    for command in ours["commands"]:
        if mic_only(command["words"]):
            tally.aside += 1
            continue
        line = command["line"]
        found = "unknown" if not command["known"] else "option" if line in faults else "fine"
        tally.claim(f"{name} line {line} {command['words'][0]}", found, verdict(command["words"]))


def sections(name, ours, recorder, stopped, tally):
    mine = [(s["line"], s["words"]) for s in ours["sections"]]
    tally.both(f"{name} section", mine, recorder.headers)
    scripts = {s.lineno: s for s in recorder.handler.scripts}
    for section, header, body in zip(ours["sections"], recorder.headers, recorder.bodies):
        line = section["line"]
        if section["header"] == "%packages" or stopped:
            continue
        tally.claim(f"{name} line {line} body", without_includes(section["body"]), body)
        script = scripts.get(line)
        if script is not None and section["header"] not in MIC_SECTIONS:
            options = dict(map(tuple, section["options"]))
            tally.claim(f"{name} line {line} options", (
                options.get("--interpreter", "/bin/sh"),
                options.get("--log", options.get("--logfile")),
                "--erroronfail" in options,
            ), (script.interp, script.logfile, script.errorOnFail))
            if section["header"] == "%post":
                tally.claim(f"{name} line {line} chroot",
                            "--nochroot" not in options, script.inChroot)


def without_includes(body):
    lines = body.splitlines(True)
    return "".join(l for l in lines if not l.lstrip().startswith("%include"))


def main(dump, directories):
    directories += [d for d in os.environ.get("IMG_KICKSTARTS", "").split(":") if d]
    files = sorted(f for d in directories for f in Path(d).rglob("*.ks"))
    if not files:
        sys.exit("no .ks files found")
    tally = Tally()
    for path in files:
        compare(path, dump, tally)
    for exception in tally.exceptions:
        print(f"  {exception}")
    total = tally.agreed + len(tally.exceptions)
    print(f"{len(files)} files, {total} claims, {tally.aside} of MIC2 set aside: "
          f"{tally.percent:.2f} % agreement")
    sys.exit(tally.percent < GOAL)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
