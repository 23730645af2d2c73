"""Invented values with right checksums: wallets, tokens, addresses, host names. The same seed gives the same value.

Nobody owns any of them: wallets are hashes of a seed, so nobody has the key; tokens were never issued; addresses lie in blocks
that are not announced; host names have nonsense labels.
"""

import base64, hashlib, json, subprocess, zlib

MASK = (1 << 64) - 1
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def noise(seed, size):
    """`size` bytes from a seed."""
    return hashlib.shake_256(b"lazaret stand-in " + seed.encode()).digest(size)


def letters(seed, size, alphabet=BASE62):
    return "".join(alphabet[byte % len(alphabet)] for byte in noise(seed, size))


def keccak256(data):
    """The original Keccak (padding 0x01), as Monero and Ethereum use it."""
    rounds, state = [], 1
    for _ in range(24):
        constant = 0
        for power in range(7):
            if state & 1:
                constant |= 1 << ((1 << power) - 1)
            state = (state << 1) ^ (0x171 if state & 0x80 else 0)
        rounds.append(constant)
    turn = lambda word, by: ((word << by) | (word >> (64 - by))) & MASK if by else word
    lanes = [[0] * 5 for _ in range(5)]
    data = bytearray(data) + b"\x01"
    data += bytes(-len(data) % 136)
    data[-1] |= 0x80
    for start in range(0, len(data), 136):
        for i in range(17):
            lanes[i % 5][i // 5] ^= int.from_bytes(data[start + 8 * i : start + 8 * i + 8], "little")
        for constant in rounds:
            column = [lanes[x][0] ^ lanes[x][1] ^ lanes[x][2] ^ lanes[x][3] ^ lanes[x][4] for x in range(5)]
            for x in range(5):
                mixed = column[x - 1] ^ turn(column[(x + 1) % 5], 1)
                lanes[x] = [lane ^ mixed for lane in lanes[x]]
            x, y, current = 1, 0, lanes[1][0]
            for step in range(24):
                x, y = y, (2 * x + 3 * y) % 5
                current, lanes[x][y] = lanes[x][y], turn(current, (step + 1) * (step + 2) // 2 % 64)
            for y in range(5):
                row = [lanes[x][y] for x in range(5)]
                for x in range(5):
                    lanes[x][y] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5])
            lanes[0][0] ^= constant
    return b"".join(lanes[i % 5][i // 5].to_bytes(8, "little") for i in range(4))


def base58(data):
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        text = BASE58[rest] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def base58check(version, seed):
    payload = version + noise(seed, 20)
    return base58(payload + hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4])


def monero(prefix, seed, payment=False):
    data = bytes([prefix]) + noise("monero " + seed, 64) + (noise("payment " + seed, 8) if payment else b"")
    data += keccak256(data)[:4]
    sizes, text = {8: 11, 5: 7, 1: 2, 2: 3, 3: 5, 4: 6, 6: 9, 7: 10}, ""
    for start in range(0, len(data), 8):
        block = data[start : start + 8]
        text += base58(block).lstrip("1").rjust(sizes[len(block)], "1")
    return text


def bech32(human, version, seed, size, variant):
    values, bits, count = [version], 0, 0
    for byte in noise(seed, size):
        bits, count = (bits << 8) | byte, count + 8
        while count >= 5:
            count -= 5
            values.append((bits >> count) & 31)
    if count:
        values.append((bits << (5 - count)) & 31)
    check = 1
    for value in [ord(c) >> 5 for c in human] + [0] + [ord(c) & 31 for c in human] + values + [0] * 6:
        top = check >> 25
        check = ((check & 0x1FFFFFF) << 5) ^ value
        for i, mask in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= mask if (top >> i) & 1 else 0
    check ^= variant
    return human + "1" + "".join(BECH32[v] for v in values + [(check >> 5 * (5 - i)) & 31 for i in range(6)])


def ethereum(seed):
    plain = noise("ethereum " + seed, 20).hex()
    return "0x" + "".join(c.upper() if int(h, 16) > 7 else c for c, h in zip(plain, keccak256(plain.encode()).hex()))


def crc62(prefix, seed):
    """GitHub's and npm's tokens: 30 characters and the CRC-32 of them in base 62."""
    body, check, tail = letters(prefix + seed, 30), 0, ""
    check = zlib.crc32(body.encode())
    for _ in range(6):
        check, rest = divmod(check, 62)
        tail = BASE62[rest] + tail
    return prefix + body + tail


def domain(seed, suffix="com"):
    """A name nobody has: consonants and a hash."""
    return letters("domain " + seed, 9, "bcdfghjklmnpqrstvwxz") + "-" + letters(seed, 4, "0123456789") + "." + suffix


def address(seed):
    """In blocks that belong to one government and are not announced on the internet."""
    first, *rest = noise("address " + seed, 4)
    return ".".join(map(str, ((11, 22, 26, 29, 30)[first % 5], rest[0] or 9, rest[1], rest[2] % 250 + 2)))


def jwt(seed):
    part = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    claims = {"iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:prod:deployer", "iat": 1760000000, "exp": 2075360000}
    return part(b'{"alg":"RS256","kid":"' + letters(seed, 22).encode() + b'"}') + "." + part(json.dumps(claims).encode()) + "." + part(noise(seed, 256))


def key(cache, kind, seed):
    """A private key made once for this cache, used nowhere; these alone differ between caches."""
    path = cache / f"key-{kind}-{seed}"
    if not path.exists():
        if kind == "tls":
            data = subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], check=True, capture_output=True).stdout
            path.write_bytes(data)
        else:
            subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "deploy@build", "-f", str(path)], check=True)
    return path.read_text().strip()


B64 = BASE62 + "+/"
URL64 = BASE62 + "-_"
HEX = "0123456789abcdef"
MAKERS = {
    "xmr": lambda s: monero(18, s), "xmrsub": lambda s: monero(42, s), "xmrint": lambda s: monero(19, s, True),
    "btc": lambda s: base58check(b"\0", s), "btc3": lambda s: base58check(b"\5", s), "bc1": lambda s: bech32("bc", 0, s, 20, 1),
    "bc1p": lambda s: bech32("bc", 1, s, 32, 0x2BC830A3), "eth": ethereum, "ltc": lambda s: base58check(b"\x30", s),
    "doge": lambda s: base58check(b"\x1e", s), "dash": lambda s: base58check(b"\x4c", s), "zec": lambda s: base58check(b"\x1c\xb8", s),
    "rvn": lambda s: base58check(b"\x3c", s), "trx": lambda s: base58check(b"\x41", s),
    "ip": address, "domain": domain, "top": lambda s: domain(s, "top"), "xyz": lambda s: domain(s, "xyz"), "net": lambda s: domain(s, "net"),
    "baddomain": lambda s: domain("bad " + s, ("com", "top", "xyz", "net", "info", "ru")[noise(s, 1)[0] % 6]), "badip": lambda s: address("bad " + s),
    "badurl": lambda s: f"http://{domain('url ' + s, ('com', 'site', 'online', 'su', 'cc')[noise(s, 1)[0] % 5])}/{letters(s, 6)}/{letters(s + 'f', 5, HEX)}.{('sh', 'js', 'php', 'bin', 'txt')[noise(s, 2)[1] % 5]}",
    "young": lambda s: domain("young " + s, ("com", "shop", "online", "store", "site", "click")[noise(s, 1)[0] % 6]),
    "label": lambda s: letters("label " + s, 10, "bcdfghjklmnpqrstvwxz"), "hex32": lambda s: letters(s, 32, HEX), "hex64": lambda s: letters(s, 64, HEX),
    "onion": lambda s: letters(s, 55, "abcdefghijklmnopqrstuvwxyz234567") + "d",
    "github": lambda s: crc62("ghp_", s), "githubapp": lambda s: crc62("ghs_", s), "npm": lambda s: crc62("npm_", s),
    "awsid": lambda s: "AKIA" + letters(s, 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), "awskey": lambda s: letters(s, 40, B64),
    "slack": lambda s: f"xoxb-{letters(s, 12, '123456789')}-{letters(s + 'b', 13, '123456789')}-{letters(s + 'c', 24)}",
    "slackhook": lambda s: f"https://hooks.slack.com/services/T{letters(s, 10, BASE62[:36])}/B{letters(s + 'b', 10, BASE62[:36])}/{letters(s + 'c', 24)}",
    "stripe": lambda s: "sk_live_51" + letters(s, 97), "google": lambda s: "AIza" + letters(s, 35, URL64),
    "sendgrid": lambda s: f"SG.{letters(s, 22, URL64[:62])}.{letters(s + 'b', 43, URL64[:62])}", "gitlab": lambda s: "glpat-" + letters(s, 20),
    "pypi": lambda s: "pypi-AgEIcHlwaS5vcmc" + letters(s, 150, URL64[:62]), "dockerpat": lambda s: "dckr_pat_" + letters(s, 27, URL64[:62]),
    "digitalocean": lambda s: "dop_v1_" + letters(s, 64, HEX), "huggingface": lambda s: "hf_" + letters(s, 34, BASE62[10:]),
    "openai": lambda s: f"sk-proj-{letters(s, 74)}T3BlbkFJ{letters(s + 'b', 74)}", "anthropic": lambda s: f"sk-ant-api03-{letters(s, 93)}AA",
    "telegram": lambda s: f"{letters(s, 10, '123456789')}:AA{letters(s + 'b', 33)}", "vault": lambda s: "hvs." + letters(s, 95),
    "databricks": lambda s: "dapi" + letters(s, 32, HEX), "shopify": lambda s: "shpat_" + letters(s, 32, HEX), "azure": lambda s: base64.b64encode(noise(s, 64)).decode(),
    "discordhook": lambda s: f"https://discord.com/api/webhooks/{letters(s, 18, '123456789')}/{letters(s + 'b', 68)}",
    "twilio": lambda s: "SK" + letters(s, 32, HEX), "password": lambda s: letters(s, 18, BASE62) + "!7", "jwt": jwt,
    "sshpub": lambda s: "AAAAC3NzaC1lZDI1NTE5AAAAI" + base64.b64encode(b"\0" + noise(s, 32)).decode()[1:],
    "b64noise": lambda s: base64.b64encode(noise(s, 96)).decode(),
}
