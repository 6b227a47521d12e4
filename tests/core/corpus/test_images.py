"""Pictures as values: what is taken for one, and what is refused, by name."""

from __future__ import annotations

import base64
import copy
import pickle

import pytest

from rlm_integrations import Corpus, Document, Image, InvalidArgumentError
from rlm_integrations.core.corpus.description import describe
from rlm_integrations.core.corpus.image_blocks import image_of_block
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.wire.images import MAX_IMAGES_BYTES

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'


def png(seed: int = 0) -> bytes:
    """Begins as a PNG does; another for each seed."""
    return b"\x89PNG\r\n\x1a\n" + seed.to_bytes(4, "big")


def png_base64(seed: int = 0) -> str:
    return base64.b64encode(png(seed)).decode()


DATA_URL = f"data:image/png;base64,{png_base64()}"


def test_a_picture_is_a_value() -> None:
    image, same = Image(png(), name="a.png"), Image(png(), "image/x-png", "a.png")
    assert (image.mime_type, image.id) == ("image/png", same.id)
    assert image == same == copy.deepcopy(image) == pickle.loads(pickle.dumps(image))
    assert Image(png(1)).id != image.id
    assert image.data_url == DATA_URL
    assert "\\x89" not in repr(image)


def test_what_the_data_is_counts_more_than_what_it_is_called() -> None:
    assert Image(JPEG, "image/png").mime_type == "image/jpeg"
    assert Image(b"RIFF\0\0\0\0WEBPVP8 ").mime_type == "image/webp"
    assert Image(b"GIF89a\1\0\1\0").mime_type == "image/gif"
    assert Image(b"what a server knows", "image/jpg").mime_type == "image/jpeg"


@pytest.mark.parametrize(
    ("data", "mime_type", "words"),
    [
        (b"", "image/png", "its data is empty"),
        ("text", "image/png", "its data is str, not bytes"),
        (SVG, "image/svg+xml", "'image/svg+xml' is not a type"),
        (JPEG, 5, "its mime_type is int, not str"),
        (SVG, "image/png", "its data begins like image/svg+xml"),
        (b"\xef\xbb\xbf <?xml version='1.0'?>" + SVG, "", "its data begins like image/svg+xml"),
        (b"%PDF-1.7", "image/png", "its data begins like application/pdf"),
        (png(), "application/pdf", "'application/pdf' is not a type"),
        (png(), "text/html", "'text/html' is not a type"),
        (b"BM123", "image/bmp", "'image/bmp' is not a type"),
        (b"BM123", "", "begins like none of image/png"),
        (bytes(MAX_IMAGES_BYTES + 1), "image/png", "at most 20,000,000 are taken"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(data: bytes, mime_type: str, words: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        Image(data, mime_type)
    assert words in str(caught.value)


def test_base64_is_read_and_what_is_none_is_refused() -> None:
    broken = "\n".join(png_base64()[at : at + 10] for at in range(0, len(png_base64()), 10))
    assert Image.from_base64(broken).data == Image.from_base64(DATA_URL).data == png()
    assert Image.from_base64(f"DATA:image/png;charset=x;base64,{png_base64()}").data == png()
    for wrong in ("data:image/png,abc", "data:,x", "data:image/png;base64", "!!!", "abc"):
        with pytest.raises(InvalidArgumentError, match=r"image: (a data: URL|its base64)"):
            Image.from_base64(wrong, "image/png")
    with pytest.raises(InvalidArgumentError, match="at most 20,000,000 bytes are taken"):
        Image.from_base64("A" * (MAX_IMAGES_BYTES * 4 // 3 + 8), "image/png")
    with pytest.raises(InvalidArgumentError, match="'image/svg"):
        Image.from_base64("data:image/svg+xml;base64," + base64.b64encode(SVG).decode())


BLOCKS = [
    {"type": "image", "base64": png_base64(), "mime_type": "image/png"},
    {"type": "image", "url": DATA_URL},
    {"type": "image", "source_type": "base64", "data": png_base64(), "mime_type": "image/png"},
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": png_base64()}},
    {"type": "image_url", "image_url": {"url": DATA_URL, "detail": "low"}},
    {"type": "image_url", "image_url": DATA_URL},
    {"type": "input_image", "image_url": DATA_URL},
    {"type": "media", "mime_type": "image/png", "data": png_base64()},
]


@pytest.mark.parametrize("block", BLOCKS)
def test_blocks_of_all_providers_are_read(block: dict[str, object]) -> None:
    assert image_of_block(block).data == png()


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"type": "image", "url": "http://169.254.169.254/latest"}, "'http://169.254.169.254/latest', and it is not"),
        ({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}, "'file:///etc/passwd', and it is not"),
        ({"type": "image_url", "image_url": "/etc/passwd"}, "'/etc/passwd', and it is not fetched"),
        ({"type": "image", "source": {"type": "url", "url": "https://x.y/z.png"}}, "it is not fetched"),
        ({"type": "image", "file_id": "file-1"}, "it is at 'file-1', and it is not fetched"),
        ({"type": "image"}, "holds no data"),
        ({"type": "image", "base64": png_base64(), "mime_type": "image/svg+xml"}, "'image/svg+xml' is not a type"),
    ],
)
def test_what_would_have_to_be_fetched_is_refused(block: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        image_of_block(block)
    assert words in str(caught.value)


def test_documents_have_pictures_in_every_form() -> None:
    corpus = Corpus.of(
        [
            Document("a", "A", {}, (Image(png(1), name="own.png"),)),
            {"id": "b", "text": "B", "metadata": {"year": 1}, "images": [png(2), DATA_URL, BLOCKS[0]]},
            {"id": "c", "text": "", "images": [Image(png(3))], "year": 2},
            {"id": "d", "text": "D", "scan": BLOCKS[4], "pages": [DATA_URL, "two", BLOCKS[2]], "images": 3},
            {"id": "f", "text": "F", "images": [png(5), b"none"], "thumbnail": JPEG},
            {"id": "e", "text": "E", "images": ["http://x.y/z.png"], "icon": "data:image/svg+xml;base64,PHN2Zz4="},
        ]
    )
    a, b, c, d, f, e = corpus.documents
    assert [image.mime_type for image in f.images] == ["image/png", "image/jpeg"]
    assert list(f.metadata) == ["images"]
    assert [image.name for image in (*a.images, *b.images)] == [
        *("own.png", "picture-1.png", "picture-2.png", "picture-3.png")
    ]
    assert [image.data for image in b.images] == [png(2), png(), png()]
    assert (len(c.images), c.metadata) == (1, {"year": 2})
    assert (len(d.images), d.metadata) == (3, {"pages": ["two"], "images": 3})
    assert (e.images, len(e.metadata)) == ((), 2)  # texts stay what they are


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"id": "x", "text": "t", "metadata": {}, "images": ["/etc/passwd"]}, "picture 1 of document 'x' is str"),
        (
            {"id": "x", "text": "t", "metadata": {}, "images": [png(), SVG]},
            "picture 2 of document 'x': image: its data",
        ),
        (
            {"id": "x", "text": "t", "scan": {"type": "image", "base64": "PHN2Zz4=", "mime_type": "image/svg+xml"}},
            "the metadata 'scan' of document 'x' holds an image: 'image/svg+xml' is not a type of pictures",
        ),
    ],
)
def test_a_wrong_picture_of_a_document_is_refused_with_its_name(document: object, words: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        Corpus.of([document])
    assert words in str(caught.value)


def test_a_picture_alone_is_a_document() -> None:
    image, nameless = Image(png(1), name="scan.png"), Image(png(2))
    for context in (image, [image], {"scan.png": image}, iter([image])):
        (document,) = Corpus.of(context).documents
        assert (document.id, document.text, document.images) == ("scan.png", "", (image,))
    mixed = Corpus.of(["a text", nameless, image]).documents
    assert [(document.id, len(document.images)) for document in mixed] == [("doc-1", 0), ("doc-2", 1), ("scan.png", 1)]
    assert mixed[1].handles[0]["name"] == "picture-1.png"


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image_url", "image_url": {"url": "http://localhost/"}},
        {"type": "image", "url": "file:///etc/passwd"},
        {"type": "image", "file_id": "file-1"},
    ],
)
def test_where_a_picture_is_stays_metadata_with_a_warning(block: dict[str, object]) -> None:
    with pytest.warns(UserWarning, match="the metadata 'scan' says where a picture is; it is not fetched"):
        (document,) = Corpus.of([{"id": "x", "text": "t", "scan": block}]).documents
    assert (document.images, document.metadata) == ((), {"scan": block})


def test_metadata_that_only_looks_like_a_block_is_metadata() -> None:
    scraped = {"type": "image", "src": "a.png", "width": 3}
    (document,) = Corpus.of([{"id": "x", "text": "t", "og": scraped}]).documents
    assert (document.images, document.metadata) == ((), {"og": scraped})


def test_equal_ids_are_told_apart_with_their_pictures() -> None:
    image = Image(png())
    both = Corpus.of([Document("a", "one", {}, (image,)), Document("a", "two", {}, (image,))])
    assert [document.images for document in both.documents] == [(image,), (image,)]
    joined = both.preceded_by([Document("a", "three", {}, (image,))])
    assert [document.handles[0]["document_id"] for document in joined.documents] == ["a", "a#3", "a#2"]


def _described(corpus: Corpus, sub_call_chars: int | None = 1_000, sees_images: bool | None = None) -> str:
    return describe(corpus, RLMLimits(), b"key", sub_call_chars, sees_images=sees_images)


def test_the_root_lm_is_told_of_pictures_where_there_are_some() -> None:
    plain = Corpus.of([{"id": "a", "text": "one"}, {"id": "b", "text": "two"}])
    some = Corpus.of([{"id": "a", "text": "one", "images": [Image(png())]}, {"id": "b", "text": "two"}])
    assert "picture" not in _described(plain)
    told = _described(some)
    assert told.startswith(_described(plain))
    assert "1 of 2 documents has pictures" in told
    assert 'llm_query(prompt, images=d["images"])' in told
    assert "the sub-LM takes no pictures" in _described(some, sees_images=False)
    assert "there are no sub-calls" in _described(some, None)
