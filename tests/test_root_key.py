"""The root key: where it lies, who may read it, and what a wrong one opens (nothing)."""
import subprocess

import pytest


def refused_start(server, *flags, **environment):
    """The one sentence with which a start is refused."""
    server.env = {**server.env, **environment}
    with pytest.raises(AssertionError, match="no ready line, exit [12]"):
        server.start(*flags)
    server.process.stdout.close()
    server.stderr.close()
    server.process = None
    lines = [line for line in server.log_text().splitlines() if line.startswith("sesame: ")]
    return lines[-1]


def test_a_directory_opens_with_its_own_root_key_alone(make_server, tmp_path):
    server = make_server()
    kms = server.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"kept")["CiphertextBlob"]
    server.stop()
    root = server.data / "keys" / "root"
    kept = tmp_path / "root-key"
    root.rename(kept)
    said = refused_start(server)
    assert "is not the root key of" in said and "--root-key" in said and not root.exists()
    other = tmp_path / "other"
    other.write_bytes(bytes(32))
    other.chmod(0o600)
    assert str(other) in refused_start(server, "--root-key", str(other))
    missing = tmp_path / "missing"
    assert str(missing) in refused_start(server, "--root-key", str(missing)) and not missing.exists()
    kept.chmod(0o640)
    assert "chmod 600" in refused_start(server, "--root-key", str(kept))
    kept.chmod(0o600)
    server.start("--root-key", str(kept))
    assert server.client("kms").decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"
    assert not root.exists()


def test_a_credential_of_systemd_is_found_by_itself(make_server, tmp_path):
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "sesame-root-key").write_bytes(b"c" * 32)
    (credentials / "sesame-root-key").chmod(0o440)
    server = make_server(env={"CREDENTIALS_DIRECTORY": str(credentials)})
    key = server.client("kms").create_key()["KeyMetadata"]["KeyId"]
    assert not (server.data / "keys").exists()
    server.restart()
    assert server.client("kms").encrypt(KeyId=key, Plaintext=b"x")
    server.stop()
    assert "is not the root key of" in refused_start(server, CREDENTIALS_DIRECTORY="")


def test_while_nothing_is_wrapped_another_root_key_will_do(make_server):
    server = make_server()
    server.stop()
    (server.data / "keys" / "root").unlink()
    server.start()
    server.client("kms").create_key()
    server.restart()


def test_a_server_leaves_no_core_dump(server):
    pid = server.process.pid
    limits = subprocess.run(["prlimit", "--core", "--noheadings", "--output", "SOFT,HARD", "--pid", str(pid)],
                            capture_output=True, text=True, check=True).stdout.split()
    assert limits == ["0", "0"]
