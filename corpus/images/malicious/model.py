"""What a stand-in is, and how one is read: a TOML table an image, bodies of scripts base64-encoded beside it, C sources in `c/`."""

import base64, dataclasses, hashlib, io, re, subprocess, tomllib, zipfile, sqlite3, tempfile
from pathlib import Path

from values import MAKERS, key

HERE = Path(__file__).parent
SCRIPTS = ("sh", "py", "perl", "php", "js")
# The first thing every script does is to leave unless a program exists that exists nowhere.
GUARDS = {
    "sh": "command -v zq-permit >/dev/null 2>&1 || exit 0",
    "py": "import shutil, sys\nif not shutil.which('zq-permit'): sys.exit(0)",
    "perl": 'exit 0 unless -x "/opt/zq-permit/bin/run";',
    "php": "<?php if (!is_file('/opt/zq-permit/bin/run')) { return; } ?>",
    "js": "if (!require('fs').existsSync('/opt/zq-permit/bin/run')) process.exit(0);",
}


@dataclasses.dataclass
class File:
    path: str
    data: bytes
    mode: int = 0o644
    kind: str = "text"
    role: str = "payload"
    keep: bool = False  # Its path is what makes it work: not renamed.
    part: str = ""  # What makes an archive of it.
    source: str = ""  # C, before the compiler.
    options: tuple = ()  # of the compiler

    def copy(self, **changes):
        return dataclasses.replace(self, **changes)


@dataclasses.dataclass
class Standin:
    name: str
    category: str
    repository: str
    about: str
    runtime: str
    entrypoint: list
    cmd: list
    files: list
    expect: str
    deleted: str
    env: list = dataclasses.field(default_factory=list)
    labels: dict = dataclasses.field(default_factory=dict)
    history: list = dataclasses.field(default_factory=list)
    skip: dict = dataclasses.field(default_factory=dict)
    edits: list = dataclasses.field(default_factory=list)
    healthcheck: list = dataclasses.field(default_factory=list)
    onbuild: list = dataclasses.field(default_factory=list)
    wrap: bool = False  # Plain files are packed and wrapped too: they are the threat.

    def copy(self, **changes):
        return dataclasses.replace(self, **changes)


class Reader:
    def __init__(self, cache):
        self.cache = cache
        self.intelligence = set()  # (kind, value) of what `intel/` must know

    def text(self, text):
        def value(match):
            kind, seed = match[1], match[2]
            if kind.startswith(("key-", "keyline-")):
                made = key(self.cache, kind.split("-")[1], seed)
                return made.replace("\n", "\\n") if kind.startswith("keyline") else made
            made = MAKERS[kind](seed)
            if kind in ("badurl", "baddomain", "badip", "young"):
                self.intelligence.add((kind, made))
            return made

        text = re.sub(r"<<stored\|([\w+/=]+)>>", lambda m: base64.b64decode(m[1]).decode(), text)
        text = re.sub(r"\{\{([a-z0-9-]+):([\w.-]+)\}\}", value, text)
        # Nested: encoded forms of what was just made.
        code = {"b64": lambda s: base64.b64encode(s.encode()).decode(), "hex": lambda s: s.encode().hex(), "rot": lambda s: s[::-1],
                "xor": lambda s: ",".join(str(c ^ 0x22) for c in s.encode()), "chars": lambda s: ",".join(str(ord(c)) for c in s)}
        return re.sub(r"<<(b64|hex|rot|xor|chars)\|(.*?)>>", lambda m: code[m[1]](m[2]), text, flags=re.S)

    def compile(self, source, options):
        """An ELF from C that calls nothing real; the same source gives the same file."""
        token = hashlib.sha256((source + repr(options) + (HERE / "c/inert.h").read_text()).encode()).hexdigest()[:32]
        path = self.cache / f"{token}.elf"
        if not path.exists():
            part = path.with_suffix(".part")
            command = ["gcc", "-O1", "-w", "-I", str(HERE / "c"), "-x", "c", "-", "-Wl,--build-id=none", "-o", str(part), *options]
            subprocess.run(command, input=source.encode(), check=True)
            part.rename(path)
        return path.read_bytes()

    def file(self, name, entry):
        kind, part = entry.get("kind", "text"), entry.get("part", "")
        source = ""
        if "c" in entry:
            kind, source = "elf", self.text((HERE / "c" / entry["c"]).read_text())
            data = self.compile(source, tuple(entry.get("options", ())))
        else:
            raw = entry["text"] if "text" in entry else base64.b64decode((HERE / "bodies" / entry["b64"]).read_bytes()).decode()
            body = self.text(raw).lstrip("\n")
            data = (guarded(body, kind) if kind in SCRIPTS else body).encode()
        mode = int(entry.get("mode", "755" if kind == "elf" or kind in SCRIPTS else "644"), 8)
        file = File(entry["path"], data, mode, kind, entry.get("role", "payload"), entry.get("keep", False), part, source, tuple(entry.get("options", ())))
        return file.copy(data=shape(part, data)) if part else file

    def standins(self):
        for path in sorted((HERE / "bodies").glob("*.toml")):
            category, tables = path.stem, tomllib.loads(path.read_text())
            default = tables.pop("default", {})
            for name, table in tables.items():
                table = {**default, **table}
                files = [self.file(f"{category}/{name}", entry) for entry in table.get("files", [])]
                plain = lambda item: self.text(item)
                yield Standin(
                    name, category, plain(table["repository"]), table["about"], table.get("runtime", "debian"),
                    list(map(plain, table.get("entrypoint", []))), list(map(plain, table.get("cmd", []))), files,
                    table["expect"], table["deleted"], list(map(plain, table.get("env", []))),
                    {k: plain(v) for k, v in table.get("labels", {}).items()}, list(map(plain, table.get("history", []))),
                    table.get("skip", {}), table.get("edits", []), list(map(plain, table.get("healthcheck", []))), list(map(plain, table.get("onbuild", []))),
                    table.get("wrap", False))


def guarded(body, kind):
    """The guard behind the `#!` line and what must stay in front."""
    guard = GUARDS[kind]
    if kind == "php":
        head = "" if not body.startswith("#!") else body.split("\n", 1)[0] + "\n"
        return head + guard + "\n" + body[len(head):]
    lines = body.split("\n")
    at = 1 if lines[0].startswith("#!") else 0
    return "\n".join(lines[:at] + [guard] + lines[at:])


def shape(part, data):
    """Text in another form: UTF-16, an archive, a database, an ELF."""
    if part == "utf16":
        return b"\xff\xfe" + data.decode().encode("utf-16-le")
    if part in ("zip", "zipzip"):
        for inner in (["settings.env"] if part == "zip" else ["settings.env", "backup.zip"]):
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(zipfile.ZipInfo(inner, (2026, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
            data = buffer.getvalue()
        return data
    if part == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            base = sqlite3.connect(f"{folder}/db")
            base.execute("create table settings (name text primary key, value text)")
            base.executemany("insert into settings values (?, ?)", [line.split("=", 1) for line in data.decode().split("\n") if "=" in line])
            base.commit()
            base.close()
            return Path(f"{folder}/db").read_bytes()
    raise ValueError(part)
