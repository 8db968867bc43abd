"""Signatures as the Standard Webhooks specification has them, and what a webhook's URL may be."""

import base64

import pytest
from cellblock_producer.webhooks import InvalidSignature, Target, read_secret, read_target, sign, verify

# The example of the specification's own libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, TIME, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
OTHER = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def test_the_headers_are_those_of_the_specification() -> None:
    assert sign([SECRET], ID, TIME, BODY) == {
        "webhook-id": ID,
        "webhook-timestamp": str(TIME),
        "webhook-signature": SIGNATURE,
    }


def test_each_secret_signs_so_that_one_can_be_replaced() -> None:
    headers = sign([OTHER, SECRET], ID, TIME, BODY)
    assert headers["webhook-signature"].split()[1] == SIGNATURE
    for known in ([SECRET], [OTHER], [SECRET, OTHER]):
        assert verify(known, headers, BODY, now=TIME) == ID


@pytest.mark.parametrize(
    ("change", "body", "now"),
    [
        ({}, BODY + b" ", TIME),
        ({}, BODY, TIME + 301),
        ({}, BODY, TIME - 301),
        ({"webhook-id": "msg_other"}, BODY, TIME),
        ({"webhook-timestamp": str(TIME + 1)}, BODY, TIME),
        ({"webhook-timestamp": "soon"}, BODY, TIME),
        ({"webhook-signature": "v1,é"}, BODY, TIME),
        ({"webhook-signature": ""}, BODY, TIME),
    ],
)
def test_what_was_changed_or_is_old_is_refused(change: dict[str, str], body: bytes, now: int) -> None:
    headers = sign([SECRET], ID, TIME, BODY) | change
    with pytest.raises(InvalidSignature):
        verify([SECRET], headers, body, now=now)


def test_without_headers_or_with_another_secret_it_is_refused() -> None:
    for headers in ({}, sign([OTHER], ID, TIME, BODY)):
        with pytest.raises(InvalidSignature):
            verify([SECRET], headers, BODY, now=TIME)


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_!!!", SECRET[6:], "whsec_" + "A" * 20])
def test_a_secret_that_is_none_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="24 to 64 bytes") as caught:
        read_secret(text)
    assert not text or text not in str(caught.value).replace("whsec_ ", "")


@pytest.mark.parametrize(
    ("url", "target", "authority"),
    [
        ("https://A.example", Target("https", "a.example", 443, "/"), "a.example"),
        ("https://a.example:443/x?y=1", Target("https", "a.example", 443, "/x?y=1"), "a.example"),
        ("http://a.example:8080?q", Target("http", "a.example", 8080, "/?q"), "a.example:8080"),
        ("http://[2001:DB8::1]/", Target("http", "2001:db8::1", 80, "/"), "[2001:db8::1]"),
    ],
)
def test_a_url_is_read_one_way(url: str, target: Target, authority: str) -> None:
    assert read_target(url) == target
    assert target.authority == authority


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example/",
        "https://",
        "https:///x",
        "https://user@a.example/",
        "https://user:secret@a.example/",
        "https://a.example\\@b.example/",
        "https://a.example/x#y",
        "https://a.example/ x",
        "https://a.example/\n",
        "https://a.example:0/",
        "https://a.example:70000/",
        "https://ä.example/",
        "https://a_b.example/",
        "HTTPS://a.example/",
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="of a webhook"):
        read_target(url)
