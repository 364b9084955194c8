"""Text to an expression: a precedence climber over its tokens; nothing is ever ``eval``-ed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from bneck_cli.errors import nearest
from bneck_cli.language.document import Place
from bneck_cli.language.expression import (
    COMPARISONS,
    FUNCTIONS,
    All,
    Call,
    Choice,
    Index,
    Items,
    Name,
    Negation,
    Number,
    Operation,
)
from bneck_cli.sizes.number import divided
from bneck_cli.sizes.numerals import is_name, is_number

if TYPE_CHECKING:
    from bneck_cli.errors import BneckError
    from bneck_cli.language.document import Scalar
    from bneck_cli.language.expression import Expression

MAX_LENGTH = 1_000
MAX_NESTING = 40
EXTENT = re.compile(r"[0-9]+(?:x[0-9]+)+")
TOKEN = re.compile(
    r"\s*(?:(?P<extent>[0-9]+(?:x[0-9]+)+)(?!\w)|(?P<number>[0-9]+\.[0-9]+|[0-9]+)(?![\w.])|(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[a-z]\b)?)"
    r"|(?P<operator>\*\*|//|==|!=|<=|>=|[-+*/%<>()\[\],]))"
)
TRUTHS = ("true", "false")
COMPARING = (*COMPARISONS, "in")
LEVELS = (("or",), ("and",), COMPARING, ("+", "-"), ("*", "/", "//", "%"))


def parse_expression(scalar: Scalar, start: int = 0, end: int | None = None) -> Expression:
    """Parse the characters ``start`` to ``end`` of a scalar.

    Raises BneckError if they are not one expression of the language.
    """
    text = scalar.text[start:end]
    place = Place(scalar, start, len(text))
    if is_number(text):  # the commonest forms, at once
        return Number(_integer(text, place), place)
    if EXTENT.fullmatch(text):
        return Number(tuple(_integer(part, place) for part in text.split("x")), place)
    if is_name(text) and text not in ("not", "and", "or", "if", "else"):
        return Number(text == "true", place) if text in TRUTHS else Name(text, place)
    if len(text) > MAX_LENGTH:
        raise place.error(f"an expression has at most {MAX_LENGTH} characters (got {len(text)})")
    return _Parser(scalar, start, start + len(text)).whole()


def _integer(text: str, place: Place) -> int:
    if len(text) > 1 and text[0] == "0":
        raise place.error(f"a number does not begin with 0 (got {text}; YAML would read it as octal)")
    if len(text) > 30:
        raise place.error("a number has at most 30 digits")
    return int(text)


def decimal(token: str) -> Any:
    """Read a decimal exactly: ``1.4`` is 7/5."""
    whole, _, digits = token.partition(".")
    return divided(int(whole + digits), 10 ** len(digits))


class _Parser:
    """A precedence climber over the tokens of one stretch of text."""

    def __init__(self, scalar: Scalar, start: int, end: int) -> None:
        self.scalar, self.start, self.end = scalar, start, end
        self.position, self.nesting = start, 0
        self.advance()

    def advance(self) -> None:
        """Move on to the next token."""
        text = self.scalar.text
        rest = text[self.position : self.end]
        if not rest.strip():
            self.kind, self.token, self.at = "end", "", self.end
            return
        match = TOKEN.match(text, self.position, self.end)
        if match is None:
            self.at = self.position + len(rest) - len(rest.lstrip())
            raise self.error(f"not an expression: '{text[self.start : self.end].strip()}'")
        self.kind = match.lastgroup or "end"
        self.token = match.group(self.kind)
        self.at = match.start(self.kind)
        self.position = match.end()

    def place(self, at: int | None = None, width: int | None = None) -> Place:
        """Point at the current token, or at ``at``."""
        return Place(self.scalar, self.at if at is None else at, width or max(1, len(self.token)))

    def error(self, message: str, hint: str = "") -> BneckError:
        """Make the error that points at the current token."""
        return self.place(width=1 if self.kind == "end" else None).error(message, hint)

    kind = "end"
    token: str = ""
    at = 0

    def take(self, token: str) -> bool:
        """Step over ``token`` where it comes next."""
        if self.token == token and self.kind != "end":
            self.advance()
            return True
        return False

    def expect(self, token: str) -> None:
        """Step over ``token``, which must come next."""
        if not self.take(token):
            raise self.error(f"expected '{token}' ({self.got()})")

    def got(self) -> str:
        """Say what stands here instead."""
        return f"got '{self.token}'" if self.kind != "end" else "the expression ends here"

    def whole(self) -> Expression:
        """Parse everything as one expression."""
        expression = self.crossed()
        if self.kind != "end":
            raise self.error(f"the expression should end here ({self.got()})")
        return expression

    def crossed(self) -> Expression:
        """``c x n``: sizes of several axes, each an expression."""
        place = self.place()
        sizes = [self.choice()]
        while self.kind == "name" and self.take("x"):
            sizes.append(self.choice())
        return sizes[0] if len(sizes) == 1 else Items(tuple(sizes), place)

    def choice(self) -> Expression:
        """``a if p else b``, the loosest binding."""
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise self.error(f"an expression nests at most {MAX_NESTING} deep")
        place = self.place()
        chosen = self.binary(0)
        if self.take("if"):
            condition = self.binary(0)
            self.expect("else")
            chosen = Choice(condition, chosen, self.choice(), place)
        self.nesting -= 1
        return chosen

    def binary(self, level: int) -> Expression:
        """Operators of one level, from left to right."""
        if level == len(LEVELS):
            return self.unary()
        compares = LEVELS[level] == COMPARING
        if compares and self.kind == "name" and self.token == "not":
            return self.negation(level)
        left, compared = self.binary(level + 1), False
        while self.kind in ("operator", "name") and self.token in LEVELS[level]:
            if compares and compared:
                raise self.error("comparisons cannot be chained", "write `a < b and b < c`")
            operator, place = self.token, self.place()
            self.advance()
            left = Operation(operator, left, self.binary(level + 1), place)
            compared = True
        return left

    def negation(self, level: int) -> Expression:
        """``not a == b``, which is ``not (a == b)``."""
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise self.error(f"an expression nests at most {MAX_NESTING} deep")
        place = self.place()
        self.advance()
        negation = Negation(self.binary(level), place)
        self.nesting -= 1
        return negation

    def unary(self) -> Expression:
        """``-a``, ``a**b``."""
        place = self.place()
        if self.kind == "operator" and self.take("-"):
            return Operation("-", Number(0, place), self.deeper(), place)
        base = self.postfix()
        place = self.place()
        return Operation("**", base, self.deeper(), place) if self.take("**") else base

    def deeper(self) -> Expression:
        """An operand of a prefix operator or a power."""
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise self.error(f"an expression nests at most {MAX_NESTING} deep")
        operand = self.unary()
        self.nesting -= 1
        return operand

    def postfix(self) -> Expression:
        """An atom and its indices."""
        value = self.atom()
        while self.token == "[" and self.kind == "operator":
            place = self.place()
            self.advance()
            value = Index(value, self.choice(), place)
            self.expect("]")
        return value

    def atom(self) -> Expression:
        """A number, a name, a call, a list, or something in parentheses."""
        kind, token, place = self.kind, self.token, self.place()
        if kind in ("number", "extent"):
            self.advance()
            if kind == "extent":
                return Number(tuple(_integer(part, place) for part in token.split("x")), place)
            return Number(decimal(token) if "." in token else _integer(token, place), place)
        if kind == "name" and token not in ("and", "or", "not", "if", "else"):
            self.advance()
            if token == "all" and self.kind == "name" and self.token not in ("and", "or", "not", "if", "else", "in"):
                return self.all_copies(place)
            if not self.take("("):
                return Number(token == "true", place) if token in TRUTHS else Name(token, place)
            if token not in FUNCTIONS:
                raise place.error(f"unknown function '{token}'", nearest(token, FUNCTIONS) or _functions())
            return Call(token, self.items(")"), place)
        if kind == "operator" and self.take("("):
            items = self.items(")")
            return items[0] if len(items) == 1 else Items(items, place)
        if kind == "operator" and self.take("["):
            return Items(self.items("]"), place)
        raise self.error(f"expected a number or a name ({self.got()})")

    def all_copies(self, place: Place) -> All:
        """``all NAME``, the name being the token here."""
        name, end = self.token, self.at + len(self.token)
        self.advance()
        return All(name, self.place(place.offset, end - place.offset))

    def items(self, closing: str) -> tuple[Expression, ...]:
        """Expressions between commas, up to the closing bracket."""
        items = []
        while not self.take(closing):
            items.append(self.crossed())
            if not self.take(","):
                self.expect(closing)
                break
        return tuple(items)


def _functions() -> str:
    return f"the functions are {', '.join(FUNCTIONS)}"
