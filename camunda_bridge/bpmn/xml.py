"""Parses the XML of BPMN files, without entities and without the network."""

from __future__ import annotations

import re
from xml.parsers import expat

from lxml import etree

from camunda_bridge.errors import DefinitionError

#: namespace of the elements that BPMN itself defines
BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
#: namespaces of the attributes and elements that Camunda and Operaton add
ENGINES = ("{http://camunda.org/schema/1.0/bpmn}", "{http://operaton.org/schema/1.0/bpmn}")

_DECLARATION = re.compile(r"\A\ufeff?\s*<\?xml\b[^>]*\?>")


def parse_xml(content: bytes | str) -> etree._Element:
    """The root element of an XML document.

    Args:
        content: bytes in the encoding that the XML declaration names, or text.

    Raises:
        DefinitionError: the content is not XML, or has a document type declaration. The engine refuses the latter too
            (feature `disallow-doctype-decl` of its parser), because entities may read files and fill the memory.
    """
    if isinstance(content, str):
        # Text has no encoding any more, whatever the declaration names.
        content = _DECLARATION.sub("", content).encode()
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise DefinitionError(f"the file is not XML: {error}", line=error.lineno) from None
    if root.getroottree().docinfo.doctype:
        raise DefinitionError("the file has a document type declaration (<!DOCTYPE>), which the engine refuses")
    return root


def start_lines(content: bytes | str) -> list[int]:
    """The line on which each element begins, in the order of the document; empty if expat doesn't know its encoding.

    libxml2 keeps only the line on which the start tag ends, and guesses beyond line 65,535.

    Args:
        content: what :func:`parse_xml` has parsed, so that it has no entities.
    """
    found: list[int] = []
    parser = expat.ParserCreate("utf-8" if isinstance(content, str) else None)
    parser.StartElementHandler = lambda *_: found.append(parser.CurrentLineNumber)
    try:
        parser.Parse(content.encode() if isinstance(content, str) else content, True)
    except (expat.ExpatError, LookupError, ValueError):
        return []
    return found


def engine_attribute(element: etree._Element, name: str) -> str | None:
    """The value of an attribute in the namespace of Camunda or Operaton; None when it is missing."""
    for namespace in ENGINES:
        if (value := element.get(namespace + name)) is not None:
            return value
    return None
