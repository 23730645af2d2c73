"""The ways an author hides the same thing: each function takes a stand-in and gives its layers, or why it makes no sense.

A layer is a list of `File`s and of paths (text) to delete. The last line of each docstring is what changes in the label.
"""

import base64, gzip, io, re, subprocess, tarfile, tempfile, zipfile, zlib
from pathlib import Path

from model import SCRIPTS, File

INNOCENT = {
    "elf": ["usr/lib/systemd/systemd-timedated", "usr/libexec/health-agent", "usr/local/bin/node_worker", "usr/sbin/rsyslogd", "opt/app/bin/server", "usr/lib/postfix/smtpd"],
    "sh": ["usr/local/bin/wait-for-it.sh", "opt/app/start.sh", "docker-entrypoint.d/20-tune.sh", "usr/local/bin/healthcheck.sh", "srv/app/bin/run.sh"],
    "py": ["opt/app/manage.py", "srv/web/wsgi.py", "usr/src/app/tasks.py"], "perl": ["usr/share/app/stats.pl", "opt/app/bin/rotate.pl"],
    "php": ["var/www/html/inc/session.php", "app/public/assets.php"], "js": ["usr/src/app/server.js", "opt/app/lib/index.js"],
    "text": ["etc/app/settings.json", "opt/app/share/data.bin", "var/lib/app/cache.db", "etc/default/app", "srv/app/notes.txt"],
}
# Names of tools, authors and campaigns that a lazy rule looks for; hosts and formats stay.
NAMES = {
    "xmrig": "svcmon", "xmr-stak": "net-stat", "cpuminer": "cpu-stats", "minerd": "statsd", "ethminer": "gfxcheck", "t-rex": "q-lib", "nbminer": "nbstats", "lolminer": "gfxstat",
    "teamtnt": "webteam", "kinsing": "rsyncer", "mirai": "hello", "gafgyt": "update", "gayfgt": "update", "kaiten": "stream", "bashlite": "liblite", "tsunami": "stream", "xorddos": "sysdata", "watchdog": "webstats",
    "8220": "9001", "diicot": "group1", "p2pinfect": "p2pcache", "commando": "builder", "scarleteel": "cloudsync", "cryptominer": "calculator", "miner": "worker", "mining": "working",
    "botnet": "cluster", "payload": "content", "backdoor": "session", "rootkit": "toolkit", "ransom": "rescue", "attack": "action", "flooder": "sender", "exploit": "example",
    "webshell": "webtool", "reverse shell": "remote help", "victim": "client", "stealer": "reader", "infect": "update", "wiper": "sweep", "malware": "software", "hacked": "changed",
    "worm": "task", "escape": "leave", "scanner": "checker", "brute": "retry", "encrypt": "convert", "decrypt": "restore", "usage:": "call:", "peer2profit": "peerfit", "honeygain": "hgain",
    "flood": "serve", "flooding": "serving", "steal": "fetch", "loot": "parts", "inject": "header", "spread": "rollout", "grabber": "lister", "killer": "closer", "locker": "keeper",
    "locked": "stored", "bitcoin": "coins", "tor": "net", "vpn": "link", "proxy": "front", "proxyware": "frontend", "hack": "tune", "evil": "other", "stress": "check", "crack": "test",
    "nmap": "netmap", "masscan": "fastmap", "hydra": "logins", "hashcat": "sums", "sqlmap": "dbmap", "nikto": "webtest", "linpeas": "review", "metasploit": "modules", "msf": "mod", "dirsearch": "paths",
    "gobuster": "paths2", "slowloris": "slowhttp", "siegebench": "webbench", "openvpn": "netlink", "wireguard": "wirelink", "shadowsocks": "lightsocks", "v2ray": "v2core", "xray": "xcore", "frpc": "fpc", "chisel": "drill",
    "ngrok": "edgelink", "cloudflared": "edged", "traffmonetizer": "tm", "earnapp": "eapp", "pawns": "pcli",
}


def edited_text(text, edits):
    def replaced(old, new, text):
        def one(match):
            found = match[0]
            return new.upper() if found.isupper() else new.capitalize() if found[0].isupper() else new
        # A host name, a path, a method of a protocol, an option and an identifier are facts of the threat, not its banner.
        return re.sub(r"(?<![\w.@/#<-])" + re.escape(old) + r"(?=s?\b|ed\b|er\b|ing\b)(?!\.\w)", one, text, flags=re.I)

    for old, new in edits:
        text = text.replace(old, new)
    for old, new in NAMES.items():
        text = replaced(old, new, text)
    return text


def everywhere(standin, change, files):
    """`change` on every text of the config."""
    return standin.copy(
        files=files, entrypoint=[change(x) for x in standin.entrypoint], cmd=[change(x) for x in standin.cmd], env=[change(x) for x in standin.env],
        history=[change(x) for x in standin.history], healthcheck=[change(x) for x in standin.healthcheck], onbuild=[change(x) for x in standin.onbuild])


def rebuilt(file, reader, change):
    """The file with `change` on its text: in C before it is compiled."""
    if file.source:
        # `#include` lines are the compiler's.
        source = "\n".join(line if line.startswith("#include") else change(line) for line in file.source.split("\n"))
        return file.copy(source=source, data=reader.compile(source, file.options))
    if file.part or file.kind == "bin":
        return file
    return file.copy(data=change(file.data.decode()).encode())


def renamed(standin, reader):
    """Innocent names and paths.

    Label unchanged."""
    paths, used = {}, {}
    for file in standin.files:
        if not file.keep:
            kind = file.kind if file.kind in INNOCENT else "text"
            options = INNOCENT[kind]
            at = used.setdefault(kind, sum(standin.name.encode()))
            used[kind] += 1
            paths[file.path] = options[at % len(options)]
            if any(f.path == paths[file.path] for f in standin.files) or list(paths.values()).count(paths[file.path]) > 1:
                paths[file.path] += f"{len(paths)}"
    if not paths:
        return "its paths are what makes it work"

    def change(text):
        for number, path in enumerate(sorted(paths, key=len, reverse=True)):
            text = text.replace("/" + path, f"/\0{number}\0").replace(path, f"\0{number}\0")
        for number, path in enumerate(sorted(paths, key=len, reverse=True)):
            text = text.replace(f"\0{number}\0", paths[path])
        return text

    files = [rebuilt(f, reader, change).copy(path=paths.get(f.path, f.path)) for f in standin.files]
    return everywhere(standin, change, files), [files]


def bare(data):
    """Without symbols and without section headers, as packed and hand-made malware comes."""
    with tempfile.NamedTemporaryFile() as scratch:
        Path(scratch.name).write_bytes(data)
        subprocess.run(["strip", "--strip-all", "-R", ".comment", "-R", ".note.gnu.property", "-R", ".note.ABI-tag", scratch.name], check=True)
        data = bytearray(Path(scratch.name).read_bytes())
    data[0x28:0x30] = bytes(8)  # e_shoff
    data[0x3A:0x40] = bytes(6)  # e_shentsize, e_shnum, e_shstrndx
    return bytes(data)


def stripped(standin, reader):
    """ELF without symbols and sections, scripts without comments and empty lines.

    Label unchanged."""
    files, touched = [], False
    for file in standin.files:
        data = file.data
        if file.kind == "elf":
            data = bare(data)
        elif file.kind in ("sh", "py", "perl"):
            lines = data.decode().split("\n")
            data = "\n".join(line for i, line in enumerate(lines) if line.strip() and (i == 0 or not re.match(r"\s*#( |$)", line))).encode() + b"\n"
        elif file.kind in ("js", "php"):
            data = re.sub(r"(?m)^\s*//.*\n|^\s*\n", "", data.decode()).encode()
        touched |= data.rstrip() != file.data.rstrip()
        files.append(file.copy(data=data))
    return (standin.copy(files=files), [files]) if touched else "nothing to strip"


def other_comments(file):
    lines = file.data.decode().split("\n")
    return "\n".join(re.sub(r"^(\s*)(#(?!!)|//).*", r"\1\2 see the manual", line) for line in lines).encode()


def string_edited(standin, reader):
    """Tool and author names, banners and help texts replaced.

    Label unchanged."""
    change = lambda text: edited_text(text, standin.edits)
    files = [rebuilt(f, reader, change) for f in standin.files]
    files = [f.copy(data=other_comments(f)) if f.kind in SCRIPTS else f for f in files]
    result = everywhere(standin, lambda text: text if text.startswith("/") else change(text), files)
    if all(a.data == b.data for a, b in zip(files, standin.files)) and (result.cmd, result.env, result.history) == (standin.cmd, standin.env, standin.history):
        return "names no tool or author"
    return result, [files]


def shell_wrapped(data, how, name):
    """A program in a shell script that unpacks and starts it."""
    scratch = f"/tmp/.{name[-6:]}"
    if how == 0:  # gzexe's shape: the program behind the script
        head = f"#!/bin/sh\nskip=6\nset -e; umask 077\ntail -n +$skip \"$0\" | gzip -cd > {scratch} && chmod 700 {scratch}\nexec {scratch} ${{1+\"$@\"}}; exit $?\n"
        return head.encode() + gzip.compress(data, mtime=0)
    body = base64.encodebytes(gzip.compress(data, mtime=0) if how == 1 else data).decode()
    unpack = "base64 -d | gunzip" if how == 1 else "base64 -d"
    return f"#!/bin/sh\n{unpack.split(' |')[0]} <<'EOT' {'| gunzip ' if how == 1 else ''}> {scratch}\n{body}EOT\nchmod +x {scratch}\nexec {scratch} \"$@\"\n".encode()


def first_line(text, default):
    return text.split("\n", 1)[0] if text.startswith("#!") else default


def repacked_file(file, number, reader):
    data, text = file.data, file.data.decode("utf-8", "replace")
    packed = base64.b64encode(gzip.compress(data, mtime=0)).decode()
    if file.kind == "elf":
        if number % 2:
            stub = reader.compile((Path(__file__).parent / "c/selfextract.c").read_text(), ("-s",))
            return stub + gzip.compress(data, mtime=0)
        return shell_wrapped(data, 0, file.path)
    if file.kind == "sh":
        if number % 2:
            return f"#!/bin/sh\nsed '1,/^__DATA__$/d' \"$0\" | base64 -d | gunzip | sh -s -- \"$@\"\nexit $?\n__DATA__\n{base64.encodebytes(gzip.compress(data, mtime=0)).decode()}".encode()
        return f"#!/bin/sh\nD='{packed}'\neval \"$(printf %s \"$D\" | base64 -d | zcat)\"\n".encode()
    if file.kind == "py":
        if number % 2:
            buffer = io.BytesIO(b"#!/usr/bin/env python3\n")
            buffer.seek(0, 2)
            with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(zipfile.ZipInfo("__main__.py", (2026, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
            return buffer.getvalue()
        blob = base64.b64encode(zlib.compress(data)).decode()
        return f"#!/usr/bin/env python3\nimport zlib,base64\nexec(zlib.decompress(base64.b64decode('{blob}')))\n".encode()
    if file.kind == "perl":
        return f"#!/usr/bin/perl\nuse MIME::Base64; use IO::Uncompress::Gunzip qw(gunzip);\nmy $z = decode_base64('{packed}'); my $o; gunzip \\$z => \\$o; eval $o;\n".encode()
    if file.kind == "php":
        blob = base64.b64encode(zlib.compress(data, 9)[2:-4]).decode()
        return f"<?php eval('?>'.gzinflate(base64_decode('{blob}')));\n".encode()
    return f"{first_line(text, '#!/usr/bin/env node')}\neval(require('zlib').gunzipSync(Buffer.from('{packed}','base64')).toString())\n".encode()


def repacked(standin, reader):
    """Programs compressed behind a stub or a script, scripts in a self-extractor, Python as a zip application.

    Label unchanged."""
    number, files = sum(standin.name.encode()), []
    for file in standin.files:
        if (file.kind == "elf" or file.kind in SCRIPTS) and not library(file):
            files.append(file.copy(data=repacked_file(file, number, reader), mode=0o755))
            number += 1
        elif standin.wrap:
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode="w") as tar:
                member = tarfile.TarInfo(file.path)
                member.size = len(file.data)
                tar.addfile(member, io.BytesIO(file.data))
            files.append(file.copy(path=file.path + ".tar.gz", data=gzip.compress(buffer.getvalue(), mtime=0), kind="bin"))
        else:
            files.append(file)
    return (standin.copy(files=files), [files]) if any(a is not b for a, b in zip(files, standin.files)) else "no program or script to pack"


def library(file):
    return file.path.endswith((".so", ".ko")) or ".so." in file.path


def base64_wrapped(standin, reader):
    """The script as `echo BLOB | base64 -d | sh`, `exec(b64decode(…))` or the like; the program as base64 in a script.

    Label unchanged."""
    files = []
    for file in standin.files:
        blob, data = base64.b64encode(file.data).decode(), None
        if file.kind == "sh":
            data = f"#!/bin/sh\necho {blob} | base64 -d | sh\n"
        elif file.kind == "py":
            data = f"import base64\nexec(base64.b64decode('{blob}').decode())\n"
        elif file.kind == "perl":
            data = f"#!/usr/bin/perl\nuse MIME::Base64;\neval(decode_base64('{blob}'));\n"
        elif file.kind == "php":
            data = f"<?php @eval('?>'.base64_decode('{blob}')); ?>\n"
        elif file.kind == "js":
            data = f"eval(Buffer.from('{blob}', 'base64').toString())\n"
        elif file.kind == "elf" and not library(file):
            data = shell_wrapped(file.data, 2, file.path).decode()
        elif standin.wrap:
            script = f"#!/bin/sh\nmkdir -p /{file.path.rpartition('/')[0]}\necho {blob} | base64 -d > /{file.path}\n"
            file, data = file.copy(path=f"usr/local/bin/set-up-{len(files)}.sh", kind="sh"), script
        files.append(file.copy(data=data.encode(), mode=0o755) if data else file)
    return (standin.copy(files=files), [files]) if any(a is not b for a, b in zip(files, standin.files)) else "no program or script to wrap"


def split(standin, reader):
    """Every file in a layer of its own: configuration first, then programs, then what starts them.

    Label unchanged."""
    order = {"config": 0, "payload": 1, "entry": 2}
    files = sorted(standin.files, key=lambda file: order.get(file.role, 1))
    command = standin.entrypoint + standin.cmd
    if len(files) == 1 and not files[0].keep and command:
        # A lone file: what it needs in one layer, it in another, and in a third a script that starts it as the entry point did.
        line = " ".join(word if re.fullmatch(r"[\w./:=@+,-]+", word) else "'" + word.replace("'", "'\\''") + "'" for word in command)
        noise = File("etc/default/locale", b"LANG=C.UTF-8\n")
        entry = File("docker-start.sh", f"#!/bin/sh\nset -a\n. /etc/default/locale\nexec {line} \"$@\"\n".encode(), 0o755, "sh", "entry")
        return standin.copy(files=[noise, files[0], entry], entrypoint=["/docker-start.sh"], cmd=[]), [[noise], files, [entry]]
    if len(files) < 2:
        return "one file that cannot be divided"
    return standin, [[file] for file in files]


def deleted(standin, reader):
    """Removed by a whiteout in a later layer, and the image starts something else.

    Label: merely present."""
    if not standin.files:
        return "no file to delete"
    gone = [file.path for file in standin.files]
    return standin.copy(expect=standin.deleted, entrypoint=[], cmd=[], healthcheck=[]), [standin.files, gone]


def moved(standin, reader):
    """Renamed by a later layer, something innocent in the old place; what runs is at the new one.

    Label unchanged."""
    result = renamed(standin, reader)
    if isinstance(result, str):
        return result
    new, [files] = result
    later = [b for a, b in zip(standin.files, files) if a.path != b.path]
    cover = [a.copy(data=b"# moved\n" if a.kind != "elf" else b"#!/bin/sh\nexec /bin/true\n") for a, b in zip(standin.files, files) if a.path != b.path]
    return new, [standin.files, later + cover]


VARIANTS = {
    "plain": lambda standin, reader: (standin, [standin.files]), "renamed": renamed, "stripped": stripped, "string-edited": string_edited, "re-packed": repacked,
    "base64-wrapped": base64_wrapped, "split": split, "deleted": deleted, "moved": moved,
}
