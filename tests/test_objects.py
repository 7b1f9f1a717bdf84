"""`sesame objects`: what lies in the buckets, read without a server; and what the disk does to it."""
import os
import pathlib
import resource
import sqlite3
import subprocess

import pytest
from botocore.exceptions import ClientError

from conftest import BINARY

SMALL, LARGE = b"a few octets\r\n", bytes(range(256)) * 1000
KEYS = {"in/plain": SMALL, "in/large": LARGE, "in//odd%/\u00e9": b"odd", "empty": b"", "line\nbreak": b"two lines",
        "edge": b"x" * 65536, "over": b"x" * 65537}


def sesame(*words, expect=0):
    done = subprocess.run([BINARY, "objects", *map(str, words)], capture_output=True)
    assert done.returncode == expect, done.stderr
    return done.stdout.decode(), done.stderr.decode()


@pytest.fixture
def filled(server):
    s3 = server.client("s3")
    for bucket in ("one", "other"):
        s3.create_bucket(Bucket=bucket)
    for key, octets in KEYS.items():
        s3.put_object(Bucket="one", Key=key, Body=octets)
    s3.put_object(Bucket="other", Key="gone", Body=SMALL)
    s3.delete_object(Bucket="other", Key="gone")
    s3.put_object(Bucket="other", Key="kept", Body=b"first")
    s3.put_object(Bucket="other", Key="kept", Body=b"second")
    return server


def written(folder):
    return sorted(path.read_bytes() for path in pathlib.Path(folder).rglob("*") if path.is_file())


def test_lists_beside_a_running_server_and_without_one(filled, tmp_path):
    there, _ = sesame("--data", filled.data)
    assert there.count("\n") == len(KEYS) + 1
    assert f"{len(SMALL):12}  " in there and "s3://one/in/plain  %packs/00000001.pack+" in there
    assert "s3://one/in/large  one/in/large" in there and "line\\x0abreak" in there and "gone" not in there
    part, _ = sesame("--data", filled.data, "s3://one/in/")
    assert part.count("\n") == 3 and "s3://other" not in part
    filled.stop()
    assert sesame("--data", filled.data)[0] == there


def test_sees_what_was_answered_before_the_index_has_it(server):
    s3 = server.client("s3")
    s3.create_bucket(Bucket="late")
    for key in ("first", "second", "third"):
        s3.put_object(Bucket="late", Key=key, Body=SMALL)

    def rows():
        with sqlite3.connect(os.path.join(server.data, "objects", "index.sqlite")) as index:
            return index.execute("SELECT count(*) FROM object").fetchone()[0]

    assert rows() == 0, "this test wants rows that are late"
    there, _ = sesame("--data", server.data)
    assert [line.split()[2] for line in there.splitlines()] == ["s3://late/first", "s3://late/second", "s3://late/third"]
    s3.delete_object(Bucket="late", Key="second")
    s3.put_object(Bucket="late", Key="first", Body=LARGE[:5000])
    s3.put_object(Bucket="late", Key="afresh", Body=SMALL)
    assert rows() == 2
    there, _ = sesame("--data", server.data)
    assert [line.split()[2] for line in there.splitlines()] == ["s3://late/afresh", "s3://late/first", "s3://late/third"]
    assert " 5000  " in there
    server.kill()
    assert sesame("--data", server.data)[0] == there
    server.start()
    assert [one["Key"] for one in server.client("s3").list_objects_v2(Bucket="late")["Contents"]] == ["afresh", "first", "third"]
    assert sesame("--data", server.data)[0] == there


def test_writes_objects_as_files(filled, tmp_path):
    out = tmp_path / "out"
    sesame("--data", filled.data, "--output", out)
    assert written(out) == sorted([*KEYS.values(), b"second"])
    assert (out / "one" / "in" / "plain").read_bytes() == SMALL and (out / "other" / "kept").read_bytes() == b"second"
    assert (out / "one" / "in" / "plain").stat().st_mode & 0o077 == 0


def test_packs_tell_what_is_in_them_without_the_index(filled, tmp_path):
    filled.stop()
    for name in pathlib.Path(filled.data, "objects").glob("index.sqlite*"):
        name.unlink()
    sesame("--data", filled.data, expect=1)
    small = [octets for octets in KEYS.values() if len(octets) <= 65536] + [b"second"]
    out = tmp_path / "out"
    sesame("--data", filled.data, "--without-index", "--output", out)
    assert written(out) == sorted(small)
    listed, _ = sesame("--data", filled.data, "--without-index", "s3://other")
    assert "s3://other/kept" in listed and listed.count("\n") == 1


def test_a_flipped_bit_is_told_for_its_object_alone(filled, tmp_path):
    pack = pathlib.Path(filled.data, "objects", "%packs", "00000001.pack")
    octets = bytearray(pack.read_bytes())
    octets[octets.index(b"second")] ^= 1
    pack.write_bytes(octets)
    s3 = filled.client("s3", retries={"max_attempts": 0})
    with pytest.raises(ClientError) as told:
        s3.get_object(Bucket="other", Key="kept")
    assert told.value.response["Error"]["Code"] == "InternalError"
    assert s3.get_object(Bucket="one", Key="in/plain")["Body"].read() == SMALL
    _, says = sesame("--data", filled.data, "--output", tmp_path / "out", expect=1)
    assert says.count("\n") == 1 and "kept" in says and "damaged" in says
    s3.put_object(Bucket="other", Key="kept", Body=b"third")
    assert s3.get_object(Bucket="other", Key="kept")["Body"].read() == b"third"


def test_a_damaged_row_is_told_and_can_be_removed(filled):
    filled.stop()
    index = sqlite3.connect(os.path.join(filled.data, "objects", "index.sqlite"))
    index.execute("UPDATE object SET etag = x'00' WHERE key = CAST('kept' AS BLOB)")
    index.commit()
    index.close()
    filled.start()
    s3 = filled.client("s3", retries={"max_attempts": 0})
    for call in (s3.get_object, s3.head_object):
        with pytest.raises(ClientError) as told:
            call(Bucket="other", Key="kept")
        assert told.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    s3.delete_object(Bucket="other", Key="kept")
    assert s3.list_objects_v2(Bucket="other")["KeyCount"] == 0
    s3.delete_bucket(Bucket="other")


def test_removed_objects_give_their_blocks_back(server):
    s3 = server.client("s3")
    s3.create_bucket(Bucket="full")
    for n in range(40):
        s3.put_object(Bucket="full", Key=f"k{n}", Body=b"o" * 40000)
    pack = pathlib.Path(server.data, "objects", "%packs", "00000001.pack")
    full = pack.stat().st_blocks
    for n in range(39):
        s3.delete_object(Bucket="full", Key=f"k{n}")
    assert pack.stat().st_blocks <= full // 20, (full, pack.stat())
    assert s3.get_object(Bucket="full", Key="k39")["Body"].read() == b"o" * 40000
    s3.delete_object(Bucket="full", Key="k39")
    server.stop()
    assert not pack.exists()


def test_wrong_words_are_told_in_a_sentence(server, tmp_path):
    _, says = sesame("--data", server.data, "one/in", expect=2)
    assert "s3://" in says and says.count("\n") == 1
    _, says = sesame("--data", tmp_path / "nothing", expect=1)
    assert says.count("\n") == 1


def test_a_limit_of_the_size_of_files_is_a_refusal_and_no_end(make_server):
    server = make_server(start=False)
    soft = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (70_000_000, soft[1]))  # a segment of the spool has 64 MB
    try:
        server.start()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, soft)
    s3 = server.client("s3", retries={"max_attempts": 0})
    s3.create_bucket(Bucket="short")
    with pytest.raises(ClientError) as told:
        s3.put_object(Bucket="short", Key="long", Body=bytes(71_000_000))
    assert told.value.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
    s3.put_object(Bucket="short", Key="long", Body=bytes(60_000_000))
    assert s3.head_object(Bucket="short", Key="long")["ContentLength"] == 60_000_000
    server.stop()
