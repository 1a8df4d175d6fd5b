"""Compares our renderer with jinja2 on random templates and expressions.

    python compare_with_jinja2.py PROGRAM [COUNT] [SEED]

PROGRAM is tests/text/jinja_batch of a build. Prints the counts and each difference; ends with 1 if
there is one. Written against jinja2 3.1.6 and transformers 5.23.0.
"""

import json
import random
import re
import subprocess
import sys
import warnings

from reference import try_render

VARIABLES = {
    "i": 3, "n": -7, "z": 0, "f": 2.5, "g": -0.125, "t": True, "no": None,
    "s": "Hello World", "u": "h\u00e9llo W\u00f6rld \u03a3\u4e16\U0001f600", "e": "", "w": "  pad \n\t",
    "q": "it's \"q\" \\ <b>&", "m": "one\ntwo\r\n\nthree", "num": " 42 ", "fl": "1.5e3",
    "l": [3, 1, 2], "ls": ["b", "A", "c", "a"], "nl": [1, "a", None, 2.5, True, [1, 2]], "el": [],
    "d": {"a": 1, "b": "x", "items": [5], "_p": 9}, "ed": {},
    "dl": [{"k": 2, "v": "b", "n": {"x": 1}}, {"k": 1, "v": "A"}, {"k": 2, "v": "c", "n": {"x": 0}}],
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "  Hi  "},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "x1", "function": {"name": "f"}}]},
        {"role": "tool", "content": [{"type": "text", "text": "42"}]},
    ],
}
NAMES = list(VARIABLES) + ["missing"]
STRINGS = ["''", "'a'", '"b"', "'Hello'", "', '", "'\\n'", "'x\\u00e9\\t'", "'%s'", "' '", "'l'",
           "'{}-{}'", "'\u00e9'", "'%5.2f|%d'", "'k'", "'role'", "'A b-c d'"]
NUMBERS = ["0", "1", "2", "-1", "-3", "5", "2.5", "1e3", "0.1", "1_000", "10", "1e20", "7"]
FILTERS = ["trim", "length", "count", "upper", "lower", "capitalize", "title", "first", "last", "list",
           "sort", "unique|list", "reverse|list", "reverse", "string", "int", "float", "abs", "round",
           "round(1)", "items|list", "tojson", "tojson(indent=2)", "tojson(ensure_ascii=true)",
           "tojson(separators=(',',':'))", "tojson(sort_keys=true)", "join(', ')", "join", "default('dflt')", "d(1, true)",
           "map('upper')|list", "map(attribute='k')|list", "map(attribute='n.x', default=7)|list",
           "selectattr('k', 'equalto', 2)|list", "rejectattr('n')|list", "selectattr('n', 'defined')|list",
           "select('string')|list", "reject('none')|list", "select|list", "select('odd')|list", "min", "max", "sum",
           "sum(attribute='k')", "sort(attribute='v')", "sort(reverse=true)", "sort(attribute='k,v')",
           "sort(case_sensitive=true)", "replace('l', 'L')", "replace('o', '0', 1)", "indent", "indent(2, true)",
           "indent('> ', blank=true)", "batch(2)|list", "batch(2, 'x')|list", "slice(2)|list", "slice(3, 'f')|list",
           "dictsort", "dictsort(by='value')", "safe", "e", "wordcount", "truncate(5)", "truncate(8, true, '..', 0)",
           "center(12)", "attr('items')", "format(1, 2)", "format('x')", "trim('H ')", "string|length", "list|tojson",
           "round(method='ceil')", "round(1, 'floor')", "int(default=5)", "int(9, 16)", "map('int')|list",
           "map(attribute='role')|join(',')", "map('tojson')|join", "max(attribute='k')", "min(case_sensitive=true)"]
TESTS = ["defined", "undefined", "none", "string", "mapping", "iterable", "sequence", "number", "integer",
         "float", "boolean", "true", "false", "odd", "even", "divisibleby 2", "divisibleby(3)", "equalto 3",
         "eq('a')", "ne 1", "in [1, 2, 3]", "in('abc')", "lower", "upper", "callable", "sameas none", "gt 1",
         "lessthan(5)", "ge 3", "le 2.5", "filter", "test"]
METHODS = ["strip()", "lstrip()", "rstrip()", "split()", "split(' ')", "split('l', 1)", "rsplit('o', 1)",
           "startswith('H')", "endswith(('d', 'x'))", "upper()", "lower()", "title()", "capitalize()",
           "replace('l', '')", "join(['a', 'b'])", "format(1, 2)", "format(i, x=2)", "find('o')", "rfind('o')",
           "count('l')", "splitlines()", "splitlines(true)", "isdigit()", "isalpha()", "isspace()", "isupper()",
           "islower()", "istitle()", "zfill(6)", "ljust(8, '.')", "rjust(8)", "center(9, '*')", "partition('o')",
           "rpartition(' ')", "swapcase()", "strip('Hd')", "removeprefix('He')", "removesuffix('d')",
           "items()", "keys()", "values()", "get('a')", "get('zz', 5)", "keys()|list", "items()|list|first",
           "append(1)", "index('a')", "count(1)", "index(2)", "expandtabs(4)", "lower", "foo", "a", "items",
           "__class__", "isalnum()", "isnumeric()", "isdecimal()", "copy()", "pop('a')", "casefold()"]
TEXT_METHODS = [m for m in METHODS if m.endswith(")") and not m.startswith(
    ("items", "keys", "values", "get", "append", "pop", "copy", "index(2)", "count(1)", "index('a')", "join", "split", "rsplit", "partition", "rpartition"))]
TEXT_FILTERS = ["trim", "upper", "lower", "capitalize", "title", "reverse", "string", "replace('l', 'L')", "replace('', '.')",
                "indent", "indent(2, true)", "indent('> ', blank=true)", "e", "truncate(5)", "truncate(8, true, '..', 0)", "center(12)",
                "trim('H ')", "default('x')", "first", "last", "tojson", "wordcount|string", "safe"]
SEQUENCE_FILTERS = ["list", "unique|list", "reverse|list", "batch(2)|list", "batch(2, 'x')|list", "slice(2)|list", "slice(3, 'f')|list",
                    "select('string')|list", "reject('none')|list", "select|list", "map('string')|sort", "map('string')|list",
                    "map('string')|map('length')|list", "map('default', 1)|list", "selectattr('k', 'defined')|list", "rejectattr('role', 'defined')|list",
                    "map('string')|sort(reverse=true, case_sensitive=true)", "select('mapping')|map(attribute='role', default='?')|list", "map('tojson')|list"]
FORMATS = ["'%d %s'", "'%05.1f'", "'%-6s|'", "'%r'", "'%x'", "'%(a)s'", "'%%'", "'%+d'", "'%5s'", "'%e'", "'%g'"]
SPECS = ["'{:>8}'", "'{:<6}|'", "'{:^9}'", "'{:05d}'", "'{:.2f}'", "'{:,}'", "'{!r}'", "'{0}{0}'", "'{:x}'",
         "'{:+}'", "'{:*^7}'", "'{:e}'", "'{:%}'", "'{:g}'", "'{:.3}'", "'{:_}'", "'{:#x}'", "'{:b}'"]


class Generator:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.locals = []

    def one(self, *options):
        return self.r.choice(options)

    def atom(self):
        return self.one(
            lambda: self.r.choice(NAMES + self.locals * 2),
            lambda: self.r.choice(NAMES),
            lambda: self.r.choice(STRINGS),
            lambda: self.r.choice(NUMBERS),
            lambda: self.one("true", "none", "False", "[]", "{}", "()", "range(4)", "range(5, 0, -2)"),
        )()

    # Expressions that mostly have the type, so that most templates say something.
    def text(self, depth):
        if depth <= 0 or self.r.random() < 0.2:
            return self.one("s", "u", "w", "e", "q", "m", "num", *STRINGS)
        t, n, q, m = (lambda: self.text(depth - 1)), (lambda: self.number(depth - 1)), (lambda: self.sequence(depth - 1)), (lambda: self.mapping(depth - 1))
        return self.one(
            lambda: f"({t()} ~ {self.expr(depth - 1)})", lambda: f"({t()} + {t()})", lambda: f"({t()} * 2)",
            lambda: f"({t()}).{self.r.choice(TEXT_METHODS)}", lambda: f"({t()})|{self.r.choice(TEXT_FILTERS)}",
            lambda: f"({t()})[{self.slice()}]", lambda: f"({self.expr(depth - 1)})|tojson", lambda: f"({self.expr(depth - 1)})|string",
            lambda: f"({q()})|join({t()})", lambda: f"{self.one('', '', '')}({t()} if {self.expr(depth - 1)} else {t()})",
            lambda: f"({m()})|tojson({self.one('indent=2', 'sort_keys=true', 'ensure_ascii=true', 'indent=0', 'separators=(chr, s)')})",
            lambda: f"('%5.1f|%-4d|%x' % ({n()}|float, {n()}|int, {n()}|int|abs))",
            lambda: f"({self.r.choice(SPECS)}.format({n()}))", lambda: f"({t()})|{self.r.choice(FILTERS)}")()

    def number(self, depth):
        if depth <= 0 or self.r.random() < 0.2:
            return self.one("i", "n", "z", "f", "g", "t", *NUMBERS)
        t, n, q = (lambda: self.text(depth - 1)), (lambda: self.number(depth - 1)), (lambda: self.sequence(depth - 1))
        return self.one(
            lambda: f"({n()} {self.one('+', '-', '*', '/', '//', '%')} {n()})", lambda: f"({n()} ** {self.one('2', '0', '-1', '3')})",
            lambda: f"({t()})|length", lambda: f"({q()})|length", lambda: f"-({n()})", lambda: f"({n()})|{self.one('int', 'float', 'abs', 'round', 'round(1)', 'round(2)')}",
            lambda: f"({t()})|{self.one('int', 'float', 'wordcount', 'int(5, 16)')}", lambda: f"({t()}).{self.one('count', 'find', 'rfind')}({t()})",
            lambda: f"({n()} if {self.expr(depth - 1)} else {n()})", lambda: "[3, 1, 2.5]|" + self.one("sum", "min", "max", "first", "last"))()

    def sequence(self, depth):
        if depth <= 0 or self.r.random() < 0.25:
            return self.one("l", "ls", "nl", "el", "dl", "messages", "(1, 2)", "('b', 'a')", "range(4)", "['x', 'y']")
        t, n, q, m = (lambda: self.text(depth - 1)), (lambda: self.number(depth - 1)), (lambda: self.sequence(depth - 1)), (lambda: self.mapping(depth - 1))
        return self.one(
            lambda: f"[{self.expr(depth - 1)}, {n()}]", lambda: f"({t()}, {q()})", lambda: f"({q()})[{self.slice()}]",
            lambda: f"({q()})|{self.r.choice(SEQUENCE_FILTERS)}", lambda: f"({t()}).{self.one('split()', 'splitlines()', 'rsplit(chr, 1)', 'partition(chr)')}".replace("chr", "'l'"),
            lambda: f"({m()}).{self.one('keys', 'values', 'items')}()|list", lambda: f"(({q()})|list + [{t()}])", lambda: f"[{t()}, {t()}, {t()}]",
            lambda: f"({m()})|{self.one('dictsort', 'items|list', 'list')}", lambda: f"({t()})|list", lambda: f"range({self.one('5', '2, 6', '6, 0, -2', 'i')})",
            lambda: f"[{t()}, {t()}]|map({self.one(*[chr(39) + name + chr(39) for name in ('upper', 'length', 'trim', 'title', 'tojson', 'string')])})|list",
            lambda: f"[{n()}, {n()}, {n()}]|{self.one('select', 'reject')}({self.one(*[chr(39) + name + chr(39) for name in ('odd', 'even', 'float', 'integer', 'boolean')])})|list")()

    def mapping(self, depth):
        if depth <= 0 or self.r.random() < 0.4:
            return self.one("d", "ed", "dl[0]", "messages[0]", "messages[-1]", "{'a': 1, 'c': [2]}")
        return self.one(lambda: "{" + f"{self.text(0)}: {self.expr(depth - 1)}, {self.text(depth - 1)}: {self.number(depth - 1)}" + "}",
                        lambda: f"dict(a={self.expr(depth - 1)}, b={self.text(depth - 1)})", lambda: f"dict({self.mapping(depth - 1)}, zz={self.text(0)})")()

    def typed(self, depth):
        t, n, q = (lambda: self.text(depth - 1)), (lambda: self.number(depth - 1)), (lambda: self.sequence(depth - 1))
        return self.one(lambda: self.text(depth), lambda: self.number(depth), lambda: self.sequence(depth), lambda: self.mapping(depth),
                        lambda: f"({n()} {self.one('<', '<=', '>', '>=', '==', '!=')} {n()})", lambda: f"({t()} {self.one('<', '<=', '>', '>=', '==', '!=', 'in', 'not in')} {t()})",
                        lambda: f"({self.typed(depth - 1)} {self.one('in', 'not in')} {q()})", lambda: f"({self.typed(depth - 1)} {self.one('and', 'or', '==', '!=')} {self.typed(depth - 1)})",
                        lambda: f"(not {self.typed(depth - 1)})", lambda: f"({self.typed(depth - 1)} is {self.one('', 'not ')}{self.r.choice(TESTS)})" )() if depth > 0 else self.atom()

    def expr(self, depth):
        if depth <= 0 or self.r.random() < 0.12:
            return self.atom()
        if self.r.random() < 0.75:
            return self.typed(depth)
        x = lambda: self.expr(depth - 1)
        p = lambda: f"({x()})" if self.r.random() < 0.6 else x()
        return self.one(
            lambda: f"{p()} {self.one('+', '-', '*', '/', '//', '%', '**', '~', '~', '+')} {p()}",
            lambda: f"{p()} {self.one('==', '!=', '<', '<=', '>', '>=', 'in', 'not in')} {p()}",
            lambda: f"{p()} {self.one('<', '==', '>=')} {p()} {self.one('<', '!=', 'in')} {p()}",
            lambda: f"{p()} {self.one('and', 'or')} {p()}",
            lambda: f"not {p()}",
            lambda: f"-{self.one(self.atom(), '(' + x() + ')')}",
            lambda: f"{p()} if {p()} else {p()}",
            lambda: f"({x()} if {p()})",
            lambda: f"{p()}|{self.r.choice(FILTERS)}",
            lambda: f"{p()}|{self.r.choice(FILTERS)}",
            lambda: f"{p()}|{self.r.choice(FILTERS)}|{self.r.choice(FILTERS)}",
            lambda: f"{self.r.choice(NAMES)}|{self.r.choice(FILTERS)}",
            lambda: f"{self.r.choice(NAMES)}|{self.r.choice(FILTERS)}",
            lambda: f"{self.one('', 'not ')}{p()} is {self.one('', 'not ')}{self.r.choice(TESTS)}",
            lambda: f"{self.r.choice(NAMES)}.{self.r.choice(METHODS)}",
            lambda: f"{self.one('s', 'u', 'w', 'e', 'm', 'q', 'num')}.{self.r.choice(METHODS)}",
            lambda: f"({x()}).{self.r.choice(METHODS)}",
            lambda: f"{self.r.choice(NAMES)}[{x()}]",
            lambda: f"({x()})[{self.one('0', '-1', '1', '2', chr(39) + 'k' + chr(39), 'i')}]",
            lambda: f"{self.r.choice(NAMES)}[{self.slice()}]",
            lambda: f"[{x()}, {x()}]",
            lambda: f"({x()}, {x()})",
            lambda: f"({x()},)",
            lambda: "{" + f"{self.one(*STRINGS)}: {x()}, {self.atom()}: {x()}" + "}",
            lambda: f"{self.r.choice(FORMATS)} % {self.one(p(), '(' + x() + ', ' + x() + ')')}",
            lambda: f"{self.r.choice(SPECS)}.format({x()})",
            lambda: f"{self.r.choice(FORMATS)}|format({x()})",
            lambda: f"dict(a={x()}, b={x()})",
            lambda: f"range({self.one('3', '1, 7, 2', 'i', '-2, 2')})",
            lambda: f"{self.r.choice(STRINGS)} {self.r.choice(STRINGS)}",
            lambda: f"loop.{self.one('index', 'last', 'first', 'length', 'index0', 'revindex', 'previtem', 'nextitem')}",
        )()

    def slice(self):
        part = lambda: self.one("", "1", "-1", "2", "-3", "i", "0", "100", "z")
        return self.one(f"{part()}:{part()}", f"{part()}:{part()}:{self.one('1', '2', '-1', '-2', '')}", "::-1")

    def data(self):
        return "".join(self.r.choice(["text", " ", "\n", "  ", "\n\n", "a b", "\t", "{", "}", "%", "\u00e9", "#", "\r\n"])
                       for _ in range(self.r.randrange(4)))

    def block(self, body):
        return "{%" + self.one("", "", "-", "+") + " " + body + " " + self.one("", "", "-", "+") + "%}"

    def statement(self, depth):
        x = lambda: self.expr(2)
        b = lambda: self.body(depth - 1)
        tag = self.block
        if depth <= 0:
            return self.output()

        def loop():
            target = self.one("x", "x", "y", "a, b")
            names = target.split(", ")
            source = self.one("l", "ls", "nl", "messages", "dl", "range(3)", "d.items()", "s", "d", "el", "missing", x())
            if len(names) == 2:
                source = self.one("d.items()", "d|items", "d|dictsort", "[(1, 2), [3, 4]]", "dl")
            condition = self.one("", "", " if " + names[0], " if " + names[0] + " is not none")
            self.locals += names + ["loop.index"]
            inner = b() + (tag(f"if {x()}") + tag(self.one("break", "continue")) + tag("endif") if self.r.random() < .3 else "") + b()
            del self.locals[-len(names) - 1:]
            other = tag("else") + b() if self.r.random() < .3 else ""
            return tag(f"for {target} in {source}{condition}") + inner + other + tag("endfor")

        def macro():
            name = self.one("mac", "mic")
            self.locals += ["p", "q2"]
            inner = b() + self.one("", "{{ caller() }}", "{{ kwargs }}", "{{ varargs }}", "{{ caller(1) if caller }}")
            del self.locals[-2:]
            call = self.one(f"{name}()", f"{name}(1)", f"{name}({x()}, q2={x()})", f"{name}(1, 2, 3)", f"{name}(z=4)", f"{name}(*l)", f"{name}(**d)")
            use = self.one("{{ " + call + " }}", "{{ " + call + "|trim }}", tag(f"call {call}") + b() + tag("endcall"),
                           tag(f"call(v) {call}") + "{{ v }}" + tag("endcall"))
            return tag(f"macro {name}({self.one('', 'p', 'p, q2=5', 'p=1, q2=s')})") + inner + tag("endmacro") + self.data() + use

        def space():
            return (tag(f"set ns = namespace({self.one('v=0', 'v=0, w=s', 'd', 'dict(v=1)')})")
                    + tag("for x in l") + tag(f"set ns.v = {self.one('ns.v + x', 'x', x())}") + tag("endfor") + "{{ ns.v }}")

        def name_set():
            name = self.one("va", "vb", "vd")
            out = tag(f"set {name} = {x()}")
            self.locals.append(name)
            return out

        return self.one(
            self.output, self.output, loop, loop, macro, space, name_set, name_set,
            lambda: tag(f"if {x()}") + b() + (tag(f"elif {x()}") + b() if self.r.random() < .4 else "") + (tag("else") + b() if self.r.random() < .5 else "") + tag("endif"),
            lambda: tag(f"set {self.one('va', 'vc')}") + b() + tag("endset") + "{{ va }}",
            lambda: tag("set va | upper") + b() + tag("endset") + "{{ va }}",
            lambda: tag(f"set a1, b1 = {self.one('1, 2', 'l', 'd', x() + ', ' + x())}") + "{{ a1 }}{{ b1 }}",
            lambda: tag(f"filter {self.one('upper', 'trim', 'replace(chr, 1)', 'indent', 'trim|title')}") + b() + tag("endfilter"),
            lambda: tag(f"with va = {x()}, vb = {x()}") + "{{ va }}" + b() + tag("endwith"),
            lambda: tag("generation") + b() + tag("endgeneration"),
            lambda: "{#" + self.one("", "-", "+") + " c {{ x }} " + self.one("", "-", "+") + "#}",
            lambda: tag("raw") + self.one("{{ raw }}", "\n {% if %}\n", "x") + tag("endraw"),
            lambda: tag(f"print {x()}, {x()}"),
            lambda: "{% set j = joiner(', ') %}{{ j() }}a{{ j() }}b",
            lambda: "{% set c = cycler('x', 'y') %}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.next() }}",
        )()

    def output(self):
        sign = self.one("", "", "-", "+")
        return "{{" + sign + " " + self.expr(3) + " " + self.one("", "", "-") + "}}"

    def body(self, depth):
        return "".join(self.data() + self.statement(depth) for _ in range(self.r.randrange(1, 4))) + self.data()

    def template(self):
        self.locals = []
        kind = self.r.random()
        if kind < 0.55:
            return "{{ " + self.expr(3) + " }}"
        return self.body(3)


# What is known to differ, by the reference's result: objects whose text holds an address, integers
# beyond 64 bits.
warnings.simplefilter("ignore", SyntaxWarning)

UNCOMPARABLE = re.compile(r" object at 0x|<function |<built-in|<bound method|<LoopContext|<class |Markup\(")
# Spans inside text that is captured, by each other too, refer to nothing in either.
CAPTURES = re.compile(r"macro|call|filter|set v[ac] *[|%+-]")
LARGE = re.compile(r"\d{19}")


def main():
    program, count, seed = sys.argv[1], int((sys.argv + ["", "5000"])[2] or 5000), int((sys.argv + ["", "", "1"])[3] or 1)
    if len(sys.argv) < 3:
        count = 5000
    if len(sys.argv) < 4:
        seed = 1
    sources = [Generator(seed * 1_000_003 + k).template() for k in range(count)]
    request = json.dumps({"cases": [{"template": source, "variables": VARIABLES} for source in sources]})
    ours = [json.loads(line) for line in
            subprocess.run([program], input=request.encode(), stdout=subprocess.PIPE, check=True).stdout.decode().split("\n")[:-1]]
    same = refused = skipped = 0
    different = []
    for source, our in zip(sources, ours, strict=True):
        theirs = try_render(source, VARIABLES)
        if "text" in theirs and UNCOMPARABLE.search(theirs["text"]):
            skipped += 1
        elif our.get("kind") in (5, 6) or "object has no slices" in our.get("error", "") or LARGE.search(theirs.get("text", "")) or theirs.get("error") == "timeout":
            skipped += 1
        elif "error" in theirs and "error" in our:
            refused += 1
        elif theirs.get("text") == our.get("text") and (
                theirs["generations"] == our["generations"] or CAPTURES.search(source)
                or source.count("endgeneration") > 1):
            same += 1
        else:
            different.append((source, theirs, our))
    for source, theirs, our in different[:40]:
        print(f"--- {source!r}\n  jinja2: {theirs}\n  ours:   {our}")
    print(f"{count} templates (seed {seed}): {same} give the same text, {refused} are refused by both, "
          f"{skipped} cannot be compared, {len(different)} differ")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
