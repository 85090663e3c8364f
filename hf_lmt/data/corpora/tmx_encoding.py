"""The bytes of an XML file in any encoding that Python knows, as UTF-8 for the parser.

Expat, which parses, knows UTF-8, UTF-16 and encodings of one byte a character only.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import IO

from hf_miwv.common.errors import InputError

HEAD = 1024  # bytes that an XML declaration lies in
BYTE_ORDER_MARKS = (  # that of UTF-32 begins as that of UTF-16 does, so it stands before it
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
WITHOUT_MARK = (  # "<" or "<?" without a byte order mark (XML 1.0, appendix F)
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*?\sencoding\s*=\s*["']([^"'>]*)["']""")


class Utf8Reader:
    """A file whose `read` gives UTF-8, whatever it is encoded in; `text` gives text.

    Args:
        path (`Path`): Name of the file, for messages.
        file (`IO[bytes]`): The open file, at its beginning.

    Raises:
        InputError: The encoding is unknown, or the bytes are not in it (line named).
    """

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path, self._file = path, file
        self._head = file.read(HEAD)
        self._encoding = _encoding_of(path, self._head)
        self._decoder = codecs.getincrementaldecoder(self._encoding)("strict")
        self._line = 1

    def read(self, size: int = 2**16) -> bytes:
        """Read UTF-8.

        Args:
            size (`int`, *optional*, defaults to `2**16`): Bytes to read of the file, about as many as come back.

        Returns:
            `bytes`: The next bytes; none at the end.

        Raises:
            InputError: the bytes are not in the file's encoding.
        """
        return self.text(size).encode("utf-8")

    def text(self, size: int = 2**16) -> str:
        """Read text.

        Args:
            size (`int`, *optional*, defaults to `2**16`): Bytes to read of the file, or more until a character
                is whole.

        Returns:
            `str`: The next characters; none at the end.

        Raises:
            InputError: the bytes are not in the file's encoding.
        """
        while True:
            chunk, self._head = self._head or self._file.read(size), b""
            try:
                text = self._decoder.decode(chunk, final=not chunk)
                text.encode("utf-8")  # some decoders let half a character through
            except UnicodeError as error:
                line = self._line
                if isinstance(error, UnicodeDecodeError):
                    line += error.object[: error.start].count(b"\n")
                raise InputError(
                    f"{self._path}:{line}: not {self._encoding}, which the file says that it "
                    f"is in ({error}); save it as UTF-8"
                ) from error
            self._line += text.count("\n")
            # A chunk may end within a character, and then decode to nothing; an
            # empty text would say that the file ends.
            if text or not chunk:
                return text


def _encoding_of(path: Path, head: bytes) -> str:
    """Detect the encoding by byte order mark, else by the shape of the first bytes, else as declared."""
    for mark, encoding in (*BYTE_ORDER_MARKS, *WITHOUT_MARK):
        if head.startswith(mark):
            return encoding
    declared = _DECLARED.match(head)
    name = declared[1].decode("ascii", "replace") if declared else "utf-8"
    try:
        codec = codecs.lookup(name)
        # a codec such as base64 or rot13 is none of text; those of UTF-16 and UTF-32 cannot be
        # what an ASCII declaration says
        if not codec._is_text_encoding or codec.name.startswith(("utf-16", "utf-32", "utf-7")):
            raise LookupError(name)
        codecs.getincrementaldecoder(codec.name)
    except (LookupError, ValueError) as error:
        raise InputError(
            f"{path}: its XML declaration names the encoding {name!r}, which is not known; save "
            "the file as UTF-8 and declare that"
        ) from error
    return codec.name
