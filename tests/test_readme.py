"""What the README tells a newcomer to type, typed."""
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

from conftest import BINARY, ROOT, Receiving, Server

README = (ROOT / "README.md").read_text()


def shell_blocks(section):
    text = re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## )", README, re.M | re.S).group(1)
    return re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)


def test_the_first_minute_works_when_copied(make_server, tmp_path):
    start, send, deny, mend, test = shell_blocks("The first mail in one minute")
    assert start == "script/server --demo\n" and test == "script/test\n"
    # Where they are typed: a clone, in which a build is. Only the ports are others.
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "sesame").symlink_to(BINARY)
    server = make_server("--demo", start=False, env={"SESAME_ROOT_ACCESS_KEY_ID": "", "SESAME_ROOT_SECRET_ACCESS_KEY": ""})
    server.data = tmp_path / "sesame-data"
    server.start()

    def type_in(lines):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SESAME_"))}
        clean.update(PATH="/usr/sbin:/usr/bin:/sbin:/bin", HOME=str(tmp_path), AWS_EC2_METADATA_DISABLED="true")
        lines = lines.replace("127.0.0.1:2525", f"{server.host}:{server.port}").replace("http://127.0.0.1:4566", server.api)
        done = subprocess.run(["bash", "-e"], input=lines, capture_output=True, text=True, timeout=120, cwd=tmp_path, env=clean,
                              check=False)
        assert done.returncode == 0, (lines, done.stdout[-3000:], done.stderr)
        return done.stdout

    printed = re.search(r"OK ([0-9a-v]{40})$", send, re.M).group(1)
    sending, reading = send.split("\nexport ", 1)
    message = re.search(r"<.*250 2\.0\.0 OK ([0-9a-v]{40})", type_in(sending)).group(1)
    server.settled(message, ["delivered"])
    exported = "export " + reading
    shown = type_in(exported.replace(printed, message))
    assert message in shown.splitlines()[0] and shown.rstrip().endswith("it works"), shown

    assert deny.count("THE-ID-IT-PRINTED") == 1
    denying, explaining = deny.split("build/sesame explain", 1)
    exports = exported.splitlines()[0] + "\n"
    message = re.search(r"<.*250 2\.0\.0 OK ([0-9a-v]{40})", type_in(exports + denying)).group(1)
    server.attempted(message)
    told = type_in("build/sesame explain" + explaining.replace("THE-ID-IT-PRINTED", message))
    assert "may not s3:PutObject" in told and "no policy" in told, told
    [policy] = re.findall(r'^\s*(\{"Version":.*"Effect":"Allow".*\})$', told, re.M)
    type_in(exports + mend.replace("THE-POLICY-IT-PRINTED", policy))
    server.settled(message, ["delivered"], 30)


def test_the_command_of_running_it_for_real_takes_mail(tmp_path):
    [command] = shell_blocks("Running it for real")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sesame-real-"))  # pytest's own folders are closed to other users
    folder.chmod(0o755)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=mx.example.com", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
                   check=True, capture_output=True)
    words = shlex.split(command.replace("\\\n", " "))
    assert words[:4] == ["build/sesame", "serve", "--data", "/var/lib/sesame"]
    changes = {"eu-west-1=0.0.0.0:25": "eu-west-1=0.0.0.0:0", "cert.pem": str(folder / "cert.pem"),
               "key.pem": str(folder / "key.pem"), "sesame": "nobody"}
    flags = [changes.get(word, word) for word in words[4:]]
    api = flags.index("--api")
    assert flags[api:api + 2] == ["--api", "127.0.0.1:4566"]
    del flags[api:api + 2]  # Server gives a free port
    server = Server(folder, *flags)
    try:
        server.start()
        server.host = "127.0.0.1"
        server.addresses = [["127.0.0.1", str(server.port)]]
        Receiving(server, region="eu-west-1").store()
        with server.smtp() as session:
            assert session.ehlo()[1].startswith(b"mx.example.com")
            session.starttls()
        server.settled(server.send(b"Subject: for real\r\n\r\n"), ["delivered"])
        server.stop()
    finally:
        if server.process is not None:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)


def test_what_it_points_to_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target
    for name in re.findall(r"`((?:script|docs|src|tools|share|bench)/[\w./-]+)`", README):
        assert (ROOT / name).exists(), name
    assert (ROOT / "LICENSE").read_text().split("\n", 2)[1].strip() == "Apache License"
    for page in ("architecture", "durability", "permissions", "operating"):
        text = (ROOT / "docs" / f"{page}.md").read_text()
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            assert target.startswith("http") or (ROOT / "docs" / target).exists(), (page, target)
        for name in re.findall(r"`((?:script|docs|src|tools|share|bench|vectors)/[\w./-]+)`", text):
            assert (ROOT / name).exists(), (page, name)


def test_every_room_says_what_it_is():
    for room in sorted((ROOT / "src").iterdir()):
        readme = room / "README.md"
        assert readme.exists() and readme.read_text().startswith("# " + room.name), room


def test_the_pytest_example_works_when_copied(tmp_path):
    page = (ROOT / "docs" / "testing.md").read_text()
    (tmp_path / "test_example.py").write_text(re.search(r"^```python\n(.*?)^```$", page, re.M | re.S).group(1))
    (tmp_path / "sesame").symlink_to(BINARY)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SESAME_", "PYTEST_"))}
    clean["PATH"] = f"{tmp_path}:{clean['PATH']}"
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_example.py"], cwd=tmp_path,
                          env=clean, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr


def test_the_javascript_example_works_when_copied(tmp_path):
    page = (ROOT / "docs" / "testing.md").read_text()
    (tmp_path / "example.test.mjs").write_text(re.search(r"^```js\n(.*?)^```$", page, re.M | re.S).group(1))
    (tmp_path / "sesame").symlink_to(BINARY)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SESAME_"))}
    clean["PATH"], clean["TMPDIR"] = f"{tmp_path}:{clean['PATH']}", str(tmp_path)
    done = subprocess.run(["node", "--test", "example.test.mjs"], cwd=tmp_path, env=clean, capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0 and re.search(r"^# pass 1$", done.stdout, re.M), done.stdout + done.stderr
    assert not list(tmp_path.glob("sesame-*"))
