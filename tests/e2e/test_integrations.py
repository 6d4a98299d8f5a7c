"""What people built on NNCP, with their own commands, over ours."""

import os
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.gonncp import GoMesh
from tests.support.nncp_shell import NodeShell, carry_by_stick
from tests.support.peers import require


@pytest.fixture
def nodes(place: Path) -> tuple[NodeShell, NodeShell]:
    require("nncp-cfgnew")
    mesh = GoMesh(place, ["a", "b"])
    return NodeShell(mesh["a"]), NodeShell(mesh["b"])


def tree_of(root: Path) -> dict[str, tuple[int, bytes | str | None]]:
    """Everything below a directory: mode, and content, link target or nothing."""
    found: dict[str, tuple[int, bytes | str | None]] = {}
    for path in sorted(root.rglob("*")):
        content: bytes | str | None = None
        if path.is_symlink():
            content = str(path.readlink())
        elif path.is_file():
            content = path.read_bytes()
        found[str(path.relative_to(root))] = (path.lstat().st_mode, content)
    return found


def make_tree(root: Path) -> None:
    """A directory with a large and an empty file, a program, a link and strange names."""
    (root / "deep" / "er").mkdir(parents=True)
    (root / "large").write_bytes(os.urandom(700_000))
    (root / "deep" / "empty").write_bytes(b"")
    (root / "deep" / "er" / "with space").write_bytes(b"x")
    (root / "program").write_bytes(b"#!/bin/sh\n")
    (root / "program").chmod(0o751)
    (root / "link").symlink_to("deep/empty")


def test_filespooler_queue(nodes: tuple[NodeShell, NodeShell]) -> None:
    """Filespooler's jobs run in the order in which they were made, whatever order they came in."""
    require("fspl")
    a, b = nodes
    queue = b.node.home / "queue"
    b.run(f"fspl queue-init -q {queue}")
    b.node.set_exec("a", "fspl", ["/usr/bin/fspl", "queue-write", "-q", queue])
    jobs = [(number, os.urandom(3000).hex()) for number in range(1, 5)]
    # The last two overtake the first two.
    for first, last in ((0, 2), (2, 4)):
        for number, body in jobs[first:last]:
            nice = 250 if first == 0 else 10
            job = f"printf %s {body} | fspl prepare -s seq -i - -- job{number}"
            a.run(f"{job} | nncp-exec -quiet -nice {nice} b fspl")
    stick = a.node.home / "stick"
    stick.mkdir()
    ran = b.node.home / "ran"
    process = (
        f"fspl queue-process -q {queue} --allow-job-params /bin/sh -- -c 'echo \"$1 $(cat)\" >> {ran}' sh"
    )
    for nice in (10, 255):
        a.run(f"nncp-xfer -quiet -mkdir -nice {nice} -tx -node b {stick}")
        b.run(f"nncp-xfer -quiet -rx {stick}; nncp-toss -quiet; {process}")
        assert ran.exists() == (nice == 255)
    assert ran.read_text() == "".join(f"job{number} {body}\n" for number, body in jobs)
    assert b.run(f"fspl queue-ls -q {queue}").strip().splitlines()[1:] == []


GITSYNC_HANDLER = """#!/bin/sh -e
# Takes a bundle into a bare repository; the sender's branches come below its own name.
bundle=$(mktemp)
cat > "$bundle"
git --git-dir="$HOME/$1.git" fetch -q "$bundle" '+refs/heads/*:refs/heads/*'
rm "$bundle"
"""


def test_git_by_bundles(nodes: tuple[NodeShell, NodeShell]) -> None:
    """Two repositories stay alike by git bundles sent both ways, each with the new commits only."""
    require("git")
    a, b = nodes
    for near, far in ((a, b), (b, a)):
        handler = near.node.home / "gitsync"
        handler.write_text(GITSYNC_HANDLER.replace("$HOME", str(near.node.home)))
        handler.chmod(0o755)
        near.node.set_exec(far.node.name, "gitsync", [handler])
        near.run("git init -q --bare -b main project.git")
    a.run(
        "git clone -q project.git work 2>/dev/null; cd work; git checkout -q -b main;"
        "git config user.name A; git config user.email a@a.test"
    )
    large = os.urandom(400_000)
    (a.node.home / "work" / "large").write_bytes(large)
    a.run(
        "cd work; git add large; git commit -q -m one; git push -q origin main;"
        "git bundle create -q - --branches | nncp-exec -quiet b gitsync project"
    )
    [first] = a.node.packets("tx", b.node.id)
    first_bytes = first.stat().st_size
    carry_by_stick(a, b)
    b.run(
        "git clone -q project.git work; cd work; git config user.name B; git config user.email b@b.test;"
        "echo two > two; git add two; git commit -q -m two; git push -q origin main;"
        "git bundle create -q - origin/main~1..main | nncp-exec -quiet a gitsync project"
    )
    assert (b.node.home / "work" / "large").read_bytes() == large
    [second] = b.node.packets("tx", a.node.id)
    assert second.stat().st_size < first_bytes / 20
    carry_by_stick(b, a)
    heads = [shell.run("git --git-dir=project.git rev-parse main") for shell in (a, b)]
    assert heads[0] == heads[1]
    assert a.run("cd work; git pull -q --ff-only origin main; cat two") == "two\n"


def test_tar_through_exec(nodes: tuple[NodeShell, NodeShell]) -> None:
    """A tree piped through tar into nncp-exec is the same tree at the other end, modes and links too."""
    a, b = nodes
    target = b.node.home / "extracted"
    target.mkdir()
    b.node.set_exec("a", "tarextract", ["/bin/tar", "-xpf", "-", "-C", target])
    make_tree(a.node.home / "docs")
    a.run("tar -cpf - docs | nncp-exec -quiet b tarextract")
    carry_by_stick(a, b)
    assert tree_of(target / "docs") == tree_of(a.node.home / "docs")


def test_tar_that_broke_off(nodes: tuple[NodeShell, NodeShell]) -> None:
    """An archive that was cut before it was sent is refused by the receiver's tar, and stays."""
    a, b = nodes
    target = b.node.home / "extracted"
    target.mkdir()
    b.node.set_exec("a", "tarextract", ["/bin/tar", "-xpf", "-", "-C", target])
    make_tree(a.node.home / "docs")
    a.run("tar -cpf - docs | head -c 300000 | nncp-exec -quiet b tarextract")
    a.run(f"mkdir stick; nncp-xfer -quiet -mkdir -tx -node b {a.node.home}/stick")
    b.run(f"nncp-xfer -quiet -rx {a.node.home}/stick")
    done = subprocess.run(
        ["/bin/sh", "-c", "nncp-toss -quiet"], env=b.environ, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert len(b.node.packets("rx", a.node.id)) == 1


def test_dar_in_slices(nodes: tuple[NodeShell, NodeShell]) -> None:
    """Each slice goes by nncp-file as dar makes it, and is removed; the archive restores from incoming."""
    require("dar")
    a, b = nodes
    make_tree(a.node.home / "docs")
    a.run(
        "mkdir work; cd work; dar -Q -c backup -R .. -g docs -s 200k -3 sha512 -E '"
        + DAR_HOOK
        + "' >/dev/null"
    )
    assert a.run("ls work") == ""
    carry_by_stick(a, b)
    slices = sorted(path.name for path in (b.node.incoming / "backups").glob("*.dar"))
    assert slices == [f"backup.{number}.dar" for number in range(1, len(slices) + 1)]
    assert len(slices) > 3
    b.run(
        f"cd {b.node.incoming}/backups; sha512sum --quiet -c *.sha512;"
        f"mkdir ../restored; dar -Q -x backup -R ../restored >/dev/null"
    )
    assert tree_of(b.node.incoming / "restored" / "docs") == tree_of(a.node.home / "docs")


DAR_HOOK = (
    "for name in %b.%n.%e %b.%n.%e.sha512; do nncp-file -quiet %p/$name b:backups/$name; rm %p/$name; done"
)

INDEX_SCRIPT = """#!/bin/sh -e
# From cron: what a neighbour may ask for, as a list with sizes and sums.
cd "$1"
find . -type f ! -name index.gz -printf '%P\\t%s\\n' | sort > "$2"
gzip -9c "$2" > index.gz.tmp
mv index.gz.tmp index.gz
"""

DOWNLOAD_SCRIPT = """#!/bin/sh -e
# Fetches a page with all it needs, and sends it back as one file to whoever asked.
case $NNCP_SENDER in "") exit 1 ;; esac
work=$(mktemp -d)
cd "$work"
wget -q --page-requisites --no-host-directories --adjust-extension --tries=1 --timeout=20 -- "$1"
tar -czf - . | nncp-file -quiet -nice "$NNCP_NICE" - "$NNCP_SENDER:$2.tar.gz"
rm -r "$work"
"""


def test_index_of_what_may_be_asked_for(nodes: tuple[NodeShell, NodeShell]) -> None:
    """A node asks for the index of its neighbour, chooses from it and gets what it chose, in chunks."""
    a, b = nodes
    offered = b.node.home / "offered"
    make_tree(offered)
    script = b.node.home / "make-index"
    script.write_text(INDEX_SCRIPT)
    script.chmod(0o755)
    b.run(f"{script} {offered} {b.node.home}/index")
    config = b.node.config()
    config["neigh"]["a"]["freq"] = {"path": str(offered), "chunked": 128}
    b.node.save(config)
    a.run("nncp-freq -quiet b:index.gz")
    carry_by_stick(a, b)
    carry_by_stick(b, a)
    listed = a.run("gunzip -c incoming/index.gz").splitlines()
    assert "deep/er/with space\t1" in listed
    [name] = [line.split("\t")[0] for line in listed if line.endswith("\t700000")]
    a.run(f"nncp-freq -quiet b:{name} wanted/{name}")
    carry_by_stick(a, b)
    carry_by_stick(b, a)
    chunks = a.run("ls incoming/wanted").splitlines()
    assert len(chunks) == 7
    a.run("cd incoming/wanted; nncp-reass -quiet large.nncp.meta")
    assert (a.node.incoming / "wanted" / "large").read_bytes() == (offered / "large").read_bytes()
    assert a.run("ls incoming/wanted") == "large\n"


def test_download_of_web_pages(nodes: tuple[NodeShell, NodeShell]) -> None:
    """A node without a network asks another for a web page by exec and gets it, images too, as a file."""
    require("wget")
    a, b = nodes
    script = b.node.home / "webget"
    script.write_text(DOWNLOAD_SCRIPT)
    script.chmod(0o755)
    b.node.set_exec("a", "webget", ["/usr/bin/env", f"NNCPCFG={b.node.config_path}", script])
    pages = b.node.home / "www"
    pages.mkdir()
    image = os.urandom(90_000)
    (pages / "image.png").write_bytes(image)
    (pages / "page.html").write_text('<html><img src="image.png"></html>')
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_QuietPages, directory=str(pages)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}/page.html"
        a.run(f"nncp-exec -quiet -replynice 70 b webget '{url}' saved < /dev/null")
        carry_by_stick(a, b)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert "(nice: P-26)" in b.run("nncp-stat -node a -pkt")
    carry_by_stick(b, a)
    a.run("cd incoming; tar -xzf saved.tar.gz")
    assert (a.node.incoming / "image.png").read_bytes() == image
    assert "image.png" in (a.node.incoming / "page.html").read_text()


class _QuietPages(SimpleHTTPRequestHandler):
    """Serves a directory and says nothing."""

    def log_message(self, *_: object) -> None:
        return
