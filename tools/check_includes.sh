#!/bin/sh
# Checks every #include of ours against the line of dependencies:
#
#   core <- text, model <- data <- quant, infer <- eval, analyse <- train, serve <- cli
#   and within core:  base <- tensor <- kernels, dist, io <- ops
#
# A folder includes itself and what stands to its left, never its own column or its right; a test
# includes what its folder may. Kernels take only element types and layouts from tensor, the parts
# of a model (nn, families) do not know each other, and headers keep heavy libraries out.
set -eu
cd "${1:-$(dirname "$0")/..}"
find src tests \( -name '*.cc' -o -name '*.h' \) -exec awk '
  function add(column, names,   list, count, i) {
    count = split(names, list, " ")
    for (i = 1; i <= count; i++) rank[list[i]] = column
  }
  # The folder with a rank that holds the path: two parts inside core, one above.
  function folder_of(path,   parts) {
    split(path, parts, "/")
    return parts[1] == "core" ? "core/" parts[2] : parts[1]
  }
  function report(message) {
    print FILENAME ":" FNR ": " message
    failed = 1
  }
  BEGIN {
    add(1, "core/base"); add(2, "core/tensor"); add(3, "core/kernels core/dist core/io")
    add(4, "core/ops"); add(5, "text model"); add(6, "data"); add(7, "quant infer")
    add(8, "eval analyse"); add(9, "train serve"); add(10, "cli")
    # Tests of the whole program may include everything.
    add(11, "system fuzz golden")
  }
  FNR == 1 {
    path = FILENAME
    sub(/^(src|tests)\//, "", path)
    own = folder_of(path)
  }
  /^[ \t]*#[ \t]*include[ \t]*</ {
    if (FILENAME ~ /\.h$/ && $0 ~ /<(nlohmann|CLI|toml\+\+|doctest|pcre2|zstd|utf8proc|xxhash)/ &&
        $0 !~ /json_fwd/ && FILENAME ~ /^src/) {
      report("a header must not include " $2 "; include it in the source")
    }
  }
  /^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, quoted, "\"")
    target = quoted[2]
    # Helpers of tests, and files beside the includer.
    if (target ~ /^tests\// || target !~ /\//) next
    other = folder_of(target)
    # Files directly in tests/ belong to no folder.
    if (path !~ /\//) next
    if (!(other in rank)) { report("\"" target "\" is not in a known folder of src/"); next }
    if (!(own in rank)) { report("folder " own " has no place in the line of dependencies"); next }
    if (own != other && rank[other] >= rank[own]) {
      report("includes \"" target "\", but " own " may include only what stands left of it")
    }
    if (FILENAME !~ /^src/) next
    if (own == "core/kernels" && other == "core/tensor" &&
        target !~ /^core\/tensor\/(dtype|blocks|packed_block|packed_rows)\.h$/) {
      report("includes \"" target "\", but kernels know element types and layouts only")
    }
    if ((path ~ /^model\/nn\// && target ~ /^model\/families\//) ||
        (path ~ /^model\/families\// && target ~ /^model\/nn\//)) {
      report("includes \"" target "\", but nn and families do not know each other")
    }
  }
  END { exit failed }
' {} +
