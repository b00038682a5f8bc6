"""Importers are hostile input: places that may not be read, bombs, entities, contexts elsewhere, nesting and literals without end."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from .target import SECRET, Attack, Target

HOSTS = (
    "127.0.0.1", "localhost", "0.0.0.0", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "[::1]", "[::]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1]", "[fc00::1]",
    "[fd00:ec2::254]", "169.254.169.254", "169.254.170.2", "100.100.100.200", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1",
    "224.0.0.1", "255.255.255.255", "admin:x@127.0.0.1", "example.org@127.0.0.1", "①②⑦.⓪.⓪.①",
)  # fmt: skip
PLACES = (
    "/etc/passwd", "/proc/self/environ", "/proc/self/mem", "/dev/zero", "/dev/stdin", "/dev/fd/0", "../outside/secret.nt",
    "file:///etc/passwd", "ftp://example.org/a.ttl", "gopher://127.0.0.1/", "dict://127.0.0.1:6379/", "jar:file:/x!/y", "data:text/turtle,",
    "", "\0", "~/.ssh/id_rsa", "//127.0.0.1/share/a.ttl", "http://", "http:///a.ttl", "http://[::1", "http://x y/", "HTTP://127.0.0.1/",
)  # fmt: skip
ENTITIES = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))
ROOT = '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:e="urn:e#"><rdf:Description rdf:about="urn:a">'
END = "</rdf:Description></rdf:RDF>"


def _zip(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.nt", content)
    return out.getvalue()


DOCUMENTS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "XML entities that multiply": (
        "rdf",
        lambda: f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "lol">{ENTITIES}]>{ROOT}<e:p>&e9;</e:p>{END}'.encode(),
    ),
    "one large XML entity many times": (
        "rdf",
        lambda: f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e "{"x" * 100_000}">]>{ROOT}<e:p>{"&e;" * 10_000}</e:p>{END}'.encode(),
    ),
    "an XML entity from a file": (
        "rdf",
        lambda: f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>{ROOT}<e:p>&e;</e:p>{END}'.encode(),
    ),
    "an XML entity from the web": (
        "rdf",
        lambda: f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "http://127.0.0.1/x">]>{ROOT}<e:p>&e;</e:p>{END}'.encode(),
    ),
    "an XML parameter entity": (
        "rdf",
        lambda: f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY % e SYSTEM "http://127.0.0.1/x"> %e;]>{ROOT}<e:p>1</e:p>{END}'.encode(),
    ),
    "XML 100,000 deep": ("rdf", lambda: ROOT.encode() + b"<e:p><e:C>" * 50_000),
    "XML without an end": ("rdf", lambda: ROOT.encode() + b"<e:p>1</e:p>"),
    "TriX with entities that multiply": (
        "trix",
        lambda: f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "lol">{ENTITIES}]><TriX><graph><uri>&e9;</uri></graph></TriX>'.encode(),
    ),
    "a JSON-LD context elsewhere": ("jsonld", lambda: b'{"@context": "http://127.0.0.1:9/context", "@id": "urn:a", "p": 1}'),
    "JSON-LD contexts that import": ("jsonld", lambda: b'{"@context": {"@import": "http://127.0.0.1:9/c"}, "@id": "urn:a", "p": 1}'),
    "a JSON-LD context in a file": ("jsonld", lambda: b'{"@context": "file:///etc/passwd", "@id": "urn:a", "p": 1}'),
    "a list of JSON-LD contexts": ("jsonld", lambda: b'{"@context": [{"p": "urn:p"}, "http://169.254.169.254/"], "@id": "urn:a", "p": 1}'),
    "JSON-LD 100,000 deep": ("jsonld", lambda: b'{"urn:p":' * 100_000 + b"1" + b"}" * 100_000),
    "JSON arrays without end": ("jsonld", lambda: b"[" * 1_000_000),
    "Turtle lists 100,000 deep": ("ttl", lambda: b"<urn:a> <urn:p> " + b"(" * 100_000),
    "Turtle blank nodes 100,000 deep": ("ttl", lambda: b"<urn:a> <urn:p> " + b"[ <urn:p> " * 100_000),
    "triple terms 100,000 deep": ("ttl", lambda: b"<urn:a> <urn:b> " + b"<<( <urn:c> <urn:d> " * 100_000),
    "a literal of 20 MB": ("nt", lambda: b'<urn:a> <urn:p> "' + b"x" * 20_000_000 + b'" .'),
    "a literal of 100 MB, gzipped": ("nt.gz", lambda: gzip.compress(b'<urn:a> <urn:p> "' + b"x" * 100_000_000 + b'" .')),
    "an IRI of 1 MB": ("nt", lambda: b"<urn:" + b"a" * 1_000_000 + b"> <urn:p> <urn:o> .\n"),
    "a gzip bomb": ("nt.gz", lambda: gzip.compress(b" " * 300_000_000)),
    "a gzip bomb of comments": ("ttl.gz", lambda: gzip.compress(b"# nothing\n" * 20_000_000)),
    "a gzip bomb of statements": ("nt.gz", lambda: gzip.compress(b"<urn:a> <urn:p> <urn:o> .\n" * 8_000_000)),
    "a gzip bomb of many members": ("nt.gz", lambda: gzip.compress(b"\n" * 1_000_000) * 300),
    "gzip in gzip": ("nt.gz", lambda: gzip.compress(gzip.compress(b"<urn:a> <urn:p> <urn:o> .\n"))),
    "gzip that is cut short": ("nt.gz", lambda: gzip.compress(os.urandom(10_000))[:5_000]),
    "bzip2": ("nt", lambda: bz2.compress(b"\n" * 100_000_000)),
    "zip": ("nt", lambda: _zip(b"\n" * 100_000_000)),
    "zstd": ("nt", lambda: b"\x28\xb5\x2f\xfd\x04\x00\x01\x00\x00"),
    "20,000 named graphs": ("nq", lambda: b"".join(b"<urn:a> <urn:p> <urn:o> <urn:g%d> .\n" % n for n in range(20_000))),
    "one subject that has it all": ("nt", lambda: b"".join(b'<urn:a> <urn:p> "%d%s" .\n' % (n, b"x" * 1_000) for n in range(80_000))),
    "Cypher in a predicate": ("nt", lambda: b"<urn:a> <urn:p`]-() DETACH DELETE n //> <urn:o> .\n"),
    "Cypher in a class": ("nt", lambda: b"<urn:a> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <urn:C`) DETACH DELETE (n> .\n"),
    "SPARQL for Turtle": ("ttl", lambda: b"DELETE WHERE { ?s ?p ?o }"),
    "another's graph": ("nq", lambda: b"<urn:a> <urn:p> <urn:o> <urn:cairn:scope:agent/ada> .\n"),
    "bytes": ("ttl", lambda: bytes(range(256)) * 100),
    "UTF-16": ("ttl", lambda: "<urn:a> <urn:p> <urn:o> .".encode("utf-16")),
    "half a surrogate pair": ("nt", lambda: b'<urn:a> <urn:p> "\\uD800" .\n'),
}


def attacks() -> list[Attack]:
    """All of this class."""
    return [
        *(Attack(f"a URL at {host}", partial(_host, host)) for host in HOSTS),
        Attack("a URL that redirects inwards", partial(_evil, "/redirect")),
        *(Attack(f"a place: {place[:30]!r}", partial(_place, place)) for place in PLACES),
        Attack("a link out of the import folder", _link),
        Attack("a folder linked out of the import folder", _linked_folder),
        Attack("a pipe", _pipe),
        Attack("a folder", _folder),
        Attack("a way out of the import folder", _way_out),
        *(Attack(f"a document: {name}", partial(_document, name)) for name in DOCUMENTS),
    ]


def _refused(outcome: dict[str, object] | None) -> None:
    """Fail unless the import was refused, at once or in its course, and left nothing."""
    assert outcome is None or (outcome["status"] == "FAILED" and outcome["error"]), outcome
    assert SECRET not in str(outcome) and "root:" not in str(outcome), outcome


async def _host(host: str, target: Target) -> None:
    port = target.evil.rpartition(":")[2]
    _refused(await target.imported(f"http://{host}:{port}/a.nt", format="nt"))


async def _evil(path: str, target: Target) -> None:
    _refused(await target.imported(target.evil + path, format="nt"))


async def _place(place: str, target: Target) -> None:
    _refused(await target.imported(place, format="nt"))


async def _link(target: Target) -> None:
    link = target.files / "link.nt"
    link.unlink(missing_ok=True)
    link.symlink_to(target.outside / "secret.nt")
    _refused(await target.imported(str(link)))


async def _linked_folder(target: Target) -> None:
    link = target.files / "linked"
    link.unlink(missing_ok=True)
    link.symlink_to(target.outside)
    _refused(await target.imported(str(link / "secret.nt")))


async def _pipe(target: Target) -> None:
    pipe = target.files / "pipe.nt"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    _refused(await target.imported(str(pipe)))


async def _folder(target: Target) -> None:
    _refused(await target.imported(str(target.files), format="nt"))


async def _way_out(target: Target) -> None:
    _refused(await target.imported(str(target.files / ".." / "outside" / "secret.nt")))


async def _document(name: str, target: Target) -> None:
    ending, make = DOCUMENTS[name]
    file = Path(target.files, f"attack-{abs(hash(name))}.{ending}")
    if not file.exists():
        file.write_bytes(make())
    outcome = await target.imported(str(file), graph=f"https://evil.example/{abs(hash(name))}")
    _refused(outcome)
    assert (await target.get("/healthz", None)).status_code == 200
