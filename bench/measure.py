#!/usr/bin/env python3
"""measure.py --bin FOLDER --image OCI_LAYOUT [--runs N] [--only NAME ...] [--peers FOLDER]

Runs each measurement several times, alternating with what it is compared to, and prints medians and ratios: machines
are shared and noisy, a ratio of two runs side by side is not. Memory is the peak of anonymous resident memory
(RssAnon), sampled every 10 ms, and of all resident memory (VmHWM).
"""

import argparse, gzip, hashlib, io, json, os, random, shutil, statistics, subprocess, sys, tarfile, tempfile, threading, time
from pathlib import Path


class Run:
    """One finished command: seconds, CPU seconds, memory, bytes written."""

    def __init__(self, command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=True, cwd=None, env=None, seconds_max=3600):
        self.anon = self.rss = self.written = 0
        began = time.perf_counter()
        process = subprocess.Popen([str(word) for word in command], stdout=stdout, stderr=subprocess.PIPE, stdin=stdin, cwd=cwd, env=env)
        errors = []
        reader = threading.Thread(target=lambda: errors.append(process.stderr.read()))
        reader.start()
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            self.sample(process.pid)
            if time.perf_counter() - began > seconds_max:
                process.kill()
            time.sleep(0.01)
        self.wall = time.perf_counter() - began
        reader.join()
        process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu = usage.ru_utime + usage.ru_stime
        self.code = process.returncode
        self.stderr = errors[0].decode(errors="replace")
        if check and self.code not in (0, 1):
            sys.exit(f"{' '.join(map(str, command))} ended with {self.code}: {self.stderr[-2000:]}")

    def sample(self, pid):
        try:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("RssAnon:"):
                    self.anon = max(self.anon, int(line.split()[1]) * 1024)
                if line.startswith("VmHWM:"):
                    self.rss = max(self.rss, int(line.split()[1]) * 1024)
            for line in Path(f"/proc/{pid}/io").read_text().splitlines():
                if line.startswith("write_bytes:"):
                    self.written = max(self.written, int(line.split()[1]))
        except (OSError, ProcessLookupError):
            pass


def median(values):
    return statistics.median(values)


class Bench:
    def __init__(self, arguments):
        self.lazaret = Path(arguments.bin).resolve() / "lazaret"
        self.floor = Path(arguments.bin).resolve() / "examples/floor"
        self.layout = Path(arguments.image)
        self.peers = Path(arguments.peers) if arguments.peers else None
        self.runs = arguments.runs
        self.scratch = Path(tempfile.mkdtemp(prefix="lazaret-bench-"))
        manifest = self.blob(json.loads((self.layout / "index.json").read_text())["manifests"][0]["digest"])
        self.manifest = json.loads(manifest.read_text())
        largest = max(self.manifest["layers"], key=lambda layer: layer["size"])
        self.layer = self.blob(largest["digest"])
        self.unpacked = sum(self.unpacked_size(self.blob(layer["digest"])) for layer in self.manifest["layers"])
        self.layer_unpacked = self.unpacked_size(self.layer)

    def blob(self, digest):
        return self.layout / "blobs" / digest.replace(":", "/")

    @staticmethod
    def unpacked_size(path):
        total = 0
        with gzip.open(path) as stream:
            while piece := stream.read(1 << 20):
                total += len(piece)
        return total

    def store(self):
        return tempfile.mkdtemp(dir=self.scratch)

    def scan(self, place, store, **options):
        return Run([self.lazaret, "scan", "--store", store, "--format", "json", "-q", place], **options)

    def one_layer(self):
        """The image cut down to its largest layer: the bar speaks of one gzip layer."""
        return self.variant("one-layer", [self.layer.read_bytes()])

    def variant(self, name, layers):
        """An OCI layout of its own with the given gzip layers."""
        folder = self.scratch / name
        if folder.exists():
            return f"oci:{folder}"
        (folder / "blobs/sha256").mkdir(parents=True)

        def add(data, kind):
            digest = hashlib.sha256(data).hexdigest()
            (folder / "blobs/sha256" / digest).write_bytes(data)
            return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

        def diff_id(data):
            digest, stream = hashlib.sha256(), gzip.open(io.BytesIO(data))
            while piece := stream.read(1 << 20):
                digest.update(piece)
            return "sha256:" + digest.hexdigest()

        config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["bash"]},
                  "rootfs": {"type": "layers", "diff_ids": [diff_id(layer) for layer in layers]}}
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "config": add(json.dumps(config).encode(), "config.v1+json"),
                    "layers": [add(layer, "layer.v1.tar+gzip") for layer in layers]}
        index = {"schemaVersion": 2, "manifests": [add(json.dumps(manifest).encode(), "manifest.v1+json")]}
        (folder / "index.json").write_text(json.dumps(index))
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        return f"oci:{folder}"

    def cold(self):
        place = self.one_layer()
        floors, scans = [], []
        for _ in range(self.runs):
            floors.append(Run([self.floor, "inflate", self.layer]))
            scans.append(self.scan(place, self.store()))
        floor, scan = median([run.wall for run in floors]), median([run.wall for run in scans])
        size = self.layer_unpacked / 1e6
        print(f"cold: {size:.0f} MB unpacked in one gzip layer; floor {size / floor:.0f} MB/s, scan {size / scan:.0f} MB/s,"
              f" ratio {median([f.wall / s.wall for f, s in zip(floors, scans)]):.2f} (bar 0.50);"
              f" scan {scan:.2f} s wall, {median([run.cpu for run in scans]):.2f} s CPU,"
              f" {max(run.anon for run in scans) / 1e6:.0f} MB anonymous")
        return scan

    def warm(self):
        place, store = self.one_layer(), self.store()
        cold = self.scan(place, store).wall
        warm = median([self.scan(place, store).wall for _ in range(self.runs)])
        print(f"warm, OCI layout: {warm * 1000:.0f} ms, {100 * warm / cold:.2f} % of cold (bar 1 %)")

    def archive(self):
        store, archive = self.store(), self.scratch / "image.tar"
        subprocess.run(["skopeo", "copy", "-q", self.one_layer(), f"docker-archive:{archive}:bench:latest"], check=True)
        self.scan(f"docker-archive:{archive}", store)
        pairs = [(Run([self.floor, "hash", archive]).wall, self.scan(f"docker-archive:{archive}", store).wall) for _ in range(self.runs)]
        print(f"warm, docker save archive: {median([scan for _, scan in pairs]):.2f} s,"
              f" {median([scan / floor for floor, scan in pairs]):.2f} x hashing it (bar 1.2)")
        archive.unlink()

    def more(self):
        """The same layers and a new one of 5 % new bytes."""
        generator, size = random.Random(1), self.layer_unpacked // 20
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            written = 0
            while written < size:
                words = " ".join(f"{generator.getrandbits(40):x} return value{written}" for _ in range(4000)).encode()
                member = tarfile.TarInfo(f"srv/new/{written}.txt")
                member.size = len(words)
                tar.addfile(member, io.BytesIO(words))
                written += len(words)
        new = gzip.compress(buffer.getvalue(), 6)
        place, first = self.variant("more", [self.layer.read_bytes(), new]), self.one_layer()
        results = []
        for _ in range(self.runs):
            store = self.store()
            results.append((self.scan(first, store).wall, self.scan(place, store).wall))
        print(f"5 % new bytes: {median([new for _, new in results]):.2f} s, {100 * median([n / c for c, n in results]):.1f} % of cold (bar 10 %)")

    def again(self):
        """The same files in a layer with other dates: every byte is read, no file is matched."""
        buffer = io.BytesIO()
        with tarfile.open(self.layer) as old, tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as new:
            for member in old:
                member.mtime, member.pax_headers = 1, {}
                new.addfile(member, old.extractfile(member) if member.isreg() else None)
        packed = gzip.compress(buffer.getvalue(), 6)
        path = self.scratch / "again.tar.gz"
        path.write_bytes(packed)
        place, first = self.variant("again", [packed]), self.one_layer()
        del buffer, packed
        store = self.store()
        self.scan(first, store)
        results = []
        for _ in range(self.runs):
            copy = self.store()
            shutil.copytree(store, copy, dirs_exist_ok=True)
            results.append((Run([self.floor, "files", path]).wall, self.scan(place, copy).wall))
        print(f"same files in a new layer: {median([scan for _, scan in results]):.2f} s,"
              f" {median([scan / floor for floor, scan in results]):.2f} x inflate + tar + hash (bar 1.3)")

    def huge(self):
        """10 GB of files in one layer, repetitive but not trivially so; streamed to disk as it is made."""
        folder = self.scratch / "huge"
        (folder / "blobs/sha256").mkdir(parents=True)
        generator = random.Random(2)
        block = bytes(generator.getrandbits(8) for _ in range(2000)) + b"line of text with words in it\n" * 900
        part, diff = folder / "layer.part", hashlib.sha256()

        class Tee(io.RawIOBase):
            def __init__(self):
                self.out = gzip.GzipFile(part, "wb", 1, mtime=0)

            def write(self, data):
                diff.update(data)
                return self.out.write(data)

        tee = Tee()
        with tarfile.open(fileobj=tee, mode="w|") as tar:
            for number, size in enumerate([3 << 30, 3 << 30, 2 << 30] + [64 << 20] * 32):
                member = tarfile.TarInfo(f"srv/data/{number}")
                member.size = size

                class Blocks:
                    def __init__(self):
                        self.counter = 0

                    def read(self, wanted):
                        self.counter += 1
                        salt = f"{number} {self.counter}".encode()
                        piece = salt + block * (wanted // len(block) + 1)
                        return piece[:wanted]

                tar.addfile(member, Blocks())
        tee.out.close()
        digest, size = hashlib.sha256(), part.stat().st_size
        with open(part, "rb") as data:
            while piece := data.read(1 << 20):
                digest.update(piece)
        name = digest.hexdigest()
        part.rename(folder / "blobs/sha256" / name)

        def add(body, kind):
            data = json.dumps(body).encode()
            own = hashlib.sha256(data).hexdigest()
            (folder / "blobs/sha256" / own).write_bytes(data)
            return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{own}", "size": len(data)}

        config = add({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + diff.hexdigest()]}}, "config.v1+json")
        layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": f"sha256:{name}", "size": size}
        manifest = add({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": [layer]}, "manifest.v1+json")
        (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        result = self.scan(f"oci:{folder}", self.store(), stdout=open(self.scratch / "huge.json", "wb"))
        report = json.loads((self.scratch / "huge.json").read_text())["results"][0]
        print(f"10 GB image: {result.wall:.1f} s, {result.anon / 1e6:.0f} MB anonymous (bar 400), peak RSS {result.rss / 1e6:.0f} MB,"
              f" verdict {report.get('verdict', {}).get('disposition')}, {len(report.get('problems', []))} problems, packed {size / 1e6:.0f} MB")
        shutil.rmtree(folder)

    def disk(self):
        """Bytes written apart from the catalog: the temporary folder and the working folder stay empty."""
        empty = tempfile.mkdtemp(dir=self.scratch)
        self.scan(self.one_layer(), self.store(), cwd=empty, env={**os.environ, "TMPDIR": empty})
        no_store = Run([self.lazaret, "scan", "--no-store", "--format", "json", "-q", self.one_layer()], cwd=empty, env={**os.environ, "TMPDIR": empty})
        print(f"temporary disk: {sum(1 for _ in Path(empty).iterdir())} files left, {no_store.written} bytes written without a catalog (bar 0)")


    def compare(self):
        """The peers, in one run; needs --peers."""
        import peers

        peers.compare(self, Run)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--image", required=True)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peers")
    parser.add_argument("--only", nargs="*")
    arguments = parser.parse_args()
    bench = Bench(arguments)
    names = ["cold", "warm", "archive", "more", "again", "disk", "huge"]
    if os.environ.get("BENCH_SMALL"):
        names.remove("huge")
    if bench.peers:
        names.append("compare")
    try:
        for name in arguments.only or names:
            getattr(bench, name)()
            sys.stdout.flush()
    finally:
        shutil.rmtree(bench.scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
