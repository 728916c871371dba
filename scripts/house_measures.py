"""Measure how a checkout's package is laid out: files, lines, own imports, modules with one importer.

    python scripts/house_measures.py [CHECKOUT ...]

Information, not a gate. Lines are all lines of `src/**/*.py`; an own import is an `import` or `from` statement of the
package itself; importers are counted among the package's own modules; `__init__` files without code are left out.
"""

import ast
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median


def measures(checkout: Path) -> dict[str, str]:
    source = checkout / "src"
    files = {}
    for path in sorted(source.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        is_empty = all(isinstance(node, ast.Expr) for node in tree.body)
        if not (path.name == "__init__.py" and is_empty):
            name = ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")
            files[name] = tree, len(path.read_text(encoding="utf-8").splitlines())
    package = next(iter(files)).split(".")[0]
    importers, imports = defaultdict(set), 0
    for name, (tree, _) in files.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == package:
                imports += 1
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    importers[inner if inner in files else node.module].add(name)
    lengths = [length for _, length in files.values()]
    total = sum(lengths)
    imported = [who for name, who in importers.items() if name in files]
    return {
        "files": str(len(files)),
        "lines": str(total),
        "median / longest": f"{median(lengths):.0f} / {max(lengths)}",
        "own imports per 1,000 lines": f"{1000 * imports / total:.1f}",
        "imported by one module only": f"{sum(len(who) == 1 for who in imported)} of {len(imported)}",
    }


if __name__ == "__main__":
    for place in sys.argv[1:] or ["."]:
        print(place)
        for what, value in measures(Path(place)).items():
            print(f"  {what:30} {value}")
